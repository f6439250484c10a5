"""Stage featurize on a small raw folder."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.core.artifacts import read_json
from pipelines.core.errors import DataError
from pipelines.core.params import read
from pipelines.features.compute import batch
from pipelines.features.order_flow import ORDER_FLOW
from pipelines.features.scale import Scaler
from pipelines.features.spec import FEATURE_NAMES, SCALED
from pipelines.featurize import stage
from pipelines.rows import order_flow
from pipelines.rows.market import features, long_enough, parts

START = 1_767_225_600
PARAMS = read(Path("params.yaml"))


def write_raw(folder, *, events=40, bars=200, every=100, markets=2, length_s=60, seed=0):
    """A raw folder of `events` staggered events of `markets` random walks each."""
    rng = np.random.default_rng(seed)
    rows, about, headlines = [], [], []
    for event in range(events):
        for number in range(markets):
            name = f"m{event:03d}-{number}"
            ts = START + length_s * (event * every + np.arange(1, bars + 1))
            mid = np.clip(5000 + np.cumsum(rng.integers(-3, 4, bars) * 50), 0, 10_000)
            rows.append(
                pa.table(
                    {
                        "market_id": [name] * bars,
                        "ts_s": ts,
                        "mid_units": mid.astype(np.int32),
                        "volume_micro": rng.integers(0, 10**9, bars),
                        "spread_units": np.zeros(bars, dtype=np.int32),
                        "bid_size_micro": np.zeros(bars, dtype=np.int64),
                        "ask_size_micro": np.zeros(bars, dtype=np.int64),
                    }
                )
            )
            about.append({"market_id": name, "event_id": f"e{event:03d}", "end_s": int(ts[-1])})
            headlines.append(
                {"market_ids": [name], "known_s": int(ts[bars // 2]), "sentiment": 0.5 if number == 0 else None}
            )
    (folder / "bars").mkdir(parents=True)
    pq.write_table(pa.concat_tables(rows), folder / "bars" / "part.parquet")
    pq.write_table(pa.Table.from_pylist(about), folder / "markets.parquet")
    pq.write_table(pa.Table.from_pylist(headlines), folder / "headlines.parquet")


def run_in(folder, monkeypatch, params=PARAMS):
    """Run the stage in a folder; the written table."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(stage, "load", lambda: params)
    stage.run()
    return pq.read_table("data/features/features.parquet")


def test_products_are_complete_and_sorted(tmp_path, monkeypatch):
    """The table has every bar of every market, sorted, with the batch features; slices and scaler stand beside it."""
    write_raw(tmp_path / "data/raw")
    table = run_in(tmp_path, monkeypatch)
    assert table.num_rows == 40 * 2 * 200
    frame = table.to_pandas()
    assert frame.equals(frame.sort_values(["market_id", "ts_s"], ignore_index=True))
    one = frame[frame.market_id == "m003-1"]
    raw = batch(one.ts_s.to_numpy(), one.mid_units.to_numpy(), one.volume_micro.to_numpy(), int(one.end_s.iloc[0]))
    assert np.array_equal(one[list(FEATURE_NAMES)].to_numpy(), raw)
    document = read_json(Path("data/features/slices.json"))
    assert document["mode"] == "whole_events"
    assert document["length_s"] == 60
    assert sum(document["bars"].values()) == table.num_rows


def test_scaler_knows_the_fit_slice_only(tmp_path, monkeypatch):
    """Changing every bar after the fit slice leaves the scaler as it was."""
    write_raw(tmp_path / "data/raw")
    table = run_in(tmp_path, monkeypatch)
    before = read_json(Path("data/features/scaler.json"))
    fit = table.filter(pa.compute.equal(table["slice"], "fit"))
    raw = np.stack([fit[feature.name].to_numpy() for feature in SCALED], axis=1)
    assert Scaler.fit(raw, SCALED, PARAMS.features.winsor_sd).document() == before


def test_sentiment_is_not_known_before_its_headline(tmp_path, monkeypatch):
    """Sentiment is 0 until the bar at which a headline is known, then decays; unscored headlines are neutral."""
    write_raw(tmp_path / "data/raw", events=40)
    frame = run_in(tmp_path, monkeypatch).to_pandas()
    scored = frame[frame.market_id == "m000-0"].sentiment.to_numpy()
    assert not scored[:100].any()
    assert scored[100] == 0.5
    assert 0 < scored[110] < 0.5
    assert not frame[frame.market_id == "m000-1"].sentiment.any()


