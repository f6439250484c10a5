"""Child processes of the local stack."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from flows.local.children import ChildFailed, Children

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)",
]


@pytest.fixture
def children(tmp_path: Path):
    """The children of one run; all are dead afterwards."""
    group = Children(tmp_path)
    yield group
    group.kill_all()


def _await_text(path: Path, text: str) -> None:
    deadline = time.monotonic() + 10
    while text not in path.read_text() and time.monotonic() < deadline:
        time.sleep(0.02)


def test_a_child_lives_in_a_process_group_of_its_own(children):
    """Ctrl-C in the terminal reaches the supervisor alone."""
    child = children.start("sleeper", SLEEP, {}, stop_s=1)

    assert os.getpgid(child.process.pid) == child.process.pid != os.getpgid(0)


def test_a_child_that_ignores_sigterm_is_killed_at_its_limit(children):
    """Stopping is bounded in time."""
    child = children.start("stubborn", STUBBORN, {}, stop_s=0.5)
    _await_text(child.log, "up")

    seconds = children.stop("stubborn")

    assert 0.4 < seconds < 3.0
    assert child.process.returncode == -signal.SIGKILL


def test_a_full_disk_keeps_nothing_running(children, tmp_path):
    """Everything is stopped even where the record of what runs cannot be written."""
    first, second = (children.start(name, SLEEP, {}, stop_s=1) for name in ("first", "second"))
    (tmp_path / "stack.json").unlink()
    (tmp_path / "stack.json").mkdir()  # a rename onto a folder fails for every user, root included

    children.stop("first")
    children.stop("second")

    assert not first.running
    assert not second.running


def test_a_child_that_dies_while_starting_is_reported_with_its_last_words(children):
    """The error is the child's own line and where the log is."""
    child = children.start("broken", [sys.executable, "-c", "print('no disk')"], {}, stop_s=1)

    with pytest.raises(ChildFailed, match=r"broken ended while starting: no disk \(see .*broken.log\)"):
        children.wait_ready(child, "http://127.0.0.1:9/", limit_s=10, on_wait=lambda _s: None)


def test_the_next_run_clears_up_what_a_kill_left(tmp_path):
    """After kill -9 of the supervisor its children are found by pid and start time and ended."""
    script = (
        "import sys, os, signal; from pathlib import Path; from flows.local.children import Children;"
        f"Children(Path({str(tmp_path)!r})).start('orphan', {SLEEP!r}, {{}}, stop_s=1);"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", script], check=False)
    orphan = psutil.Process(int((tmp_path / "stack.json").read_text().split('"pid": ')[1].split(",")[0]))

    found = Children(tmp_path).clear_up_last_run()

    assert found == ["orphan"]
    assert not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE
    assert Children(tmp_path).clear_up_last_run() == []


def test_a_process_that_got_a_recycled_pid_is_left_alone(tmp_path):
    """Only a process with the recorded start time is ours."""
    stranger = subprocess.Popen(SLEEP, start_new_session=True)
    (tmp_path / "stack.json").write_text(f'[{{"name": "x", "pid": {stranger.pid}, "started_s": 1.0}}]')
    try:
        assert Children(tmp_path).clear_up_last_run() == []
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()
