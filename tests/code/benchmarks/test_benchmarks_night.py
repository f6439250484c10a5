"""The benchmark of the night: the venue-sized pull is one that validate accepts, and what was measured is kept."""

import json
from pathlib import Path
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest

from benchmarks import changed_nights, night, raw_venue, table_engines
from pipelines.core.artifacts import read_json

pytestmark = pytest.mark.slow


@pytest.mark.nightly
def test_validate_and_featurize_run_at_the_size_that_is_asked_for(tmp_path, capsys):
    """Rows, seconds and peak memory of the stages come out as one JSON line, and a second run measures nothing."""
    sized = [
        "--out",
        str(tmp_path),
        "--nights",
        "0",
        "--changed",
        "0",
        "--markets",
        "12",
        "--days",
        "2",
        "--kills",
        "--stages",
        "pull",
        "validate",
        "featurize",
    ]
    measured = {}
    write = night._Known.once

    def once(self, name, measure):
        measured[name] = measured.get(name, 0) + (name not in self.rows)
        return write(self, name, measure if not name.startswith("unchanged") else lambda: {"seconds": 1.0})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(night._Known, "once", once)
        assert night.main(sized) == 0
        assert night.main(sized) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    assert lines[0] == lines[1]
    assert lines[0]["left"] == 0
    assert lines[0]["cpu_s"]["validate"] > 0
    assert lines[0]["peak_rss_mb"].keys() == lines[0]["seconds"].keys() == {"pull", "validate", "featurize"}
    assert {"promotions_edge_0", "nights", "unchanged_s", "recovered_nights"} <= lines[0].keys()
    assert set(measured.values()) == {1}
    report = read_json(tmp_path / "venue-12-2/reports/validation.json")
    bars = report["rows"]["bars"]
    assert bars["read"] == bars["kept"] + bars["quarantined"] > 6 * 1440
    assert 6 * 1440 < pq.read_metadata(tmp_path / "venue-12-2/data/features/features.parquet").num_rows <= bars["kept"]


def test_a_run_that_is_out_of_time_says_what_is_left(tmp_path, capsys):
    """After its minutes a run begins nothing; the line has what is measured, and counts the rest."""
    asked = [
        "--out",
        str(tmp_path),
        "--nights",
        "2",
        "--changed",
        "0",
        "--markets",
        "9",
        "--kills",
        "--stages",
        "gate",
        "--minutes",
        "0.0001",
    ]
    (tmp_path / "measured.json").write_text(
        '{"edge_0/1/0": {"verdict": "hold", "promoted": false}, "unchanged/1": {"seconds": 3.0}}'
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(night, "time", SimpleNamespace(monotonic=iter([0.0, 1.0, 1.0, 1.0, 1.0]).__next__))
        assert night.main(asked) == 0
    line = json.loads(capsys.readouterr().out)

    assert (line["nights"], line["promotions_edge_0"], line["unchanged_s"]) == (1, 0, 3.0)
    assert (line["left"], line["seconds"]) == (2, {})


def test_the_venue_is_half_open_and_half_ended(tmp_path):
    """Every second market ends inside the window, and no bar is later than its market's end."""
    raw_venue.write(tmp_path, 6, 4)
    markets = pq.read_table(tmp_path / "data/raw/markets.parquet").to_pylist()
    ends = {row["market_id"]: row["end_s"] for row in markets}
    bars = pq.ParquetFile(next(Path(tmp_path, "data/raw/bars").glob("*-04/part.parquet"))).read().to_pylist()
    assert sum(end is None for end in ends.values()) == 3
    assert all(ends[row["market_id"]] is None or row["ts_s"] <= ends[row["market_id"]] for row in bars)


def test_engines_count_the_same_bars(tmp_path):
    """What the stages read group by group is what a window function over all bars counts, market by market."""
    raw_venue.write(tmp_path, 12, 2)
    ours, theirs = (
        engine(tmp_path)().sort_values("market_id", ignore_index=True)
        for engine in (table_engines.arrow, table_engines.duckdb)
    )
    for name in ("market_id", "bars", "moves", "holes"):
        assert ours[name].tolist() == theirs[name].tolist(), name


def day(skill, settled=0.06):
    """A night that judged its last day."""
    return {"skill": skill, "predecessor_skill": None, "settled_skill": settled, "promoted": False}


def test_a_champion_is_back_when_it_stays_back():
    """The first day after a change has most markets from before it: a champion that is good on that day and poor on the
    next is not back; one that is poor on the last day of a regime never was."""
    rows = [day(0.06), day(0.06), day(0.05), day(0.02), day(0.058), day(0.06), day(0.05), day(0.02)]
    assert changed_nights.figures(rows, (1, 5), 0.05)["nights_to_80_percent"] == [2, None]
    assert changed_nights.figures(rows[:6], (1, 5), 0.05)["nights_to_80_percent"] == [2]
    assert changed_nights.figures([day(0.06)] * 5, (1, 5), 0.05)["nights_to_80_percent"] == [0]
