"""data/raw as it lies on disk: by day, and in groups of rows that a reader of a few markets can skip."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from pipelines.core import raw_tables
from pipelines.core.raw_tables import DAY_S, Bars

MARKETS, DAYS = 50, 3
START_S = 1_767_225_600


def bars_of(code):
    """Hourly bars of one market over some days."""
    times = START_S + 3_600 * np.arange(24 * DAYS)
    nothing = np.zeros(len(times), np.int64)
    return Bars(nothing + code, times, nothing + code, *[nothing] * 3, nothing > 0, nothing, nothing)


def test_a_few_markets_are_read_without_the_rest_of_their_days(tmp_path, monkeypatch):
    """Every day is a file with all its bars, and one who asks for two of fifty markets decodes two groups of a day at
    most."""
    monkeypatch.setattr(raw_tables, "ROW_GROUP", 24)
    ids = [f"m{code:02d}" for code in range(MARKETS)]
    parts = [bars_of(code) for code in range(MARKETS)]
    bars = Bars.concatenated(parts)
    raw_tables.write_raw(tmp_path, raw_tables.markets_table([]), ids, parts, raw_tables.headlines_table([]))

    read = ds.dataset(tmp_path / "bars", format="parquet")
    fragments = list(read.get_fragments())
    assert len(fragments) == DAYS
    whole = read.to_table().sort_by([("market_id", "ascending"), ("ts_s", "ascending")])
    assert whole.equals(raw_tables.bars_table(ids, bars))
    for fragment in fragments:
        assert len(set((fragment.to_table()["ts_s"].to_numpy() // DAY_S).tolist())) == 1
        wanted = pc.field("market_id").isin(pa.array(["m20", "m21"]))
        assert len(fragment.subset(wanted).row_groups) <= 2 < len(fragment.row_groups)


@pytest.mark.parametrize("group", [1, 23, 24, 100, 10_000])
def test_a_day_is_the_file_that_one_write_would_make(tmp_path, monkeypatch, group):
    """However rows arrive, the groups of a day are those of its whole table, whether a group is full or the day ends in
    the middle of one."""
    monkeypatch.setattr(raw_tables, "ROW_GROUP", group)
    ids = [f"m{code:02d}" for code in range(5)]
    parts = [bars_of(code) for code in range(5)]
    raw_tables.write_raw(tmp_path, raw_tables.markets_table([]), ids, parts, raw_tables.headlines_table([]))

    bars = Bars.concatenated(parts)
    days = bars.ts_s // DAY_S
    written = sorted((tmp_path / "bars").glob("day=*/part.parquet"))
    assert len(written) == DAYS
    for path, day in zip(written, np.unique(days), strict=True):
        pq.write_table(raw_tables.bars_table(ids, bars.where(days == day)), tmp_path / "one", row_group_size=group)
        assert path.read_bytes() == (tmp_path / "one").read_bytes()
