"""What an answer to an order proves. Only a 4xx body proves that an order was not accepted."""

from collections.abc import Callable, Mapping
from typing import Any

from pipelines.core.domain import FeeSchedule, Fill, FillState, Outcome, Side
from pipelines.core.errors import VenueError
from pipelines.core.money import PRICE_SCALE, fee_micro, price_to_units, to_micro
from pipelines.core.orders import OpenOrder, PlaceResult, PlaceStatus
from pipelines.venue import stamps
from pipelines.venue.clob import MOST_MICRO

ACCEPTED = frozenset({"live", "matched", "delayed", "unmatched"})
"""Statuses of an order that the venue has taken; any other one proves nothing."""

_TIMES = ("match_time", "matchtime", "last_update", "timestamp")
"""Where a trade says when it was, the first that is there."""

OutcomeOf = Callable[[Mapping[str, Any]], Outcome]
"""The outcome that a row is about (it has `market`, `asset_id` and `outcome`)."""


def placed(order_id: str, side: Side, answer: Any) -> PlaceResult:
    """Read a 200 answer.

    Without an order id it is a refusal. With ours the order may live, whatever the words: it is accepted where success
    and a status say so, else unknown. With another's id it proves nothing.
    """
    if not isinstance(answer, Mapping) or "success" not in answer:
        return PlaceResult(PlaceStatus.UNKNOWN, order_id, reason=f"answer of an unknown shape: {str(answer)[:200]}")
    said, named = str(answer.get("errorMsg") or "")[:300], str(answer.get("orderID") or "")
    if not named:
        return PlaceResult(PlaceStatus.REJECTED, order_id, reason=said or "refused without a reason")
    if named.lower() != order_id.lower():
        return PlaceResult(PlaceStatus.UNKNOWN, order_id, reason=f"the venue named another order: {named}")
    status = str(answer.get("status") or "").lower()
    if answer["success"] is not True or status not in ACCEPTED:
        said = said or f"status {status!r} with success {answer['success']!r} proves nothing"
        return PlaceResult(PlaceStatus.UNKNOWN, order_id, status, reason=said)
    making, taking = (_stated(answer.get(key)) for key in ("makingAmount", "takingAmount"))
    shares, notional = (taking, making) if side is Side.BUY else (making, taking)
    named_trades = answer.get("tradeIDs")
    trades = tuple(str(t) for t in named_trades) if isinstance(named_trades, list | tuple) else ()
    return PlaceResult(PlaceStatus.ACCEPTED, order_id, status, shares, notional, trades, said)


def _stated(amount: Any) -> int:
    """An amount of an answer in base units; 0 where it states none. Fills are booked from trades, never from it."""
    try:
        return to_micro(str(amount or "0"))
    except (ArithmeticError, ValueError):
        return 0


def refused(order_id: str, status_code: int | None, message: Any) -> PlaceResult:
    """Read an error: 4xx proves a refusal, except where the engine may have seen the order before.

    425 (engine restarting) and 429 (rate limit) come before the book, so they are refusals too; a `Duplicated` order
    was accepted earlier under the same hash. No status (timeout, broken connection) and 5xx prove nothing.
    """
    said = str(message.get("error", message) if isinstance(message, Mapping) else message)[:300]
    if status_code is not None and 400 <= status_code < 500:
        if "duplicated" in said.lower():
            return PlaceResult(PlaceStatus.UNKNOWN, order_id, reason=said)
        if said.lstrip().startswith("<"):
            said = "the venue blocks this region or address (an HTML page instead of an answer)"
        return PlaceResult(PlaceStatus.REJECTED, order_id, reason=f"{status_code}: {said}")
    return PlaceResult(PlaceStatus.UNKNOWN, order_id, reason=said or "no answer")


def outcome_of(text: str) -> Outcome:
    """YES or NO from the venue's outcome label; the first label of an up/down market is its Yes.

    Raises:
        VenueError: for a label that names neither.
    """
    label = text.strip().lower()
    if label in ("yes", "up"):
        return Outcome.YES
    if label in ("no", "down"):
        return Outcome.NO
    raise VenueError(f"outcome must be Yes or No (or Up or Down), was {text!r}")


