"""Deciding the journal's bars again, and filling its orders with the model of the backtest."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import msgspec

from pipelines.core.domain import Outcome, Quote, Side
from pipelines.core.money import MICRO, notional_micro
from pipelines.core.orders import OrderIntent
from pipelines.core.sections import ExecutionParams
from pipelines.decide import Decision, Inputs, Rules, decide
from pipelines.parity.journal import LiveBar
from pipelines.trading import kernel
from pipelines.trading.paper import Working, match

KEPT_DIFFERENCES = 20
Book = dict[tuple[str, int], Inputs]
"""(market id, market time) -> what was known of a market when that bar had closed."""


def decisions(bars: Iterable[LiveBar], rules: Mapping[str, Rules]) -> tuple[dict[str, Any], Book]:
    """Counts of decisions that are identical, different or not replayable, with the first differences."""
    counts: Counter[str] = Counter()
    unreplayable: Counter[str] = Counter()
    different: list[dict[str, Any]] = []
    book: Book = {}
    for bar in bars:
        counts["bars"] += 1
        unreplayable["market not described in the journal"] += bar.unknown
        book |= {(one.market.market_id, bar.ts_s): one for one in bar.inputs}
        known = rules.get(bar.bundle)
        if known is None:
            unreplayable[f"bundle {bar.bundle[:12] or 'none'} is not on this machine"] += len(bar.inputs)
            continue
        for live, again in _pairs(bar, known, unreplayable):
            counts["decisions"] += 1
            gap = difference(live, again)
            counts["identical" if not gap else "different"] += 1
            if gap and len(different) < KEPT_DIFFERENCES:
                different.append({"ts_s": bar.ts_s, "market_id": again.market_id, **gap})
    document = {name: counts[name] for name in ("bars", "decisions", "identical", "different")}
    return document | {"differences": different, "unreplayable": {k: v for k, v in unreplayable.items() if v}}, book


def _pairs(bar: LiveBar, rules: Rules, unreplayable: Counter[str]) -> Iterable[tuple[Mapping[str, Any], Decision]]:
    """Live and replayed decisions in the order of the bar; an order takes its cash and room from the next market."""
    open_buys = dict(bar.account.open_buy_micro)
    account = replace(bar.account, open_buy_micro=open_buys)
    for inputs in sorted(bar.inputs, key=lambda one: one.market.market_id):
        live = bar.decisions.get(inputs.market.market_id)
        if live is None:
            unreplayable["no decision was journaled"] += 1
            continue
        if live["action"] == "wait":
            continue
        again = decide(inputs, account, rules)
        if again.intent is not None and again.intent.side is Side.BUY:
            open_buys[again.market_id] = notional_micro(again.intent.shares_micro, again.intent.price_units)
        yield live, again


def difference(live: Mapping[str, Any], again: Decision) -> dict[str, Any]:
    """Fields in which a journaled decision and its replay differ, as [live, replay]; empty when they are identical."""
    replayed = {
        "direction": int(again.direction),
        "fraction": again.fraction,
        "confidence": again.confidence,
        "refusal": again.refusal.reason.value if again.refusal else None,
        "detail": again.refusal.detail if again.refusal else "",
        "intent": msgspec.json.encode(again.intent).decode() if again.intent else None,
    }
    return {name: [live[name], value] for name, value in replayed.items() if live[name] != value}


def fills(
    orders: Sequence[Mapping[str, Any]],
    booked: Mapping[str, Sequence[Mapping[str, Any]]],
    book: Book,
    execution: ExecutionParams,
    length_s: int,
) -> dict[str, Any]:
    """Live fills beside the model's for the same orders: shares, price and money, and why they differ."""
    rows, reasons = [], Counter[str]()
    for order in orders:
        live = booked.get(order["order_id"], ())
        at = order["ts_s"] + execution.latency_bars * length_s
        then = book.get((order["market_id"], at))
        if then is None:
            reasons["no bar after the order"] += 1
            continue
        modelled = _modelled(order, then, execution, at)
        rows.append(_row(live, modelled))
        reasons[_reason(rows[-1])] += 1
    gap = sum(row["live_cash"] - row["model_cash"] for row in rows)
    return {
        "orders": len(rows),
        "live_shares": sum(row["live_shares"] for row in rows) / MICRO,
        "model_shares": sum(row["model_shares"] for row in rows) / MICRO,
        "cash_gap_pusd": gap / MICRO,
        "cost_gap_pusd": sum(_cost_gap(row) for row in rows) / MICRO,
        "reasons": dict(sorted(reasons.items())),
    }


def _modelled(order: Mapping[str, Any], then: Inputs, execution: ExecutionParams, ts_s: int) -> list[Any]:
    market, quote = then.market, then.quote
    outcome = Outcome(order["outcome"])
    intent = OrderIntent(
        market.market_id,
        market.token(outcome),
        outcome,
        Side(order["side"]),
        order["price_units"],
        order["shares_micro"],
        market.tick_units,
        market.neg_risk,
        market.version,
        order["reason"],
        order["ts_s"],
    )
    depth = kernel.shown_micro(execution.model_depth_shares * MICRO, quote.spread_units, market.tick_units)
    seen = Quote(quote.bid_units, quote.ask_units, quote.bid_size_micro or depth, quote.ask_size_micro or depth)
    return match(Working(order["order_id"], intent, market, intent.shares_micro, 1, 1), seen, execution, ts_s)


def _row(live: Sequence[Mapping[str, Any]], modelled: Sequence[Any]) -> dict[str, int]:
    return {
        "live_shares": sum(fill["shares_micro"] for fill in live),
        "model_shares": sum(fill.shares_micro for fill in modelled),
        "live_cash": sum(_cash(fill) for fill in live),
        "model_cash": sum(_cash(asdict(fill)) for fill in modelled),
    }


def _cash(fill: Mapping[str, Any]) -> int:
    notional = notional_micro(fill["shares_micro"], fill["price_units"])
    return (notional if fill["side"] == "SELL" else -notional) - int(fill["fee_micro"])


def _cost_gap(row: Mapping[str, int]) -> float:
    """What the live fill was better by, at the live size: the model's price per share is carried over."""
    if not row["model_shares"] or not row["live_shares"]:
        return 0.0
    return row["live_cash"] - row["model_cash"] * row["live_shares"] / row["model_shares"]


def _reason(row: Mapping[str, int]) -> str:
    if row["live_shares"] != row["model_shares"]:
        if not row["live_shares"]:
            return "the venue filled nothing, the model would have"
        return "the venue filled, the model would not" if not row["model_shares"] else "other size: depth of the book"
    return "equal" if row["live_cash"] == row["model_cash"] else "other price: the quote moved within the latency"
