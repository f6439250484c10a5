"""Recordings with outcomes become histories whose last bar no forecast reads."""

from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.outcome_recordings import histories
from pipelines.backtest.outcome_rows import OutcomeRows
from pipelines.core.params import load

T0 = 1_767_225_600


def test_a_price_path_keeps_its_outcome(tmp_path):
    """Markets with `resolved_price` have rows, markets without one have none."""
    table = {
        "market_id": ["a"] * 3 + ["b"] * 3,
        "timestamp": [T0 + 60 * minute for minute in (0, 1, 2)] * 2,
        "price": [0.5, 0.6, 0.9, 0.4, 0.4, 0.4],
        "resolved_price": [1.0] * 3 + [None] * 3,
    }
    pq.write_table(pa.table(table), tmp_path / "r.parquet")
    found = histories(tmp_path / "r.parquet", load())

    assert [(one.payout_micro, one.mid_units.tolist()) for one in found] == [(1_000_000, [5_000, 6_000, 9_000])]
    assert len(OutcomeRows.of(found).paid) == 2


def test_a_table_of_matches_has_a_price_and_an_external_probability(tmp_path):
    """One row a match: its price before the match, what a model said, and who won."""
    table = {
        "condition_id": ["x", "y"],
        "game_start": [datetime(2026, 1, 1, tzinfo=UTC)] * 2,
        "priceA": [0.7, None],
        "ens": [0.6, 0.5],
        "A_won": [0, 1],
    }
    pq.write_table(pa.table(table), tmp_path / "m.parquet")
    rows = OutcomeRows.of(histories(tmp_path / "m.parquet", load()))

    assert (rows.paid.tolist(), rows.seen.has_external.tolist()) == ([0.0], [1.0])
