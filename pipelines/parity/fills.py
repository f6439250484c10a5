"""Live fills compared with those that the backtest's model gives the same orders: size, price, money, profit."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipelines.core.domain import Fill, Outcome, Quote, Side
from pipelines.core.money import MICRO, PRICE_SCALE, notional_micro
from pipelines.core.orders import OrderIntent, OrderType
from pipelines.core.sections import ExecutionParams
from pipelines.decide import Inputs
from pipelines.trading import kernel
from pipelines.trading.paper import PaperBook, behind_micro

Row = Mapping[str, Any]


@dataclass
class JournaledMarkets:
    """What the journal's bars say about the markets: `inputs` by (market id, market time), the execution parameters and
    the bar length that were in force at a bar where they are journaled, and what was held when the first bar closed."""

    inputs: dict[tuple[str, int], Inputs] = field(default_factory=dict)
    terms: dict[int, tuple[ExecutionParams, int]] = field(default_factory=dict)
    held: dict[tuple[str, str], int] = field(default_factory=dict)

    def marks(self) -> dict[str, int]:
        """Market id -> its newest YES mid in price units."""
        return {key[0]: self.inputs[key].bar.mid_units for key in sorted(self.inputs, key=lambda key: key[1])}


def compare(
    orders: Sequence[Row],
    booked: Mapping[str, Sequence[Row]],
    journaled: JournaledMarkets,
    execution: ExecutionParams,
    length_s: int,
    payouts_micro: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """Live fills compared with the model's for the same orders: shares, price, money and profit, and why they differ.

    `execution` and `length_s` hold for bars whose own terms are not journaled. A profit values what was bought or sold
    at the payout of a decided market (`payouts_micro`, of a YES share), else at its newest mid.
    """
    rows, reasons, held = [], Counter[str](), dict(journaled.held)
    worth = journaled.marks() | {name: kernel.payout_units(micro) for name, micro in (payouts_micro or {}).items()}
    for order in orders:
        modelled = _modelled(order, journaled, *journaled.terms.get(order["ts_s"], (execution, length_s)))
        if modelled is None:
            reasons["no bar after the order"] += 1
            continue
        live = [_money(row) for row in booked.get(order["order_id"], ())]
        rows.append(_row(order, live, modelled, _possible(order, modelled, held), worth))
        reasons[_reason(rows[-1])] += 1
    total = Counter[str]()
    for row in rows:
        total.update(row)
    return {
        "orders": len(rows),
        "live_shares": total["live_shares"] / MICRO,
        "model_shares": total["model_shares"] / MICRO,
        "cash_gap_pusd": (total["live_cash"] - total["model_cash"]) / MICRO,
        "cost_gap_pusd": sum(_cost_gap(row) for row in rows) / MICRO,
        "live_pnl_pusd": total["live_pnl"] / MICRO,
        "model_pnl_pusd": total["model_pnl"] / MICRO,
        "pnl_gap_pusd": (total["live_pnl"] - total["model_pnl"]) / MICRO,
        "reasons": dict(sorted(reasons.items())),
    }


def _modelled(
    order: Row, journaled: JournaledMarkets, execution: ExecutionParams, length_s: int
) -> list[tuple[int, int]] | None:
    """(shares, cash) of each fill that the backtest's book gives the order; None without a bar at its arrival."""
    arrival = order["ts_s"] + execution.latency_bars * length_s
    first = journaled.inputs.get((order["market_id"], arrival))
    if first is None:
        return None
    paper = PaperBook(execution.model_copy(update={"latency_bars": 1}))
    paper.send(_intent(order, journaled.inputs.get((order["market_id"], order["ts_s"]), first)), first.market)
    fills: list[Fill] = []
    for ts_s in range(arrival, arrival + execution.order_ttl_bars * length_s, length_s):
        then = journaled.inputs.get((order["market_id"], ts_s))
        if then is not None:
            quote = _shown(then, execution)
            fills += paper.on_bar(then.market.market_id, quote, ts_s, then.bar.volume_micro)
    return [(fill.shares_micro, fill.cash_micro) for fill in fills]


def _intent(order: Row, then: Inputs) -> OrderIntent:
    """The order again. A purchase below the ask that its decision saw was sent to rest, everything else as FAK."""
    market, outcome = then.market, Outcome(order["outcome"])
    rests = order["side"] == Side.BUY and order["price_units"] < then.quote.of(outcome).ask_units
    return OrderIntent(
        market_id=market.market_id,
        token_id=market.token(outcome),
        outcome=outcome,
        side=Side(order["side"]),
        price_units=order["price_units"],
        shares_micro=order["shares_micro"],
        tick_units=market.tick_units,
        neg_risk=market.neg_risk,
        version=market.version,
        reason=order["reason"],
        ts_s=order["ts_s"],
        order_type=OrderType.GTD if rests else OrderType.FAK,
        post_only=rests,
    )


def _shown(then: Inputs, execution: ExecutionParams) -> Quote:
    """The quote, with modelled sizes where none were observed."""
    quote, depth = then.quote, behind_micro(then.market, then.quote, execution)
    return Quote(quote.bid_units, quote.ask_units, quote.bid_size_micro or depth, quote.ask_size_micro or depth)


def _money(fill: Row) -> tuple[int, int]:
    notional = notional_micro(fill["shares_micro"], fill["price_units"])
    cash = notional if fill["side"] == Side.SELL else -notional
    return fill["shares_micro"], cash - int(fill["fee_micro"])


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
