"""Faults of settlement, answers, lists and balances."""

import json
import time

import httpx2
import pytest
from py_clob_client_v2.clob_types import BalanceAllowanceParams, OrderArgs, OrderType, PostOrdersV2Args
from py_clob_client_v2.exceptions import PolyApiException
from simulator_bench import listing
from simulator_site import until
from test_simulator_clients import client
from test_simulator_faults import start
from test_simulator_streams import messages, socket, user

YES, NO, CONDITION = listing(1).token_yes, listing(1).token_no, listing(1).market_id
CASH = BalanceAllowanceParams(asset_type="COLLATERAL")


def taking(trader, token=YES, size=10, price=0.55):
    """A buy that crosses, without waiting for its settlement."""
    return trader.create_and_post_order(OrderArgs(token_id=token, price=price, size=size, side="BUY"), defer_exec=True)


def statuses(trader):
    """Status of each trade, newest first."""
    return [row["status"].removeprefix("TRADE_STATUS_") for row in trader.get_trades()]


@pytest.mark.parametrize(("moves", "end"), [(1, "FAILED"), (-1, "CONFIRMED")])
def test_failures_prefer_winners(site, moves, end):
    """A trade fails when its price has moved in its favour before it is final, and is confirmed when it has not."""
    trader = client(site, 170 + moves)
    site.do(lambda: setattr(site.venue.settlement, "confirmed_after_s", 0.3))
    start(site, "settlement_fails_winners", count=1)
    taking(trader)
    middle = 5000 + 700 * moves
    site.do(lambda: _shift(site, middle))
    until(lambda: statuses(trader) == [end], f"the end {end}")
    site.do(lambda: (setattr(site.venue.settlement, "confirmed_after_s", 0.1), _shift(site, 5000)))
    site.settled()
    assert (int(trader.get_balance_allowance(CASH)["balance"]) == 10_000 * 10**6) == (end == "FAILED")


def _shift(site, middle):
    market = site.venue.exchange.markets[CONDITION]
    tick = site.venue.market_maker._ticks[CONDITION]
    moved = type(tick)(CONDITION, middle - 100, middle + 100, tick.bid_size_micro, tick.ask_size_micro)
    site.venue.market_maker.quote(market, moved)


def test_failed_then_confirmed(site):
    """A trade that was reported as FAILED is confirmed later, and its shares arrive."""
    trader = client(site, 173)
    with socket(site, "user") as connection:
        user(connection, trader)
        start(site, "settlement_fails_then_confirms", count=1)
        taking(trader)
        seen = [row["status"] for row in messages(connection, 1.0) if row["event_type"] == "trade"]
    assert seen == ["MATCHED", "RETRYING", "FAILED", "MINED", "CONFIRMED"]
    held = trader.get_balance_allowance(BalanceAllowanceParams(asset_type="CONDITIONAL", token_id=YES))
    assert held["balance"] == "10000000"


def batch(trader, *tokens):
    """Crossing buys in one batch."""
    orders = [trader.create_order(OrderArgs(token_id=token, price=0.55, size=10, side="BUY")) for token in tokens]
    return trader.post_orders([PostOrdersV2Args(order, OrderType.GTC) for order in orders])


@pytest.mark.nightly
def test_a_batch_reverts_whole(site):
    """Every trade of a batch fails, a single order does not."""
    trader = client(site, 174)
    start(site, "batch_reverts")
    assert [row["status"] for row in batch(trader, YES, NO)] == ["matched", "matched"]
    taking(trader)
    site.settled()
    until(lambda: sorted(statuses(trader)) == ["CONFIRMED", "FAILED", "FAILED"], "the ends")


@pytest.mark.nightly
def test_the_second_leg_reverts(site):
    """Of two legs the second fails, in a batch and one after the other."""
    for number, send in ((175, lambda t: batch(t, YES, NO)), (176, lambda t: [taking(t, YES), taking(t, NO)])):
        trader = client(site, number)
        started = start(site, "leg_reverts")
        send(trader)
        site.settled()
        until(lambda who=trader: sorted(statuses(who)) == ["CONFIRMED", "FAILED"], "the ends")
        assert {row["status"]: row["asset_id"] for row in trader.get_trades()}["TRADE_STATUS_FAILED"] == NO
        httpx2.delete(f"{site.urls['clob']}/admin/faults/{started['name']}")


def test_lists_of_trades_that_lack_some(site):
    """/data/trades is empty once, or lacks its newest rows for a while."""
    trader = client(site, 177)
    taking(trader)
    taking(trader, NO)
    site.settled()
    start(site, "trades_empty", count=1)
    assert trader.get_trades() == []
    assert len(trader.get_trades()) == 2
    start(site, "trades_incomplete", rows=1)
    assert [row["asset_id"] for row in trader.get_trades()] == [YES]


