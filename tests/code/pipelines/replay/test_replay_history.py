"""What the replaying stages read: a file that is not there or not readable names the stage that writes it."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.errors import DataError
from pipelines.core.params import load
from pipelines.inference.predictor import Forecasts
from pipelines.replay import feature_table, market_history

sys.path.insert(0, str(Path(__file__).parent))
from test_replay_identity import history as world_history

EXECUTION = load().execution


def test_a_missing_product_names_the_stage_that_writes_it(tmp_path):
    """Without forecasts the backtest says which command makes them."""
    with pytest.raises(DataError, match=r"forecasts\.parquet does not exist; run `python -m pipelines forecast` first"):
        market_history.read("selection", EXECUTION, tmp_path / "forecasts.parquet")


def test_a_damaged_product_names_the_stage_that_writes_it(tmp_path):
    """A file that is no parquet is named, with the stage that makes it anew."""
    (tmp_path / "markets.parquet").write_bytes(b"PAR1 half")
    with pytest.raises(DataError, match=r"markets\.parquet cannot be read .*run `python -m pipelines pull` again"):
        market_history.read_markets(tmp_path / "markets.parquet")


def test_an_observed_spread_stays_and_a_modelled_one_leaves_both_sides():
    """An observed spread stands as it is; a mid near 0 or 1 has no wider modelled one than its distance to it."""
    mids, spreads = np.array([5_000, 9_850, 150]), np.array([200, 0, 0])

    for tick in (100, 10):
        bid, ask = market_history.touches(60 * np.arange(3), mids, spreads, tick, 300.0)

        assert (bid[0], ask[0]) == (4_900, 5_100)
        assert ((bid > 0) & (ask < 10_000)).all()
        assert (bid + ask == 2 * mids).all()


@given(
    st.sampled_from([10, 100]),
    st.floats(2.0, 9.0),
    st.integers(1_000, 9_000),
    st.sampled_from([60, 3_600, 86_400]),
    st.integers(0, 10**6),
)
def test_bars_take_turns_around_the_modelled_spread(tick, ticks, mid, length_s, first):
    """Whatever the tick, the mid's parity and the bar's length: spreads are those on the grid next to the modelled one,
    which is their mean over time."""
    mids = np.full(2_000, mid // (tick // 2) * (tick // 2))
    ts_s = 1_767_225_600 + length_s * np.arange(first, first + 2_000)
    bid, ask = market_history.touches(ts_s, mids, np.zeros_like(mids), tick, ticks * tick)
    spread = ask - bid
    assert (bid % tick == 0).all()
    assert (bid + ask == 2 * mids).all()
    assert np.abs(spread - ticks * tick).max() <= 2 * tick
    assert abs(spread.mean() - ticks * tick) <= 0.05 * tick


def test_the_venues_own_books_come_before_the_parameter():
    """Where the pull found enough open books of a tick, their mean is the model's; else `execution.model_spread`."""
    past = world_history(1)
    forecasts = Forecasts(past.mean, past.lower, past.upper, past.confidence)
    nothing, rows = np.zeros(len(past), np.int64), np.arange(len(past))

    def mean_spread(modelled):
        columns = (past.ts_s, past.mid_units, past.volume_micro, nothing, past.sentiment, past.features)
        series = market_history.Series(past.market, *columns, np.full(len(past), "gate"), None, modelled)
        made = market_history.join(series, rows, forecasts, EXECUTION)
        return (made.ask_units - made.bid_units).mean()

    assert mean_spread(400.0) == pytest.approx(400.0, abs=10.0)
    assert mean_spread(None) == pytest.approx(10_000 * EXECUTION.model_spread, abs=10.0)


def test_recorded_sizes_reach_the_history():
    """The sizes of the bars that are joined are those of their books; a series without books has none."""
    past = world_history(1)
    rows = np.arange(3, 9)
    forecasts = Forecasts(*(values[rows] for values in (past.mean, past.lower, past.upper, past.confidence)))
    columns = (past.ts_s, past.mid_units, past.volume_micro, past.spread_units, past.sentiment, past.features)
    series = market_history.Series(past.market, *columns, np.full(len(past), "gate"))
    sizes = np.arange(2 * len(past)).reshape(-1, 2)
    booked = replace(series, sizes_micro=sizes)

    assert market_history.join(series, rows, forecasts, EXECUTION).sizes_micro is None
    assert market_history.join(booked, rows, forecasts, EXECUTION).sizes_micro.tolist() == sizes[3:9].tolist()


def test_a_payout_counts_only_at_the_end_of_its_market():
    """A history is resolved where its last bar is the market's last, right before the scheduled end, and no earlier."""
    past = world_history(1)
    forecasts = Forecasts(past.mean, past.lower, past.upper, past.confidence)

    def joined(end_s, rows, payout=500_000):
        market = replace(past.market, end_s=end_s)
        columns = (past.ts_s, past.mid_units, past.volume_micro, past.spread_units, past.sentiment, past.features)
        series = market_history.Series(market, *columns, np.full(len(past), "gate"), payout)
        return market_history.join(series, rows, forecasts, EXECUTION)

    whole, last_s = np.arange(len(past)), int(past.ts_s[-1])
    assert joined(last_s + 60, whole).payout_micro == 500_000
    assert joined(last_s + 60, whole).marks_units[-1] == 5_000
    assert (joined(last_s + 60, whole).marks_units[:-1] == past.mid_units[:-1]).all()
    for other in (joined(last_s + 600, whole), joined(None, whole), joined(last_s + 60, whole, None)):
        assert other.payout_micro is None
        assert (other.marks_units == past.mid_units).all()
    early = market_history.Series(
        replace(past.market, end_s=last_s + 60), past.ts_s, past.mid_units, past.volume_micro, past.spread_units,
        past.sentiment, past.features, np.full(len(past), "gate"), 0,
    )  # fmt: skip
    part = Forecasts(past.mean[:-1], past.lower[:-1], past.upper[:-1], past.confidence[:-1])
    assert market_history.join(early, whole[:-1], part, EXECUTION).payout_micro is None


@pytest.mark.parametrize("rows", [1, 3, 7, 1_000])
def test_a_table_comes_market_after_market(tmp_path, rows):
    """However the rows are grouped on disk, each market comes once, whole and in the order of the file."""
    sizes = {"a": 2, "b": 9, "c": 1, "d": 4}
    names = [name for name, size in sizes.items() for _ in range(size)]
    table = pa.table({"market_id": names, "ts_s": range(len(names))})
    pq.write_table(table, tmp_path / "features.parquet", row_group_size=rows)

    made = list(feature_table.by_market(tmp_path / "features.parquet"))

    assert [one["market_id"].to_pylist() for one in made] == [[name] * size for name, size in sizes.items()]
    assert pa.concat_tables(made).equals(table)
