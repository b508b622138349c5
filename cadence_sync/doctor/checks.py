"""One line of `doctor`: a check, its result, and what to do about it."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeVar

from cadence_sync.core.report import most_severe
from cadence_sync.errors import CadenceSyncError

T = TypeVar("T")
_DEFECT: Final = "This is a defect: please report it with the traceback that `cadence-sync --debug doctor` shows."


class CheckState(StrEnum):
    """The result of a check."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    UNKNOWN = "not checked"


@dataclass(frozen=True, slots=True)
class Check:
    """A check and its result; the command ends with the most severe `exit_code`."""

    name: str
    state: CheckState
    message: str
    hint: str = ""
    org_id: str | None = None
    code: str | None = None
    exit_code: int = 0
    exceptions: Sequence[tuple[str, str | None, int]] = ()
    """Where in the history it does not hold: (org_id, cadence_id, version)."""

    def to_json(self) -> dict[str, object]:
        return {
            "org_id": self.org_id,
            "name": self.name,
            "state": str(self.state),
            "ok": self.state in {CheckState.OK, CheckState.WARNING},
            "what": self.message,
            "hint": self.hint,
            "code": self.code,
            "exceptions": list(self.exceptions),
        }


def passed(name: str, message: str, org_id: str | None = None) -> Check:
    return Check(name, CheckState.OK, message, org_id=org_id)


def warning(name: str, message: str, hint: str, org_id: str | None = None, *, exit_code: int = 0) -> Check:
    return Check(name, CheckState.WARNING, message, hint, org_id, exit_code=exit_code)


def failed(name: str, error: CadenceSyncError, org_id: str | None = None) -> Check:
    return Check(name, CheckState.FAILED, error.message, error.hint, org_id, error.code, error.exit_code)


def skipped(names: Sequence[str], reason: str, org_id: str | None = None) -> list[Check]:
    return [Check(name, CheckState.UNKNOWN, f"not checked: {reason}", org_id=org_id) for name in names]


def exit_code_of(checks: Sequence[Check]) -> int:
    return most_severe(check.exit_code for check in checks)


async def run_check(
    name: str, work: Callable[[], Awaitable[T]], org_id: str | None = None, *, debug: bool = False
) -> T | Check:
    """Returns the result of the work, or a failed check: one failure never hides what comes after it."""
    try:
        return await work()
    except CadenceSyncError as error:
        return failed(name, error, org_id)
    except Exception as error:
        if debug:
            raise
        return failed(name, CadenceSyncError(f"Unexpected {type(error).__name__}.", hint=_DEFECT), org_id)


async def run_checks(
    name: str, work: Callable[[], Awaitable[list[Check]]], org_id: str | None = None, *, debug: bool = False
) -> list[Check]:
    """Returns the checks, or a failed one in their place."""
    checks = await run_check(name, work, org_id, debug=debug)
    return [checks] if isinstance(checks, Check) else checks