@pytest.mark.parametrize("lives", [1, 0])
def test_accepted_with_words(site, lives):
    """The answer has success, our hash and a text in errorMsg; the order may be open or not."""
    trader = client(site, 178)
    start(site, "delayed_with_words", lives=lives)
    answer = trader.create_and_post_order(OrderArgs(token_id=YES, price=0.2, size=10, side="BUY"))
    assert (answer["success"], answer["status"]) == (True, "delayed")
    assert answer["orderID"].startswith("0x")
    assert answer["errorMsg"] == "order match delayed due to market conditions"
    assert len(trader.get_open_orders()) == lives
    trader.cancel_all()


def test_status_that_proves_nothing(site):
    """The order rests although its answer's status is none of the documented ones that say so."""
    trader = client(site, 179)
    start(site, "odd_status")
    for price in (0.2, 0.21, 0.22):
        answer = trader.create_and_post_order(OrderArgs(token_id=YES, price=price, size=10, side="BUY"))
        assert answer["status"] not in ("live", "matched", "delayed")
    assert len(trader.get_open_orders()) == 3
    trader.cancel_all()


def test_orders_are_checked_against_a_stale_balance(site):
    """A sale of shares that the cache does not know yet is refused until the client asks for an update."""
    trader = client(site, 180)
    held = BalanceAllowanceParams(asset_type="CONDITIONAL", token_id=YES)
    start(site, "stale_balance", orders=1)
    assert trader.get_balance_allowance(held)["balance"] == "0"
    taking(trader)
    site.settled()
    sale = OrderArgs(token_id=YES, price=0.6, size=10, side="SELL")
    with pytest.raises(PolyApiException, match="not enough balance / allowance"):
        trader.create_and_post_order(sale)
    trader.update_balance_allowance(held)
    assert trader.create_and_post_order(sale)["status"] == "live"
    trader.cancel_all()


def test_taker_delay_of_one_market(site):
    """Requests with crossing orders of the named market are held and `itode` says so; others are not."""
    trader = client(site, 181)
    start(site, "taker_delay", market=CONDITION, delay_s=0.4)
    urls = [f"{site.urls['clob']}/clob-markets/{listing(number).market_id}" for number in (1, 2)]
    assert [httpx2.get(url).json()["itode"] for url in urls] == [True, False]
    assert _seconds(lambda: taking(trader)) > 0.4
    assert _seconds(lambda: taking(trader, listing(2).token_yes)) < 0.35
    site.settled()


def _seconds(act):

    begin = time.monotonic()
    act()
    return time.monotonic() - begin


def test_retired_exchange_contract(site):
    """Orders signed for the retired contract are refused, with the error text of the last migration."""
    trader = client(site, 182)
    start(site, "contract_retired")
    with pytest.raises(PolyApiException, match="order_version_mismatch"):
        trader.create_and_post_order(OrderArgs(token_id=YES, price=0.2, size=10, side="BUY"))
    httpx2.delete(site.urls["clob"] + "/admin/faults")
    start(site, "contract_retired", version=3)
    assert trader.create_and_post_order(OrderArgs(token_id=YES, price=0.2, size=10, side="BUY"))["status"] == "live"
    trader.cancel_all()


def test_cash_that_no_trade_explains(site):
    """Rewards, rebates, deposits and withdrawals change the balance and are rows of the activity with their amount."""
    trader = client(site, 183)
    moves = [("reward", {}), ("rebate", {}), ("rebate", {"taker": 1}), ("deposit", {"micro": 7}), ("withdrawal", {})]
    for fault, options in moves:
        start(site, fault, **options)
    assert trader.get_balance_allowance(CASH)["balance"] == str(10_000 * 10**6 + 2 * 10**6 + 7)
    query = {"user": trader.get_address()}
    rows = httpx2.get(site.urls["data"] + "/v2/activity", params=query).json()["data"]
    assert [(row["type"], round(row["usdc_size"] * 10**6)) for row in rows[:5]] == [
        ("WITHDRAWAL", 10**6), ("DEPOSIT", 7), ("TAKER_REBATE", 10**6), ("MAKER_REBATE", 10**6), ("REWARD", 10**6),
    ]  # fmt: skip
    assert len({row["transaction_hash"] for row in rows}) == len(rows)


def test_a_withdrawal_takes_the_backing_of_orders(site):
    """Buys that the withdrawn cash backed are cancelled, as the venue does."""
    trader = client(site, 184)
    resting = trader.create_and_post_order(OrderArgs(token_id=YES, price=0.4, size=20_000, side="BUY"))
    with socket(site, "user") as connection:
        user(connection, trader)
        messages(connection, 0.1)
        start(site, "withdrawal", micro=5_000 * 10**6)
        (row,) = messages(connection)
    assert (row["id"], row["status"]) == (resting["orderID"], "CANCELED_NOT_ENOUGH_BALANCE")
    assert json.dumps(trader.get_open_orders()) == "[]"