def test_the_future_does_not_reach_a_feature(tmp_path, monkeypatch):
    """Raw data that differs only after a time gives the same features up to that time."""
    write_raw(tmp_path / "a/data/raw")
    write_raw(tmp_path / "b/data/raw")
    bars = pq.read_table(tmp_path / "b/data/raw/bars/part.parquet").to_pandas()
    cutoff = START + 60 * 2000
    late = bars.ts_s > cutoff
    bars.loc[late, "mid_units"] = 10_000 - bars.loc[late, "mid_units"]
    bars.loc[late, "volume_micro"] += 7
    pq.write_table(pa.Table.from_pandas(bars, preserve_index=False), tmp_path / "b/data/raw/bars/part.parquet")
    made = [run_in(tmp_path / side, monkeypatch).to_pandas() for side in ("a", "b")]
    early = [frame[frame.ts_s <= cutoff].reset_index(drop=True) for frame in made]
    assert early[0].equals(early[1])
    assert not made[0].equals(made[1])


def test_processes_give_the_same_bytes(tmp_path, monkeypatch):
    """Three worker processes write the same features as one process."""
    write_raw(tmp_path / "a/data/raw", events=25)
    write_raw(tmp_path / "b/data/raw", events=25)
    three = PARAMS.model_copy(
        update={"compute": PARAMS.compute.model_copy(update={"scheduler": "processes", "workers": 3})}
    )
    run_in(tmp_path / "a", monkeypatch)
    run_in(tmp_path / "b", monkeypatch, three)
    files = [(tmp_path / side / "data/features/features.parquet").read_bytes() for side in ("a", "b")]
    assert files[0] == files[1]


def limited(**changes):
    """The parameters with other numbers of `compute` and `slices`."""
    sections = {name: getattr(PARAMS, name).model_copy(update=values) for name, values in changes.items()}
    return PARAMS.model_copy(update=sections)


def test_parts_of_the_bars_give_the_same_bytes(tmp_path, monkeypatch):
    """A tenth of the bars in memory at a time, from several files and with a quarantine, writes what all at once do."""
    for side, at_once in (("a", 1_000_000), ("b", 1_000)):
        write_raw(tmp_path / side / "data/raw", events=25)
        bars = pq.read_table(tmp_path / side / "data/raw/bars/part.parquet")
        minutes = bars["ts_s"].to_numpy() // 60
        for number, keep in enumerate((minutes % 2 == 0, minutes % 2 == 1)):
            pq.write_table(bars.filter(pa.array(keep)), tmp_path / side / f"data/raw/bars/part{number}.parquet")
        (tmp_path / side / "data/raw/bars/part.parquet").unlink()
        odd = bars.slice(0, 400).take([0, 133, 266, 399]).select(["market_id", "ts_s"])
        (tmp_path / side / "data/quarantine").mkdir()
        pq.write_table(
            odd.append_column("reason", pa.array(["odd"] * odd.num_rows)),
            tmp_path / side / "data/quarantine/bars.parquet",
        )
        table = run_in(tmp_path / side, monkeypatch, limited(compute={"bars_at_once": at_once}))
        assert table.num_rows < 25 * 2 * 200
    folders = [tmp_path / side / "data/features" for side in ("a", "b")]
    assert sorted(path.name for path in folders[0].iterdir()) == [
        "features.parquet",
        "lookback.json",
        "scaler.json",
        "slices.json",
    ]
    for path in folders[0].iterdir():
        assert path.read_bytes() == (folders[1] / path.name).read_bytes()


def test_of_a_larger_venue_whole_events_of_every_slice_are_kept(tmp_path, monkeypatch):
    """With more bars than `slices.max_bars` each slice keeps whole events, their rows are what they were, and the count
    of the rest is told."""
    write_raw(tmp_path / "a/data/raw")
    write_raw(tmp_path / "b/data/raw")
    whole = run_in(tmp_path / "a", monkeypatch).to_pandas()
    few = run_in(tmp_path / "b", monkeypatch, limited(slices={"max_bars": 10_000})).to_pandas()
    document = read_json(Path("data/features/slices.json"))
    assert len(few) <= 10_000
    assert document["dropped"]["bars_not_drawn"] == len(whole) - len(few)
    assert set(few.slice) == set(whole.slice)
    rows = whole[whole.event_id.isin(few.event_id)].reset_index(drop=True)
    assert rows.equals(few)


