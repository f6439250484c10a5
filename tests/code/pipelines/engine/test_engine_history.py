"""What the replaying stages read: a file that is not there or not readable names the stage that writes it."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipelines.core.errors import DataError
from pipelines.core.params import load
from pipelines.engine import history
from pipelines.inference.predictor import Forecasts

sys.path.insert(0, str(Path(__file__).parent))
from test_engine_identity import history as market_history

EXECUTION = load().execution


def test_a_missing_product_names_the_stage_that_writes_it(tmp_path):
    """Without forecasts the backtest says which command makes them."""
    with pytest.raises(DataError, match=r"forecasts\.parquet does not exist; run `python -m pipelines forecast` first"):
        history.read("selection", EXECUTION, tmp_path / "forecasts.parquet")


def test_a_damaged_product_names_the_stage_that_writes_it(tmp_path):
    """A file that is no parquet is named, with the stage that makes it anew."""
    (tmp_path / "markets.parquet").write_bytes(b"PAR1 half")
    with pytest.raises(DataError, match=r"markets\.parquet cannot be read .*run `python -m pipelines pull` again"):
        history.read_markets(tmp_path / "markets.parquet")


def test_the_modelled_spread_is_a_price_whatever_the_tick():
    """An observed spread stays; where there is none, 0.03 stands around the mid on any tick, and a mid near 0 or 1 has
    no wider spread than its distance to it, so that both sides exist."""
    execution = EXECUTION.model_copy(update={"model_spread": 0.03})
    mids, spreads = np.array([5_000, 5_050, 9_900]), np.array([200, 0, 0])

    coarse, fine = (np.transpose(history.touches(mids, spreads, tick, execution)).tolist() for tick in (100, 10))

    assert coarse[:2] == [[4_900, 5_100], [4_900, 5_200]]
    assert fine == [[4_900, 5_100], [4_900, 5_200], [9_850, 9_950]]


def test_a_payout_counts_only_at_the_end_of_its_market():
    """A history is resolved where its last bar is the market's last, right before the scheduled end, and no earlier."""
    past = market_history(1)
    forecasts = Forecasts(past.mean, past.lower, past.upper, past.confidence)

    def joined(end_s, rows, payout=500_000):
        market = replace(past.market, end_s=end_s)
        columns = (past.ts_s, past.mid_units, past.volume_micro, past.spread_units, past.sentiment, past.features)
        series = history.Series(market, *columns, np.full(len(past), "gate"), payout)
        return history.join(series, rows, forecasts, EXECUTION)

    whole, last_s = np.arange(len(past)), int(past.ts_s[-1])
    assert joined(last_s + 60, whole).payout_micro == 500_000
    assert joined(last_s + 60, whole).marks_units[-1] == 5_000
    assert (joined(last_s + 60, whole).marks_units[:-1] == past.mid_units[:-1]).all()
    for other in (joined(last_s + 600, whole), joined(None, whole), joined(last_s + 60, whole, None)):
        assert other.payout_micro is None
        assert (other.marks_units == past.mid_units).all()
    early = history.Series(
        replace(past.market, end_s=last_s + 60), past.ts_s, past.mid_units, past.volume_micro, past.spread_units,
        past.sentiment, past.features, np.full(len(past), "gate"), 0,
    )  # fmt: skip
    part = Forecasts(past.mean[:-1], past.lower[:-1], past.upper[:-1], past.confidence[:-1])
    assert history.join(early, whole[:-1], part, EXECUTION).payout_micro is None
