"""One line of `doctor`: a check, its result, and what to do about it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeVar

from cadence_sync import wiring
from cadence_sync.config.settings import Settings
from cadence_sync.core.labels import plural
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


MARKS: Final = {CheckState.OK: "✓", CheckState.WARNING: "!", CheckState.FAILED: "✗", CheckState.UNKNOWN: "-"}


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
        """Returns the object that `doctor --json` prints."""
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
    """Returns a check with a finding that stops no sync."""
    return Check(name, CheckState.WARNING, message, hint, org_id, exit_code=exit_code)


def failed(name: str, error: CadenceSyncError, org_id: str | None = None) -> Check:
    """Returns a failed check with the error that a sync would end with."""
    return Check(name, CheckState.FAILED, error.message, error.hint, org_id, error.code, error.exit_code)


def skipped(names: Sequence[str], reason: str, org_id: str | None = None) -> list[Check]:
    """Returns checks that could not be made for a reason."""
    return [Check(name, CheckState.UNKNOWN, f"not checked: {reason}", org_id=org_id) for name in names]


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


def exit_code_of(checks: Sequence[Check]) -> int:
    return most_severe(check.exit_code for check in checks)


async def alert_checks(settings: Settings, *, debug: bool) -> list[Check]:
    """Checks the alert channels of the settings."""
    if not settings.alert_channels:
        return []
    clock = wiring.SystemClock()
    senders = await run_check("alerts", lambda: asyncio.to_thread(wiring.open_channels, settings, clock), debug=debug)
    if isinstance(senders, Check):
        return [senders]
    return [passed("alerts", f"{plural(len(senders), 'channel')}; `cadence-sync alerts test` sends to each")]
