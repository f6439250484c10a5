"""What people are told of the flows arrives at a real receiver; failures are repeated by their kind; one at a time."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from message_receiver import receiver
from prefect import flow
from prefect.logging import disable_run_logger

from flows import nightly, nights, notices
from flows.alive import alive
from flows.exclusive import CHAMPION, alone
from flows.overdue import overdue
from flows.stage_tasks import TRIES, Failure, StageFailed, run_command, run_optional, try_again
from pipelines.core import params as parameters
from pipelines.core.errors import AlreadyRunning, OddsmithError, VenueUnavailable
from pipelines.core.sign_of_life import Pulse

ROOT = Path(__file__).parents[2]
HOUR = 3600.0


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """An empty folder with the shipped parameters, and a receiver that messages of this machine go to."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ODDSMITH_VAR", str(tmp_path / "var"))
    Path("params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    parameters.load.cache_clear()
    with receiver() as caught:
        monkeypatch.setenv("ODDSMITH_MESSAGES", caught.address)
        yield caught
    parameters.load.cache_clear()


def said(caught) -> str:
    """The text of every message so far."""
    return json.dumps(caught.messages)


def test_each_event_of_a_night_reaches_the_receiver(desk):
    """Failure, promotion, rollback and drift are each told, with what happened and of which bundle."""
    state = SimpleNamespace(message="Flow run encountered an exception: pull: the venue lists no market")
    notices.failed(SimpleNamespace(name="nightly"), SimpleNamespace(name="brave-fox"), state)
    notices.rolled_back({"hash": "ab" * 32}, "cd" * 32, "loses money")
    notices.drifted({"bundle": "ef" * 32, "reasons": ["volume moved"]})

    told = said(desk)
    assert "the flow nightly (brave-fox) failed: pull: the venue lists no market" in told
    assert "cdcdcdcdcdcd was rolled back to abababababab: loses money" in told
    assert "efefefefefef: volume moved" in told
    assert json.loads(Path("var/nights.jsonl").read_text())["state"] == "failed"


def test_a_receiver_that_is_down_stops_no_flow(desk, monkeypatch):
    """A message that nobody takes is a line in the log."""
    monkeypatch.setenv("ODDSMITH_MESSAGES", "json://127.0.0.1:9/hook")
    notices.drifted({"bundle": "ef" * 32, "reasons": ["volume moved"]})


def test_a_failed_night_is_told_where_nothing_can_be_written(desk):
    """A full disk keeps the note of a failed night from being written, and not the message."""
    desk_var().write_text("a file where the folder should be")
    state = SimpleNamespace(message="No space left on device")
    with pytest.raises(OSError, match="var"):
        notices.failed(SimpleNamespace(name="nightly"), SimpleNamespace(name="brave-fox"), state)
    assert "No space left on device" in said(desk)


def test_a_night_counts_after_a_line_that_was_cut_off(desk):
    """Half a line, as a full disk leaves it, spoils no later one."""
    nights.remember("failed", "no disk")
    with Path("var/nights.jsonl").open("a") as stream:
        stream.write('{"at": "2026-01-')
    nights.remember("completed", "hold")
    assert nights.last_good_s() == pytest.approx(time.time(), abs=60)
    assert len(Path("var/nights.jsonl").read_text().splitlines()) == 3


def test_nights_that_do_not_come_are_told_once_a_day(desk, prefect_server):
    """26 hours after the last good night people are told, again a day later, and not while nights end."""
    now = time.time()
    assert overdue(now) == ""
    nights.remember("completed", "hold")
    nights.remember("failed", "no disk")
    assert overdue(now + 25 * HOUR) == ""
    assert "no night has ended well for 27 hours" in overdue(now + 27 * HOUR)
    assert overdue(now + 28 * HOUR) == ""
    assert "52 hours" in overdue(now + 52 * HOUR)
    assert said(desk).count("no night has ended well") == 2


def test_nights_that_never_came_are_told_too(desk, prefect_server):
    """Where no night has ever ended well, the 26 hours count from the first time that this was asked."""
    now = time.time()
    assert overdue(now) == ""
    assert overdue(now + 25 * HOUR) == ""
    assert "none since" in overdue(now + 27 * HOUR)
    assert said(desk).count("no night has ended well for 27 hours") == 1


def test_a_bot_that_died_is_told_of_and_one_that_ended_is_not(desk, prefect_server):
    """A process that is killed cannot report it: after `flows.silent_min` without a sign the flow does, once an hour,
    and says when the bot is back; an orderly end, and a machine without a bot, are no silence."""
    now, minute = time.time(), 60.0
    assert alive(now) == ""
    beats = "import sys, time; from pathlib import Path; from pipelines.core.sign_of_life import Pulse; "
    beats += "Pulse(Path(sys.argv[1])).beat(); print('beat', flush=True); time.sleep(60)"
    bot = subprocess.Popen(
        [sys.executable, "-c", beats, str(desk_var())],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert bot.stdout is not None
    assert bot.stdout.readline() == b"beat\n"
    bot.kill()
    bot.wait(10)

    assert alive(now + 9 * minute) == ""
    assert "no sign of life for 11 minutes" in alive(now + 11.5 * minute)
    assert f"process {bot.pid}" in said(desk)
    assert alive(now + 20 * minute) == ""
    assert "no sign of life for 71 minutes" in alive(now + 71.6 * minute)
    Pulse(desk_var()).beat()
    assert "signs of life again" in alive(now + minute)
    assert alive(now + 2 * minute) == ""
    Pulse(desk_var()).stop()
    assert alive(now + 500 * minute) == ""
    assert said(desk).count("no sign of life for") == 2


@pytest.mark.parametrize("content", ["", "[]", '{"at_s": "x"}', '{"at_s": 1}'])
def test_a_sign_that_cannot_be_read_tells_nobody(desk, prefect_server, content):
    """A file that is no sign is none: people are not woken by a half-written file."""
    desk_var().mkdir()
    (desk_var() / "alive.json").write_text(content)
    assert alive(time.time() + 1e6) == ""
    assert desk.messages == []


def desk_var() -> Path:
    """`var` of the desk."""
    return Path(os.environ["ODDSMITH_VAR"])


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (f"print('pull: no answer'); raise SystemExit({VenueUnavailable.status})", Failure.UNAVAILABLE),
        (
            "print('pull: no answer'); print('failed to run: x, exited with 69'); raise SystemExit(255)",
            Failure.UNAVAILABLE,
        ),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", Failure.KILLED),
        ("print('failed to run: x, exited with -9'); raise SystemExit(255)", Failure.KILLED),
        ("print('pull: a row is odd'); raise SystemExit(1)", Failure.OTHER),
        ("import time; time.sleep(60)", Failure.LATE),
    ],
)
def test_a_failure_has_a_kind(script, kind):
    """The exit status, through DVC or plain, says whether the venue, a signal, the time or the work was at fault."""
    with disable_run_logger(), pytest.raises(StageFailed) as failure:
        run_command(sys.executable, "-c", script, name="pull", timeout_s=20.0 if kind is not Failure.LATE else 0.5)
    assert failure.value.kind is kind


