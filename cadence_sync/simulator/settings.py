"""The behavior of the simulated hosts, apart from faults; it can change while they run."""

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from cadence_sync.simulator.org import Order


@dataclass(slots=True)
class SimulatorSettings:
    """Page sizes, limits and times; the defaults are Zoho's, as far as documented.

    Times are seconds; `credits` is each organization's budget of API calls. None switches a limit off.
    """

    latency: Annotated[float, Meta(ge=0)] = 0.0
    default_per_page: Annotated[int, Meta(ge=1)] = 50
    max_per_page: Annotated[int, Meta(ge=1)] = 200
    reject_per_page: bool = False
    order: Order = "id"
    credits: int | None = None
    max_concurrent: int | None = None
    token_limit: int = 10
    token_window: float = 600.0
    token_lifetime: float = 3600.0
    max_live_tokens: int = 15
    send_expires_in: bool = True
    edit_every: Annotated[float, Meta(gt=0)] | None = None
    edits_at_once: int = 1
