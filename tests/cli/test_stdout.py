"""Standard output that is full, broken or closed."""

import asyncio
import json
import os

import pytest

from tests.cli.conftest import Program
from tests.support import cli
from tests.support.lab import Lab
from tests.support.records import record

LOOKS = (["export"], ["history", "1"], ["list"], ["--help"], ["blame", "1", "--json"])


async def shell(program: Program, line: str, **changes: str) -> tuple[int, str, str]:
    """Run a line of bash in which `cs` is the command; its code is that of the command."""
    process = await asyncio.create_subprocess_exec(
        "bash", "-c", f'cs() {{ "{cli.COMMAND}" "$@"; }}; {line}',
        cwd=program.cwd, env=cli.environment(**(program.settings | changes)),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(cli.PATIENCE):
        out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


@pytest.mark.parametrize("words", LOOKS, ids=" ".join)
async def test_a_full_disk_is_one_sentence(lab: Lab, program: Program, words: list[str]) -> None:
    await lab.sync(record("1"))
    code, _, err = await shell(program, f"cs {' '.join(words)} > /dev/full")
    assert code == 2
    assert err.splitlines() == [
        "Error: Standard output cannot be written: No space left on device.",
        "Hint: Make room where it leads, or send it elsewhere; what was written to the database is there.",
    ]


async def test_the_outcome_of_a_command_outlives_a_full_disk(lab: Lab, program: Program) -> None:
    await lab.sync(record("1"))
    code, _, err = await shell(program, "cs history 404 > /dev/full")
    assert (code, "There is no cadence '404'" in err) == (1, True)
    code, _, err = await shell(program, "cs sync --json > /dev/full", ZOHO_CLIENT_SECRET="wrong")
    assert (code, "Standard output cannot be written" in err) == (3, True)


async def test_a_pipe_that_does_not_block_is_waited_for(lab: Lab, program: Program) -> None:
    await lab.sync(*(record(f"{number}") for number in range(900)))
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    process = await asyncio.create_subprocess_exec(
        cli.COMMAND, "export", cwd=program.cwd, env=cli.environment(**program.settings),
        stdout=writing, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    os.close(writing)
    await asyncio.sleep(2)  # until it has filled the pipe; without that it is only less of a test
    with os.fdopen(reading, "rb") as out:
        rows = json.loads(await asyncio.to_thread(out.read))
    _, err = await process.communicate()
    assert (len(rows), process.returncode, err) == (900, 0, b"")


@pytest.mark.parametrize("words", LOOKS, ids=" ".join)
async def test_a_reader_that_has_enough_is_no_error(lab: Lab, program: Program, words: list[str]) -> None:
    """The pipe is closed before the command writes: `true` reads nothing, and the command waits for its end."""
    await lab.sync(record("1"))
    line = f"exec 3> >(true); wait $!; cs {' '.join(words)} >&3"
    assert await shell(program, line) == (141, "", "")


@pytest.mark.parametrize("words", LOOKS, ids=" ".join)
async def test_a_closed_output_gets_nothing(lab: Lab, program: Program, words: list[str]) -> None:
    await lab.sync(record("1"))
    assert await shell(program, f"cs {' '.join(words)} >&-") == (0, "", "")


async def test_the_whole_list_arrives(lab: Lab, program: Program) -> None:
    await lab.sync(*(record(f"{number}") for number in range(500)))
    code, out, err = await shell(program, "cs list | tail -n +2 | wc -l")
    assert (code, out.strip(), err) == (0, "500", "")
