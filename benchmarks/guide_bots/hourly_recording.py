"""Hourly up/down recordings with the underlying's price as histories: market_id, timestamp, bid, ask, asset, spot."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipelines.core.domain import Market
from pipelines.core.errors import DataError
from pipelines.core.money import MICRO
from pipelines.core.raw_tables import LABEL
from pipelines.core.settlement import RuleKind, Settlement
from pipelines.core.venue_dates import taker_delay_ms
from pipelines.features import compute
from pipelines.reference.board import Board
from pipelines.reference.prices import Price
from pipelines.replay.market_history import History
from pipelines.venue.fees import schedule

COLUMNS = ("market_id", "asset", "timestamp", "best_bid", "best_ask", "spot")
HORIZON = 24


HOUR_S = 3_600
LENGTH_S = 60


def read(path: Path, tick_units: int = 100) -> list[History]:
    """Histories with the fair probability of each bar, by market.

    Of a recording with labels, markets without one are left out: nobody could say what a position was worth.

    Raises:
        DataError: if the file is unreadable, lacks a column or holds no market with ten bars.
    """
    try:
        names = set(pq.read_schema(path).names)
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"{path} cannot be read as parquet ({error}); give a recording with {COLUMNS}") from None
    if missing := [name for name in COLUMNS if name not in names]:
        raise DataError(f"{path} lacks {', '.join(missing)}; temporal arbitrage needs {', '.join(COLUMNS)}")
    table = pq.read_table(path, columns=[*COLUMNS, *({LABEL} & names)]).sort_by(
        [("market_id", "ascending"), ("timestamp", "ascending")]
    )
    columns = {name: table[name].to_numpy(zero_copy_only=False) for name in table.column_names}
    columns["ts_s"] = columns["timestamp"].astype("datetime64[s]").astype(np.int64)
    board = Board.of(_prices(columns))
    made = [one for part in _parts(columns["market_id"]) if (one := _history(columns, part, board, tick_units))]
    if not made:
        raise DataError(f"{path} holds no market with ten quoted bars")
    return made


def _parts(ids: NDArray[Any]) -> Iterator[slice]:
    edges = [0, *(np.flatnonzero(ids[1:] != ids[:-1]) + 1).tolist(), len(ids)]
    return (slice(left, right) for left, right in itertools.pairwise(edges))


def _prices(columns: dict[str, NDArray[Any]]) -> Iterator[Price]:
    known = np.isfinite(columns["spot"])
    rows = zip(columns["asset"][known], columns["ts_s"][known].tolist(), columns["spot"][known].tolist(), strict=True)
    return (Price(str(asset), "binance", ts * 1_000, ts * 1_000, spot) for asset, ts, spot in rows)


def _history(columns: dict[str, NDArray[Any]], part: slice, board: Board, tick_units: int) -> History | None:
    bid_units = np.round(columns["best_bid"][part] * 10_000)
    ask_units = np.round(columns["best_ask"][part] * 10_000)
    quoted = (bid_units > 0) & (ask_units < 10_000) & (ask_units > bid_units)
    ts_s = (columns["ts_s"][part] + 30) // 60 * 60
    whole = np.flatnonzero(quoted & np.append(np.diff(ts_s) > 0, [True]))
    payout = _payout(columns[LABEL][part]) if LABEL in columns else None
    if len(whole) < 10 or (LABEL in columns and payout is None):
        return None
    ts_s, bid, ask = ts_s[whole], bid_units[whole].astype(np.int64), ask_units[whole].astype(np.int64)
    mid, zeros, count = (bid + ask) // 2, np.zeros(len(whole), dtype=np.int64), len(whole)
    name, asset = str(columns["market_id"][part.start]), str(columns["asset"][part.start])
    end = int(ts_s[0]) // HOUR_S * HOUR_S + HOUR_S
    fee = schedule("crypto", end - HOUR_S, HOUR_S)
    rule = Settlement(symbol=asset, source="binance", kind=RuleKind.CANDLE, start_s=end - HOUR_S, end_s=end)
    market = Market(
        market_id=name,
        event_id=f"{asset} {end}",
        question=name,
        token_yes=f"{name} up",
        token_no=f"{name} down",
        tick_units=tick_units,
        min_size_micro=5_000_000,
        fee=fee,
        start_s=None,
        end_s=end,
        topic="",
        settlement=rule,
        taker_delay_ms=taker_delay_ms("crypto", end),
    )
    flat = np.zeros((count, HORIZON))
    features = compute.batch(ts_s, mid, zeros, end)
    return History(
        market, ts_s, mid, bid, ask, zeros, ask - bid, features, np.zeros(count), flat, flat, flat, np.full(count, 0.5),
        payout, board.series(rule, ts_s, LENGTH_S),
    )  # fmt: skip


def _payout(labels: NDArray[Any]) -> int | None:
    """Base units that a share paid; None where the label is missing or no price."""
    known = labels[np.isfinite(labels) & (labels >= 0.0) & (labels <= 1.0)]
    return round(float(known[-1]) * MICRO) if len(known) else None