def running(pid: int) -> bool:
    """Whether a process is there and has not ended; one that nobody waits for stays as a zombie."""
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "zombie" not in status.read_text()


def test_what_is_too_late_is_ended_with_all_below_it(tmp_path):
    """A stage that hangs leaves no process behind."""
    mark = tmp_path / "pid"
    script = (
        "import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(90)']);"
        f"open({str(mark)!r}, 'w').write(str(p.pid)); p.wait()"
    )
    with disable_run_logger(), pytest.raises(StageFailed, match=r"was ended after 3 s \(flows.stage_timeout_min\)"):
        run_command(sys.executable, "-c", script, name="agent", timeout_s=3.0)
    # A busy machine takes a moment to end what was killed.
    deadline = time.monotonic() + 10
    while running(pid := int(mark.read_text())) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not running(pid)


def test_every_command_of_a_flow_has_an_end(desk, prefect_server):
    """A command that hangs is ended after the time of its name, or the default's, whether a stage or not; one that a
    night can do without ends nothing."""
    assert {parameters.load().flows.limit_s(name) for name in ("window", "parity", "push", "install")} == {3600.0}
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("stage_timeout_min: {", "stage_timeout_min: {push: 0.02, "))
    parameters.load.cache_clear()

    @flow(persist_result=False)
    def pushes():
        return run_optional(sys.executable, "-c", "import time; time.sleep(60)", name="push", note="go on")

    began = time.monotonic()
    assert pushes() is False
    assert time.monotonic() - began < 30


def test_a_training_machine_that_fails_is_told(desk, monkeypatch):
    """When the spot machine does not train, people hear why, and the night trains here."""

    def refused():
        raise OddsmithError("it sees no GPU")

    monkeypatch.setattr(nightly.remote_training, "tonight", refused)
    nightly.train_on_spot.fn()
    assert "the training machine did not train tonight: it sees no GPU" in said(desk)


@pytest.mark.parametrize("kind", Failure)
def test_a_task_is_repeated_as_often_as_its_failure_allows(kind):
    """The venue is asked again three times, what was killed or late once more, anything else never."""

    def fails():
        raise StageFailed("x", kind)

    again = [try_again(None, SimpleNamespace(run_count=n), SimpleNamespace(result=fails)) for n in range(1, 6)]
    assert again.count(True) == TRIES[kind]
    assert again == sorted(again, reverse=True)


def test_one_process_at_a_time_changes_the_champion(desk, tmp_path):
    """A promotion waits for the other one and then says who is at work; within one process a flow may call another."""
    script = (
        "from flows.exclusive import alone, CHAMPION\n"
        "with alone(CHAMPION, 'a promotion'):\n    print('in', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "in\n"
        with (
            pytest.raises(AlreadyRunning, match=rf"a promotion \(process {other.pid}\) is at work"),
            alone(CHAMPION, "a rollback"),
        ):
            pass
        other.communicate("\n", timeout=20)
    with alone(CHAMPION, "a rollback"), alone(CHAMPION, "a promotion"):
        pass


def test_one_process_at_a_time_makes_a_night(desk, tmp_path):
    """A second night, scheduled or started by hand, is refused at once and says who is at work."""
    script = (
        "from flows.exclusive import alone, NIGHT\nwith alone(NIGHT, 'a night'):\n    print('in', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "in\n"
        with pytest.raises(AlreadyRunning, match=rf"a night \(process {other.pid}\) is at work"):
            nightly.nightly.fn()
        other.communicate("\n", timeout=20)


def test_a_flow_that_fails_tells_it(desk, prefect_server):
    """The hook of the flows runs in a real run of Prefect, with the flow's own line."""

    @flow(name="nightly", persist_result=False, on_failure=[notices.failed])
    def broken():
        raise StageFailed("gate: no space left on the disk")

    assert broken(return_state=True).is_failed()
    assert "gate: no space left on the disk" in said(desk)
