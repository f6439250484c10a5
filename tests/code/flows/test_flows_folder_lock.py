"""Who runs in a folder is known by a lock that its holder signs."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.local import status
from flows.local.attach import running_ports
from flows.local.children import ChildFailed
from flows.local.folder_lock import FLOWS, SYSTEM, await_free, end, held, holder, is_held
from pipelines.core.errors import AlreadyRunning

HOLD = """
import sys, time
from pathlib import Path
from flows.local.folder_lock import held
with held(Path(sys.argv[1]), sys.argv[2]) as sign:
    sign({"dashboard": "http://127.0.0.1:9/", "prefect": "http://127.0.0.1:9/"})
    {ignore}
    print("up", flush=True)
    time.sleep(60)
"""
IGNORE = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)"


@pytest.fixture
def start() -> Iterator[object]:
    """Starts a process that holds a lock; all are dead afterwards."""
    processes = []

    def begin(path: Path, command: str = "oddsmith run", ignore: str = "") -> subprocess.Popen[str]:
        script = HOLD.replace("{ignore}", ignore)
        process = subprocess.Popen(
            [sys.executable, "-c", script, str(path), command], stdout=subprocess.PIPE, text=True
        )
        processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        return process

    yield begin
    for process in processes:
        process.kill()
        process.wait()


def test_the_holder_is_named_with_its_urls(tmp_path, start):
    """Another process reads who holds the lock, since when, and where it listens."""
    process = start(tmp_path / SYSTEM)

    found = holder(tmp_path / SYSTEM)

    assert found is not None
    assert (found.command, found.pid) == ("oddsmith run", process.pid)
    assert abs(found.started_s - time.time()) < 60
    assert found.urls["dashboard"] == "http://127.0.0.1:9/"


def test_a_second_one_is_refused_and_the_signature_stays(tmp_path, start):
    """The refusal names the first one's command and process, and how to end it."""
    process = start(tmp_path / SYSTEM)

    with (
        pytest.raises(AlreadyRunning, match=rf"`oddsmith run`, process {process.pid}, runs in this folder already"),
        held(tmp_path / SYSTEM, "second"),
    ):
        pass

    found = holder(tmp_path / SYSTEM)
    assert found is not None
    assert found.pid == process.pid


def test_a_killed_holder_leaves_no_lock(tmp_path, start):
    """The operating system drops the lock; what the dead one signed is not believed."""
    process = start(tmp_path / SYSTEM)
    process.kill()
    process.wait()

    assert not is_held(tmp_path / SYSTEM)
    assert holder(tmp_path / SYSTEM) is None
    with held(tmp_path / SYSTEM, "next"):
        assert holder(tmp_path / SYSTEM).command == "next"


def test_the_end_is_asked_for_and_waited_for(tmp_path, start):
    """SIGTERM reaches the holder, and the lock is free when `end` says so."""
    process = start(tmp_path / SYSTEM)

    assert end(tmp_path / SYSTEM, limit_s=10)
    assert process.wait(5) == -signal.SIGTERM
    assert end(tmp_path / SYSTEM, limit_s=0)


def test_one_that_does_not_end_is_said(tmp_path, start):
    """After the limit the answer is no, and the holder still holds."""
    start(tmp_path / SYSTEM, ignore=IGNORE)

    assert not end(tmp_path / SYSTEM, limit_s=0.3)
    assert not await_free(tmp_path / SYSTEM, limit_s=0)


def test_a_stranger_with_the_signed_number_is_left_alone(tmp_path):
    """A signature whose process started at another time is of a process that is gone."""
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(30)"])
    path = tmp_path / SYSTEM
    with held(path, "me"):
        path.write_text(json.dumps({"command": "old", "pid": stranger.pid, "started_s": 1.0, "urls": {}}))
        try:
            assert holder(path) is None
            assert not end(path, limit_s=0)
            assert stranger.poll() is None
        finally:
            stranger.kill()
            stranger.wait()


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """An empty folder as the working folder, with its own var."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ODDSMITH_VAR", str(tmp_path / "var"))
    for name in [name for name in os.environ if name.startswith("ODDSMITH_") and name != "ODDSMITH_VAR"]:
        monkeypatch.delenv(name)
    return tmp_path


def test_a_system_whose_servers_do_not_answer_is_named(tmp_path, start):
    """A busy or starting system is waited for; it is never taken for none."""
    process = start(tmp_path / SYSTEM)

    assert running_ports(tmp_path / "elsewhere", wait_s=0) is None
    with pytest.raises(
        ChildFailed, match=rf"process {process.pid}, runs here, and its Prefect server has not answered"
    ):
        running_ports(tmp_path, wait_s=0.2)


def test_nothing_to_stop_is_no_error(folder, capsys):
    """`oddsmith stop` where nothing runs says so."""
    status.stop()

    assert capsys.readouterr().out == f"nothing of `oddsmith run` runs in {folder}\n"


def test_stop_ends_the_flows_before_the_system(folder, start, capsys):
    """The flows lose their servers with the system: they end first."""
    start(folder / "var" / SYSTEM)
    start(folder / "var" / FLOWS, "oddsmith flows serve")

    status.stop(20)

    said = capsys.readouterr().out.splitlines()
    assert [line.split("`")[1] for line in said] == ["oddsmith flows serve", "oddsmith run"]
    assert status.document()["system"] is None


def test_what_does_not_stop_is_an_error(folder, start):
    """The error names the process and what to do."""
    process = start(folder / "var" / SYSTEM, ignore=IGNORE)

    with pytest.raises(status.NotStopped, match=rf"process {process.pid}, has not ended after 0 s"):
        status.stop(0.2)


def test_the_status_of_an_empty_folder_is_empty(folder, capsys):
    """Nothing runs, no verdict, no champion; another folder's bot on the default port is not shown."""
    status.show(as_json=True)

    found = json.loads(capsys.readouterr().out)
    assert found == {
        "folder": str(folder),
        "system": None,
        "flows": None,
        "kill_switch": False,
        "bot": None,
        "silent_bot": None,
        "verdict": None,
        "champion": None,
    }


def test_the_status_names_what_runs_and_a_bot_that_does_not_answer(folder, start, capsys):
    """While a model trains there is a system and no bot yet."""
    process = start(folder / "var" / SYSTEM)
    (folder / "reports").mkdir()
    (folder / "reports/gate.json").write_text('{"verdict": "hold", "reasons": ["no skill"], "bundle": "ab"}')

    status.show(as_json=False)

    said = capsys.readouterr().out
    assert f"`oddsmith run`, process {process.pid}" in said
    assert "none answers at http://127.0.0.1:9/ yet" in said
    assert "verdict   hold: no skill" in said
    assert "dashboard http://127.0.0.1:9/" in said
