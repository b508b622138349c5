"""Bars as SVG, drawn by pygal and coloured by the style sheet: they follow dark and light as the rest does."""

import re
import sys
from collections.abc import Mapping, Sequence
from typing import Final

import pygal
from markupsafe import Markup

# pygal leaves an import hook for its plugins behind; Python 3.11 warns of its kind at every later import.
sys.meta_path[:] = [hook for hook in sys.meta_path if type(hook).__module__ != "pygal"]

HEIGHT: Final = 220
WIDTH: Final = 720
# What the policy of the page forbids, and what only pygal's own script could use.
_UNWANTED: Final = (
    re.compile(r"<!--.*?-->", re.DOTALL),
    re.compile(r"<defs>.*?</defs>", re.DOTALL),
    re.compile(r"<title>Pygal</title>"),
    re.compile(r'<desc class="(?:x|y)[^"]*">[^<]*</desc>'),
    re.compile(r'<g transform="[^"]*" class="plot tooltip-overlay">.*?</g></g></g>', re.DOTALL),
    re.compile(r' style="[^"]*"'),
)


def bars(title: str, labels: Sequence[str], series: Mapping[str, Sequence[int]], *, every: int = 1) -> Markup:
    """Return stacked bars, one a label; of the labels each `every`th is written."""
    chart = pygal.StackedBar(
        css=(),
        js=(),
        disable_xml_declaration=True,
        no_prefix=True,
        width=WIDTH,
        height=HEIGHT,
        margin=4,
        spacing=4,
        show_legend=False,
        min_scale=2,
        max_scale=5,
        value_formatter=_whole,
        truncate_label=-1,
        show_minor_x_labels=False,
        x_labels_major=labels[::every],
    )
    chart.x_labels = labels
    for name, values in series.items():
        chart.add(name, [{"value": value, "label": f"{name}: {value}"} for value in values])
    drawn: str = chart.render(is_unicode=True)
    for pattern in _UNWANTED:
        drawn = pattern.sub("", drawn)
    named = Markup('<svg role="img" aria-label="{}" ').format(title)
    # pygal escapes what it writes; nothing of ours is added but the name.
    return Markup(drawn.replace("<svg ", str(named), 1))  # noqa: S704 - see above


def _whole(value: float) -> str:
    return f"{value:.0f}" if value == int(value) else ""
