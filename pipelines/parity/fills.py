"""Live fills compared with those that the backtest's model gives the same orders: size, price, money, profit."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.core.domain import Outcome, Side
from pipelines.core.money import MICRO, PRICE_SCALE
from pipelines.core.sections import ExecutionParams
from pipelines.history.modelled import JournaledMarkets, Row, cost_gap, modelled_fills, money
from pipelines.trading import kernel


def compare(
    orders: Sequence[Row],
    booked: Mapping[str, Sequence[Row]],
    journaled: JournaledMarkets,
    execution: ExecutionParams,
    length_s: int,
    payouts_micro: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """Live fills compared with the model's for the same orders: shares, price, money and profit, and why they differ;
    the gaps of sales also by what they were sent for (stop_loss, market_ending, quote, ...), and in `between_bars` the
    gaps of orders that were decided between two bars: the model meets the book of a close with them too.

    `execution` and `length_s` hold for bars whose own terms are not journaled. A profit values what was bought or sold
    at the payout of a decided market (`payouts_micro`, of a YES share), else at its newest mid.
    """
    rows, between, reasons, held = [], [], Counter[str](), dict(journaled.held)
    exits: dict[str, list[Mapping[str, int]]] = {}
    worth = journaled.marks() | {name: kernel.payout_units(micro) for name, micro in (payouts_micro or {}).items()}
    for order in orders:
        modelled = modelled_fills(order, journaled, *journaled.terms.get(order["ts_s"], (execution, length_s)))
        if modelled is None:
            reasons["no bar after the order"] += 1
            continue
        live = [money(row) for row in booked.get(order["order_id"], ())]
        rows.append(_row(order, live, modelled, _possible(order, modelled, held), worth))
        reasons[_reason(rows[-1])] += 1
        if order.get("after_ms", 0):
            between.append(rows[-1])
        if order["side"] == Side.SELL:
            exits.setdefault(order["reason"], []).append(rows[-1])
    found = _gaps(rows)
    return {
        **found,
        "reasons": dict(sorted(reasons.items())),
        "between_bars": _gaps(between),
        "by_exit_reason": {reason: _gaps(some) for reason, some in sorted(exits.items())},
    }


def _gaps(rows: Sequence[Mapping[str, int]]) -> dict[str, float]:
    total = Counter[str]()
    for row in rows:
        total.update(row)
    return {
        "orders": len(rows),
        "live_shares": total["live_shares"] / MICRO,
        "model_shares": total["model_shares"] / MICRO,
        "cash_gap_pusd": (total["live_cash"] - total["model_cash"]) / MICRO,
        "cost_gap_pusd": sum(cost_gap(row) for row in rows) / MICRO,
        "live_pnl_pusd": total["live_pnl"] / MICRO,
        "model_pnl_pusd": total["model_pnl"] / MICRO,
        "pnl_gap_pusd": (total["live_pnl"] - total["model_pnl"]) / MICRO,
    }


def _possible(order: Row, fills: Sequence[tuple[int, int]], held: dict[tuple[str, str], int]) -> list[tuple[int, int]]:
    """Fills as the model's own account could have them: it sells no more than what it holds, which `held` follows."""
    key, made = (order["market_id"], order["outcome"]), []
    for shares, cash in fills:
        here = shares if order["side"] == Side.BUY else min(shares, held.get(key, 0))
        held[key] = held.get(key, 0) + (here if order["side"] == Side.BUY else -here)
        made.append((here, cash * here // shares))
    return made


def _row(
    order: Row,
    live: Sequence[tuple[int, int]],
    modelled: Sequence[tuple[int, int]],
    possible: Sequence[tuple[int, int]],
    worth: Mapping[str, int],
) -> dict[str, int]:
    return {
        "live_shares": sum(shares for shares, _ in live),
        "model_shares": sum(shares for shares, _ in modelled),
        "live_cash": sum(cash for _, cash in live),
        "model_cash": sum(cash for _, cash in modelled),
        "live_pnl": _profit(order, live, worth),
        "model_pnl": _profit(order, possible, worth),
    }


def _profit(order: Row, fills: Sequence[tuple[int, int]], worth: Mapping[str, int]) -> int:
    """Cash of the fills and what their shares are worth at the end."""
    direction = 1 if order["outcome"] == Outcome.YES else -1
    price = kernel.token_price(worth[order["market_id"]], direction)
    sign = 1 if order["side"] == Side.BUY else -1
    return sum(cash + sign * (shares * price // PRICE_SCALE) for shares, cash in fills)


def _reason(row: Mapping[str, int]) -> str:
    if row["live_shares"] != row["model_shares"]:
        if not row["live_shares"]:
            return "the venue filled nothing, the model would have"
        return "the venue filled, the model would not" if not row["model_shares"] else "other size: depth of the book"
    return "equal" if row["live_cash"] == row["model_cash"] else "other price: the quote moved within the latency"
