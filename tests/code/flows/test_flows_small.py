"""What a person reads while a run starts, ends and fails."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from prefect.logging import disable_run_logger

from flows.local import serve, up
from flows.local.folder_lock import FLOWS, SYSTEM, held, is_held
from flows.local.screen import Screen
from flows.local.stack import Ports
from flows.stage_tasks import run_command
from pipelines.core.settings import Settings
from pipelines.venue.http import hint

ROOT = Path(__file__).parents[3]


def test_step_times_begin_with_the_slowest(capsys: pytest.CaptureFixture[str]) -> None:
    """The steps of a run are listed by how long they took."""
    steps = {"agent": 2.0, "backtest": 31.5, "pull": 7.25}
    up._summary(Screen(), {"gate": {"verdict": "hold", "reasons": []}, "steps": steps, "urls": {}})

    said = capsys.readouterr().out
    assert said.index("backtest 31.5") < said.index("pull 7.2") < said.index("agent 2.0")


@pytest.mark.parametrize(
    ("url", "running"), [("http://127.0.0.1:8640/ok", True), ("http://[::1]/", True), ("https://example.org/a", False)]
)
def test_only_a_server_of_this_machine_may_not_be_running(url: str, running: bool) -> None:
    """Whoever asks a public site in vain is pointed to the connection, not to a process."""
    assert ("is it running?" in hint(url)) is running


def test_flows_end_with_the_system_that_they_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When `oddsmith run` has ended, the runner of the flows is ended too, and that is no failure."""
    mark = tmp_path / "runs"
    runner = f"import pathlib, time; pathlib.Path({str(mark)!r}).touch(); time.sleep(60)"
    monkeypatch.setattr(serve, "COMMAND", [sys.executable, "-c", runner])
    holder = subprocess.Popen([sys.executable, "-c", _HOLD, str(tmp_path / SYSTEM)], cwd=ROOT, stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        started = time.monotonic()
        with held(tmp_path / FLOWS, serve.NAME):
            assert serve._attached(Settings(var=tmp_path), Ports.reserve(), Screen()) == 0
        assert mark.exists()
        assert time.monotonic() - started < 50
        assert not is_held(tmp_path / SYSTEM)
    finally:
        holder.kill()
        holder.wait()


_HOLD = """
import sys, time
from pathlib import Path
from flows.local.folder_lock import held
with held(Path(sys.argv[1]), "oddsmith run"):
    print("up", flush=True)
    time.sleep(3)
"""


@pytest.mark.slow
def test_a_library_says_nothing_of_a_missing_gpu() -> None:
    """TensorFlow's notes about CUDA look like a failure: a stage's output has none of them, and all other lines."""
    code = "import tensorflow as tf; tf.config.list_physical_devices('GPU')"
    code += "; print('W0000 00:00:17.1 1 x.cc:1] kept'); print('done')"
    with disable_run_logger():
        lines = run_command(sys.executable, "-c", code, name="stage")

    assert not [line for line in lines if "cuda" in line.lower() or "absl" in line]
    assert lines[-2:] == ["W0000 00:00:17.1 1 x.cc:1] kept", "done"]


def test_reports_are_not_spell_checked(tmp_path: Path) -> None:
    """`make lint` reads what people wrote; a report of a run that quotes a mistyped word does not fail it."""
    mistyped = "recie" + "ve"
    for name in ("reports/drift.html", "docs/page.md"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(mistyped)
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    command = [str(Path(sys.executable).parent / "codespell")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert "docs/page.md" in done.stdout
    assert "drift.html" not in done.stdout
