"""Which version gave a field its value, and of which fields nobody knows."""

from datetime import UTC, datetime, timedelta

from cadence_sync.core.blame import DISCOVERED, DiscoveredField, ObservedVersion, Origin, blame
from cadence_sync.core.diff import Kind
from cadence_sync.core.fields import UNENROLL
from cadence_sync.core.records import Config

START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


def seen(
    number: int, kind: Kind, config: Config, *changed: str, by: str | None = None, discovered: Config | None = None
) -> ObservedVersion:
    """Return a version that began on its day, was seen an hour later, and of which more was discovered at noon."""
    at, observed_at = START + timedelta(days=number), START + timedelta(days=number, hours=1)
    later = {
        path: DiscoveredField(leaf, at + timedelta(hours=3), number * 10 + 1)
        for path, leaf in (discovered or {}).items()
    }
    person = (by and f"id of {by}", by)
    return ObservedVersion(
        number, kind, at, observed_at, number * 10, {"id": "1", **config}, frozenset(changed), *person, later
    )


def origins(*versions: ObservedVersion) -> dict[str, int | str]:
    """Return of each field the version that it is of, or the run that discovered it."""
    return {
        line.field: f"run {line.origin.run_id}" if line.origin.kind == DISCOVERED else line.origin.version
        for line in blame(versions)
    }


def test_a_field_that_never_changed_is_of_the_first_version() -> None:
    (line,) = blame([seen(1, Kind.BASELINE, {"name": "A"}), seen(2, Kind.UPDATED, {"name": "A"})])
    assert (line.field, line.value) == ("name", "A")
    assert (line.origin.version, line.origin.kind, line.origin.run_id) == (1, "baseline", 10)


def test_the_newest_change_counts() -> None:
    versions = [
        seen(1, Kind.CREATED, {"name": "A", "status": "draft"}, "*"),
        seen(2, Kind.UPDATED, {"name": "B", "status": "draft"}, "name", by="Ann"),
        seen(3, Kind.UPDATED, {"name": "A", "status": "draft"}, "name", by="Ben"),
        seen(4, Kind.UPDATED, {"name": "A", "status": "active"}, "status"),
    ]
    assert origins(*versions) == {"name": 3, "status": 4}
    name, status = blame(versions)
    assert (name.origin.changed_by_name, status.origin.changed_by_name) == ("Ben", None)


def test_a_discovered_field_is_of_the_run_that_saw_it_first() -> None:
    discovered: Config = {"description": "Text"}
    versions = [
        seen(1, Kind.BASELINE, {"name": "A"}, discovered=discovered),
        seen(2, Kind.UPDATED, {"name": "B", "status": "active", "description": "Text"}, "name", by="Ann"),
    ]
    assert origins(*versions) == {"name": 2, "description": "run 11", "status": "run 20"}
    _, description, status = blame(versions)
    assert description.origin == Origin(DISCOVERED, START + timedelta(days=1, hours=3), 1, 11)
    assert status.origin == Origin(DISCOVERED, START + timedelta(days=2, hours=1), 2, 20)


def test_a_discovered_field_that_changed_later_is_of_that_version() -> None:
    first = seen(1, Kind.BASELINE, {"name": "A"}, discovered={"status": "draft"})
    second = seen(2, Kind.UPDATED, {"name": "A", "status": "active"}, "status", discovered={"published": True})
    assert origins(first) == {"name": 1, "status": "run 11"}
    assert origins(first, second) == {"name": 1, "status": 2, "published": "run 21"}
    assert {line.field: line.value for line in blame([first, second])} == {
        "name": "A",
        "status": "active",
        "published": True,
    }


def test_a_deletion_changes_no_field() -> None:
    gone = seen(2, Kind.DELETED, {"name": "A", "status": "active"}, "*")
    assert origins(seen(1, Kind.BASELINE, {"name": "A"}), gone) == {"name": 1, "status": "run 20"}


def test_what_a_return_changed_is_in_its_document_alone() -> None:
    versions = [
        seen(1, Kind.BASELINE, {"name": "A", "status": "active"}, discovered={"description": "Text"}),
        seen(2, Kind.DELETED, {"name": "A", "status": "active", "description": "Text"}, "*"),
        seen(
            3,
            Kind.RESTORED,
            {"name": "B", "status": "active", "description": "Anew", "published": True},
            "*",
            by="Ann",
        ),
    ]
    assert origins(*versions) == {"name": 3, "description": 3, "status": 1, "published": "run 30"}


def test_rules_in_another_order_are_the_same_rules() -> None:
    rules: list[object] = [{"type": "a"}, {"type": "b"}]
    versions = [
        seen(1, Kind.BASELINE, {UNENROLL: rules}),
        seen(2, Kind.DELETED, {UNENROLL: rules}),
        seen(3, Kind.RESTORED, {UNENROLL: [*reversed(rules)]}, "*"),
    ]
    assert origins(*versions) == {UNENROLL: 1}


def test_unenroll_properties_are_shown_in_the_form_that_they_have() -> None:
    as_object: Config = {UNENROLL: None, f"{UNENROLL}.type": "x", f"{UNENROLL}.end_date": None}
    as_rules: Config = {UNENROLL: [{"type": "x"}], f"{UNENROLL}.type": None, f"{UNENROLL}.end_date": None}
    first = seen(1, Kind.BASELINE, as_object)
    assert origins(first) == {f"{UNENROLL}.type": 1, f"{UNENROLL}.end_date": 1}
    assert origins(first, seen(2, Kind.UPDATED, as_rules, UNENROLL, f"{UNENROLL}.type")) == {UNENROLL: 2}


def test_of_a_cadence_without_versions_nothing_is_known() -> None:
    assert blame([]) == []
