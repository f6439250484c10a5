"""Logs of a run stay small, and what was written last is kept."""

import subprocess
import sys

import pytest

from flows.local import log_files
from flows.local.children import Children


def test_a_log_that_is_full_is_emptied_while_its_part_writes(tmp_path):
    """The part goes on writing to the same file, its older lines are in the next one, and nothing is lost between."""
    log = tmp_path / "part.log"
    with log_files.begin(log) as stream:
        writer = subprocess.Popen(
            [sys.executable, "-uc", "import sys\nfor line in sys.stdin: print(line, end='')"],
            stdin=subprocess.PIPE, stdout=stream, text=True,
        )  # fmt: skip
    assert writer.stdin is not None
    for number in range(100):
        writer.stdin.write(f"line {number}\n")
    writer.stdin.flush()
    while not log.read_text().endswith("line 99\n"):
        pass
    assert log_files.rotate(tmp_path, limit=100) == [log]
    writer.stdin.write("after\n")
    writer.stdin.close()
    writer.wait(10)

    assert log.read_text() == "after\n"
    assert (tmp_path / "part.log.1").read_text().splitlines()[-1] == "line 99"
    assert log_files.rotate(tmp_path, limit=100) == []


def test_a_start_keeps_the_log_of_the_run_before(tmp_path):
    """The last words of a run that failed are there after the next start, and only a few files are kept."""
    children = Children(tmp_path)
    for number in range(log_files.KEPT + 3):
        child = children.start("part", [sys.executable, "-c", f"print({number})"], {}, stop_s=5)
        child.process.wait(20)
    logs = tmp_path / "logs"

    assert (logs / "part.log").read_text() == f"{log_files.KEPT + 2}\n"
    kept = [(logs / f"part.log.{older}").read_text() for older in range(1, log_files.KEPT + 1)]
    assert kept == [f"{log_files.KEPT + 2 - older}\n" for older in range(1, log_files.KEPT + 1)]
    assert len(list(logs.iterdir())) == log_files.KEPT + 1


@pytest.mark.parametrize("size", [0, 50, 100])
def test_a_log_within_the_limit_is_left_alone(tmp_path, size):
    """Nothing is moved before it has to be."""
    (tmp_path / "a.log").write_bytes(b"x" * size)
    assert log_files.rotate(tmp_path, limit=100) == []
    assert (tmp_path / "a.log").stat().st_size == size
