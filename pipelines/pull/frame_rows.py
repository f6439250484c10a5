"""Recorded rows of raw messages of the market channel.

A book brings its touch with both sizes. A price change brings the touch and the size of the level that it changed. The
size of the other side is the last one that was told while that side had the same best price: a change of that level
would have been a message. Where the best price came back without a message about its size, no size is given.
"""

from typing import Final

import numpy as np
import pyarrow as pa

from pipelines.core.domain import FloatArray
from pipelines.core.raw_tables import IntArray
from pipelines.pull import book_rows

TOUCH: Final = (("best_bid", "best_bid_size"), ("best_ask", "best_ask_size"))


def select(frame: str, kept: str, names: str) -> str:
    """SELECT over `source` in the order of the messages. `frame` is the quoted column of messages; `kept` adds the
    file's columns that describe a market, as `, column AS name`, and `names` the same names alone."""
    text = f"CAST({frame} AS VARCHAR)"
    bids, asks = (book_rows.of_json(side, f"(row->>'$.{side}')") for side in ("bids", "asks"))
    changed = "json_extract(frame, '$.price_changes[*]')"
    return f"""
        WITH lines AS (SELECT CASE WHEN {text} LIKE '[%' THEN {text} ELSE '[' || {text} || ']' END AS line{kept}
                       FROM source),
        frames AS (SELECT unnest(CAST(json_extract(line, '$[*]') AS JSON[])) AS frame{names} FROM lines
                   WHERE json_valid(line)),
        rows AS (SELECT frame->>'event_type' AS kind, frame->>'market' AS market_id,
                        try_cast(frame->>'timestamp' AS BIGINT) AS timestamp,
                        unnest(CAST(CASE WHEN frame->>'event_type' = 'price_change' THEN {changed} ELSE [frame] END
                                    AS JSON[])) AS row{names} FROM frames),
        told AS (SELECT market_id, timestamp, row->>'asset_id' AS token_id, kind,
                        try_cast(row->>'price' AS DOUBLE) AS level, try_cast(row->>'size' AS DOUBLE) AS size,
                        upper(row->>'side') AS side,
                        CASE kind WHEN 'book' THEN {bids}
                             WHEN 'price_change' THEN {{'price': try_cast(row->>'best_bid' AS DOUBLE), 'size': NULL}}
                        END AS bid,
                        CASE kind WHEN 'book' THEN {asks}
                             WHEN 'price_change' THEN {{'price': try_cast(row->>'best_ask' AS DOUBLE), 'size': NULL}}
                        END AS ask{names} FROM rows)
        SELECT market_id, timestamp, token_id,
               CASE WHEN kind = 'last_trade_price' THEN level ELSE (bid.price + ask.price) / 2 END AS price,
               bid.price AS best_bid, ask.price AS best_ask,
               CASE WHEN kind = 'book' THEN bid.size WHEN side = 'BUY' AND level = bid.price THEN size END
                   AS best_bid_size,
               CASE WHEN kind = 'book' THEN ask.size WHEN side = 'SELL' AND level = ask.price THEN size END
                   AS best_ask_size,
               CASE WHEN kind = 'last_trade_price' THEN coalesce(size, 0.0) ELSE 0.0 END AS volume{names}
        FROM told WHERE kind IN ('book', 'price_change', 'last_trade_price')
                        AND (level IS NOT NULL OR kind != 'last_trade_price')
                        AND (kind = 'last_trade_price' OR (bid.price IS NOT NULL AND ask.price IS NOT NULL))
    """  # noqa: S608 - column names are quoted


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
