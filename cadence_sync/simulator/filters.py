"""v8's filters of the list: `module`, `name`, `active`, and `fields=name`."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import msgspec

from cadence_sync.simulator.org import SimOrg
from cadence_sync.simulator.records import Cadence
from cadence_sync.simulator.replies import ZohoError

_COMPARATORS: dict[str, Callable[[str, str], bool]] = {
    "equal": lambda name, value: name == value,
    "not_equal": lambda name, value: name != value,
    "contains": lambda name, value: value in name,
    "not_contains": lambda name, value: value not in name,
    "starts_with": lambda name, value: name.startswith(value),
    "ends_with": lambda name, value: name.endswith(value),
}
_FLAGS = {"true": True, "false": False}


class _Field(msgspec.Struct):
    api_name: str


class _Criterion(msgspec.Struct):
    field: _Field
    comparator: str
    value: str


def apply(cadences: Sequence[Cadence], org: SimOrg, query: Mapping[str, str]) -> Sequence[Cadence]:
    """Return the cadences that pass all filters of the query; raises `ZohoError` for a wrong one."""
    if query.get("fields", "name") != "name":
        raise ZohoError("INVALID_DATA", "invalid data", param_name="fields")
    tests = [_MAKERS[name](query[name], org) for name in _MAKERS if name in query]
    if not tests:
        return cadences
    return [cadence for cadence in cadences if all(test(cadence) for test in tests)]


def name_only(cadence: Cadence, _utc_offset: timedelta) -> dict[str, Any]:
    """Render what `fields=name` leaves of a list's item: the id always stays."""
    return {"name": cadence.name, "id": cadence.id}


def _by_module(value: str, org: SimOrg) -> Callable[[Cadence], bool]:
    if value not in {module.api_name for module in org.modules}:
        raise ZohoError("INVALID_DATA")
    return lambda cadence: cadence.module.api_name == value


def _by_active(value: str, _org: SimOrg) -> Callable[[Cadence], bool]:
    if value not in _FLAGS:
        raise ZohoError("UNABLE_TO_PARSE_DATA_TYPE")
    return lambda cadence: cadence.active is _FLAGS[value]


def _by_name(value: str, _org: SimOrg) -> Callable[[Cadence], bool]:
    """Read a criterion such as `{"field":{"api_name":"name"},"comparator":"contains","value":"demo"}`."""
    try:
        criterion = msgspec.json.decode(value, type=_Criterion)
    except msgspec.MsgspecError as error:
        raise ZohoError("UNABLE_TO_PARSE_DATA_TYPE") from error
    if criterion.field.api_name != "name" or criterion.comparator not in _COMPARATORS:
        raise ZohoError("INVALID_DATA", "invalid data", param_name="name")
    compare, wanted = _COMPARATORS[criterion.comparator], criterion.value.casefold()
    return lambda cadence: compare(cadence.name.casefold(), wanted)


_MAKERS: dict[str, Callable[[str, SimOrg], Callable[[Cadence], bool]]] = {
    "module": _by_module,
    "active": _by_active,
    "name": _by_name,
}
