"""`make pictures`: renders docs/images/terminal.svg from commands run against the simulator and the embedded server."""

import io
import json
import re
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.text import Text

from cadence_sync.db import embedded
from tests.support.cli import environment, zoho_settings
from tools.paths import DOCS
from tools.terminal import Terminal

WIDTH: Final = 100
CADENCE: Final = "6652397000000307091"
EDITS: Final = ("rename", "change_counts", "deactivate")
SHOWN: Final = (f"cadence-sync history {CADENCE}", 'cadence-sync diff --from "$BEFORE" --org default')
FONT: Final = 'ui-monospace, "Cascadia Mono", "DejaVu Sans Mono", Menlo, Consolas, monospace'


def record() -> str:
    """Returns the terminal output of the `SHOWN` commands after `EDITS` in a simulated Zoho."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cadence-sync-pictures-")))
        url = stack.enter_context(embedded.temporary())
        terminal = {
            "TERM": "xterm-256color",
            "COLUMNS": str(WIDTH),
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        }
        simulator = Terminal(folder / "simulator", environment() | terminal)
        said = stack.enter_context(simulator.left_running("cadence-sync simulate --port 0", "/edits"))
        zoho = re.findall(r"http://[\d.:]+\d", said)[0]
        shell = Terminal(folder / "shell", environment(DATABASE_URL=url, **zoho_settings(zoho)) | terminal)
        run(shell, "cadence-sync migrate && cadence-sync sync && sleep 1.1")
        run(shell, "export BEFORE=$(date -u +%Y-%m-%dT%H:%M:%SZ)")
        for kind in EDITS:
            edit = json.dumps({"kind": kind, "cadence_id": CADENCE})
            run(shell, f"sleep 1.1; curl -s {zoho}/_simulator/edits -d '{edit}' && sleep 1.1 && cadence-sync sync")
        return "\n".join(f"\x1b[1;32m$\x1b[0m \x1b[1m{command}\x1b[0m\n{run(shell, command)}" for command in SHOWN)


def run(shell: Terminal, command: str) -> str:
    code, shown = shell.run(command)
    if code:
        raise RuntimeError(f"{command} ended with {code}:\n{shown}")
    return shown


def render(shown: str) -> str:
    """Returns an SVG with the viewer's own fonts, so that it fetches nothing."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(shown))
    picture = console.export_svg(title="cadence-sync", unique_id="terminal")
    return (
        re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL)
        .replace("Fira Code, monospace", FONT)
        .replace('"Fira Code"', FONT)
    )


if __name__ == "__main__":
    (DOCS / "images" / "terminal.svg").write_text(render(record()), encoding="utf-8")
