"""A disk without room in the middle of a stage: the drill on two real stages, and the writers that all of them use."""

import json
import os
from pathlib import Path

import duckdb
import pytest

from drills import full_disk
from pipelines.core.artifacts import append_lines, replaced_folder, write_secret
from pipelines.core.command_line import exit_status
from pipelines.core.errors import ArtifactError


@pytest.fixture
def disk(tmp_path):
    """A file system of its own, where this user may mount one."""
    try:
        with full_disk.Disk.mounted(tmp_path) as made:
            yield made
    except PermissionError as error:
        pytest.skip(str(error))


@pytest.mark.slow
@pytest.mark.nightly
@pytest.mark.usefixtures("disk")
def test_stages_leave_their_products_and_say_what_to_do(capsys):
    """Pull and featurize with half of what they write free: no rule of the drill is broken."""
    status = full_disk.main(["--stages", "pull", "featurize", "--shares", "0.5", "--kind", "ssm"])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["stage"] for line in lines] == ["pull", "validate", "featurize"]
    assert [line["broken"] for line in lines] == [[], [], []]
    assert status == 0


def test_a_line_is_appended_whole_or_not_at_all(disk):
    """Where a part of a line has room, nothing of it stays, and the next one is whole."""
    ledger = disk.folder / "ledger.jsonl"
    append_lines(ledger, '{"a": 1}\n')
    with disk.with_room(full_disk.PAGE), pytest.raises(ArtifactError, match=r"No space left.*Make room"):
        append_lines(ledger, json.dumps({"b": "x" * 30_000}) + "\n")
    append_lines(ledger, '{"c": 3}\n')
    assert ledger.read_text() == '{"a": 1}\n{"c": 3}\n'


def test_a_line_that_a_crash_cut_off_spoils_no_later_one(tmp_path):
    """The next line begins on a line of its own."""
    (tmp_path / "ledger.jsonl").write_text('{"a": 1}\n{"b"')
    append_lines(tmp_path / "ledger.jsonl", '{"c": 3}\n')
    assert (tmp_path / "ledger.jsonl").read_text().splitlines() == ['{"a": 1}', '{"b"', '{"c": 3}']


def test_libraries_that_hide_the_full_disk_are_understood(disk):
    """DuckDB and PyTorch raise errors of their own without a number: the old folder stays, and the error says what to
    do."""
    import torch

    product = disk.folder / "product"
    with replaced_folder(product) as folder:
        (folder / "a").write_text("old")

    def by_duckdb(folder: Path) -> None:
        duckdb.sql(f"copy (select random() a from range(1000000)) to '{folder / 'a.parquet'}' (format parquet)")

    for write in (by_duckdb, lambda folder: torch.save(torch.rand(100_000), folder / "a.pt")):
        refused = pytest.raises(ArtifactError, match=r"there is no room to write.*Make room")
        with disk.with_room(4 * full_disk.PAGE), refused, replaced_folder(product) as folder:
            write(folder)
        assert [path.name for path in disk.folder.iterdir()] == ["product"]
        assert (product / "a").read_text() == "old"


def test_a_secret_is_replaced_whole_or_not_at_all(disk):
    """Without room the old secret stays and no part of the new one does."""
    write_secret(disk.folder / "token", "old")
    with disk.with_room(0), pytest.raises(ArtifactError, match="Make room"):
        write_secret(disk.folder / "token", "n" * 40_000)
    assert [path.name for path in disk.folder.iterdir()] == ["token"]
    assert (disk.folder / "token").read_text() == "old"


def test_a_limit_of_a_file_s_size_is_told_as_one(tmp_path, capsys):
    """EFBIG has the same sentence; another error of a library is no full disk and keeps its traceback."""

    def too_large():
        raise OSError(27, os.strerror(27), str(tmp_path / "a"))

    assert exit_status("pull", too_large) == 1
    assert "raise the quota or the limit of a file's size" in capsys.readouterr().err
    with pytest.raises(ZeroDivisionError):
        exit_status("pull", lambda: 1 / 0)


IN_PLACE = """
import sys, time
from pathlib import Path
if sys.argv[1] != "window":
    Path("data").mkdir(exist_ok=True)
    with Path(f"data/rows-{time.time_ns()}").open("wb", buffering=0) as file:
        for _ in range(10):
            if file.write(b"x" * 40_000) < 40_000:
                sys.exit("no room")
"""


def test_the_drill_finds_a_stage_that_leaves_half_a_product(disk):
    """A stage that writes in place is caught: half of its product, and no sentence."""
    (disk.folder / "in_place.py").write_text(IN_PLACE)
    said = " ".join(full_disk.Night(disk, "ssm", "in_place").drilled("pull", [0.5])["broken"])
    assert "it changed data/rows-" in said
    assert "said 'no room" in said
