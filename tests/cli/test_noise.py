"""The same facts in other words: no version and no change, however Zoho spells them today."""

import json
from collections.abc import Callable
from typing import Any

import asyncpg

from cadence_sync.simulator import edits
from cadence_sync.simulator.simulator import Simulator
from tests.cli.conftest import PlainZoho, Program
from tests.support.records import listing, record, without

Records = list[dict[str, Any]]

RULES = [
    {"id": "21", "type": "respond_email", "details": {"unenroll_date": ""}},
    {"id": "22", "type": "end_date", "details": {"unenroll_date": "2026-12-31", "note": "x"}},
]
OTHER_RULES = [
    {"details": {"note": "x", "unenroll_date": "2026-12-31", "more": None}, "type": "end_date", "id": 22, "by": ""},
    {"details": {}, "type": "respond_email", "id": 21},
]


def sound() -> Records:
    """Return records between them holding every kind of value that Zoho spells in several ways."""
    return [
        record("1"),
        record("2", custom_view=None, type="Manual enrollment", active=False, status="inactive"),
        record("3", description="", execution_details=None),
        record("4", execution_details={"unenroll_properties": RULES, "execute_every": {"period": "immediately"}}),
    ]


def _other_offset(item: dict[str, Any]) -> dict[str, Any]:
    return item | {"created_time": "2024-07-18T03:38:22Z", "modified_time": "2024-07-18T11:31:40+05:30"}


def _null_for_empty(value: object) -> object:
    if isinstance(value, dict):
        return {key: _null_for_empty(child) for key, child in value.items()}
    return None if value == "" else value


def _empty_for_null(item: dict[str, Any]) -> dict[str, Any]:
    return {key: "" if child is None else child for key, child in item.items()}


def _with_null_keys(item: dict[str, Any]) -> dict[str, Any]:
    noisy = {"description": None, "summary": item["summary"] | {"whatsapp_follow_up_count": None}} | item
    return noisy | {"parent_cadence": None, "draft_cadence": None, "module": item["module"] | {"plural": None}}


def _reversed_keys(value: object) -> Any:
    if isinstance(value, dict):
        return {key: _reversed_keys(value[key]) for key in reversed(value)}
    return value


def _numbers(item: dict[str, Any]) -> dict[str, Any]:
    """Swap text and numbers wherever an id or a count stands."""
    view = item["custom_view"]
    counts = {key: str(count) for key, count in item["summary"].items()}
    people = {key: item[key] | {"id": int(item[key]["id"])} for key in ("module", "created_by", "modified_by")}
    return item | people | {"id": int(item["id"]), "custom_view": view and view | {"id": str(view["id"])}} | {
        "summary": counts, "active": str(item["active"]).lower(),
    }  # fmt: skip


def _other_types(item: dict[str, Any]) -> dict[str, Any]:
    return item | {"type": item["type"].lower().replace(" ", "_")}


def _renamed(item: dict[str, Any]) -> dict[str, Any]:
    view = item["custom_view"]
    people = {key: item[key] | {"name": f"Married {item[key]['name']}"} for key in ("created_by", "modified_by")}
    renamed = {"module": item["module"] | {"api_name": "Renamed"}, "custom_view": view and view | {"name": "Renamed"}}
    return item | people | renamed


def _other_rules(item: dict[str, Any]) -> dict[str, Any]:
    details = item["execution_details"]
    if details is None or item["id"] != "4":
        return item
    return item | {"execution_details": details | {"unenroll_properties": OTHER_RULES}}


def _each(change: Callable[[dict[str, Any]], Any]) -> Callable[[Records], Records]:
    return lambda records: [change(item) for item in records]


NOISE: dict[str, Callable[[Records], Records]] = {
    "another offset of the same instant": _each(_other_offset),
    "null for empty text": _each(_null_for_empty),
    "empty text for null": _each(_empty_for_null),
    "keys that appear with null": _each(_with_null_keys),
    "keys in reversed order": _each(_reversed_keys),
    "numbers for text and text for numbers": _each(_numbers),
    "another spelling of the type": _each(_other_types),
    "users, modules and views renamed": _each(_renamed),
    "rules in another order": _each(_other_rules),
    "records in reversed order": lambda records: records[::-1],
    "a key that is not sent": _each(lambda item: without(item, "published")),
    "everything at once": lambda records: [
        _reversed_keys(_numbers(_other_types(_renamed(_with_null_keys(_other_rules(_other_offset(item)))))))
        for item in records[::-1]
    ],
}
SILENCE = {"baseline": 0, "created": 0, "updated": 0, "deleted": 0, "restored": 0, "quarantined": 0, "held": 0}


async def _stored(program: Program) -> tuple[int, int]:
    """Return how many versions and how many changes there are."""
    connection = await asyncpg.connect(program.settings["DATABASE_URL"])
    try:
        versions = await connection.fetchval("SELECT count(*) FROM cadence_sync.cadence_versions")
        changes = await connection.fetchval("SELECT count(*) FROM cadence_sync.cadence_changes")
    finally:
        await connection.close()
    return versions, changes


async def _assert_silent(program: Program, noise: str, known: int, **settings: str | None) -> None:
    result = await program.run("sync", "--json", **settings)
    assert result.code == 0, (noise, result.err)
    (report,) = result.json
    assert {name: report[name] for name in SILENCE} == SILENCE, noise
    assert (report["seen"], report["unchanged"]) == (known, known), noise
    assert await _stored(program) == (known, 0), noise


async def test_other_spellings_of_the_same_facts(program: Program, plain_zoho: PlainZoho) -> None:
    records = sound()
    plain_zoho.body = listing(records)
    assert (await program.run("sync", "--json")).json[0]["baseline"] == len(records)
    for noise, change in NOISE.items():
        plain_zoho.body = listing(change(sound()))
        assert json.loads(plain_zoho.body)["cadences"] != records or noise == "keys in reversed order", noise
        await _assert_silent(program, noise, len(records))
    plain_zoho.body = listing([records[0] | {"name": "Goodbye"}, *records[1:]])
    (report,) = (await program.run("sync", "--json")).json
    assert (report["updated"], report["unchanged"]) == (1, len(records) - 1), "a fact"
    assert await _stored(program) == (len(records) + 1, 1), "a fact"


async def test_a_user_and_a_view_renamed_in_zoho_are_shown_and_make_no_history(
    program: Program, simulator: Simulator
) -> None:
    await program.run("sync")
    org = simulator.orgs[0]
    shown = next(cadence for cadence in org.ordered("id") if cadence.view is not None)
    assert shown.view is not None
    edits.relabel(shown.created_by, "Somebody Else")
    edits.relabel(shown.view, "Another View")
    await _assert_silent(program, "labels", len(org.cadences))
    row = (await program.run("show", shown.id, "--json")).json
    assert (row["created_by_name"], row["custom_view_name"]) == ("Somebody Else", "Another View")


async def test_other_pages_other_orders_and_other_versions_of_the_api(program: Program, simulator: Simulator) -> None:
    known = len(simulator.orgs[0].cadences)
    await program.run("sync")
    for order in ("shuffled", "modified"):
        simulator.change_settings(order=order)
        await _assert_silent(program, f"order {order}", known)
    for per_page in ("4", "7"):
        await _assert_silent(program, f"{per_page} a page", known, ZOHO_PER_PAGE=per_page)
    for version in ("v8", "v7", "v8", "v7"):
        await _assert_silent(program, f"version {version}", known, ZOHO_API_VERSION=version)
    assert simulator.journal.counts["list"] > 13
