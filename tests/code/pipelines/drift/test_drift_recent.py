"""Which bars of a landing zone are recent: read by the day, and drawn by the event where there are too many."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from pipelines.core import raw_tables
from pipelines.core.errors import DataError
from pipelines.core.raw_tables import DAY_S, Bars
from pipelines.drift.recent import _bars, _drawn, _flow
from pipelines.drift.residuals import Series
from pipelines.features.order_flow import ORDER_FLOW
from pipelines.rows import order_flow

T0 = 1_767_225_600
IDS = ["a", "b"]


def _land(folder: Path, first_s: int, count: int, name: str, mid: int = 5_000, step_s: int = 60) -> None:
    """Bars of two markets, as a run of ingest leaves them."""
    times = first_s + step_s * np.arange(1, count + 1)
    for day in np.unique(times // DAY_S).tolist():
        part = times[times // DAY_S == day]
        none = np.zeros(2 * len(part), np.int64)
        code = np.repeat([0, 1], len(part))
        bars = Bars(code, np.tile(part, 2), none + mid, none, none, none, none > 0, none, none)
        path = raw_tables.day_folder(folder / "bars", day) / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(raw_tables.bars_table(IDS, bars), path)


def test_the_newest_bars_are_those_of_every_market_however_old_the_zone_is(tmp_path):
    """Of nine days the last 100 bars of each market, across midnight; equal bars count once, the newest file's."""
    _land(tmp_path, T0, 9 * 1_440 + 30, "1")
    _land(tmp_path, T0 + 9 * DAY_S, 30, "2", mid=6_000)
    bars, length_s = _bars(tmp_path, 100)

    assert length_s == 60
    assert bars.groupby("market_id").size().tolist() == [100, 100]
    assert bars["ts_s"].max() == T0 + 9 * DAY_S + 1_800
    assert (bars["mid_units"] == 6_000).sum() == 60
    assert bars.equals(bars.sort_values(["market_id", "ts_s"], ignore_index=True))


def test_days_that_are_not_needed_are_not_opened(tmp_path):
    """A file of an earlier day that cannot be read does no harm: what came before is kept for ever."""
    _land(tmp_path, T0 + 2 * DAY_S, 2 * 1_440, "1")
    broken = raw_tables.day_folder(tmp_path / "bars", T0 // DAY_S) / "1.parquet"
    broken.parent.mkdir()
    broken.write_bytes(b"cut off")

    assert len(_bars(tmp_path, 100)[0]) == 200


def test_bars_of_weeks_are_found_too(tmp_path):
    """Where the last two days hold one bar of a market its pace is that of all days."""
    _land(tmp_path, T0, 6, "1", step_s=7 * DAY_S)
    bars, length_s = _bars(tmp_path, 3)

    assert length_s == 7 * DAY_S
    assert len(bars) == 6


@pytest.mark.parametrize(("count", "said"), [(0, "holds no bars"), (1, "no market in")])
def test_a_zone_without_two_bars_says_what_to_run(tmp_path, count, said):
    """Nothing, or one bar of each market, says nothing of the present."""
    (tmp_path / "bars").mkdir()
    if count:
        _land(tmp_path, T0, count, "1")
    with pytest.raises(DataError, match=said):
        _bars(tmp_path, 100)


def test_of_a_large_venue_whole_events_are_drawn():
    """No more bars than asked for, each event whole or not there, the same draw each time; fewer bars stay as they are,
    and one event stays where all are too large."""
    event_of = pd.Series({f"m{i}": f"e{i // 2}" for i in range(40)})
    bars = pd.DataFrame({"market_id": np.repeat(event_of.index.to_numpy(), 50), "ts_s": np.tile(np.arange(50), 40)})
    drawn = _drawn(bars, event_of, 750)

    assert len(drawn) == 700
    assert drawn["market_id"].map(event_of).value_counts().tolist() == [100] * 7
    assert drawn.equals(_drawn(bars, event_of, 750))
    assert _drawn(bars, event_of, 2_000) is bars
    assert len(_drawn(bars, event_of, 10)) == 100


def test_order_flow_of_the_zone_stands_at_its_bars(tmp_path):
    """Rows of two ingests stand at their markets' bars, of one bar those of the newer file; other bars have 0."""
    series = Series.of(
        np.repeat(np.array(["a", "b"], object), 3), np.tile(60 * np.arange(1, 4), 2), np.zeros(6, int), 60
    )
    day = tmp_path / "order_flow/day=1970-01-01"
    day.mkdir(parents=True)
    for file, times, value in (("180", [60, 120], 0.25), ("240", [120], -0.5)):
        columns = dict.fromkeys(ORDER_FLOW, np.full(len(times), value)) | {"ts_s": np.array(times)}
        order_flow.write(day / f"{file}.parquet", [("b", columns)])

    assert _flow(tmp_path, series)[:, 0].tolist() == [0.0, 0.0, 0.0, 0.25, -0.5, 0.0]
    assert not _flow(tmp_path / "none", series).any()
