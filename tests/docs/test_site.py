"""The site holds every page of docs/ and leads to no file outside of it; `make docs` checks links and anchors."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.docs.places import DOCS, LINK, ROOT

PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))


def entries(nav: list[dict[str, Any]]) -> list[str]:
    """Return the pages of a navigation, depth first."""
    values = [value for entry in nav for value in entry.values()]
    return [page for value in values for page in ([value] if isinstance(value, str) else entries(value))]


def test_the_navigation_names_every_page_once_and_no_other() -> None:
    nav = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]["nav"]
    assert sorted(entries(nav)) == PAGES


@pytest.mark.parametrize("page", PAGES)
def test_a_page_links_to_nothing_that_the_site_does_not_hold(page: str) -> None:
    here = (DOCS / page).parent
    for target in LINK.findall((DOCS / page).read_text(encoding="utf-8")):
        if "://" not in target:
            assert Path(here, target).resolve().is_relative_to(DOCS), f"{target}: name the file, without a link"
