import json
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cadence_sync.simulator import serializers
from cadence_sync.simulator.org import SimOrg
from cadence_sync.simulator.records import Cadence, Counts, Execution, Module, User, View
from tests.simulator.client import sample
from tests.simulator.shapes import Shape, shape

ORG = SimOrg(seed=7, index=0, cadences=400)
CADENCES = list(ORG.cadences.values())
PACIFIC = timedelta(hours=-7)


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def v7_sample_cadences() -> list[Cadence]:
    contacts = Module("3652397000000002179", "Contacts")
    patricia = User("3652397000000186017", "Patricia Boyle")
    first = Cadence(
        id="3652397000017949001",
        name="CadenceTest1",
        description="",
        module=contacts,
        type="custom_view",
        active=True,
        published=True,
        counts=Counts(email=1, task=1, call=1),
        created_time=instant("2024-07-17T20:38:22-07:00").astimezone(UTC),
        created_by=patricia,
        modified_time=instant("2024-07-17T23:01:40-07:00").astimezone(UTC),
        modified_by=patricia,
        view=View("3652397000000087529", "All Contacts", contacts),
        execution=Execution(period="hours", unit=1, unenroll="respond_email"),
    )
    second = Cadence(
        id="3652397000017985012",
        name="test 2",
        description="",
        module=contacts,
        type="manual_enrollment",
        active=False,
        published=True,
        counts=Counts(email=1),
        created_time=instant("2024-07-17T23:06:07-07:00").astimezone(UTC),
        created_by=patricia,
        modified_time=instant("2024-07-17T23:34:40-07:00").astimezone(UTC),
        modified_by=patricia,
    )
    return [first, second]


def v8_sample_cadence() -> Cadence:
    leads = Module("111111000000002648", "Leads")
    nish = User("111111000000057812", "Nish test")
    return Cadence(
        id="2001",
        name="Onboard Leads",
        description="Cadence for leads",
        module=leads,
        type="custom_view",
        active=True,
        published=True,
        counts=Counts(email=3, task=2, call=1),
        created_time=instant("2025-10-30T08:46:14+00:00"),
        created_by=nish,
        modified_time=instant("2025-01-01T16:43:11+05:30").astimezone(UTC),
        modified_by=nish,
        view=View("111111000000051423", "All Contacts", leads),
        execution=Execution(period="days", unit=1, unenroll="automatic_unenroll", end_date="2025-12-31"),
    )


def one_v8_sample_cadence() -> Cadence:
    leads = Module("111112000000002628", "Leads")
    maker = User("111112000000057662", "Poongodi89 S")
    cadence = Cadence(
        id="111112000000092007",
        name="cadence",
        description="description",
        module=leads,
        type="custom_view",
        active=False,
        published=True,
        counts=Counts(task=1, call=1),
        created_time=instant("2025-11-07T14:52:24+00:00"),
        created_by=maker,
        modified_time=instant("2025-11-07T15:32:03+00:00"),
        modified_by=maker,
        view=View("111112000000051112", "All Leads", leads),
        execution=Execution("hours", 1, "automatic_unenroll", end_date="2025-11-30", revenue="123"),
    )
    cadence.parent = cadence.with_draft().draft
    return cadence.with_draft()


def test_v7_list_items_are_the_sample_to_the_byte() -> None:
    rendered = [serializers.list_v7(cadence, PACIFIC) for cadence in v7_sample_cadences()]
    assert json.dumps(rendered) == json.dumps(sample("v7-list")["cadences"])


def test_v8_list_items_are_the_sample_to_the_byte() -> None:
    rendered = [serializers.list_v8(v8_sample_cadence(), PACIFIC)]
    assert json.dumps(rendered) == json.dumps(sample("v8-list")["cadences"])


