"""README and tutorial are typed into a terminal, from an empty folder on; what they show is what appears.

Nothing but this is different from what a reader does: pip finds the wheel of this checkout, other ports are taken,
and where the README has a reader's own credentials, database and cadence, the simulator and the test's server stand in.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from cadence_sync import __version__
from cadence_sync.simulator.tokens import credentials
from tests.docs.shown import commands, same
from tools.paths import DOCS, ROOT
from tools.terminal import Terminal

pytestmark = pytest.mark.system
OURS = ("LANG", "PIP_", "SSL_CERT_", "http_proxy", "https_proxy")
"""How variables begin that a machine sets so that pip finds its index."""
PAUSED = re.compile(r"\bdate -u|/_simulator/")
"""Zoho's times have no fractions of a second, and nobody types two commands in one."""
CADENCE = "6652397000000307091"
"""The simulator has it; the README's is a reader's own."""
SIMULATOR, WEB = "8787", "8642"


@dataclass(frozen=True)
class Reader:
    """Somebody in an empty folder, with a shell's variables, and with the ports that stand for those of the page."""

    folder: Path
    variables: Mapping[str, str]
    ports: Mapping[str, str]

    def types(self, page: str) -> str:
        """Type all commands of a page; return those that did not show what the page shows."""
        for port, free in self.ports.items():
            page = page.replace(port, free)
        wrong: list[str] = []
        terminal = Terminal(self.folder / ".state", self.variables)
        with ExitStack() as stack:
            for number, command in enumerate(commands(page)):
                if command.left_running:
                    another = Terminal(self.folder / f".state-{number}", self.variables)
                    another.state.write_text(terminal.state.read_text())
                    code, shown = 0, stack.enter_context(another.left_running(command.text, command.until))
                else:
                    if PAUSED.search(command.text):
                        terminal.run("sleep 1.1")
                    code, shown = terminal.run(command.text)
                if code or (command.output and not same(command.output, shown)):
                    wrong.append(f"$ {command.text}\n{shown}(exit code {code})\n")
        return "\n".join(wrong)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    uv = shutil.which("uv") or ROOT / ".tools/uv/bin/uv"
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([uv, "build", "--quiet", "--wheel", "--out-dir", folder], cwd=ROOT, check=True)
    return next(folder.glob("*.whl"))


@pytest.fixture
def reader(wheel: Path, server_url: str, tmp_path: Path) -> Reader:
    """A reader whose `createdb` and `psql` find the test's server, as others find their own."""
    constraint = tmp_path / "constraint.txt"
    constraint.write_text(f"cadence-sync=={__version__}\n")
    server = urlsplit(server_url)
    ports = {SIMULATOR: str(free_port()), WEB: str(free_port())}
    variables = {
        **{name: value for name, value in os.environ.items() if name.startswith(OURS)},
        "PATH": f"{Path(sys.base_prefix, 'bin')}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "PGHOST": parse_qs(server.query)["host"][0],
        "PGUSER": server.username or "postgres",
        "PAGER": "cat",
        "PIP_CONSTRAINT": str(constraint),
        "PIP_FIND_LINKS": str(wheel.parent),
        "PIP_CACHE_DIR": str(Path.home() / ".cache/pip"),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "CADENCE_SYNC_WEB_PORT": ports[WEB],
    }
    folder = tmp_path / "empty"
    folder.mkdir()
    return Reader(folder, variables, ports)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.fixture
def clean_server(reader: Reader) -> Iterator[None]:
    """Let the server be afterwards as the tutorial's own end leaves it."""
    yield
    for command in ("dropdb", "--if-exists", "--force", "cadences"), ("dropuser", "--if-exists", "cadence_reader"):
        subprocess.run(command, env=reader.variables, check=True)


@pytest.mark.usefixtures("clean_server")
def test_the_tutorial(reader: Reader) -> None:
    wrong = reader.types((DOCS / "tutorial.md").read_text(encoding="utf-8"))
    if wrong:
        pytest.fail(wrong, pytrace=False)


def test_the_readme(reader: Reader, empty_database_url: str) -> None:
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    known = credentials(0)
    for own, stand_in in (
        (r"(?<=CLIENT_ID=)\.\.\.", known.client_id),
        (r"(?<=CLIENT_SECRET=)\.\.\.", known.client_secret),
        (r"(?<=REFRESH_TOKEN=)\.\.\.", known.refresh_token),
        (r"(?<=DATABASE_URL=)postgresql://me@localhost\S*", f"'{empty_database_url}'"),
        (r"\b3652397\d{12}\b", CADENCE),
        (r"(?<=\$ )make demo", f"make --no-print-directory -C '{ROOT}' demo"),
    ):
        page = re.sub(own, lambda _, new=stand_in: new, page)  # type: ignore[misc]
    zoho = f"http://127.0.0.1:{reader.ports[SIMULATOR]}"
    variables = {
        **reader.variables,
        "CADENCE_SYNC_ZOHO_API_URL": zoho,
        "CADENCE_SYNC_ZOHO_ACCOUNTS_URL": zoho,
        "VIRTUAL_ENV": str(reader.folder),
        "PATH": f"{reader.folder / 'bin'}:{reader.variables['PATH']}",
    }
    reader = replace(reader, variables=variables)
    simulator = Terminal(reader.folder / ".simulator", {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"})
    subprocess.run([sys.executable, "-m", "venv", reader.folder], check=True)
    with simulator.left_running(f"cadence-sync simulate --port {reader.ports[SIMULATOR]}", "/edits"):
        wrong = reader.types(page)
    if wrong:
        pytest.fail(wrong, pytrace=False)
