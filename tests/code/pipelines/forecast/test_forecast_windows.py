"""Windows over the feature table."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.core.artifacts import write_json
from pipelines.core.errors import DataError
from pipelines.features.market_context import CONTEXT
from pipelines.features.scale import log_odds
from pipelines.features.state_space import STATES, StateSpace
from pipelines.forecast.training_windows import Rows, drawn, training_positions

PARAMETERS = (0.93, 0.9, 0.5, 0.7, 0.9, 0.5, -4.0, 0.3, 0.9, 100.0, -9.0, 0.5, -8.5, 1.5, -8.5, 0.5)
"""Of a filter that reads everything."""


def make_rows(runs, slices=None, length_s=60, seed=0):
    """A table of runs: (market, number of bars, first ts); one gap-free run each."""
    rng = np.random.default_rng(seed)
    sizes = [count for _, count, _ in runs]
    total, edges = sum(sizes), np.concatenate(([0], np.cumsum(sizes)))
    return Rows(
        market_id=np.concatenate([[market] * count for market, count, _ in runs]),
        event=np.repeat(np.arange(len(runs)), sizes),
        ts_s=np.concatenate([start + length_s * np.arange(count) for _, count, start in runs]),
        slice_name=np.array(["fit"] * total if slices is None else slices),
        mid_units=rng.integers(3000, 7000, total),
        sentiment=np.zeros(total),
        volume_micro=rng.integers(0, 10**9, total),
        tone=np.zeros(total),
        headlines=np.zeros(total, np.int64),
        end_s=np.full(total, -1),
        features=rng.normal(size=(total, 15)),
        run_start=np.repeat(edges[:-1], sizes),
        run_end=np.repeat(edges[1:], sizes),
        length_s=length_s,
    )


def test_a_position_has_its_lookback_and_target_in_one_run():
    """Windows and targets never cross a gap or a market."""
    rows = make_rows([("a", 10, 0), ("a", 7, 6000), ("b", 12, 0)])
    found = rows.positions("fit", lookback=4, horizon=3)
    assert found.tolist() == [3, 4, 5, 6, 13, *range(20, 26)]


def test_positions_belong_to_the_slice():
    """Only bars of the slice asked for are positions; purged bars never are."""
    rows = make_rows([("a", 10, 0)], slices=["fit"] * 5 + ["purged"] * 5)
    assert rows.positions("fit", 2, 2).tolist() == [1, 2, 3, 4]
    assert rows.positions("gate", 2, 2).tolist() == []


def test_windows_end_at_the_position_and_moves_begin_there():
    """The last row of a window is the position's own bar; the move of horizon h is h bars later, in log-odds."""
    rows = make_rows([("a", 30, 0)])
    features, mids, _, seen = rows.windows(5, rows.states(None))(np.array([10]))
    assert not seen.any()
    assert np.array_equal(features[0], rows.features[6:11])
    assert mids[0, -1] == rows.mid_units[10]
    odds = log_odds(rows.mid_units)
    assert np.allclose(rows.moves(np.array([10]), 3)[0], odds[11:14] - odds[10])


def test_what_a_bar_shows_is_what_the_filter_leaves_and_its_context():
    """The columns of SEEN are put side by side for the bars that are asked for; a missing context is neutral."""
    rows = make_rows([("a", 30, 0)])
    index = np.array([[3, 4], [20, 21]])
    context = np.random.default_rng(0).normal(size=(30, len(CONTEXT)))
    known = replace(rows, context=context).states(StateSpace(PARAMETERS))

    assert known.at(index).shape == (2, 2, len(STATES) + len(CONTEXT))
    assert np.array_equal(known.at(index)[..., : len(STATES)], known.left[index])
    assert np.array_equal(known.at(index)[..., len(STATES) :], context[index])
    assert not rows.states(None).at(index).any()


def test_targets_change_only_with_the_future_and_inputs_only_with_the_past():
    """Perturbing later bars changes the target and not the input; nothing of the target is in the input."""
    rows = make_rows([("a", 30, 0)])
    fitted = StateSpace(PARAMETERS)
    before = rows.windows(5, rows.states(fitted))(np.array([10])), rows.moves(np.array([10]), 3)
    rows.features[11:] += 1.0
    rows.mid_units[11:] = 2000
    rows.volume_micro[11:] *= 3
    rows.tone[11:], rows.headlines[11:] = 0.7, 2
    after = rows.windows(5, rows.states(fitted))(np.array([10])), rows.moves(np.array([10]), 3)
    assert all(np.array_equal(a, b) for a, b in zip(before[0], after[0], strict=True))
    assert not np.array_equal(before[1], after[1])


def test_training_leaves_out_decided_markets():
    """Bars outside [0.02, 0.98] are not learned from; a slice without any other is refused by name."""
    rows = make_rows([("a", 30, 0)])
    rows.mid_units[10] = 150
    assert 10 not in training_positions(rows, "fit", 5, 3)
    rows.mid_units[:] = 9_900
    with pytest.raises(DataError, match="slice fit has no bar"):
        training_positions(rows, "fit", 5, 3)


def test_an_unreadable_table_is_one_clear_error(tmp_path):
    """A missing, broken or incomplete feature table names the file and the command that makes it."""
    write_json(tmp_path / "slices.json", {"length_s": 60})
    for content in (None, b"not parquet"):
        if content is not None:
            (tmp_path / "features.parquet").write_bytes(content)
        with pytest.raises(DataError, match=r"features\.parquet cannot be read.*pipelines featurize"):
            Rows.read(tmp_path)
    pq.write_table(pa.table({"market_id": ["a"]}), tmp_path / "features.parquet")
    with pytest.raises(DataError, match="lacks event_id"):
        Rows.read(tmp_path)


def test_the_draw_is_decided_by_its_seed():
    """Equal seeds draw equal windows; more windows than bars repeats some."""
    positions = np.arange(100)
    assert np.array_equal(drawn(positions, 50, (1, 2)), drawn(positions, 50, (1, 2)))
    assert len(np.unique(drawn(positions, 100, (1,)))) == 100
    assert len(drawn(positions, 300, (1,))) == 300
