"""Which channels receive an event, by the rules of the settings, and when it is due. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Final, TypeAlias

from cadence_sync.alerts.events import Event
from cadence_sync.config.alerts import DIGESTS, RuleSettings, Topic
from cadence_sync.config.settings import Settings
from cadence_sync.core.diff import Kind, Version

ATTEMPTS: Final = 10
"""Attempts per message, spread over a day and a half; then it is a dead letter."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

IsStale: TypeAlias = Callable[[str, datetime], bool]
"""Whether the last listing of an organization, by id and time, is old enough for an alert."""


_TOPICS: Final[dict[Event, Topic]] = {
    Event.CHANGE: "changes",
    Event.HELD: "held",
    Event.DECIDED: "held",
    Event.FAILING: "failing",
    Event.RECOVERED: "failing",
    Event.STALE: "stale",
    Event.FRESH: "stale",
}


@dataclass(frozen=True, slots=True)
class AlertRouting:
    rules: tuple[RuleSettings, ...] = ()
    digests: Mapping[str, timedelta] = field(default_factory=dict)
    """The periods of channels that receive digests."""
    failing_after: int = 3
    """Consecutive failed runs that are worth a message."""

    def channels_for_change(self, org_id: str, version: Version) -> list[str]:
        if version.kind is Kind.BASELINE:
            return []
        return _channels(rule for rule in self.rules if _selects_change(rule, org_id, version))

    def channels_for(self, event: Event, org_id: str) -> list[str]:
        return _channels(rule for rule in self.rules if _selects(rule, event, org_id))

    def due(self, channel: str, now: datetime) -> datetime:
        period = self.digests.get(channel)
        return now if period is None else period_end(now, period)


def period_end(now: datetime, period: timedelta) -> datetime:
    """Returns the end of the period that contains a time; periods are counted from midnight UTC."""
    periods = (now - _EPOCH) // period + 1
    return _EPOCH + periods * period


def pause_after(attempts: int) -> timedelta:
    factor: int = 3 ** max(0, min(attempts - 1, 10))
    return min(timedelta(hours=12), timedelta(seconds=30) * factor)


def build_routing(settings: Settings) -> AlertRouting:
    """Builds the routing; channels of a file without rules, and channels of the environment, receive everything."""
    alerts, channels = settings.alerts, settings.alert_channels
    everything = [name for name in channels if not alerts.rules or name not in alerts.channels]
    rules = [*alerts.rules, RuleSettings(channels=everything)] if everything else alerts.rules
    periods = {name: timedelta(seconds=DIGESTS[channel.digest]) for name, channel in channels.items()}
    digests = {name: period for name, period in periods.items() if period}
    return AlertRouting(tuple(rules), digests, alerts.failing_after)


def _selects(rule: RuleSettings, event: Event, org_id: str) -> bool:
    return _TOPICS[event] in rule.topics and (not rule.orgs or org_id in rule.orgs)


def _selects_change(rule: RuleSettings, org_id: str, version: Version) -> bool:
    row, fields = version.row, [change.field for change in version.changes if change.field != "*"]
    return (
        _selects(rule, Event.CHANGE, org_id)
        and (not rule.kinds or version.kind in rule.kinds)
        and (not rule.fields or any(fnmatchcase(path, pattern) for path in fields for pattern in rule.fields))
        and (rule.name is None or any(fnmatchcase(name, rule.name.casefold()) for name in _names(version)))
        and _any_of(rule.modules, (row.labels.get("module.api_name"), row.config.get("module.id")))
        and _any_of(rule.persons, _authors(version))
    )


def _channels(rules: Iterable[RuleSettings]) -> list[str]:
    return list(dict.fromkeys(channel for rule in rules for channel in rule.channels))


def _names(version: Version) -> list[str]:
    """Returns the name and the one before a renaming, casefolded: leaving a pattern is worth a message too."""
    before = [change.old for change in version.changes if change.field == "name"]
    return [name.casefold() for name in (version.row.config.get("name"), *before) if isinstance(name, str)]


def _authors(version: Version) -> list[object]:
    """Returns ids and names of the author: a creation without one is its creator's, although edited since."""
    authors: list[object] = [version.changed_by_id, version.changed_by_name]
    if version.kind is Kind.CREATED and authors == [None, None]:
        return [version.row.config.get("created_by.id"), version.row.labels.get("created_by.name")]
    return authors


def _any_of(wanted: Iterable[str], found: Iterable[object]) -> bool:
    if not wanted:
        return True
    known = {text.casefold() for text in found if isinstance(text, str)}
    return not known.isdisjoint(text.casefold() for text in wanted)
