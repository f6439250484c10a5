"""What an answer to an order proves. Only a 4xx body proves that an order was not accepted."""

from collections.abc import Mapping
from typing import Any

from pipelines.core.domain import FeeSchedule, Fill, Outcome, Side
from pipelines.core.errors import VenueError
from pipelines.core.money import fee_micro, price_to_units, to_micro
from pipelines.core.orders import OpenOrder, PlaceResult, PlaceStatus

NEVER_SETTLED = "FAILED"


def placed(order_id: str, side: Side, answer: Any) -> PlaceResult:
    """Read a 200 answer. `success` with an error text or without an order id is a refusal, not an acceptance."""
    if not isinstance(answer, Mapping) or "success" not in answer:
        return PlaceResult(PlaceStatus.UNKNOWN, order_id, reason=f"answer of an unknown shape: {str(answer)[:200]}")
    said = str(answer.get("errorMsg") or "")
    if not answer["success"] or said or not answer.get("orderID"):
        return PlaceResult(PlaceStatus.REJECTED, order_id, reason=said or "refused without a reason")
    if str(answer["orderID"]).lower() != order_id.lower():
        return PlaceResult(PlaceStatus.UNKNOWN, order_id, reason=f"the venue named another order: {answer['orderID']}")
    making, taking = (to_micro(str(answer.get(key) or "0")) for key in ("makingAmount", "takingAmount"))
    shares, notional = (taking, making) if side is Side.BUY else (making, taking)
    trades = tuple(str(t) for t in answer.get("tradeIDs") or ())
    return PlaceResult(PlaceStatus.ACCEPTED, order_id, str(answer.get("status", "")), shares, notional, trades)


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


def open_order(row: Mapping[str, Any]) -> OpenOrder:
    """A row of `/data/orders`; sizes are in shares, statuses may carry a prefix."""
    return OpenOrder(
        order_id=str(row["id"]).lower(),
        market_id=str(row["market"]),
        token_id=str(row["asset_id"]),
        outcome=outcome_of(str(row["outcome"])),
        side=Side(str(row["side"]).upper()),
        price_units=price_to_units(str(row["price"])),
        shares_micro=to_micro(str(row["original_size"])),
        matched_micro=to_micro(str(row["size_matched"])),
        status=str(row["status"]).removeprefix("ORDER_STATUS_").lower(),
        created_s=int(row.get("created_at") or 0),
    )


def fills(row: Mapping[str, Any], account: str, owner: str, fee: FeeSchedule) -> list[Fill]:
    """Our fills inside a row of `/data/trades` (or a trade of the user stream); none for a trade that failed.

    As a taker the row itself is the fill. As a maker each of our entries in `maker_orders` is one, possibly on the
    other token and side than the row's (mint and merge matches). Takers alone pay the fee. Ids: trade, then order.
    """
    if str(row.get("status", "")).removeprefix("TRADE_STATUS_").upper() == NEVER_SETTLED:
        return []
    when = int(float(row.get("match_time") or row.get("matchtime") or 0))
    if str(row.get("trader_side", "TAKER")).upper() == "TAKER":
        return [_fill(row, row, str(row["taker_order_id"]), "size", when, fee)]
    ours = [m for m in row.get("maker_orders") or () if _mine(m, account, owner)]
    return [_fill(row, m, str(m["order_id"]), "matched_amount", when, FeeSchedule(0.0)) for m in ours]


def _mine(maker: Mapping[str, Any], account: str, owner: str) -> bool:
    return maker.get("owner") == owner or str(maker.get("maker_address", "")).lower() == account.lower()


def _fill(
    trade: Mapping[str, Any], leg: Mapping[str, Any], order_id: str, size: str, when: int, fee: FeeSchedule
) -> Fill:
    shares, price = to_micro(str(leg[size])), price_to_units(str(leg["price"]))
    return Fill(
        fill_id=f"{trade['id']}/{order_id.lower()}",
        order_id=order_id.lower(),
        market_id=str(trade["market"]),
        token_id=str(leg["asset_id"]),
        outcome=outcome_of(str(leg["outcome"])),
        side=Side(str(leg["side"]).upper()),
        price_units=price,
        shares_micro=shares,
        fee_micro=fee_micro(shares, price, fee.rate, fee.exponent),
        ts_s=when,
    )
