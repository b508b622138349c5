"""What sends a message: one sender a channel."""

from collections.abc import Sequence
from typing import Final, Protocol

from cadence_sync.alerts.events import AlertEvent
from cadence_sync.errors import TransientError

HINT: Final = "It is tried again later; `cadence-sync alerts test` tries the channel at once."


class Channel(Protocol):
    """One channel."""

    @property
    def kind(self) -> str:
        """What it is, without anything secret."""
        ...

    async def send(self, message_id: str, alerts: Sequence[AlertEvent]) -> None:
        """Hand a message over, and return when nothing of it is under way any more, however long that takes.

        Raises `TransientError` where it was not taken, or nobody knows.
        """
        ...


def not_sent(why: str, retry_after: float | None = None) -> TransientError:
    """Return the error of a message that was not taken; `why` is ours, never the receiver's text."""
    return TransientError(why, hint=HINT, code="ALERT_NOT_SENT", retry_after=retry_after)