def test_v8_single_cadence_is_the_sample_but_for_steps_and_ids() -> None:
    expected = sample("v8-get-one")["cadences"][0]
    rendered = serializers.one_v8(one_v8_sample_cadence())
    assert list(rendered) == list(expected)
    same = ("summary", "created_time", "module", "description", "type", "created_by", "modified_time")
    also = ("modified_by", "name", "id", "custom_view", "status")
    assert {key: rendered[key] for key in same + also} == {key: expected[key] for key in same + also}
    assert shape(rendered["execution_details"]) == shape(expected["execution_details"])
    rules = rendered["execution_details"]["unenroll_properties"]
    assert [rule["type"] for rule in rules] == [
        "automatic_unenroll",
        "end_date",
        "criteria",
        "followup_criteria",
    ]
    assert rules[1]["details"] == {"unenroll_date": "2025-11-30"}
    assert shape(rendered["draft_cadence"]) == shape(expected["draft_cadence"])
    assert shape(rendered["parent_cadence"]) == shape(expected["parent_cadence"])


def test_steps_have_the_shapes_of_the_sample() -> None:
    task, call = sample("v8-get-one")["cadences"][0]["follow_ups"]
    first = {
        step["action"]["type"]: step
        for cadence in CADENCES
        for step in serializers.one_v8(cadence)["follow_ups"]
        if step["parent_follow_up"] is None
    }
    later = {
        step["action"]["type"]: step
        for cadence in CADENCES
        for step in serializers.one_v8(cadence)["follow_ups"]
        if step["parent_follow_up"] is not None
    }
    assert shape(first["tasks"]) == shape(task)
    assert shape(later["schedule_call"]) == shape(call)
    kinds = {"tasks", "schedule_call", "email_notifications", "whatsapp_message_notification"}
    assert set(first) == set(later) == kinds


# Where a cadence may differ from the sample's items: what stands at the path instead.
NULLS = {"$.execution_details", "$.custom_view", "$.modified_time", "$.draft_cadence", "$.parent_cadence"}
ABSENT = {"$.execution_details.execute_every.unit"}
EXTRA = {"$.summary.whatsapp_follow_up_count": "number"}


def differences(rendered: Any, expected: Shape) -> list[str]:
    found = shape(rendered)
    nulls = {path for path in NULLS if found.get(path) == "null"}
    hidden = tuple(f"{path}." for path in nulls)
    wanted = {
        path: "null" if path in nulls else kind
        for path, kind in expected.items()
        if not path.startswith(hidden) and not (path in ABSENT and path not in found)
    }
    allowed = {path: kind for path, kind in EXTRA.items() if path in found}
    return sorted(
        f"{path}: {found.get(path)} instead of {(wanted | allowed).get(path)}"
        for path in found.keys() | wanted.keys()
        if found.get(path) != (wanted | allowed).get(path)
    )


@pytest.mark.parametrize("cadence", CADENCES[:150], ids=lambda cadence: str(cadence.id))
def test_every_list_item_has_the_shape_of_the_samples(cadence: Cadence) -> None:
    v7 = shape(sample("v7-list")["cadences"][0])
    v8 = shape(sample("v8-list")["cadences"][0])
    rendered = serializers.list_v7(cadence, PACIFIC)
    assert "whatsapp_follow_up_count" not in rendered["summary"]
    assert differences(rendered, v7) == []
    assert differences(serializers.list_v8(cadence, PACIFIC), v8) == []


def test_every_single_cadence_has_the_shape_of_the_sample() -> None:
    def outer(one: dict[str, Any]) -> dict[str, Any]:
        pruned = deepcopy(one)
        del pruned["follow_ups"]  # its steps are tested above
        if pruned["execution_details"]:
            pruned["execution_details"]["unenroll_properties"] = []
        return pruned

    expected = shape(outer(sample("v8-get-one")["cadences"][0]))
    assert "$.summary.whatsapp_follow_up_count" in expected
    for cadence in CADENCES:
        assert differences(outer(serializers.one_v8(cadence)), expected) == []


