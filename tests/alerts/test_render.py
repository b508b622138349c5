"""What messages say, and that nothing in them is active but our own link."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from cadence_sync.alerts.events import AlertEvent, Event, HoldState
from cadence_sync.alerts.render import LONGEST, MOST_FIELDS, event_url, render_message, sanitize
from cadence_sync.alerts.webhook import render_payload
from cadence_sync.core.records import FieldChange

NOW = datetime(2026, 3, 1, 9, 12, 30, tzinfo=UTC)
PAGE = "https://crm.example.com"
CHANGED = AlertEvent(
    Event.CHANGE,
    "change/1/2",
    "emea",
    NOW,
    cadence_id="1",
    version=2,
    kind="updated",
    name="Renewal T-90",
    changes=(
        FieldChange("status", "draft", "active"),
        FieldChange("active", False, True),
        FieldChange("modified_time", "a", "b"),
    ),
    changed_by_id="42",
    changed_by_name="Dana Smith",
    run_id=7,
)

BEGUN = {Event.RECOVERED: "failing", Event.FRESH: "stale"}


def of(event: Event, **more: object) -> AlertEvent:
    return AlertEvent(event, "key", "emea", NOW, run_id=7, **more)  # type: ignore[arg-type]


def test_a_change_is_reported_from_old_to_new_with_who_when_where_and_a_link() -> None:
    reported = render_message([CHANGED], PAGE, 1000)
    assert reported.title == "A cadence changed: emea"
    assert reported.body.splitlines() == [
        "Renewal T-90 was changed",
        "Status: draft → active",
        "Active: no → yes",
        "Dana Smith · 2026-03-01 09:12 UTC · emea",
        f"{PAGE}/cadences/emea/1",
    ]


@pytest.mark.parametrize(
    ("kind", "words"), [("created", "was created"), ("deleted", "was deleted"), ("restored", "came back")]
)
def test_one_that_came_or_went_has_no_fields(kind: str, words: str) -> None:
    reported = AlertEvent(Event.CHANGE, "k", "emea", NOW, cadence_id="1", kind=kind)
    first, second = render_message([reported], None, 1000).body.splitlines()
    assert words in first
    assert second.startswith("somebody unknown · ")


def test_an_edit_that_the_list_does_not_show_is_said_to_be_one() -> None:
    reported = AlertEvent(
        Event.CHANGE, "k", "emea", NOW, name="A", kind="updated", changes=(FieldChange("modified_time", "a", "b"),)
    )
    assert "edited, but in no field that the list shows" in render_message([reported], None, 1000).body


def lines_of(*changes: FieldChange, kind: str = "updated") -> list[str]:
    """Return the lines of the fields."""
    about = AlertEvent(Event.CHANGE, "k", "o", NOW, name="A", kind=kind, changes=changes)
    return render_message([about], None, 10_000).body.splitlines()[1:-1]


def test_fields_are_reported_in_the_words_and_the_order_of_the_page() -> None:
    assert lines_of(
        FieldChange("execution_details.end_date", None, "2027-02-03"),
        FieldChange("created_time", "2026-03-01T09:12:30+05:30", "not a time"),
        FieldChange("custom_view.id", "9", None),
        FieldChange("module.id", "1", "2", "Leads", "Deals"),
        FieldChange("summary.email_follow_up_count", 1, 2),
        FieldChange("description", "", "x"),
        FieldChange("summary.new", True, [{"a": 1}]),
    ) == [
        "Description: (empty) → x",
        "Module: Leads → Deals",
        "View: 9 → (empty)",
        "Created: 2026-03-01 03:42 UTC → not a time",
        "E-mails: 1 → 2",
        "Ends on: (empty) → 2027-02-03",
        'summary.new: yes → [{"a": 1}]',
    ]
    assert lines_of(FieldChange("custom_view.id", "1", "2", "All", "All")) == ["View: All (1) → All (2)"]
    assert lines_of(FieldChange("status", "active", "draft"), kind="restored") == ["Status: active → draft"]
    assert lines_of(kind="restored") == []


def test_programs_get_the_name_beside_the_id() -> None:
    moved = (FieldChange("module.id", "1", "2", "Leads", None), FieldChange("status", "a", "b"))
    body: Any = render_payload([of(Event.CHANGE, changes=moved)], None, channel="c", message_id="m")
    assert body["events"][0]["changes"] == [
        {"field": "module.id", "title": "Module", "old": "1", "new": "2", "old_label": "Leads", "new_label": None},
        {"field": "status", "title": "Status", "old": "a", "new": "b"},
    ]


@pytest.mark.parametrize("name", [None, "", "\N{ZERO WIDTH SPACE}"])
def test_a_cadence_without_a_name_that_is_seen_is_reported_by_its_id(name: str | None) -> None:
    reported = AlertEvent(Event.CHANGE, "k", "o", NOW, cadence_id="42", name=name, kind="created")
    assert render_message([reported], None, 1000).body.startswith("(without a name) 42 was created")
    assert "- (without a name)\n" in render_message([of(Event.HELD, count=1, names=(name or "",))], None, 1000).body


def test_many_fields_are_counted() -> None:
    changes = tuple(FieldChange(f"f{number}", None, number) for number in range(MOST_FIELDS + 3))
    body = render_message([AlertEvent(Event.CHANGE, "k", "o", NOW, kind="updated", changes=changes)], None, 10_000).body
    assert "f0: (empty) → 0" in body
    assert "… and 3 more fields" in body


def test_every_message_leads_to_where_something_can_be_done() -> None:
    leads = {Event.FAILING: "/runs/7", Event.STALE: "/organization?org=e%2Fu", Event.TEST: ""}
    for event, path in leads.items():
        reported = AlertEvent(event, "k", "e/u", NOW, run_id=7 if event is Event.FAILING else None)
        assert render_message([reported], PAGE, 1000).body.endswith(f"{PAGE}{path}")


def test_held_deletions_name_some_and_how_to_decide() -> None:
    body = render_message([of(Event.HELD, count=3, names=("A", "B"))], PAGE, 1000).body
    assert body.startswith("3 cadences are missing")
    assert "- A\n- B\n- … and 1 more" in body
    assert "Approve or reject that in the web UI.\n" in body
    assert body.endswith(f"{PAGE}/runs/7")
    assert "more" not in render_message([of(Event.HELD, count=2, names=("A", "B"))], None, 1000).body


SINCE = [
    (HoldState.APPROVED, "Decided since: approved by kim."),
    (HoldState.REJECTED, "Decided since: rejected by kim."),
    (HoldState.REPLACED, "a newer case has taken its place"),
    (HoldState.SETTLED, "Nothing to decide any more"),
]


@pytest.mark.parametrize(("hold_state", "words"), SINCE)
def test_held_deletions_that_are_reported_late_ask_for_no_decision(hold_state: HoldState, words: str) -> None:
    held = of(Event.HELD, count=3, hold_state=hold_state, decided_by="kim")
    text = render_message([held], PAGE, 1000)
    assert text.title == "Deletions were held: emea"
    assert text.body.startswith("3 cadences were missing")
    assert words in text.body
    assert [word for word in ("cadence-sync", "more\n") if word in text.body] == []
    (event,) = json.loads(json.dumps(render_payload([held], None, channel="c", message_id="m")))["events"]
    assert (event["state"], event["decided_by"]) == (str(hold_state), "kim")


def test_an_episode_that_is_reported_late_is_said_to_be_over() -> None:
    failed = render_message([of(Event.FAILING, is_over=True, error="No.")], None, 1000)
    assert (failed.title, failed.body.splitlines()[:2]) == (
        "Syncs failed: emea", ["Syncs of this organization failed; they work again.", "No."]
    )  # fmt: skip
    stale = render_message([of(Event.STALE, is_over=True)], None, 1000)
    assert (stale.title, "had read" in stale.body) == ("The copy was out of date: emea", True)
    assert render_message([of(Event.FRESH, is_over=True)], None, 1000).title == "The copy is up to date again: emea"


def test_a_message_that_must_be_short_keeps_who_when_and_the_link() -> None:
    changes = tuple(FieldChange(f"f{number}", "x" * 300, "y" * 300) for number in range(MOST_FIELDS))
    long = AlertEvent(
        Event.CHANGE,
        "k",
        "emea",
        NOW,
        cadence_id="1",
        name="A",
        kind="updated",
        changes=changes,
        changed_by_name="Dana",
    )
    body = render_message([long], PAGE, 1000).body
    assert len(body) <= 1000
    assert body.count(" → ") == 2
    assert body.splitlines()[-3:] == [
        "… and 18 more fields", "Dana · 2026-03-01 09:12 UTC · emea", f"{PAGE}/cadences/emea/1"
    ]  # fmt: skip
    names = tuple("n" * 300 for _ in range(10))
    held = render_message([of(Event.HELD, count=12, names=names)], PAGE, 1000).body
    assert len(held) <= 1000
    assert "- … and 8 more\nApprove or reject that in the web UI.\n" in held
    assert "Decide: `cadence-sync approve 7`" in render_message([of(Event.HELD, count=12)], None, 1000).body
    assert held.endswith(f"{PAGE}/runs/7")
    # Where nothing fits, what is needed to look it up is left.
    assert render_message([long], PAGE, 10).body.endswith(f"{PAGE}/cadences/emea/1")


@pytest.mark.parametrize(
    ("kind", "title"),
    [("created", "A cadence was created"), ("deleted", "A cadence was deleted"), ("restored", "A cadence came back")],
)
def test_the_title_says_what_happened(kind: str, title: str) -> None:
    assert render_message([of(Event.CHANGE, kind=kind)], None, 1000).title == f"{title}: emea"


def test_one_is_not_many() -> None:
    assert render_message([of(Event.HELD, count=1)], None, 1000).body.startswith("1 cadence is missing")
    assert render_message([of(Event.HELD, count=1, hold_state=HoldState.SETTLED)], None, 1000).body.startswith(
        "1 cadence was"
    )
    for decision, then in (("approved", "the next sync deletes what is still missing"), ("rejected", "it stays live")):
        decided = of(Event.DECIDED, count=1, decision=decision, decided_by="kim")
        assert f"The deletion of 1 cadence was {decision}: {then}." in render_message([decided], None, 1000).body
    assert lines_of(*(FieldChange(f"f{number}", 1, 2) for number in range(MOST_FIELDS + 1)))[-1] == "… and 1 more field"


@pytest.mark.parametrize(
    ("reported", "words"),
    [
        (
            of(Event.DECIDED, count=3, decision="approved", decided_by="kim"),
            "was approved: the next sync deletes what is still missing.",
        ),
        (of(Event.DECIDED, count=3, decision="rejected", decided_by="kim"), "was rejected: they stay live"),
        (of(Event.FAILING, error_code="TLS_ERROR", error="No.", hint="Look."), "fail.\nNo.\nLook.\nsince"),
        (of(Event.RECOVERED), "work again"),
        (of(Event.STALE), "too long"),
        (of(Event.FRESH), "read again"),
        (of(Event.TEST, kind="updated", changes=(FieldChange("status", "a", "b"),)), "Status: a → b"),
    ],
)
def test_other_events(reported: AlertEvent, words: str) -> None:
    assert words in render_message([reported], None, 1000).body
    body: Any = render_payload([reported], None, channel="c", message_id="m")
    assert [event["event"] for event in body["events"]] == [BEGUN.get(reported.event, str(reported.event))]


def test_words_of_zoho_are_reported_as_words_and_joined_pictures_stay_joined() -> None:
    rule = FieldChange("execution_details.type", "complete_task", "respond_email")
    family = FieldChange("name", "a_b", "👩\u200d👩\u200d👧")
    assert lines_of(rule, family) == [
        "Name: a_b → 👩\u200d👩\u200d👧", "When it ends: complete task → respond email"
    ]  # fmt: skip


def test_blanks_of_other_languages_are_blanks() -> None:
    assert sanitize("Relance\u00a0: J+3\u3000フォロー\u2028x") == "Relance : J+3 フォロー\ufffdx"


def test_a_test_is_of_no_organization() -> None:
    assert render_message([AlertEvent(Event.TEST, "test", "", NOW)], None, 1000).title == "A test of alerts"


def test_several_are_one_message_and_those_without_room_are_counted() -> None:
    reported = render_message([CHANGED] * 5, PAGE, 250)
    assert reported.title == "5 changes: emea"
    assert reported.body.count("Renewal T-90") == 1
    assert reported.body.endswith(f"… and 4 more: {PAGE}/runs/7")
    of_two_runs = [CHANGED] * 4 + [replace(CHANGED, run_id=8)]
    assert render_message(of_two_runs, PAGE, 250).body.endswith(f"… and 4 more: {PAGE}/changes")
    others = [CHANGED, of(Event.STALE), AlertEvent(Event.FRESH, "k", "us", NOW)]
    assert render_message(others, None, 20).body.endswith("… and 2 more.")
    assert render_message(others, None, 1000).title == "3 events: 2 organizations"


HOSTILE = [
    "<!channel>", "<@U123>", "@everyone", "@here", "[click](https://evil.example)", "https://evil.example/x",
    "www.evil.example", "<a href='//evil'>", "<script>alert(1)</script>", "a\r\nBcc: x@evil.example", "\x1b[2J",
    "||hidden||", "~~struck~~", "**loud**", "__under__", "```code",
    "\N{RIGHT-TO-LEFT OVERRIDE}txt.exe",
    "\N{RIGHT-TO-LEFT ISOLATE}x", "\N{POP DIRECTIONAL ISOLATE}x", "x\N{LINE SEPARATOR}y",
    "#general", "<https://evil.example|ok>", "!channel>",
]  # fmt: skip
ACTIVE = (
    "<!",
    "<@",
    "<a",
    "<s",
    "@e",
    "@h",
    "@U",
    "](",
    "://",
    "www.",
    "\n",
    "\r",
    "\x1b",
    "\u202e",
    "#g",
    "<h",
    "!c",
    "||",
    "~~",
    "**",
    "__",
    "``",
    "\u2067",
    "\u2069",
    "\u2028",
)


@pytest.mark.parametrize("name", HOSTILE)
def test_what_others_typed_is_flat(name: str) -> None:
    shown = sanitize(name)
    assert [active for active in ACTIVE if active in shown] == []
    reported = AlertEvent(
        Event.CHANGE, "k", "emea", NOW, cadence_id="1", name=name, kind="updated",
        changes=(FieldChange("name", name, name),), changed_by_name=name,
    )  # fmt: skip
    text = render_message([reported], PAGE, 5000)
    assert text.body.count("://") == 1
    assert [active for active in ACTIVE if active in text.title] == []
    assert len(text.body.splitlines()) == 4


def test_words_from_right_to_left_do_not_swap_places_around_the_arrow() -> None:
    (line,) = lines_of(FieldChange("name", "שלם", "تجربة"))
    assert line == "Name: \u2068שלם\u2069 → \u2068تجربة\u2069"
    assert sanitize("shalom") == "shalom"


def test_long_values_are_cut_and_lists_are_json() -> None:
    assert len(sanitize("x" * 5000)) == LONGEST
    assert sanitize([{"a": 1}]) == '[{"a": 1}]'
    assert sanitize(7) == "7"


def test_an_address_is_spelled_so_that_no_id_leaves_its_place() -> None:
    odd = AlertEvent(Event.CHANGE, "k", "a/b?c", NOW, cadence_id="1#2 é")
    assert event_url(odd, PAGE) == f"{PAGE}/cadences/a%2Fb%3Fc/1%232%20%C3%A9"


def test_the_webhook_gets_what_was_stored_untouched() -> None:
    body = render_payload([CHANGED, of(Event.HELD, count=1, names=("<b>",))], PAGE, channel="hook", message_id="m-1")
    found = json.loads(json.dumps(body))
    assert (found["version"], found["id"], found["channel"]) == (1, "m-1", "hook")
    change, held = found["events"]
    assert change["changed_by"] == {"id": "42", "name": "Dana Smith"}
    assert change["changes"][0] == {"field": "status", "title": "Status", "old": "draft", "new": "active"}
    assert (change["cadence_id"], change["version"], change["kind"]) == ("1", 2, "updated")
    assert held == {
        "event": "deletions_held", "key": "key", "org_id": "emea", "at": NOW.isoformat(), "url": f"{PAGE}/runs/7",
        "run_id": 7, "count": 1, "names": ["<b>"], "state": "open", "decided_by": None,
    }  # fmt: skip


@pytest.mark.parametrize("event", Event)
@pytest.mark.parametrize("hold_state", HoldState)
def test_a_channel_without_names_is_told_of_no_person(event: Event, hold_state: HoldState) -> None:
    changes = tuple(
        FieldChange(field, "41", "42", "Kim Park", "Dana Smith") for field in ("created_by.id", "modified_by.id")
    )
    module = FieldChange("module.id", "1", "2", "Leads", "Deals")
    named = replace(
        CHANGED, event=event, hold_state=hold_state, count=2, decision="approved", decided_by="Dana Smith",
        changes=(*changes, module),
    )  # fmt: skip
    hidden = named.without_names()
    payload: Any = json.loads(json.dumps(render_payload([hidden], None, channel="c", message_id="m")))
    assert [name for name in ("Dana", "Kim") if name in json.dumps(payload)] == []
    names = "Dana" in json.dumps(render_payload([named], None, channel="c", message_id="m"))
    assert names or event not in {Event.CHANGE, Event.DECIDED}
    if event is Event.CHANGE:
        assert payload["events"][0]["changed_by"] == {"id": "42", "name": None}
        assert ("someone · " in payload["text"], "Leads → Deals" in payload["text"]) == (True, True)
    nobody = replace(CHANGED, changed_by_id=None, changed_by_name=None).without_names()
    assert "somebody unknown" in render_message([nobody], None, 1000).body
