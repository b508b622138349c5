"""Which channels receive an event, by the rules of the settings, and when it is due. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Final

from cadence_sync.alerts.events import Event
from cadence_sync.config.alerts import DIGESTS, RuleSettings
from cadence_sync.config.settings import Settings
from cadence_sync.core.diff import Kind, Version

ATTEMPTS: Final = 10
"""Attempts per message, spread over a day and a half; then it is a dead letter."""
_FIRST_PAUSE: Final = timedelta(seconds=30)
_LONGEST_PAUSE: Final = timedelta(hours=12)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Topic(StrEnum):
    """What a rule subscribes to: events, each with the one that ends it."""

    CHANGES = "changes"
    HELD = "held"
    FAILING = "failing"
    STALE = "stale"


TOPICS: Final = {
    Event.CHANGE: Topic.CHANGES,
    Event.HELD: Topic.HELD,
    Event.DECIDED: Topic.HELD,
    Event.FAILING: Topic.FAILING,
    Event.RECOVERED: Topic.FAILING,
    Event.STALE: Topic.STALE,
    Event.FRESH: Topic.STALE,
}


@dataclass(frozen=True, slots=True)
class Rule:
    """Subscribes channels to events; an empty filter lets everything through."""

    channels: tuple[str, ...]
    topics: frozenset[Topic] = frozenset(Topic)
    orgs: frozenset[str] = frozenset()
    kinds: frozenset[Kind] = frozenset()
    fields: tuple[str, ...] = ()
    """Patterns of dotted paths."""
    modules: frozenset[str] = frozenset()
    """API names or ids."""
    name: str | None = None
    """A pattern of the cadence's name."""
    persons: frozenset[str] = frozenset()
    """Ids or names of authors, where Zoho sends them."""

    def wants(self, topic: Topic, org_id: str) -> bool:
        return topic in self.topics and (not self.orgs or org_id in self.orgs)

    def wants_change(self, org_id: str, version: Version) -> bool:
        return (
            self.wants(Topic.CHANGES, org_id)
            and (not self.kinds or version.kind in self.kinds)
            and (not self.fields or self._names_a_field(version))
            and (self.name is None or any(_matches(name, self.name) for name in _names(version)))
            and _any_of(self.modules, (version.row.labels.get("module.api_name"), version.row.config.get("module.id")))
            and _any_of(self.persons, _authors(version))
        )

    def _names_a_field(self, version: Version) -> bool:
        changed = [change.field for change in version.changes if change.field != "*"]
        return any(fnmatchcase(path, pattern) for path in changed for pattern in self.fields)


@dataclass(frozen=True, slots=True)
class AlertRouting:
    """All rules, and the periods of channels that receive digests."""

    rules: tuple[Rule, ...] = ()
    digests: Mapping[str, timedelta] = field(default_factory=dict)
    failing_after: int = 3
    """Consecutive failed runs that are worth a message."""

    def channels_for_change(self, org_id: str, version: Version) -> list[str]:
        """Return the channels for a version; a baseline was there before, and is no news."""
        if version.kind is Kind.BASELINE:
            return []
        return _channels(rule for rule in self.rules if rule.wants_change(org_id, version))

    def channels_for(self, event: Event, org_id: str) -> list[str]:
        return _channels(rule for rule in self.rules if rule.wants(TOPICS[event], org_id))

    def due(self, channel: str, now: datetime) -> datetime:
        """Return when an event of now is sent: at once, or at the end of the channel's period."""
        period = self.digests.get(channel)
        return now if period is None else period_end(now, period)


def period_end(now: datetime, period: timedelta) -> datetime:
    """Return the end of the period that contains a time; periods are counted from midnight UTC."""
    periods = (now - _EPOCH) // period + 1
    return _EPOCH + periods * period


def pause_after(attempts: int) -> timedelta:
    """Return the pause after a failed attempt: three times the one before."""
    factor: int = 3 ** max(0, min(attempts - 1, 10))
    return min(_LONGEST_PAUSE, _FIRST_PAUSE * factor)


def build_routing(settings: Settings) -> AlertRouting:
    """Build the rules; channels of a file without rules, and those of the environment, receive everything."""
    alerts, channels = settings.alerts, settings.alert_channels
    rules = [_rule(rule) for rule in alerts.rules]
    everything = [name for name in channels if not rules or name not in alerts.channels]
    if everything:
        rules.append(Rule(tuple(everything)))
    periods = {name: timedelta(seconds=DIGESTS[channel.digest]) for name, channel in channels.items()}
    digests = {name: period for name, period in periods.items() if period}
    return AlertRouting(tuple(rules), digests, alerts.failing_after)


def _rule(rule: RuleSettings) -> Rule:
    topics = rule.events if rule.events is not None else (["changes"] if rule.filters_changes else list(Topic))
    return Rule(
        tuple(rule.channels),
        frozenset(Topic(topic) for topic in topics),
        frozenset(rule.orgs),
        frozenset(Kind(kind) for kind in rule.kinds),
        tuple(rule.fields),
        frozenset(rule.modules),
        rule.name,
        frozenset(rule.persons),
    )


def _channels(rules: Iterable[Rule]) -> list[str]:
    return list(dict.fromkeys(channel for rule in rules for channel in rule.channels))


def _names(version: Version) -> list[str]:
    """Return the name and the one before a renaming: leaving a pattern is worth a message too."""
    before = [change.old for change in version.changes if change.field == "name"]
    return [name for name in (version.row.config.get("name"), *before) if isinstance(name, str)]


def _authors(version: Version) -> list[object]:
    """Return ids and names of the author: a creation without one is its creator's, although edited since."""
    authors: list[object] = [version.changed_by_id, version.changed_by_name]
    if version.kind is Kind.CREATED and authors == [None, None]:
        return [version.row.config.get("created_by.id"), version.row.labels.get("created_by.name")]
    return authors


def _matches(text: str, pattern: str) -> bool:
    return fnmatchcase(text.casefold(), pattern.casefold())


def _any_of(wanted: frozenset[str], found: Iterable[object]) -> bool:
    if not wanted:
        return True
    known = {text.casefold() for text in found if isinstance(text, str)}
    return not known.isdisjoint(text.casefold() for text in wanted)
