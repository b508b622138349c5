"""One line of `doctor`: a check, its result, and what to do about it."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeVar

from cadence_sync.errors import CadenceSyncError

T = TypeVar("T")
_DEFECT: Final = "This is a defect: please report it with the traceback that `cadence-sync --debug doctor` shows."


class CheckState(StrEnum):
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


def passed(name: str, message: str) -> Check:
    return Check(name, CheckState.OK, message)


def warning(name: str, message: str, hint: str, *, exit_code: int = 0) -> Check:
    return Check(name, CheckState.WARNING, message, hint, exit_code=exit_code)


def failed(name: str, error: CadenceSyncError) -> Check:
    return Check(name, CheckState.FAILED, error.message, error.hint, code=error.code, exit_code=error.exit_code)


def skipped(names: Sequence[str], reason: str) -> list[Check]:
    return [Check(name, CheckState.UNKNOWN, f"not checked: {reason}") for name in names]


async def run_check(name: str, work: Callable[[], Awaitable[T]], *, debug: bool) -> T | Check:
    """Returns the result of the work, or a failed check: one failure never hides what comes after it."""
    try:
        return await work()
    except CadenceSyncError as error:
        return failed(name, error)
    except Exception as error:
        if debug:
            raise
        return failed(name, CadenceSyncError(f"Unexpected {type(error).__name__}.", hint=_DEFECT))


async def run_checks(name: str, work: Callable[[], Awaitable[list[Check]]], *, debug: bool) -> list[Check]:
    checks = await run_check(name, work, debug=debug)
    return [checks] if isinstance(checks, Check) else checks
