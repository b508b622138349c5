"""Every error that the product raises on purpose, grouped by what the caller does with it."""

from typing import ClassVar, Final

UNKNOWN_ORG: Final = "UNKNOWN_ORG"
"""The code of errors about an organization that is not, or no longer, known."""


def docs_hint(title: str) -> str:
    """Points to a page of the documentation by its title: the installed package has no files of it."""
    return f"See the page {title!r} of the documentation."


class CadenceSyncError(Exception):
    """One sentence for a person, a hint what to do about it, and a code for programs."""

    exit_code: ClassVar[int] = 1
    default_code: ClassVar[str] = "UNEXPECTED"
    default_hint: ClassVar[str] = ""

    def __init__(self, message: str, *, hint: str = "", code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint or self.default_hint
        self.code = code or self.default_code


class PermanentError(CadenceSyncError):
    """Trying again changes nothing: a person must act."""


class SettingsError(PermanentError):
    exit_code = 2
    default_code = "INVALID_SETTINGS"


class ArgumentError(PermanentError):
    """Invalid arguments of a command, or arguments that it cannot act on."""

    exit_code = 2
    default_code = "BAD_ARGUMENT"


class SpoolError(PermanentError):
    """A listing too long for the memory finds no room on the disk."""

    exit_code = 2
    default_code = "NO_TEMP_SPACE"
    default_hint = "Nothing was written; free space in the folder for temporary files, or name another with TMPDIR."


class AccessError(PermanentError):
    """Zoho refused the credentials or the permission."""

    exit_code = 3
    default_code = "ACCESS_DENIED"


class DatabaseError(PermanentError):
    """The database is unreachable, not migrated, or newer than the code."""

    exit_code = 5
    default_code = "DATABASE_ERROR"
    default_hint = "Nothing was written; the server's log tells more."


class OrgBusyError(PermanentError):
    """Another run wrote this organization since this one began."""

    exit_code = 8
    default_code = "ORG_BUSY"


class BudgetError(PermanentError):
    """The API calls that the settings allow in a day are spent."""

    exit_code = 4
    default_code = "API_BUDGET"
    default_hint = "It recovers by the hour; raise CADENCE_SYNC_ZOHO_DAILY_CALL_LIMIT, or sync less often."


class NotFoundError(PermanentError):
    default_code = "NOT_FOUND"


class TransientError(CadenceSyncError):
    """Zoho or the network failed in a way that may pass; `retry_after` is in seconds where Zoho named it."""

    exit_code = 4
    default_code = "ZOHO_UNAVAILABLE"
    default_hint = "Nothing was written; it usually passes, so sync again later."

    def __init__(
        self, message: str, *, hint: str = "", code: str | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message, hint=hint, code=code)
        self.retry_after = retry_after


class InvalidResponseError(CadenceSyncError):
    """An answer of Zoho, or of a proxy in between, that cannot be a listing."""

    exit_code = 4
    default_code = "INVALID_RESPONSE"
    default_hint = "Nothing was written; if it persists, something between this machine and Zoho answers for Zoho."


class InconsistentListingError(InvalidResponseError):
    """The pages of one listing contradict each other: the list moved while it was read."""

    default_code = "INCONSISTENT_LISTING"
    default_hint = "Nothing was written; the list kept changing while it was read, so sync again later."
