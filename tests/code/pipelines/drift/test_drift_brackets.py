"""Drift reads brackets and fair values as training does, also where a landing zone has no columns for them."""

import math

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from pipelines.core.settlement import RuleKind, Settlement
from pipelines.drift.recent import _fair, _rungs
from pipelines.drift.residuals import Series
from pipelines.features.state_space_batch import Rungs
from pipelines.reference import recorded
from pipelines.reference.board import Board
from pipelines.reference.prices import Price

NAMES = ("a", "b", "c")
SERIES = Series.of(
    np.repeat(np.array(NAMES, dtype=object), 4), np.tile(60 * np.arange(1, 5), 3), np.full(12, 5_000), 60
)
EVENTS = np.repeat([0, 0, 1], 4)
QUESTIONS = ["Will it be below 10?", "Will it be between 10 and 12?", "Will it rain?"]
LISTED = pd.DataFrame({"market_id": NAMES, "event_id": ["e", "e", "f"], "question": QUESTIONS}).set_index("market_id")


def test_questions_name_the_levels_where_there_are_no_columns():
    """Markets of an event share a ladder, one without levels has none, and nothing is exclusive that is not said."""
    found = _rungs(LISTED, SERIES, EVENTS)
    assert found.ladder.tolist() == [0] * 8 + [-1] * 4
    assert found.lower[:8].tolist() == [-math.inf] * 4 + [10.0] * 4
    assert found.upper[:8].tolist() == [10.0] * 4 + [12.0] * 4
    assert not found.exclusive.any()


@pytest.mark.parametrize("absent", [None, math.nan])
def test_columns_of_a_recording_count_most(absent):
    """Levels of columns come before the question's; an empty one of a market without any is none."""
    more = {"lower": [1.0, 2.0, absent], "upper": [2.0, absent, absent], "neg_risk": [True, True, None]}
    found = _rungs(LISTED.assign(**more, settlement=[None] * 3), SERIES, EVENTS)
    assert isinstance(found, Rungs)
    assert found.lower[:8].tolist() == [1.0] * 4 + [2.0] * 4
    assert found.upper[:8].tolist() == [2.0] * 4 + [math.inf] * 4
    assert found.ladder.tolist() == [0] * 8 + [-1] * 4
    assert found.exclusive.tolist() == [True] * 8 + [False] * 4


def test_reference_prices_of_the_folder_give_fair_values(tmp_path):
    """The fair values are those of the board of the recorded prices, market by market, and unknown for a market without
    a rule or where no price was recorded."""
    walk = 100.0 * np.exp(np.cumsum(np.random.default_rng(1).normal(0, 1e-4, 300)))
    prices = [Price("BTC", "binance", 1_000 * at, 1_000 * at + 400, value) for at, value in enumerate(walk.tolist())]
    rule = Settlement(symbol="BTC", source="binance", kind=RuleKind.SPOT, start_s=0, end_s=900, strike=100.0)
    listed = LISTED.assign(settlement=[None, rule.text(), None])
    assert np.isnan(_fair(tmp_path, listed, SERIES)).all()

    pq.write_table(recorded.table(prices), tmp_path / "reference.parquet")
    found = _fair(tmp_path, listed, SERIES)
    assert np.isfinite(found[4:8, 0]).all()
    assert found[4:8].tobytes() == Board.of(prices).series(rule, SERIES.ts_s[4:8], 60).tobytes()
    assert np.isnan(np.delete(found, range(4, 8), axis=0)).all()
