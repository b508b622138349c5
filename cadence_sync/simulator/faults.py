"""Faults that wait for a request and strike it, in the order in which they were added."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Literal, TypeAlias

import msgspec

from cadence_sync.simulator.fault_handlers import FAULT_HANDLERS

Target: TypeAlias = Literal["api", "token"]

FAULT_KINDS = tuple(FAULT_HANDLERS)
"""The names of all kinds of fault."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: what happens (`kind`), to which requests, how often.

    Args:
        kind: One of `FAULT_KINDS`; `strikes` says what each does.
        times: How many requests it strikes; None means as many as is usual for the kind.
        status: HTTP status of the answer, where the kind makes one.
        code: Zoho's error code, for `status`; with target `token` the word in `{"error": ...}`.
        match_page: Strikes only requests for this page of a list.
        target: `api` for the API host, `token` for the accounts host.
        delay: Seconds to wait first; any kind may have it.
        after: How many requests that it would strike it lets pass first.
        body: The bytes to answer with, for `body`.
        headers: Headers of the answer, such as `Retry-After`; `redirect` needs `Location`.
        org: Strikes only requests of this organization; None means all.
    """

    kind: str
    times: int | None = None
    status: int | None = None
    code: str | None = None
    match_page: int | None = None
    target: Target = "api"
    delay: float | None = None
    after: int | None = None
    body: bytes | None = None
    headers: Mapping[str, str] | None = None
    org: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in FAULT_HANDLERS:
            raise ValueError(f"no fault {self.kind!r}: there are {', '.join(FAULT_KINDS)}")
        needed = FAULT_HANDLERS[self.kind].needs
        if needed and getattr(self, needed) is None:
            raise ValueError(f"fault {self.kind!r} needs {needed}")
        if self.kind == "redirect" and "Location" not in (self.headers or {}):
            raise ValueError("fault 'redirect' needs the header Location")

    @classmethod
    def from_json(cls, document: Mapping[str, object]) -> "Fault":
        """Read a fault as the control takes it, `body` as text; raises ValueError."""
        if unknown := sorted(set(document) - {known.name for known in fields(cls)}):
            raise ValueError(f"a fault has no {', '.join(unknown)}")
        body = document.get("body")
        encoded = {"body": body.encode()} if isinstance(body, str) else {}
        try:
            return msgspec.convert({**document, **encoded}, cls)
        except msgspec.ValidationError as error:
            raise ValueError(str(error)) from error


@dataclass(frozen=True, slots=True)
class FaultRequest:
    """What a fault looks at in a request; `page` is None for anything but a list."""

    target: Target
    page: int | None
    org: int | None


@dataclass(slots=True)
class _Armed:
    fault: Fault
    left: int
    passing: int


@dataclass(slots=True)
class FaultQueue:
    """The faults that are switched on."""

    _armed: list[_Armed] = field(default_factory=list)

    def add(self, fault: Fault) -> None:
        """Switch a fault on, behind those that wait."""
        times = FAULT_HANDLERS[fault.kind].times if fault.times is None else fault.times
        if times > 0:
            self._armed.append(_Armed(fault, times, fault.after or 0))

    def clear(self) -> None:
        """Switch all faults off."""
        self._armed.clear()

    def waiting(self) -> list[Fault]:
        """Return the faults that can still strike."""
        return [armed.fault for armed in self._armed]

    def next_for(self, asked: FaultRequest) -> Fault | None:
        """Return the fault that strikes this request, if any, and count it."""
        for armed in self._armed:
            if not _fits(armed.fault, asked):
                continue
            if armed.passing:
                armed.passing -= 1
                continue
            armed.left -= 1
            if not armed.left:
                self._armed.remove(armed)
            return armed.fault
        return None


def _fits(fault: Fault, asked: FaultRequest) -> bool:
    if fault.target != asked.target or fault.org not in {None, asked.org}:
        return False
    if fault.match_page is not None:
        return fault.match_page == asked.page
    first_page = FAULT_HANDLERS[fault.kind].first_page
    return first_page is None or (asked.page is not None and asked.page >= first_page)
