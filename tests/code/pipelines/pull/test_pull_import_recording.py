"""`oddsmith data import`: a file of prices becomes a recording, or nothing changes."""

import shutil
from pathlib import Path

import duckdb
import pytest

from pipelines.core.errors import DataError, ParameterError
from pipelines.pull import recording
from pipelines.pull.import_recording import run

CSV = """market_id,timestamp,yes_price,question
a,2026-01-01T00:00:00Z,0.40,Will it rain?
a,2026-01-01T00:01:00Z,0.41,Will it rain?
b,2026-01-01T00:00:00Z,0.70,"Rain, or snow?"
b,2026-01-01T00:01:00Z,1.70,"Rain, or snow?"
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _file(text: str, name: str = "my prices.csv") -> Path:
    Path(name).write_text(text)
    return Path(name)


def test_a_csv_becomes_a_recording(capsys):
    """Columns are renamed, rows that cannot be used are counted, and the next command is named."""
    run(_file(CSV), None, ["price=yes_price"], replace=False)

    written = Path("data/recordings/my prices.parquet")
    found = recording.read(written)
    said = capsys.readouterr().out
    assert (len(found.points), len(found.markets)) == (3, 2)
    assert f"wrote {written}: 3 prices of 2 markets from 4 rows (left out: 1 price outside 0 1)" in said
    assert f"next: oddsmith run --source recorded --recording {written}" in said


def test_parquet_is_taken_too():
    """The same with a parquet file whose columns have other names."""
    _file(CSV)
    duckdb.sql("COPY (FROM read_csv('my prices.csv')) TO 'other.parquet'")

    run(Path("other.parquet"), Path("out.parquet"), ["price=yes_price"], replace=False)

    assert len(recording.read(Path("out.parquet")).points) == 3


@pytest.mark.parametrize(
    ("text", "columns", "error", "message"),
    [
        (CSV, [], DataError, r"my prices\.csv lacks the column\(s\) price; it has market_id, timestamp, yes_price"),
        (CSV, ["price=no"], DataError, r"my prices\.csv has no column no; it has market_id"),
        (CSV, ["price"], ParameterError, "--column was 'price'; give our name and the file's"),
        (CSV, ["=x"], ParameterError, "--column was '=x'"),
        ("market_id,timestamp,price\na,x,7\n", [], DataError, "none is usable"),
        ("", [], DataError, r"my prices\.csv"),
        ("market_id,timestamp,price\n", [], DataError, r"my prices\.csv"),
    ],
)
def test_what_is_no_recording_is_refused_and_leaves_nothing(text, columns, error, message):
    """The error names the person's own file, and no file is written."""
    with pytest.raises(error, match=message):
        run(_file(text), None, columns, replace=False)

    assert list(Path().rglob("*.parquet")) == []


def test_a_recording_that_is_there_is_replaced_on_request_only():
    """An import that is refused or fails leaves the old recording byte for byte."""
    run(_file(CSV), None, ["price=yes_price"], replace=False)
    written = Path("data/recordings/my prices.parquet")
    before = written.read_bytes()

    with pytest.raises(ParameterError, match="exists; add --replace, or name another file with --to"):
        run(_file(CSV), None, ["price=yes_price"], replace=False)
    with pytest.raises(DataError):
        run(_file(CSV), None, ["price=question"], replace=True)
    assert written.read_bytes() == before

    run(_file(CSV.replace("0.40", "0.45")), None, ["price=yes_price"], replace=True)
    assert written.read_bytes() != before


def test_a_name_with_a_quote_is_a_name():
    """A path is data: no quote in it ends a statement."""
    run(_file(CSV, "it's.csv"), None, ["price=yes_price"], replace=False)

    assert Path("data/recordings/it's.parquet").is_file()


def test_a_missing_file_or_a_folder_is_named(tmp_path):
    """What was given is in the message."""
    with pytest.raises(DataError, match=r"nix\.csv is no file"):
        run(Path("nix.csv"), None, [], replace=False)
    with pytest.raises(DataError, match="is no file"):
        run(tmp_path, None, [], replace=False)


def test_a_recording_is_checked_from_its_header(tmp_path):
    """`check` refuses what `read` would refuse for its form, and names the command that makes a recording."""
    source = _file(CSV)
    with pytest.raises(DataError, match=r"is not readable as parquet.*`oddsmith data import FILE`"):
        recording.check(source)
    run(source, None, ["price=yes_price"], replace=False)
    recording.check(Path("data/recordings/my prices.parquet"))
    shutil.rmtree(tmp_path / "data")
    with pytest.raises(DataError, match="does not exist"):
        recording.check(Path("data/recordings"))
