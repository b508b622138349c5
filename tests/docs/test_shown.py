"""The checks of what a page shows find what is not so."""

from pathlib import Path

import pytest

from tests.docs.shown import Command, commands, same
from tools.terminal import Terminal

PAGE = """
```console
$ export A=1 \\
    B=2
$ echo $A
1
...
```

<!-- leave running -->
```console
$ simulate
first
last
```

<!-- leave running until ready -->
```console
$ serve
```
"""


def test_a_page_becomes_commands() -> None:
    assert list(commands(PAGE)) == [
        Command("export A=1 \\\n    B=2", []),
        Command("echo $A", ["1", "..."]),
        Command("simulate", ["first", "last"], left_running=True, until="last"),
        Command("serve", [], left_running=True, until="ready"),
    ]


def test_times_and_widths_do_not_count_and_words_do() -> None:
    assert same(["at 2026-03-01 09:00:00  a  b", "...", "end"], "at 2027-04-02 10:11:12 a b\nmore\nand more\n\nend\n")
    assert not same(["one"], "two\n")
    assert not same(["at revision 0008"], "at revision 0012\n")
    assert not same(["one"], "one\ntwo\n")
    assert not same(["one", "...", "four"], "one\ntwo\n")


@pytest.mark.process
def test_a_shell_keeps_its_variables_and_its_folder(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path / "state", {"PATH": "/usr/bin:/bin"})
    assert terminal.run("export WORD='a \"b\"'; mkdir below; cd below") == (0, "")
    assert terminal.run('echo "$WORD"; pwd; false') == (1, f'a "b"\n{tmp_path}/below\n')
    with terminal.left_running("echo ready; sleep 100", "ready") as shown:
        assert shown == "ready\n"
