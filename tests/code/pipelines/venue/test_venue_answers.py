"""An answer proves acceptance, refusal, or nothing; fills are read from our own leg of a trade."""

from typing import Any

import pytest

from pipelines.core.domain import FeeSchedule, Outcome, Side
from pipelines.core.errors import VenueError
from pipelines.core.orders import PlaceStatus
from pipelines.venue import answers

ID = "0x" + "ab" * 32
FEE = FeeSchedule(0.05)


def answer(**changes: Any) -> dict[str, Any]:
    """A 200 answer to an order."""
    return {
        "errorMsg": "",
        "orderID": ID,
        "takingAmount": "10",
        "makingAmount": "5.2",
        "status": "matched",
        "success": True,
        "tradeIDs": ["t1"],
        "transactionsHashes": [],
    } | changes


def test_amounts_follow_the_side() -> None:
    """A buy takes shares and makes cash, a sale the other way round."""
    buy, sell = answers.placed(ID, Side.BUY, answer()), answers.placed(ID, Side.SELL, answer())

    assert (buy.filled_shares_micro, buy.filled_notional_micro) == (10_000_000, 5_200_000)
    assert (sell.filled_shares_micro, sell.filled_notional_micro) == (5_200_000, 10_000_000)


@pytest.mark.parametrize("status", ["live", "delayed", "unmatched"])
def test_without_amounts_nothing_is_filled(status: str) -> None:
    """A resting or delayed order is accepted and has filled nothing yet."""
    result = answers.placed(ID, Side.BUY, answer(status=status, takingAmount="", makingAmount="", tradeIDs=None))

    assert result.status is PlaceStatus.ACCEPTED
    assert result.venue_status == status
    assert result.filled_shares_micro == 0


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (answer(orderID="", errorMsg="not enough balance"), PlaceStatus.REJECTED),
        (answer(orderID="", success=False, errorMsg="not enough balance"), PlaceStatus.REJECTED),
        (answer(orderID="", status="delayed"), PlaceStatus.REJECTED),
        (answer(orderID=None, success=False), PlaceStatus.REJECTED),
        (answer(success=False), PlaceStatus.UNKNOWN),
        (answer(success="false"), PlaceStatus.UNKNOWN),
        (answer(status=""), PlaceStatus.UNKNOWN),
        (answer(status=None), PlaceStatus.UNKNOWN),
        (answer(status="queued"), PlaceStatus.UNKNOWN),
        (answer(success=False, errorMsg="order match delayed"), PlaceStatus.UNKNOWN),
        (answer(orderID="0x" + "cd" * 32), PlaceStatus.UNKNOWN),
        ({}, PlaceStatus.UNKNOWN),
        ("OK", PlaceStatus.UNKNOWN),
        (None, PlaceStatus.UNKNOWN),
    ],
)
def test_success_alone_is_no_acceptance(given: Any, status: PlaceStatus) -> None:
    """Accepted means: success, a status that says so, and our own order id; anything unreadable proves nothing."""
    assert answers.placed(ID, Side.BUY, given).status is status


@pytest.mark.parametrize("odd", [5, True, {"a": 1}, "t1", [None]])
def test_odd_trade_ids_hide_no_acceptance(odd: Any) -> None:
    """What else stands in an answer with our hash and a status cannot make it unreadable."""
    assert answers.placed(ID, Side.BUY, answer(tradeIDs=odd)).status is PlaceStatus.ACCEPTED


@pytest.mark.parametrize("words", ["order match delayed due to market conditions", "not enough balance", "x" * 9_000])
@pytest.mark.parametrize("status", ["live", "MATCHED", "delayed", "unmatched"])
def test_our_hash_is_never_a_refusal(words: str, status: str) -> None:
    """With our hash in the answer the order may live, whatever the words are; they are kept."""
    result = answers.placed(ID, Side.BUY, answer(errorMsg=words, orderID=ID.upper().replace("0X", "0x"), status=status))

    assert result.status is PlaceStatus.ACCEPTED
    assert result.reason == words[:300]


@pytest.mark.parametrize("amount", ["n/a", "1,5", {}, float("nan")])
def test_amounts_that_cannot_be_read_fill_nothing(amount: Any) -> None:
    """An accepted order with odd amounts is accepted; its fills come from trades."""
    result = answers.placed(ID, Side.BUY, answer(takingAmount=amount, makingAmount=amount))

    assert (result.status, result.filled_shares_micro) == (PlaceStatus.ACCEPTED, 0)


