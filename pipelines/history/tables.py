"""The journal as tables for SQL: orders, fills, trades, equity, decisions, funnel. A table is read when it is named."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import duckdb
import pyarrow as pa

from pipelines.core.money import MICRO, PRICE_SCALE
from pipelines.core.params import Params
from pipelines.core.settings import Settings
from pipelines.history.account import History, documents
from pipelines.history.journal_reader import JournalReader, url

HOURS: Final = 24.0
"""Market hours of decisions that are read, back from the newest bar: each bar has one per market."""

NAMES: Final = ("orders", "fills", "trades", "equity", "decisions", "funnel")


def register(db: duckdb.DuckDBPyConnection, sql: str, settings: Settings, params: Params) -> None:
    """Give a connection those tables of the journal that a query names.

    Raises:
        DataError: if one is named and there is no journal.
    """
    named = [name for name in NAMES if re.search(rf"\b{name}\b", sql, flags=re.IGNORECASE)]
    if not named:
        return
    history = History(settings, params, against_model="trades" in named)
    made: dict[str, Callable[[], list[dict[str, Any]]]] = {
        "orders": lambda: [_amounts(row) for row in history.rows("orders")],
        "fills": lambda: [_amounts(row) for row in history.rows("fills")],
        "trades": lambda: documents(history.trades()),
        "equity": lambda: [{"ts_s": ts_s, "equity_pusd": equity} for ts_s, equity in history.equity()],
        "decisions": lambda: list(_decisions(settings, params)),
        "funnel": lambda: [dict(row) for row in history.rows("funnel")],
    }
    for name in named:
        db.register(name, pa.Table.from_pylist(made[name]() or [{"empty": None}][:0]))


def _amounts(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with money in pUSD, shares and prices as people write them."""
    found: dict[str, Any] = {}
    for name, value in row.items():
        if name in ("payload", "account"):
            continue
        if name.endswith("_micro"):
            unit = "shares" if name.startswith(("shares", "filled")) else name.removesuffix("_micro") + "_pusd"
            found["filled" if name.startswith("filled") else unit] = None if value is None else value / MICRO
        elif name.endswith("_units"):
            found[name.removesuffix("_units")] = value / PRICE_SCALE
        else:
            found[name] = value
    return found


def _decisions(settings: Settings, params: Params) -> Iterator[dict[str, Any]]:
    reader = JournalReader(url(settings), {}, HOURS, params)
    for bar in reader.turns():
        for one in bar.inputs:
            made = bar.decisions.get(one.market.market_id, {})
            yield {
                "ts_s": bar.ts_s,
                "after_ms": bar.after_ms,
                "market_id": one.market.market_id,
                "question": one.market.question,
                "mid": one.bar.mid_units / PRICE_SCALE,
                "bid": one.quote.bid_units / PRICE_SCALE,
                "ask": one.quote.ask_units / PRICE_SCALE,
                "action": made.get("action"),
                "refusal": made.get("refusal"),
                "detail": made.get("detail"),
                "confidence": one.forecast.confidence,
                "model": bar.bundle[:12],
            }
