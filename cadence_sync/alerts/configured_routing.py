"""The rules of the settings in the core's words."""

from datetime import timedelta

from cadence_sync.alerts.routing import AlertRouting, Rule, Topic
from cadence_sync.config.alerts import DIGESTS, RuleSettings
from cadence_sync.config.settings import Settings
from cadence_sync.core.diff import Kind


def build_routing(settings: Settings) -> AlertRouting:
    """Return all rules; channels of a file without rules, and those of the environment, are told everything."""
    alerts, channels = settings.alerts, settings.alert_channels
    rules = [_rule(rule) for rule in alerts.rules]
    everything = [name for name in channels if not rules or name not in alerts.channels]
    if everything:
        rules.append(Rule(tuple(everything)))
    periods = {name: timedelta(seconds=DIGESTS[channel.digest]) for name, channel in channels.items()}
    digests = {name: period for name, period in periods.items() if period}
    return AlertRouting(tuple(rules), digests, alerts.failing_after)


def _rule(rule: RuleSettings) -> Rule:
    asked = rule.events if rule.events is not None else (["changes"] if rule.filters_changes else list(Topic))
    return Rule(
        tuple(rule.channels),
        frozenset(Topic(event) for event in asked),
        frozenset(rule.orgs),
        frozenset(Kind(kind) for kind in rule.kinds),
        tuple(rule.fields),
        frozenset(rule.modules),
        rule.name,
        frozenset(rule.persons),
    )
