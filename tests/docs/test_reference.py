"""The reference says what the code says: `make docs-generate` would change nothing, and nothing lacks a meaning."""

import ast
import re
from collections.abc import Iterator

import pytest

from cadence_sync import errors
from cadence_sync.errors import CadenceSyncError
from cadence_sync.zoho import errors as zoho_errors
from tools.paths import DOCS, ROOT
from tools.reference.generate import PAGES

ERRORS: dict[str, type[CadenceSyncError]] = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, CadenceSyncError) and kind is not CadenceSyncError
}
"""The errors by their names; the root itself ends no command but by a defect."""
SECTION = re.compile(r"^## [^\n]*: exit code (\d)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
OTHER = re.compile(r"^\| `([A-Z_]+)` \| (\d) \|", re.MULTILINE)
CODE = re.compile(r"[A-Z][A-Z_]+")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_code_says(name: str) -> None:
    page = (DOCS / name).read_text(encoding="utf-8")
    assert PAGES[name](page) == page, "run `make docs-generate`"


@pytest.mark.parametrize("name", PAGES)
def test_everything_on_a_page_has_a_meaning(name: str) -> None:
    rows = re.findall(r"^\| `.*$", (DOCS / name).read_text(encoding="utf-8"), re.MULTILINE)
    assert [row for row in rows if re.search(r"\|\s*\|$", row)] == []


def test_the_self_client_gets_the_scope_that_an_error_asks_for() -> None:
    page = (DOCS / "how-to/zoho-self-client.md").read_text(encoding="utf-8")
    assert re.findall(r"ZohoCRM\.[\w.]+", page) == [zoho_errors.SCOPE]


def test_every_error_stands_where_its_exit_code_is_reported() -> None:
    page = (DOCS / "reference/exit-codes-and-errors.md").read_text(encoding="utf-8")
    reported = {
        (code, int(exit_code))
        for exit_code, section in SECTION.findall(page)
        for row in re.findall(r"^\| ([^|]*) \|", section, re.MULTILINE)
        for code in CODE.findall(row)
    } | {(code, int(exit_code)) for code, exit_code in OTHER.findall(page)}
    raised = set(raised_codes())
    assert len(raised) > 40
    assert sorted(raised - reported) == []
    written = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "cadence_sync").rglob("*.py"))
    assert [code for code, _ in sorted(reported) if f'"{code}"' not in written] == []


def raised_codes() -> Iterator[tuple[str, int]]:
    """Yield the codes that are written beside the class of their error, with its exit code."""
    for path in (ROOT / "cadence_sync").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ERRORS:
                for word in node.keywords:
                    if word.arg == "code" and isinstance(word.value, ast.Constant):
                        yield str(word.value.value), ERRORS[node.func.id].exit_code
    for kind in subclasses(CadenceSyncError):
        if "default_code" in vars(kind):
            yield kind.default_code, kind.exit_code


def subclasses(kind: type[CadenceSyncError]) -> Iterator[type[CadenceSyncError]]:
    for one in kind.__subclasses__():
        yield one
        yield from subclasses(one)
