"""What the backtest's fill model gives the orders of a journal, for live fills to be compared with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipelines.core.domain import Fill, Outcome, Quote, Side
from pipelines.core.money import MICRO, notional_micro
from pipelines.core.orders import OrderIntent, OrderType
from pipelines.core.sections import ExecutionParams
from pipelines.decide import QUOTE, Inputs
from pipelines.history.journaled_limits import JournaledLimits
from pipelines.trading.paper import PaperBook, behind_micro

Row = Mapping[str, Any]


@dataclass
class JournaledMarkets:
    """What the journal's bars say about the markets: `inputs` by (market id, market time), those of turns between two
    bars by (market id, time of the close, ms after it), the execution parameters and the bar length that were in force
    at a bar where they are journaled, and what was held when the first bar closed."""

    inputs: dict[tuple[str, int], Inputs] = field(default_factory=dict)
    between: dict[tuple[str, int, int], Inputs] = field(default_factory=dict)
    terms: dict[int, tuple[ExecutionParams, int]] = field(default_factory=dict)
    held: dict[tuple[str, str], int] = field(default_factory=dict)

    def take(self, at: tuple[int, int], inputs: Sequence[Inputs], limits: JournaledLimits | None) -> None:
        """Add what a turn saw; `at` is the time of its close and the ms after it."""
        ts_s, after_ms = at
        if after_ms:
            self.between |= {(one.market.market_id, ts_s, after_ms): one for one in inputs}
        else:
            self.inputs |= {(one.market.market_id, ts_s): one for one in inputs}
        if limits:
            self.terms[ts_s] = (limits.execution, limits.bar_length_s)

    def decided(self, order: Row) -> Inputs | None:
        """What the decision of an order saw; None where the journal does not hold it."""
        if after_ms := order.get("after_ms", 0):
            return self.between.get((order["market_id"], order["ts_s"], after_ms))
        return self.inputs.get((order["market_id"], order["ts_s"]))

    def marks(self) -> dict[str, int]:
        """Market id -> its newest YES mid in price units."""
        return {key[0]: self.inputs[key].bar.mid_units for key in sorted(self.inputs, key=lambda key: key[1])}


def modelled_fills(
    order: Row, journaled: JournaledMarkets, execution: ExecutionParams, length_s: int
) -> list[tuple[int, int]] | None:
    """(shares, cash) of each fill that the backtest's book gives the order; None without a bar at its arrival. An order
    between two bars is on its way from its own decision on, and meets the book of a close as every other."""
    earliest = order["ts_s"] + execution.latency_bars * length_s
    known = journaled.decided(order) or journaled.inputs.get((order["market_id"], earliest))
    if known is None:
        return None
    paper, intent = PaperBook(execution, length_s), _intent(order, known)
    quoted = intent.post_only and order["reason"] == QUOTE
    working = paper.send(intent, known.market, _shown(known, execution) if quoted else None, known.fair)
    arrival = order["ts_s"] + working.arrives_in * length_s
    if (order["market_id"], arrival) not in journaled.inputs:
        return None
    fills: list[Fill] = []
    for ts_s in range(order["ts_s"] + length_s, arrival + execution.order_ttl_bars * length_s, length_s):
        then = journaled.inputs.get((order["market_id"], ts_s))
        if then is not None:
            quote = _shown(then, execution)
            fills += paper.on_bar(then.market.market_id, quote, ts_s, then.bar.volume_micro, then.fair)
    return [(fill.shares_micro, fill.cash_micro) for fill in fills]


def _intent(order: Row, then: Inputs) -> OrderIntent:
    """The order again. What did not reach the other side that its decision saw was sent to rest, all else as FAK."""
    market, outcome = then.market, Outcome(order["outcome"])
    quote, limit = then.quote.of(outcome), order["price_units"]
    rests = limit < quote.ask_units if order["side"] == Side.BUY else limit > quote.bid_units > 0
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
        after_ms=order.get("after_ms", 0),
        order_type=OrderType.GTD if rests else OrderType.FAK,
        post_only=rests,
    )


def _shown(then: Inputs, execution: ExecutionParams) -> Quote:
    """The quote, with modelled sizes where none were observed."""
    quote, depth = then.quote, behind_micro(then.market, then.quote, execution)
    return Quote(quote.bid_units, quote.ask_units, quote.bid_size_micro or depth, quote.ask_size_micro or depth)


def money(fill: Row) -> tuple[int, int]:
    """Shares and cash of a journaled fill, in base units; the fee is in the cash."""
    notional = notional_micro(fill["shares_micro"], fill["price_units"])
    cash = notional if fill["side"] == Side.SELL else -notional
    return fill["shares_micro"], cash - int(fill["fee_micro"])


def cost_gap(row: Mapping[str, int]) -> float:
    """What the live fill was better by, at the live size: the model's price per share is carried over."""
    if not row["model_shares"] or not row["live_shares"]:
        return 0.0
    return row["live_cash"] - row["model_cash"] * row["live_shares"] / row["model_shares"]


def slippage(
    orders: Sequence[Row],
    booked: Mapping[str, Sequence[Row]],
    journaled: JournaledMarkets,
    execution: ExecutionParams,
    length_s: int,
) -> dict[str, float]:
    """Order id -> pUSD that its fills cost more than the model's for the same shares (below 0: they were better).

    Left out are orders without a fill, those that the model would not have filled, and those whose bars the journal
    does not hold any more.
    """
    found = {}
    for order in orders:
        made = modelled_fills(order, journaled, *journaled.terms.get(order["ts_s"], (execution, length_s)))
        live = [money(row) for row in booked.get(order["order_id"], ())]
        row = {
            "live_shares": sum(shares for shares, _ in live),
            "model_shares": sum(shares for shares, _ in made or ()),
            "live_cash": sum(cash for _, cash in live),
            "model_cash": sum(cash for _, cash in made or ()),
        }
        if row["live_shares"] and row["model_shares"]:
            found[order["order_id"]] = -cost_gap(row) / MICRO
    return found