def by_label(row: Mapping[str, Any]) -> Outcome:
    """The outcome by its label, for a token that nothing else describes."""
    return outcome_of(str(row["outcome"]))


def open_order(row: Mapping[str, Any], outcome: OutcomeOf = by_label) -> OpenOrder:
    """A row of `/data/orders`; sizes are in shares, statuses may carry a prefix."""
    return OpenOrder(
        order_id=str(row["id"]).lower(),
        market_id=str(row["market"]),
        token_id=str(row["asset_id"]),
        outcome=outcome(row),
        side=Side(str(row["side"]).upper()),
        price_units=price_to_units(str(row["price"])),
        shares_micro=to_micro(str(row["original_size"])),
        matched_micro=to_micro(str(row["size_matched"])),
        status=str(row["status"]).removeprefix("ORDER_STATUS_").lower(),
        created_s=int(row.get("created_at") or 0),
    )


def fill_state(text: str) -> FillState:
    """The settlement state that a status names; one that is not known is not final."""
    named = text.removeprefix("TRADE_STATUS_").lower()
    return next((state for state in FillState if state.value == named), FillState.MATCHED)


def fills(
    row: Mapping[str, Any], account: str, owner: str, fee: FeeSchedule, outcome: OutcomeOf = by_label
) -> list[Fill]:
    """Our fills inside a row of `/data/trades` (or a trade of the user stream); none for a trade that failed.

    As a taker the row itself is the fill. As a maker each of our entries in `maker_orders` is one, possibly on the
    other token and side than the row's (mint and merge matches). Takers alone pay the fee. Ids: trade, then order.
    """
    if fill_state(str(row.get("status", ""))) is FillState.FAILED:
        return []
    return legs(row, account, owner, fee, outcome)


def legs(row: Mapping[str, Any], account: str, owner: str, fee: FeeSchedule, outcome: OutcomeOf) -> list[Fill]:
    """As `fills`, of a trade that failed too."""
    # Without a time a trade would lie before every reading, so that nobody books it and nobody hears of it.
    when = stamps.seconds(next((row[key] for key in _TIMES if row.get(key)), None))
    side = str(row.get("trader_side") or "").upper()
    ours = [m for m in row.get("maker_orders") or () if _mine(m, account, owner)] if side != "TAKER" else []
    # The venue lists our own trades alone: where no side is named and no leg is ours, we were the taker.
    if side == "TAKER" or (side != "MAKER" and not ours):
        return [_fill(row, row, str(row["taker_order_id"]), "size", when, fee, outcome)]
    if not ours:
        raise ValueError("a trade of ours as a maker in which no order is ours")
    return [_fill(row, m, str(m["order_id"]), "matched_amount", when, FeeSchedule(0.0), outcome) for m in ours]


def _mine(maker: Mapping[str, Any], account: str, owner: str) -> bool:
    return maker.get("owner") == owner or str(maker.get("maker_address", "")).lower() == account.lower()


def _fill(
    trade: Mapping[str, Any],
    leg: Mapping[str, Any],
    order_id: str,
    size: str,
    when: int,
    fee: FeeSchedule,
    outcome: OutcomeOf,
) -> Fill:
    shares, price = to_micro(str(leg[size])), price_to_units(str(leg["price"]))
    if not 0 < shares <= MOST_MICRO or not 0 <= price <= PRICE_SCALE:
        raise ValueError(f"a trade of {str(leg[size])[:30]} shares at {str(leg['price'])[:30]}")
    return Fill(
        fill_id=f"{trade['id']}/{order_id.lower()}",
        order_id=order_id.lower(),
        market_id=str(trade["market"]),
        token_id=str(leg["asset_id"]),
        outcome=outcome({"market": trade["market"], "asset_id": leg["asset_id"], "outcome": leg.get("outcome")}),
        side=Side(str(leg["side"]).upper()),
        price_units=price,
        shares_micro=shares,
        fee_micro=fee_micro(shares, price, fee.rate, fee.exponent),
        ts_s=when,
        state=fill_state(str(trade.get("status", ""))),
    )