def test_the_comparison_of_shapes_notices_each_kind_of_difference() -> None:
    item = sample("v7-list")["cadences"][0]
    expected = shape(item)
    assert differences(item, expected) == []
    for path, value in ((("id",), 5), (("module", "id"), None), (("execution_details", "end_date"), False)):
        changed = deepcopy(item)
        holder = changed
        for key in path[:-1]:
            holder = holder[key]
        holder[path[-1]] = value
        assert len(differences(changed, expected)) == 1
        del holder[path[-1]]
        assert len(differences(changed, expected)) == 1
    assert len(differences(item | {"new": 1}, expected)) == 1


def test_the_versions_state_the_same_facts() -> None:
    for cadence in CADENCES:
        v7, v8, one = (
            serializers.list_v7(cadence, PACIFIC),
            serializers.list_v8(cadence, PACIFIC),
            serializers.one_v8(cadence),
        )
        plain = ("id", "name", "module", "created_by", "modified_by", "status")
        assert [v7[key] for key in plain] == [v8[key] for key in plain] == [one[key] for key in plain]
        both = ("active", "published", "type", "execution_details")
        assert [v7[key] for key in both] == [v8[key] for key in both]
        assert one["type"] == {"Custom view": "custom_view", "Manual enrollment": "manual_enrollment"}[v7["type"]]
        for key in ("created_time", "modified_time"):
            times = {text and instant(text) for text in (v7[key], v8[key], one[key])}
            assert times == {getattr(cadence, key)}
        if cadence.view:
            assert v7["custom_view"] == {"name": cadence.view.name, "id": int(v8["custom_view"]["id"])}
            assert v7["custom_view"]["id"] > 2**53
            assert v8["custom_view"] == one["custom_view"]
        whatsapp = one["summary"].pop("whatsapp_follow_up_count")
        assert v8["summary"].pop("whatsapp_follow_up_count", 0) == whatsapp
        assert v7["summary"] == v8["summary"] == one["summary"]


def test_v7_offsets_follow_the_organization_and_have_no_colon() -> None:
    cadence = v7_sample_cadences()[0]
    assert serializers.list_v7(cadence, timedelta(hours=5, minutes=30))["created_time"] == "2024-07-18T09:08:22+0530"
    assert serializers.list_v7(cadence, timedelta(0))["created_time"] == "2024-07-18T03:38:22+0000"


def test_immediately_has_no_unit() -> None:
    cadence = v8_sample_cadence()
    cadence.execution = Execution("immediately", None, "respond_email")
    every = {"period": "immediately"}
    assert serializers.list_v7(cadence, PACIFIC)["execution_details"]["execute_every"] == every
    assert serializers.one_v8(cadence)["execution_details"]["execute_every"] == every


def test_steps_agree_with_the_counts_and_hang_together() -> None:
    for cadence in CADENCES:
        steps = serializers.one_v8(cadence)["follow_ups"]
        kinds = [step["action"]["type"] for step in steps]
        counts = Counts(
            email=kinds.count("email_notifications"),
            task=kinds.count("tasks"),
            call=kinds.count("schedule_call"),
            whatsapp=kinds.count("whatsapp_message_notification"),
        )
        assert counts == cadence.counts
        seen: dict[str, str] = {}
        for step in steps:
            parent = step["parent_follow_up"]
            assert parent is None if not seen else seen[parent["id"]] == parent["type"]
            seen[step["id"]] = step["action"]["type"]


def test_no_id_inside_an_organization_is_used_twice() -> None:
    found: list[str] = []
    for cadence in CADENCES:
        for made in (cadence, cadence.as_draft()):
            one = serializers.one_v8(made)
            details = one["execution_details"] or {"unenroll_properties": []}
            found += [one["id"], *(rule["id"] for rule in details["unenroll_properties"])]
            for step in one["follow_ups"]:
                found += [step["id"], step["action"]["id"]]
                found += [step["execute_after"]["id"]] if step["parent_follow_up"] else []
    assert len(found) == len(set(found))
