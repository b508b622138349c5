"""Whether the process of an open run still lives, where that can be known."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from cadence_sync.db import runs
from cadence_sync.db.runs import Process, is_gone


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """A process that lives until its input ends."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        yield child
        child.kill()


def free_pid() -> int:
    return next(pid for pid in range(4_000_000, 4_100_000) if not psutil.pid_exists(pid))


def test_this_process_is_not_gone_and_one_that_never_was_is() -> None:
    me = runs.current()
    assert not is_gone(me, expired=False)
    assert is_gone(Process(me.host, free_pid(), "1.00"), expired=False)


def test_of_another_machine_s_process_nothing_is_known() -> None:
    unknown = Process("elsewhere", free_pid(), "1.00")
    assert not is_gone(unknown, expired=False)
    assert is_gone(unknown, expired=True)


def test_a_machine_after_another_boot_and_another_container_on_it_are_other_machines() -> None:
    parts = runs.current().host.split("/")
    assert Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip() in parts
    assert str(Path("/proc/self/ns/pid").readlink()) in parts


@pytest.mark.process
def test_a_process_that_ended_is_gone_though_nobody_has_asked_for_its_exit_code(child: subprocess.Popen[bytes]) -> None:
    started = runs._started(child.pid)
    assert started is not None
    process = Process(runs.current().host, child.pid, started)
    assert not is_gone(process, expired=False)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE
    assert is_gone(process, expired=False)


def test_the_start_of_a_process_does_not_move_with_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    before = runs._started(runs.current().pid)
    monkeypatch.setattr(psutil.Process, "create_time", lambda _self: 1.0)
    assert runs._started(runs.current().pid) == before
