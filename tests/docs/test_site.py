"""The site holds every page of docs/ and leads to no file outside of it; `make docs` checks links and anchors."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tools.paths import DOCS, ROOT

LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
MODULE = re.compile(r"`((?:\w+/)+\w+\.py)`")
PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))


def entries(nav: list[dict[str, Any]]) -> list[str]:
    """Return the pages of a navigation, depth first."""
    values = [value for entry in nav for value in entry.values()]
    return [page for value in values for page in ([value] if isinstance(value, str) else entries(value))]


def titles(nav: list[dict[str, Any]]) -> Iterator[str]:
    for entry in nav:
        for title, value in entry.items():
            yield from [title] if isinstance(value, str) else titles(value)


def test_the_navigation_names_every_page_once_and_no_other() -> None:
    nav = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]["nav"]
    assert sorted(entries(nav)) == PAGES


@pytest.mark.parametrize("page", PAGES)
def test_a_page_links_to_nothing_that_the_site_does_not_hold(page: str) -> None:
    here = (DOCS / page).parent
    for target in LINK.findall((DOCS / page).read_text(encoding="utf-8")):
        if "://" not in target:
            assert Path(here, target).resolve().is_relative_to(DOCS), f"{target}: name the file, without a link"


@pytest.mark.parametrize("page", PAGES)
def test_a_page_names_modules_that_exist(page: str) -> None:
    named = MODULE.findall((DOCS / page).read_text(encoding="utf-8"))
    assert [
        path for path in named if not any((start / path).is_file() for start in (ROOT, ROOT / "cadence_sync"))
    ] == []


def test_hints_name_pages_by_titles_that_the_site_has_and_no_file() -> None:
    nodes = [node for file in ROOT.glob("cadence_sync/**/*.py") for node in ast.walk(ast.parse(file.read_text()))]
    calls = [node for node in nodes if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "docs_hint"]
    named = {argument.value for call in calls for argument in call.args if isinstance(argument, ast.Constant)}
    nav = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]["nav"]
    assert named
    assert named <= set(titles(nav))
    said = [ast.unparse(node) for node in nodes if isinstance(node, ast.Call)]
    assert [line for line in said if "docs/" in line] == []
