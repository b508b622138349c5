"""Bar charts as SVG, drawn by pygal and colored by the style sheet, so that they follow dark and light mode."""

import sys
from functools import lru_cache
from typing import Final
from xml.etree import ElementTree as ET

import pygal
from markupsafe import Markup
from pygal.style import Style

# pygal leaves an import hook for its plugins; Python 3.11 warns of its kind at every later import.
sys.meta_path[:] = [hook for hook in sys.meta_path if type(hook).__module__ != "pygal"]

_LETTERS: Final = Style(label_font_size=18, major_label_font_size=18)
"""The size that labels reserve; the style sheet decides how they look."""
_LONGEST_LABEL: Final = 18
_VISIBLE: Final = 0.01
# What the policy of the web UI forbids, and what only pygal's own script could use.
_UNWANTED_TAGS: Final = {"defs", "title"}
_UNWANTED_CLASSES: Final = {"titles", "plot overlay", "plot text-overlay", "plot tooltip-overlay"}


@lru_cache(maxsize=64)
def draw_bars(
    title: str,
    labels: tuple[str, ...],
    series: tuple[tuple[str, tuple[int, ...]], ...],
    *,
    every: int = 1,
    horizontal: bool = False,
) -> Markup:
    """Draws stacked bars, one a label; only each `every`th label is written. Horizontal bars have room for long ones.

    Cached: drawing is the slowest part of a page, and most requests see the same figures.
    """
    kind = pygal.HorizontalStackedBar if horizontal else pygal.StackedBar
    chart = kind(
        css=(),
        js=(),
        style=_LETTERS,
        no_prefix=True,
        width=720,
        height=max(120, 34 * len(labels)) if horizontal else 240,
        margin=4,
        margin_right=16,
        spacing=4,
        show_legend=False,
        min_scale=2,
        max_scale=5,
        truncate_label=-1,
        value_formatter=lambda value: f"{value:.0f}" if value == int(value) else "",
    )
    shown = [label if len(label) <= _LONGEST_LABEL else f"{label[: _LONGEST_LABEL - 1]}…" for label in labels]
    chart.x_labels = [label if place % every == 0 else "" for place, label in enumerate(shown)]
    for name, values in series:
        tooltips = [f"{label}, {name}: {value}" for label, value in zip(labels, values, strict=True)]
        chart.add(name, [{"value": each, "label": text} for each, text in zip(values, tooltips, strict=True)])
    drawn = chart.render_tree()
    _strip(drawn)
    drawn.attrib.pop("id", None)
    drawn.attrib |= {"role": "img", "aria-label": title}
    # The serializer escapes all text.
    return Markup(ET.tostring(drawn, encoding="unicode"))  # noqa: S704 - see above


def _strip(element: ET.Element) -> None:
    for child in list(element):
        if _is_unwanted(child):
            element.remove(child)
        elif child.tag == "desc":
            child.tag = "title"  # browsers show it as a tooltip
            child.attrib.clear()
        else:
            _strip(child)


def _is_unwanted(child: ET.Element) -> bool:
    kind = child.get("class")
    if not str(child.tag).isalpha() or child.tag in _UNWANTED_TAGS or kind in _UNWANTED_CLASSES:
        return True
    if child.tag == "desc":
        return kind != "label"
    sizes = (float(rect.get(side, 0)) for rect in child.iter("rect") for side in ("width", "height"))
    return kind == "bar" and min(sizes) < _VISIBLE
