"""Every query learns which organizations it may read."""

import dataclasses
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from cadence_sync.db import audit, queries
from cadence_sync.db.queries.as_of import PastQuery
from cadence_sync.db.queries.changes import FeedFilter
from cadence_sync.db.queries.current import CadenceFilter
from cadence_sync.db.scope import OrgScope
from cadence_sync.errors import NotFoundError

WEB = Path(queries.__file__).parents[2] / "web"
FILTERS = (CadenceFilter, FeedFilter, PastQuery)
OF_ONE = {"org", "org_id", "left_org", "keys", "run", "differences"}
"""Parameters that name what is read, which the caller has found within a scope."""
OF_ALL = {"load_status", "load_vitals", "check_time"}
"""What operators and metrics read of all organizations, or what reads none."""


def functions() -> Iterator[tuple[str, Callable[..., Any]]]:
    modules = [import_module(f"{queries.__name__}.{each.name}") for each in pkgutil.iter_modules(queries.__path__)]
    for module in modules:
        for name, each in inspect.getmembers(module, inspect.isfunction):
            reads = inspect.iscoroutinefunction(each) or inspect.isasyncgenfunction(each)
            if each.__module__ == module.__name__ and reads and not name.startswith("_"):
                yield name, each


def is_scoped(function: Callable[..., Any]) -> bool:
    hints = get_type_hints(function)
    scoped = any(kind is OrgScope or kind in FILTERS for kind in hints.values())
    return scoped or any(name in OF_ONE and type(None) not in getattr(hints[name], "__args__", ()) for name in hints)


def test_every_query_takes_a_scope_or_the_one_thing_it_reads() -> None:
    found = dict(functions())
    assert len(found) > 20
    assert {name for name, function in found.items() if not is_scoped(function)} == OF_ALL
    assert is_scoped(audit.list_actions)


def test_no_filter_is_made_without_a_scope() -> None:
    for kind in FILTERS:
        (scope,) = [field for field in dataclasses.fields(kind) if field.name == "scope"]
        assert scope.default is dataclasses.MISSING
        assert scope.type in {OrgScope, "OrgScope"}


def test_the_web_ui_makes_scopes_in_one_place() -> None:
    makers = [path.name for path in WEB.rglob("*.py") if "OrgScope(" in path.read_text(encoding="utf-8")]
    assert makers == ["params.py"]


def test_one_that_is_not_allowed_is_as_unknown_as_any() -> None:
    with pytest.raises(NotFoundError):
        OrgScope("hush", frozenset({"acme"}))
    with pytest.raises(NotFoundError):
        OrgScope("hush", frozenset())
    assert OrgScope("acme", frozenset({"acme", "beta"})).values == {"org": "acme", "allowed_orgs": None}
    assert OrgScope(None, frozenset({"acme"})).values == {"org": "acme", "allowed_orgs": None}
    assert OrgScope(None, frozenset({"beta", "acme"})).values == {"org": None, "allowed_orgs": ["acme", "beta"]}
    assert OrgScope(None, frozenset()).values == {"org": None, "allowed_orgs": []}
    assert OrgScope().values == {"org": None, "allowed_orgs": None}
    assert OrgScope("acme", frozenset({"acme", "beta"})).whole.single is None
