"""How an error ends the program: one sentence, a hint and a documented code; a traceback where one is asked for."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Program

pytestmark = pytest.mark.process

PASSWORD = "db-password-4715"
GONE = {"DATABASE_URL": f"postgresql://u:{PASSWORD}@127.0.0.1:9/x"}
DEFECT = """
import cadence_sync.db.queries.current as queries

async def load_status(engine):
    secret = "a-secret-of-a-local-variable"
    raise {error}

queries.load_status = load_status
"""


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """A program whose database is gone: none of this needs one."""
    return Program(tmp_path, dict(GONE))


@pytest.fixture
def broken(program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """A program with a defect in `status`."""
    (tmp_path / "sitecustomize.py").write_text(DEFECT.format(error="KeyError('what nobody thought of')"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return program


async def test_a_defect_is_one_sentence_and_a_hint(broken: Program) -> None:
    result = await broken.run("status")
    assert (result.code, result.out) == (1, "")
    assert result.err.splitlines() == [
        "Error: Unexpected KeyError.",
        "Hint: This is a defect: please report it with the traceback that `cadence-sync --debug …` shows.",
    ]


@pytest.mark.parametrize("how", ["option", "variable"])
async def test_a_traceback_is_shown_to_who_asks_for_it_and_no_local_variable(broken: Program, how: str) -> None:
    options, changes = (["--debug"], {}) if how == "option" else ([], {"DEBUG": "1"})
    result = await broken.run(*options, "status", **changes)
    assert (result.code, result.err.startswith("Traceback")) == (1, True)
    assert "KeyError: 'what nobody thought of'" in result.err
    assert result.err.splitlines()[-2:] == [
        "Error: Unexpected KeyError.",
        "Hint: This is a defect: please report it with the traceback above.",
    ]
    assert "a-secret-of-a-local-variable" not in result.err


@pytest.mark.parametrize(("options", "shown"), [([], False), (["--debug"], True)])
async def test_an_error_keeps_its_code_whatever_is_shown_of_it(
    program: Program, options: list[str], shown: bool
) -> None:
    result = await program.run(*options, "status")
    assert (result.code, "Traceback" in result.err) == (5, shown)
    assert result.err.splitlines()[-1].startswith("Hint: Check the database URL")
    assert PASSWORD not in result.err


async def test_an_organization_called_like_the_option_asks_for_no_traceback(program: Program) -> None:
    result = await program.run("list", "--org=--debug")
    assert (result.code, "Traceback" in result.err) == (5, False)


async def test_a_terminal_that_knows_no_such_character_gets_another_spelling(
    program: Program, around: Callable[..., None]
) -> None:
    around(PYTHONIOENCODING="latin-1")
    result = await program.run("doctor", "--offline")
    assert (result.code, result.err) == (5, "")
    assert "\\u2717 database: The database cannot be reached" in result.out


async def test_a_misspelled_option_names_the_right_one(program: Program) -> None:
    result = await program.run("sync", "--jsn")
    assert (result.code, "--json" in result.err, "Traceback" in result.err) == (2, True, False)
