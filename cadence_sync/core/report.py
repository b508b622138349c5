"""The report of a run: one object for each organization, and one exit code for all."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Final

from cadence_sync.core.deletions import DeletionPlan
from cadence_sync.core.diff import Kind
from cadence_sync.core.listing import Listing
from cadence_sync.errors import CadenceSyncError


class Outcome(StrEnum):
    SUCCEEDED = "succeeded"
    PARTIAL = "partial"
    HELD = "held"
    FAILED = "failed"


_EXIT_CODES: Final = {Outcome.SUCCEEDED: 0, Outcome.PARTIAL: 7, Outcome.HELD: 6}
_EXIT_CODES_BY_SEVERITY: Final = (5, 3, 2, 4, 8, 1, 6, 7)  # failed > held > partial


@dataclass(frozen=True, slots=True)
class ErrorInfo:
    code: str
    message: str
    hint: str
    exit_code: int

    @classmethod
    def of(cls, error: CadenceSyncError) -> "ErrorInfo":
        return cls(error.code, error.message, error.hint, error.exit_code)


@dataclass(frozen=True, slots=True)
class Counters:
    """The counts of a run: `seen` = baseline + created + updated + restored + unchanged + quarantined."""

    seen: int = 0
    baseline: int = 0
    created: int = 0
    updated: int = 0
    deleted: int = 0
    restored: int = 0
    unchanged: int = 0
    quarantined: int = 0
    held: int = 0

    @classmethod
    def of(cls, listing: Listing, deletions: DeletionPlan, kinds: Mapping[Kind, int]) -> "Counters":
        written = {str(kind): kinds.get(kind, 0) for kind in Kind}
        quarantined = len(listing.quarantined)
        return cls(
            seen=listing.seen,
            unchanged=listing.seen - quarantined - sum(written.values()) + written[Kind.DELETED],
            quarantined=quarantined,
            held=len(deletions.hold),
            **written,
        )

    @property
    def versions(self) -> int:
        """Number of changes stored; a baseline is not a change."""
        return self.created + self.updated + self.deleted + self.restored


@dataclass(frozen=True, slots=True)
class Report:
    """One run of one organization; None for values that a failure left unknown."""

    org_id: str | None
    run_id: int | None
    outcome: Outcome
    counters: Counters | None
    api_calls: int | None = None
    duration_seconds: float | None = None
    error: ErrorInfo | None = None

    @property
    def exit_code(self) -> int:
        return self.error.exit_code if self.error else _EXIT_CODES[self.outcome]

    def to_json(self) -> dict[str, object]:
        counters = dict.fromkeys(Counters.__dataclass_fields__) if self.counters is None else asdict(self.counters)
        error = self.error and {"code": self.error.code, "message": self.error.message, "hint": self.error.hint}
        return {
            "org_id": self.org_id,
            "run_id": self.run_id,
            "outcome": str(self.outcome),
            **counters,
            "api_calls": self.api_calls,
            "duration_seconds": self.duration_seconds,
            "error": error,
        }


def outcome_of(counters: Counters) -> Outcome:
    if counters.held:
        return Outcome.HELD
    return Outcome.PARTIAL if counters.quarantined else Outcome.SUCCEEDED


def most_severe(exit_codes: Iterable[int]) -> int:
    codes = set(exit_codes)
    return next((code for code in _EXIT_CODES_BY_SEVERITY if code in codes), max(codes, default=0))