@pytest.mark.parametrize(
    ("code", "message", "status"),
    [
        (400, {"error": "not enough balance / allowance"}, PlaceStatus.REJECTED),
        (400, {"error": "order_version_mismatch"}, PlaceStatus.REJECTED),
        (401, {"error": "Unauthorized/Invalid api key"}, PlaceStatus.REJECTED),
        (403, "<!DOCTYPE html><title>Attention Required!</title>", PlaceStatus.REJECTED),
        (425, "", PlaceStatus.REJECTED),
        (429, {"error": "rate limit"}, PlaceStatus.REJECTED),
        (400, {"error": f"order {ID} is invalid. Duplicated."}, PlaceStatus.UNKNOWN),
        (500, {"error": "order timed out"}, PlaceStatus.UNKNOWN),
        (503, {"error": "Trading is currently disabled"}, PlaceStatus.UNKNOWN),
        (None, "Request exception!", PlaceStatus.UNKNOWN),
    ],
)
def test_only_a_4xx_proves_a_refusal(code: int | None, message: Any, status: PlaceStatus) -> None:
    """Timeouts and 5xx prove nothing, nor does a duplicate: the first copy may rest."""
    result = answers.refused(ID, code, message)

    assert result.status is status
    assert result.order_id == ID
    assert result.reason
    assert "<" not in result.reason


def trade(**changes: Any) -> dict[str, Any]:
    """A trade as REST shows it."""
    leg = {
        "order_id": "0xBEEF", "owner": "me", "maker_address": "0xAA", "matched_amount": "4", "price": "0.48",
        "asset_id": "22", "outcome": "No", "side": "BUY",
    }  # fmt: skip
    other = leg | {"order_id": "0xOTHER", "owner": "else", "maker_address": "0xCC", "matched_amount": "6"}
    return {
        "id": "t1", "taker_order_id": ID, "market": "0xm", "asset_id": "11", "side": "BUY", "size": "10",
        "price": "0.52", "status": "TRADE_STATUS_MATCHED", "match_time": "1700000000", "outcome": "Yes",
        "owner": "me", "maker_address": "0xAA", "trader_side": "TAKER", "maker_orders": [leg, other],
    } | changes  # fmt: skip


def test_a_takers_fill_is_the_trade_and_pays_the_fee() -> None:
    """As a taker the row is the fill; the fee is shares x rate x p (1 - p)."""
    (fill,) = answers.fills(trade(), "0xaa", "me", FEE)

    assert (fill.order_id, fill.token_id, fill.outcome, fill.side) == (ID, "11", Outcome.YES, Side.BUY)
    assert (fill.shares_micro, fill.price_units, fill.fee_micro) == (10_000_000, 5_200, 124_800)
    assert fill.cash_micro == -5_200_000 - 124_800


def test_a_makers_fill_is_his_own_leg_without_fee() -> None:
    """As a maker the leg counts, on its own token and side, and costs no fee; legs of others are not ours."""
    (fill,) = answers.fills(trade(trader_side="MAKER"), "0xaa", "me", FEE)

    assert (fill.order_id, fill.token_id, fill.outcome) == ("0xbeef", "22", Outcome.NO)
    assert (fill.shares_micro, fill.price_units, fill.fee_micro) == (4_000_000, 4_800, 0)


def test_several_orders_of_one_trade_have_ids_of_their_own() -> None:
    """The id of a fill is the trade and the order, so one trade can fill two orders of ours."""
    mine = trade(trader_side="MAKER")
    mine["maker_orders"][1]["owner"] = "me"

    assert len({f.fill_id for f in answers.fills(mine, "0xaa", "me", FEE)}) == 2


def test_a_failed_trade_is_no_fill() -> None:
    """A trade that never settled did not happen."""
    assert answers.fills(trade(status="TRADE_STATUS_FAILED"), "0xaa", "me", FEE) == []


@pytest.mark.parametrize(
    ("label", "outcome"),
    [("Yes", Outcome.YES), ("Up", Outcome.YES), ("NO", Outcome.NO), ("down", Outcome.NO)],
)
def test_outcomes_are_named(label: str, outcome: Outcome) -> None:
    """Yes and No, or Up and Down."""
    assert answers.outcome_of(label) is outcome


def test_an_unknown_outcome_is_not_guessed() -> None:
    """A label that names neither is refused."""
    with pytest.raises(VenueError, match="'Draw'"):
        answers.outcome_of("Draw")


@pytest.mark.parametrize("status", ["LIVE", "ORDER_STATUS_LIVE"])
def test_open_orders_are_in_shares(status: str) -> None:
    """REST sizes are shares and statuses may be prefixed."""
    row = {
        "id": "0xAB", "status": status, "market": "0xm", "asset_id": "11", "outcome": "Yes", "side": "BUY",
        "price": ".52", "original_size": "10.5", "size_matched": "0.5", "created_at": "1700000000",
    }  # fmt: skip
    order = answers.open_order(row)

    assert (order.shares_micro, order.matched_micro, order.price_units) == (10_500_000, 500_000, 5_200)
    assert (order.status, order.created_s) == ("live", 1_700_000_000)
