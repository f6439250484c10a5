"""Recorded rows of raw messages of the market channel.

A book brings its touch with both sizes. A price change brings the touch and the size of the level that it changed. The
size of the other side is the last one that was told while that side had the same best price: a change of that level
would have been a message. Where the best price came back without a message about its size, no size is given.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa

from pipelines.core.domain import FloatArray
from pipelines.core.raw_tables import IntArray
from pipelines.pull.frame_messages import time_ms

TOUCH: Final = (("best_bid", "best_bid_size"), ("best_ask", "best_ask_size"))
ROWS: Final = pa.schema(
    [
        ("market_id", pa.string()),
        ("timestamp", pa.int64()),
        ("token_id", pa.string()),
        ("price", pa.float64()),
        ("best_bid", pa.float64()),
        ("best_ask", pa.float64()),
        ("best_bid_size", pa.float64()),
        ("best_ask_size", pa.float64()),
        ("volume", pa.float64()),
    ]
)
KINDS: Final = ("book", "price_change", "last_trade_price")
"""Messages that give rows."""
ONE_SIDED: Final = "a book or a change without bid and ask"
NO_PRICE: Final = "a trade without a price"

_BUYS, _SELLS = ("BUY", "buy", "Buy"), ("SELL", "sell", "Sell")

Row = tuple[str | None, int | None, str | None, float, float | None, float | None, float | None, float | None, float]
_Level = tuple[float, float | None]


def rows(message: Mapping[str, Any], arrived_ms: int | None) -> Iterator[Row | str]:
    """Rows with the columns of ROWS that a message of KINDS gives, or what it lacks. A message without a time of its
    own has that of its arrival."""
    stamp = message.get("timestamp")
    ts_ms = int(stamp) if isinstance(stamp, str) and stamp.isdecimal() else time_ms(stamp)
    if ts_ms is None and stamp is None:
        ts_ms = arrived_ms
    market, kind = _text(message.get("market")), message["event_type"]
    if kind == "price_change":
        changes = message.get("price_changes")
        found = [one for one in changes if isinstance(one, dict)] if isinstance(changes, list) else []
        if not found:
            yield ONE_SIDED
        for one in found:
            yield _changed(market, ts_ms, one)
    elif kind == "book":
        yield _whole(market, ts_ms, message)
    else:
        price, size = _number(message.get("price")), _number(message.get("size"))
        token = _text(message.get("asset_id"))
        yield NO_PRICE if price is None else (market, ts_ms, token, price, None, None, None, None, size or 0.0)


def _changed(market: str | None, ts_ms: int | None, one: Mapping[str, Any]) -> Row | str:
    told = one.get
    bid, ask = _number(told("best_bid")), _number(told("best_ask"))
    if bid is None or ask is None:
        return ONE_SIDED
    token, level, size, side = _text(told("asset_id")), _number(told("price")), told("size"), told("side")
    bid_size = _number(size) if level == bid and side in _BUYS else None
    ask_size = _number(size) if level == ask and side in _SELLS else None
    return market, ts_ms, token, (bid + ask) / 2, bid, ask, bid_size, ask_size, 0.0


def _whole(market: str | None, ts_ms: int | None, message: Mapping[str, Any]) -> Row | str:
    bids, asks = list(_levels(message.get("bids"))), list(_levels(message.get("asks")))
    if not bids or not asks:
        return ONE_SIDED
    (bid, bid_size), (ask, ask_size) = max(bids, key=_price), min(asks, key=_price)
    return market, ts_ms, _text(message.get("asset_id")), (bid + ask) / 2, bid, ask, bid_size, ask_size, 0.0


def _levels(side: Any) -> Iterator[_Level]:
    """Levels as objects, as pairs or as plain prices, or as JSON of these."""
    if isinstance(side, str):
        try:
            side = msgspec.json.decode(side)
        except (ValueError, RecursionError):
            return
    for one in side if isinstance(side, list) else ():
        if isinstance(one, dict):
            price, size = _number(one.get("price")), _number(one.get("size"))
        elif isinstance(one, list):
            price, size = _number(one[0] if one else None), _number(one[1] if len(one) > 1 else None)
        else:
            price, size = _number(one), None
        if price is not None:
            yield price, size


def _price(level: _Level) -> float:
    return level[0]


def _text(value: Any) -> str | None:
    return value if type(value) is str else str(value) if type(value) is int else None


def _number(value: Any) -> float | None:
    kind = type(value)
    if kind is not str and kind is not float and kind is not int:
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


class Sizes:
    """Fills the sizes at the touch that rows of `select` do not tell, batch after batch in the order of the rows."""

    def __init__(self) -> None:
        self._last: dict[str | None, tuple[float, ...]] = {}
        """Token -> price and size of the last told bid, then of the last told ask."""

    def fill(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The same rows, with each size that holds still."""
        tokens = batch.column("token_id").dictionary_encode()
        names = tokens.dictionary.to_pylist()
        codes = np.asarray(tokens.indices.fill_null(len(names)), np.int64)
        names.append(None)
        known = np.array([self._last.get(name, (np.nan,) * 4) for name in names])
        for at, (price, size) in enumerate(TOUCH):
            column = _floats(batch, size)
            found = _held(codes, _floats(batch, price), column, known[:, 2 * at : 2 * at + 2])
            batch = batch.set_column(batch.schema.get_field_index(size), size, pa.array(found, from_pandas=True))
        self._last |= dict(zip(names, map(tuple, known.tolist()), strict=True))
        return batch


def _floats(batch: pa.RecordBatch, name: str) -> FloatArray:
    return np.asarray(batch.column(name).to_numpy(zero_copy_only=False), np.float64)


def _held(codes: IntArray, price: FloatArray, size: FloatArray, known: FloatArray) -> FloatArray:
    """Sizes of rows, the missing ones from the last row of the same token that told one, if its price is the same.
    `known` (tokens, 2) has price and size of the last told level before these rows, and is brought up to date."""
    order = np.argsort(codes, kind="stable")
    code, place = codes[order], np.arange(len(order))
    told = np.maximum.accumulate(np.where(np.isnan(size[order]), -1, place))
    first = np.searchsorted(code, code)
    here = told >= first
    row = order[np.where(here, told, 0)]
    last_price = np.where(here, price[row], known[code, 0])
    last_size = np.where(here, size[row], known[code, 1])
    found = np.empty(len(size))
    found[order] = np.where(last_price == price[order], last_size, np.nan)
    ends = np.flatnonzero(np.append(np.diff(code) != 0, True)) if len(code) else place
    known[code[ends]] = np.stack([last_price[ends], last_size[ends]], axis=1)
    return found
