"""The line of `benchmarks.skill`: its keys, the sums over worlds, and what an interrupted run keeps."""

import json
import shutil

import duckdb
import pytest

from benchmarks.evaluate import ROOT
from benchmarks.recorded_rows import importable
from benchmarks.skill import KeptSkill, main, share, summary
from benchmarks.skill_recordings import files
from pipelines.core.errors import DataError
from pipelines.pull import recording

KEYS = {"share_edge_1", "share_edge_05", "trading_share_edge_1", "network_adds", "recorded", "edge_0_false"}


def _world(edge, seed, whole, limit=0.08, low=-0.001, world="reversion"):
    trading = {"rule_pusd": 900.0, "rule_on_limit_pusd": 1000.0} if edge == 1.0 else {}
    adds = {"network_adds": [0.001, -0.001, 0.003], "whole_interval": [low, 0.1]}
    return {"world": world, "edge": edge, "seed": seed, "whole_skill": whole, "limit_skill": limit, **adds, **trading}


ROWS = [
    _world(1.0, 1, 0.076),
    _world(1.0, 2, 0.072),
    _world(0.5, 1, 0.023, 0.025),
    _world(0.0, 1, 0.0, 0.0, low=0.0),
    _world(0.0, 2, 0.0, 0.0, low=0.0004),
    {
        "recorded": "a.parquet",
        "sha256": "new",
        "shape": {"lookback_bars": 8, "horizon_bars": 5},
        "ratio": {"1": [0.98, 0.97, 0.99], "2": [0.98, 0.97, 1.004], "3": [0.99, 0.98, 1.0], "5": [0.99, 0.98, 1.0]},
    },
    {"recorded": "a.parquet", "sha256": "old", "ratio": {"1": [1.0, 1.0, 1.0]}},
]


def test_the_line_has_the_keys_that_are_promised():
    """One line of JSON holds shares with intervals, what the network adds per world, recordings and false alarms."""
    line = json.loads(json.dumps(summary(ROWS, [1.0, 0.5, 0.0], 2, [{"recorded": "a.parquet", "sha256": "new"}])))
    assert set(line) >= KEYS
    assert line["share_edge_1"][0] == pytest.approx((0.076 + 0.072) / 0.16)
    assert line["share_edge_05"][0] == pytest.approx(0.92)
    assert line["trading_share_edge_1"] == [0.9, 0.9, 0.9]
    assert line["network_adds"]["reversion, edge 0.5, seed 1"] == [0.001, -0.001, 0.003]
    shown = {"1": [0.98, 0.97, 0.99], "2": [0.98, 0.97, 1.004], "5": [0.99, 0.98, 1.0]}
    assert line["recorded"] == {"a.parquet": shown}, "1, 5 and the horizon with the highest upper bound"
    assert line["recorded_worst"] == {"a.parquet": {"horizon": 2, "upper": 1.004}}
    assert line["recorded_shape"] == {"a.parquet": {"lookback_bars": 8, "horizon_bars": 5}}
    assert line["edge_0_false"] == 1


def test_what_was_not_measured_is_null():
    """Without worlds of an edge its figures are null, not zero."""
    line = summary([], [1.0], 2, [])
    assert line["share_edge_1"] is None
    assert line["share_edge_05"] is None
    assert line["edge_0_false"] is None
    assert line["network_adds"] == {}


def test_a_file_of_another_shape_is_imported_on_the_way(tmp_path):
    """A recording is taken as it is; a file that the importer knows becomes one; a table without prices is refused."""
    plain, other, table = (tmp_path / f"{name}.parquet" for name in ("plain", "other", "table"))
    rows = "SELECT 'm' AS {0}, '2026-01-01T00:00:00Z' AS timestamp, 0.5 AS {1}"
    duckdb.sql(f"COPY ({rows.format('market_id', 'price')}) TO '{plain}'")
    duckdb.sql(f"COPY ({rows.format('market_slug', 'paid')}) TO '{other}'")
    duckdb.sql(f"COPY (SELECT 'm' AS condition_id, 0.5 AS priceA) TO '{table}'")
    work = tmp_path / "work"
    assert importable(plain, work) == plain
    made = importable(other, work, ["price=paid"])
    assert made.parent == work
    assert len(recording.read(made).points) == 1
    with pytest.raises(DataError, match="no price path"):
        importable(table, work)


def test_a_refused_recording_costs_the_others_nothing(tmp_path, monkeypatch, capsys):
    """The line is printed all the same, with the reason at the file's name, and nothing is kept of it."""
    monkeypatch.chdir(tmp_path)
    shutil.copy2(ROOT / "params.yaml", tmp_path)
    duckdb.sql("COPY (SELECT 'm' AS condition_id, 0.5 AS priceA) TO 'table.parquet'")
    main(["--worlds", "0", "--recorded", "table.parquet", "missing.parquet"])
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert set(line["refused"]) == {"table.parquet", "missing.parquet"}
    assert "no price path" in line["refused"]["table.parquet"]
    assert line["recorded"] == {}


def test_a_folder_gives_each_of_its_files(tmp_path, monkeypatch, capsys):
    """All tables of a folder are tried, deep inside too, each refused one is named with its reason; notes are left."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "all/books").mkdir(parents=True)
    duckdb.sql("COPY (SELECT 'm' AS condition_id, 0.5 AS priceA) TO 'all/table.parquet'")
    (tmp_path / "all/books/book.json").write_text('{"bids": []}')
    (tmp_path / "all/NOTES.md").write_text("notes")
    assert [path.name for path in files(tmp_path / "all")] == ["book.json", "table.parquet"]
    main(["--worlds", "0", "--recordings", "all"])
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert set(line["refused"]) == {"book.json", "table.parquet"}
    with pytest.raises(DataError, match="give a folder of recordings"):
        files(tmp_path / "all/books/none")


def test_the_interval_is_that_of_worlds():
    """A share is the sum of the parts over the sum of the wholes, and lies within what resampled worlds give."""
    rows = [{"part": 0.5 + 0.1 * k, "whole": 1.0} for k in range(5)]
    value, low, high = share(rows, "part", "whole")
    assert value == pytest.approx(0.7)
    assert 0.5 <= low < value < high <= 0.9


def test_a_finished_world_is_not_measured_again(tmp_path):
    """A second run takes what the first wrote under the same digest, and repeats a line that was cut short."""
    path, asked = tmp_path / "skill.jsonl", []

    def measure():
        asked.append(1)
        return {"whole_skill": 0.1}

    KeptSkill(path, "digest").once({"edge": 1.0, "seed": 1}, measure)
    KeptSkill(path, "digest").once({"edge": 1.0, "seed": 1}, measure)
    assert len(asked) == 1
    KeptSkill(path, "other").once({"edge": 1.0, "seed": 1}, measure)
    assert len(asked) == 2
    path.write_text(path.read_text()[:-10])
    KeptSkill(path, "other").once({"edge": 1.0, "seed": 1}, measure)
    assert len(asked) == 3
