"""The metrics: names, labels and meanings from the registry behind `/metrics`."""

from typing import Any, Final

from cadence_sync.daemon.metrics import REGISTRY
from tools.reference.markdown import table

SUFFIXES: Final = {"counter": "_total", "info": "_info"}


def metric_table() -> str:
    collectors: list[Any] = [one for one in REGISTRY._collector_to_names if hasattr(one, "_labelnames")]
    labels = {one._name: one._labelnames for one in collectors}  # the process collectors have none
    rows = sorted(
        [
            f"`{family.name}{SUFFIXES.get(family.type, '')}`",
            family.type,
            ", ".join(f"`{label}`" for label in labels.get(family.name, ())),
            family.documentation,
        ]
        for family in REGISTRY.collect()
    )
    return table(("metric", "type", "labels", "meaning"), rows)
