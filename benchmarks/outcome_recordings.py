"""Recordings with known outcomes as histories without forecasts: price paths, and tables of one price a market."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from pipelines.core.domain import FeeSchedule, Market
from pipelines.core.money import MICRO, PRICE_SCALE
from pipelines.core.params import Params
from pipelines.features.spec import FEATURE_NAMES
from pipelines.pull import grid, import_recording, recording
from pipelines.reference.board import Board
from pipelines.replay.market_history import History, touches

HORIZON = 24
CS2 = ("condition_id", "game_start", "priceA", "ens", "A_won")
"""Columns of the table of Counter-Strike series: the price before the match, a model's probability, who won."""


def histories(path: Path, params: Params) -> list[History]:
    """The markets of a file whose outcome is known."""
    if set(CS2) <= set(pq.read_schema(path).names):
        return _series_table(path)
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "recording.parquet"
        import_recording.run(path, written, (), replace=False)
        found = recording.read(written)
    length_s = grid.infer_length_s(found.points)
    bars = grid.to_bars(found.points, length_s, params.bars.max_gap_bars, grid.grid_offset_s(found.points, length_s))
    board, made = Board.of(found.prices), []
    for code in np.unique(bars.code):
        market, part = found.markets[code], bars.where(bars.code == code)
        paid = found.payouts.get(market.market_id)
        if paid is None or len(part) < 2:
            continue
        stated = board.stated(market.market_id, market.settlement, part.ts_s, length_s)
        made.append(_history(market, part.ts_s, part.mid_units, paid, stated))
    return made


def _history(market: Market, ts_s: Any, mid: Any, paid: int, stated: Any) -> History:
    count = len(ts_s)
    flat, zeros = np.zeros((count, HORIZON)), np.zeros(count, dtype=np.int64)
    bid, ask = touches(ts_s, mid, zeros, market.tick_units, 200.0)
    return History(
        market, ts_s, mid, bid, ask, zeros, zeros, np.zeros((count, len(FEATURE_NAMES))), np.zeros(count), flat, flat,
        flat, np.full(count, 0.5), paid, stated[:, :2], external=stated[:, 2],
    )  # fmt: skip


def _series_table(path: Path) -> list[History]:
    """Matches with one price and one external probability each. The second bar is the end, which nothing reads."""
    rows = pq.read_table(path, columns=list(CS2)).to_pylist()
    made = []
    for row in rows:
        if None in row.values() or not 0.0 < row["priceA"] < 1.0:
            continue
        start_s = int(row["game_start"].timestamp())
        market = Market(
            market_id=row["condition_id"], event_id=row["condition_id"], question="", token_yes="1", token_no="2",
            tick_units=100, min_size_micro=5 * MICRO, fee=FeeSchedule(0.0), start_s=None, end_s=None, topic="esports",
        )  # fmt: skip
        mid = np.full(2, round(row["priceA"] * PRICE_SCALE), dtype=np.int64)
        stated = np.tile([np.nan, np.nan, float(row["ens"])], (2, 1))
        made.append(
            _history(market, np.array([start_s, start_s + 3_600], np.int64), mid, MICRO * int(row["A_won"]), stated)
        )
    return made
