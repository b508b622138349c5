"""The behavior of the simulated hosts, apart from faults; it can change while they run."""

from dataclasses import asdict, dataclass, fields

import msgspec

from cadence_sync.simulator.org import Order


@dataclass(slots=True)
class SimulatorSettings:
    """Page sizes, limits and times; the defaults are Zoho's, as far as documented.

    Times are seconds; `credits` is each organization's budget of API calls. None switches a limit off.
    """

    latency: float = 0.0
    default_per_page: int = 50
    max_per_page: int = 200
    reject_per_page: bool = False
    order: Order = "id"
    credits: int | None = None
    max_concurrent: int | None = None
    token_limit: int = 10
    token_window: float = 600.0
    token_lifetime: float = 3600.0
    max_live_tokens: int = 15
    send_expires_in: bool = True
    edit_every: float | None = None
    edits_at_once: int = 1

    def update(self, changes: dict[str, object]) -> None:
        """Changes settings, all or none; raises `ValueError` for unknown names and wrong values."""
        names = {field.name for field in fields(self)}
        if unknown := sorted(set(changes) - names):
            raise ValueError(f"no such setting: {', '.join(unknown)}")
        try:
            changed = msgspec.convert(asdict(self) | changes, SimulatorSettings)
        except msgspec.ValidationError as error:
            raise ValueError(str(error)) from error
        _check(changed)
        for name in changes:
            setattr(self, name, getattr(changed, name))


def _check(settings: SimulatorSettings) -> None:
    if settings.default_per_page < 1 or settings.max_per_page < 1:
        raise ValueError("a page holds at least one cadence")
    if settings.latency < 0:
        raise ValueError("latency is a number of seconds from 0")
    if settings.edit_every is not None and settings.edit_every <= 0:
        raise ValueError("edit_every is a number of seconds above 0, or null")
