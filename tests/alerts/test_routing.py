"""Which channels get which event, and when."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from cadence_sync.alerts.events import Event
from cadence_sync.alerts.routing import ATTEMPTS, AlertRouting, pause_after, period_end
from cadence_sync.config.alerts import RuleSettings
from cadence_sync.core.diff import CurrentRow, Kind, Version
from cadence_sync.core.records import FieldChange

NOW = datetime(2026, 3, 1, 9, 12, 30, tzinfo=UTC)
ROW = CurrentRow(
    "1",
    {"name": "Renewal T-90", "module.id": "77", "status": "active"},
    {"module.api_name": "Deals", "modified_by.name": "Dana"},
    {},
    b"",
)
VERSION = Version(Kind.UPDATED, 2, NOW, ROW, b"{}", (FieldChange("status", "draft", "active"),), "42", "Dana Smith")


def is_announced(version: Version = VERSION, org_id: str = "emea", **rule: object) -> bool:
    rules = AlertRouting((RuleSettings.model_validate({"channels": ["chat"], **rule}),))
    return rules.channels_for_change(org_id, version) == ["chat"]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({}, True),
        ({"kinds": [Kind.UPDATED]}, True),
        ({"kinds": [Kind.DELETED]}, False),
        ({"fields": ["stat*"]}, True),
        ({"fields": ["name", "summary.*"]}, False),
        ({"modules": ["deals"]}, True),
        ({"modules": ["77"]}, True),
        ({"modules": ["Leads"]}, False),
        ({"name": "renewal *"}, True),
        ({"name": "renewal"}, False),
        ({"name": "*[T]-??"}, True),
        ({"persons": ["42"]}, True),
        ({"persons": ["dana smith"]}, True),
        ({"persons": ["Dana"]}, False),
        ({"orgs": ["emea"]}, True),
        ({"orgs": ["us"]}, False),
        ({"events": ["held"]}, False),
        ({"kinds": [Kind.UPDATED], "persons": ["7"]}, False),
    ],
)
def test_a_rule_lets_through_what_every_filter_of_it_names(rule: dict[str, object], expected: bool) -> None:
    assert is_announced(VERSION, "emea", **rule) is expected


def test_what_was_there_before_is_no_news() -> None:
    assert not is_announced(replace(VERSION, kind=Kind.BASELINE, number=1, changes=()))


def test_leaving_a_pattern_by_a_new_name_is_reported_too() -> None:
    renamed = replace(VERSION, changes=(FieldChange("name", "Old name", "Renewal T-90"),))
    assert is_announced(renamed, name="old*")
    assert not is_announced(replace(renamed, changes=(FieldChange("name", None, "Renewal T-90"),)), name="old*")


def test_a_field_is_not_named_by_a_cadence_that_came_or_went() -> None:
    assert not is_announced(replace(VERSION, kind=Kind.DELETED, changes=(FieldChange("*", None, None),)), fields=["*"])


def test_somebody_who_is_not_known_is_nobody_of_the_persons_asked_for() -> None:
    unknown = replace(VERSION, changed_by_id=None, changed_by_name=None)
    assert not is_announced(unknown, persons=["42"])
    made = replace(ROW, config=ROW.config | {"created_by.id": "42"})
    assert not is_announced(replace(unknown, row=made), persons=["42"])
    assert is_announced(replace(unknown, kind=Kind.CREATED, number=1, row=made), persons=["42"])
    assert not is_announced(replace(VERSION, kind=Kind.CREATED, changed_by_id="7", row=made), persons=["42"])


def test_a_channel_of_several_rules_is_reported_once() -> None:
    rules = (
        {"channels": ["a", "b"]},
        {"channels": ["b"], "name": "Renewal*"},
        {"channels": ["c"], "events": ["stale"]},
    )
    alerting = AlertRouting(tuple(RuleSettings.model_validate(rule) for rule in rules))
    assert alerting.channels_for_change("emea", VERSION) == ["a", "b"]
    assert alerting.channels_for(Event.FRESH, "emea") == ["a", "b", "c"]
    assert alerting.channels_for(Event.RECOVERED, "emea") == ["a", "b"]


def test_a_digest_is_due_when_its_period_ends() -> None:
    alerting = AlertRouting(digests={"daily": timedelta(days=1)})
    assert alerting.due("chat", NOW) == NOW
    assert alerting.due("daily", NOW) == datetime(2026, 3, 2, tzinfo=UTC)
    assert period_end(NOW, timedelta(hours=1)) == datetime(2026, 3, 1, 10, tzinfo=UTC)
    assert period_end(datetime(2026, 3, 1, 10, tzinfo=UTC), timedelta(hours=1)) == datetime(2026, 3, 1, 11, tzinfo=UTC)


def test_the_tries_of_a_message_spread_over_more_than_a_day() -> None:
    pauses = [pause_after(attempts) for attempts in range(1, ATTEMPTS)]
    assert pauses == sorted(pauses)
    assert pauses[0] == timedelta(seconds=30)
    assert timedelta(days=1) < sum(pauses, timedelta()) < timedelta(days=2)