@pytest.mark.slow
def test_a_dask_scheduler_gives_the_same_bytes(tmp_path, monkeypatch):
    """Features computed by three workers of a Dask scheduler equal those of one process, byte by byte."""
    from dask.distributed import LocalCluster

    write_raw(tmp_path / "a/data/raw", events=25)
    write_raw(tmp_path / "b/data/raw", events=25)
    run_in(tmp_path / "a", monkeypatch)
    with LocalCluster(n_workers=3, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        compute = PARAMS.compute.model_copy(update={"scheduler": cluster.scheduler_address})
        run_in(tmp_path / "b", monkeypatch, PARAMS.model_copy(update={"compute": compute}))
    files = [(tmp_path / side / "data/features/features.parquet").read_bytes() for side in ("a", "b")]
    assert files[0] == files[1]


def test_markets_without_a_window_are_dropped_and_counted(tmp_path, monkeypatch):
    """Runs of bars shorter than lookback + horizon are left out; when nothing is left the error says so."""
    write_raw(tmp_path / "data/raw", bars=83, every=60)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(stage, "load", lambda: PARAMS)
    with pytest.raises(DataError, match="none of 80 markets has 84 bars"):
        stage.run()


def test_missing_raw_data_is_one_clear_error(tmp_path, monkeypatch):
    """Without data/raw, or with a bar file that is no parquet, the error says to pull."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(stage, "load", lambda: PARAMS)
    with pytest.raises(DataError, match="pipelines pull"):
        stage.run()
    (tmp_path / "data/raw/bars").mkdir(parents=True)
    (tmp_path / "data/raw/bars/part.parquet").write_bytes(b"not parquet")
    with pytest.raises(DataError, match="pipelines pull"):
        stage.run()


def test_gaps_split_a_series():
    """A run ends where the next bar does not follow at once; short runs are told apart."""
    ts = np.array([60, 120, 180, 600, 660, 720, 780])
    assert parts(ts, 60) == [slice(0, 3), slice(3, 7)]
    assert long_enough(ts, 60, 4).tolist() == [False] * 3 + [True] * 4


def _odd_features(monkeypatch, rows):
    """Features whose first column is infinite at some bars of market m003-1."""

    def made(bars, length_s):
        values = features(bars, length_s)
        if bars.market_id == "m003-1":
            values[rows, 0] = np.inf
        return values

    monkeypatch.setattr("pipelines.rows.event.features", made)


def test_odd_rows_of_features_are_set_aside_and_come_back(tmp_path, monkeypatch):
    """A row that is not finite lies in quarantine.parquet with its rule and in no other file; rows made = rows kept +
    rows set aside; the next run, which makes it well, has it in the table again."""
    write_raw(tmp_path / "data/raw")
    with monkeypatch.context() as patched:
        _odd_features(patched, [5, 9])
        table = run_in(tmp_path, monkeypatch)
    aside = pq.read_table("data/features/quarantine.parquet").to_pylist()
    assert [(row["market_id"], row["reason"]) for row in aside] == [("m003-1", f"{FEATURE_NAMES[0]} is finite")] * 2
    counted = read_json(Path("data/features/slices.json"))["rows"]
    assert counted == {"read": 16_000, "kept": 15_998, "quarantined": 2}
    assert table.num_rows == counted["kept"]
    assert np.isfinite(table[FEATURE_NAMES[0]].to_numpy()).all()
    assert run_in(tmp_path, monkeypatch).num_rows == counted["read"]
    assert not Path("data/features/quarantine.parquet").exists()


def test_too_many_odd_rows_of_features_stop_the_line(tmp_path, monkeypatch):
    """Beyond `validate.max_quarantined_share` the stage fails and names a row with its rule."""
    write_raw(tmp_path / "data/raw")
    _odd_features(monkeypatch, slice(None))
    few = PARAMS.model_copy(update={"validate_": PARAMS.validate_.model_copy(update={"max_quarantined_share": 0.01})})
    with pytest.raises(DataError, match=r"200 of 16,000 rows .* m003-1 .* is finite"):
        run_in(tmp_path, monkeypatch, few)


def test_order_flow_reaches_the_features_of_its_bars(tmp_path, monkeypatch):
    """A recorded value stands at the bar of its market and time, and every other bar has 0; so has one that is no
    number. Features that do not read it stay as they are."""
    write_raw(tmp_path / "data/raw")
    plain = run_in(tmp_path, monkeypatch).to_pandas()
    one = plain[plain.market_id == "m003-1"].iloc[[5, 6, 7]]
    columns = {name: np.array([0.5, np.nan, 3.0]) for name in ORDER_FLOW} | {"ts_s": one.ts_s.to_numpy()}
    order_flow.write(tmp_path / "data/raw" / order_flow.FILE, [("m003-1", columns)])
    made = run_in(tmp_path, monkeypatch).to_pandas()

    hit = (made.market_id == "m003-1") & (made.ts_s == one.ts_s.iloc[0])
    assert hit.sum() == 1
    assert (made.loc[hit, list(ORDER_FLOW)] == 0.5).all(axis=None)
    assert not made.loc[~hit, list(ORDER_FLOW)].any(axis=None)
    assert not plain[list(ORDER_FLOW)].any(axis=None)
    assert made.drop(columns=list(ORDER_FLOW)).equals(plain.drop(columns=list(ORDER_FLOW)))
    assert read_json(Path("data/features/slices.json"))["observed_share"]["slope"] == pytest.approx(1 / len(made))
