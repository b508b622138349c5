"""The names that alerts and dashboard may use: what the program tells about itself."""

from typing import Final

from cadence_sync.daemon.metrics import REGISTRY

OF_PROMETHEUS: Final = {"up"}
"""What Prometheus itself adds."""


def known_names() -> set[str]:
    """Return the names of all time series of the program."""
    # Metrics with labels have no sample yet; collectors that describe nothing are not in the list of names.
    return set(REGISTRY._names_to_collectors) | {s.name for family in REGISTRY.collect() for s in family.samples}
