"""Unmodified public clients against the local venue: the flows that their documentation shows."""

import dataclasses
import time

import httpx2
import pytest
from py_clob_client.client import ClobClient as OldClient
from py_clob_client.clob_types import BalanceAllowanceParams as OldBalance
from py_clob_client.clob_types import OpenOrderParams as OldOpen
from py_clob_client.clob_types import OrderArgs as OldOrder
from py_clob_client.clob_types import OrderType as OldType
from py_clob_client.exceptions import PolyApiException as OldError
from py_clob_client_v2.client import ClobClient
from py_clob_client_v2.clob_types import (
    BalanceAllowanceParams,
    BookParams,
    MarketOrderArgs,
    OpenOrderParams,
    OrderArgs,
    OrderMarketCancelParams,
    OrderPayload,
    OrderType,
    PartialCreateOrderOptions,
    PostOrdersV2Args,
    TradeParams,
)
from py_clob_client_v2.exceptions import PolyApiException
from simulator_bench import listing
from simulator_site import Background, until

from simulator.engine.audit import audit

YES, NO = listing(1).token_yes, listing(1).token_no
FINE = listing(2).token_yes
NEG = listing(3).token_yes
CONDITION = listing(1).market_id


@pytest.fixture(scope="module")
def site():
    """A venue that accepts orders of all three versions."""
    with Background(order_versions=(1, 2, 3)) as running:
        yield running
        assert running.do(lambda: audit(running.venue.exchange)) == []


def client(site, number=1, kind=ClobClient, **arguments):
    """A logged-in client with a key of its own."""
    made = kind(site.urls["clob"], chain_id=137, key=f"0x{number:064x}", **arguments)
    login = made.create_or_derive_api_key if kind is ClobClient else made.create_or_derive_api_creds
    made.set_api_creds(login())
    return made


def test_v2_limit_orders(site):
    """create_and_post_order rests, is listed, and is cancelled by each of the four routes."""
    trader = client(site, 11)
    placed = [
        trader.create_and_post_order(OrderArgs(token_id=YES, price=0.10 + i / 100, size=10, side="BUY"))
        for i in range(4)
    ]
    assert {row["status"] for row in placed} == {"live"}
    assert [row["id"] for row in trader.get_open_orders(OpenOrderParams(market=CONDITION))] == [
        row["orderID"] for row in placed
    ]
    assert trader.get_order(placed[0]["orderID"])["price"] == "0.1"
    names = [row["orderID"] for row in placed]
    assert trader.cancel_order(OrderPayload(orderID=names[0]))["canceled"] == names[:1]
    assert trader.cancel_orders(names[:2]) == {
        "canceled": names[1:2],
        "not_canceled": {names[0]: "Order not found or already canceled"},
    }
    assert trader.cancel_market_orders(OrderMarketCancelParams(asset_id=NO))["canceled"] == []
    assert trader.cancel_market_orders(OrderMarketCancelParams(market=CONDITION))["canceled"] == names[2:]
    assert trader.cancel_all() == {"canceled": [], "not_canceled": {}}
    assert not trader.get_order(names[0])


def test_order_id_is_the_hash_that_the_client_computes(site):
    """A client that loses the answer knows the order by the hash it computed before sending."""
    from py_clob_client_v2.config import get_contract_config
    from py_clob_client_v2.order_utils import ExchangeOrderBuilderV2

    trader = client(site, 12)
    signed = trader.create_order(OrderArgs(token_id=YES, price=0.2, size=10, side="BUY"))
    builder = ExchangeOrderBuilderV2(get_contract_config(137).exchange_v2, 137, trader.signer)
    expected = builder.build_order_hash(builder.build_order_typed_data(signed))
    assert trader.post_order(signed)["orderID"] == expected
    with pytest.raises(PolyApiException) as error:
        trader.post_order(signed)
    assert "Duplicated" in str(error.value.error_msg)


def test_v2_matches_settle(site):
    """A crossing order answers with trade ids; the trade is mined, confirmed, and both balances follow."""
    trader = client(site, 13)
    answer = trader.create_and_post_order(OrderArgs(token_id=YES, price=0.55, size=20, side="BUY"))
    assert answer["status"] == "matched"
    assert (answer["takingAmount"], answer["makingAmount"]) == ("20", "10.2")
    assert len(answer["transactionsHashes"]) == 1
    found = TradeParams(id=answer["tradeIDs"][0])
    until(lambda: trader.get_trades(found)[0]["status"] == "TRADE_STATUS_CONFIRMED", "the confirmation")
    (trade,) = trader.get_trades(found)
    assert trade["trader_side"] == "TAKER"
    assert trader.get_trades(TradeParams(maker_address=trader.get_address(), asset_id=YES)) == [trade]
    assert trader.get_trades(TradeParams(maker_address=f"0x{9:040x}")) == []
    assert trader.get_trades(TradeParams(after=site.venue.now_s)) == [trade]
    assert trader.get_trades(TradeParams(after=site.venue.now_s + 1)) == []
    shares = trader.get_balance_allowance(BalanceAllowanceParams(asset_type="CONDITIONAL", token_id=YES))
    assert shares["balance"] == "20000000"
    cash = trader.get_balance_allowance(BalanceAllowanceParams(asset_type="COLLATERAL"))
    assert cash["balance"] == str(10_000_000_000 - 10_200_000 - 249_900)
    sold = trader.create_and_post_market_order(
        MarketOrderArgs(token_id=YES, amount=20, side="SELL", order_type=OrderType.FAK), order_type=OrderType.FAK
    )
    assert (sold["status"], sold["takingAmount"]) == ("matched", "9.8")


def test_v2_market_buy(site):
    """create_and_post_market_order spends its budget at the book's prices."""
    trader = client(site, 14)
    answer = trader.create_and_post_market_order(MarketOrderArgs(token_id=NO, amount=25, side="BUY"))
    assert answer["status"] == "matched"
    assert 24.99 < float(answer["makingAmount"]) <= 25


def test_v2_order_types(site):
    """GTD needs three minutes, post-only must not cross, FOK and FAK kill what they cannot fill."""
    trader = client(site, 15)
    late = trader.create_order(
        OrderArgs(token_id=YES, price=0.2, size=10, side="BUY", expiration=int(time.time()) + 60)
    )
    good = trader.create_order(
        OrderArgs(token_id=YES, price=0.2, size=10, side="BUY", expiration=int(time.time()) + 600)
    )
    with pytest.raises(PolyApiException, match="invalid expiration"):
        trader.post_order(late, OrderType.GTD)
    assert trader.post_order(good, OrderType.GTD)["status"] == "live"
    crossing = trader.create_order(OrderArgs(token_id=YES, price=0.6, size=10, side="BUY"))
    with pytest.raises(PolyApiException, match="invalid post-only order: order crosses book"):
        trader.post_order(crossing, OrderType.GTC, post_only=True)
    whole = trader.create_order(OrderArgs(token_id=YES, price=0.51, size=9000, side="BUY"))
    with pytest.raises(PolyApiException, match="FOK orders are fully filled or killed"):
        trader.post_order(whole, OrderType.FOK)


def test_v2_batches(site):
    """A batch has a result per entry; a refused entry says success with an error message and no id."""
    trader = client(site, 16)
    orders = [
        PostOrdersV2Args(trader.create_order(OrderArgs(token_id=YES, price=p, size=s, side="BUY")), OrderType.GTC)
        for p, s in ((0.2, 10), (0.2, 1))
    ]
    first, second = trader.post_orders(orders)
    assert first["orderID"]
    assert (second["orderID"], second["success"]) == ("", True)
    assert "lower than the minimum: 5" in second["errorMsg"]


def test_v2_negative_risk_and_fine_ticks(site):
    """Orders for the negative-risk exchange and for 0.001 ticks verify."""
    trader = client(site, 17)
    assert trader.get_neg_risk(NEG) is True
    assert trader.create_and_post_order(OrderArgs(token_id=NEG, price=0.2, size=10, side="BUY"))["status"] == "live"
    fine = trader.create_and_post_order(OrderArgs(token_id=FINE, price=0.211, size=10.05, side="BUY"))
    assert fine["status"] == "live"


@pytest.mark.parametrize("signature_type", [1, 2, 3])
def test_v2_wallets(site, signature_type):
    """Proxy, Safe and deposit wallet signatures verify for their funder."""
    funder = f"0x{signature_type:02x}{'ab' * 19}"
    trader = client(site, 20 + signature_type, signature_type=signature_type, funder=funder)
    answer = trader.create_and_post_order(OrderArgs(token_id=YES, price=0.2, size=10, side="BUY"))
    assert answer["status"] == "live"
    assert trader.get_open_orders()[0]["maker_address"].lower() == funder
    stranger = client(site, 30 + signature_type, signature_type=signature_type, funder=funder)
    with pytest.raises(PolyApiException, match="maker address not allowed"):
        stranger.create_and_post_order(OrderArgs(token_id=YES, price=0.2, size=10, side="BUY"))


def test_v2_rejects_foreign_signatures(site):
    """A changed amount, a changed exchange and a foreign signer are refused before the book."""
    trader, other = client(site, 40), client(site, 41)
    signed = trader.create_order(OrderArgs(token_id=YES, price=0.2, size=10, side="BUY"))
    with pytest.raises(PolyApiException, match="invalid signature"):
        trader.post_order(dataclasses.replace(signed, makerAmount="1000000"))
    with pytest.raises(PolyApiException, match="the order signer address has to be the address of the API KEY"):
        other.post_order(signed)
    options = PartialCreateOrderOptions(neg_risk=True)
    wrong = trader.create_order(OrderArgs(token_id=YES, price=0.2, size=10, side="BUY"), options)
    with pytest.raises(PolyApiException, match="invalid signature"):
        trader.post_order(wrong)
    version3 = trader.create_order(OrderArgs(position_id=YES, price=0.2, size=10, side="BUY"))
    with pytest.raises(PolyApiException, match="order_version_mismatch"):
        trader.post_order(version3)


def test_v2_reads(site):
    """Every public read of the client answers in the shape that the client expects."""
    reader = client(site, 50)
    assert reader.get_ok() == "OK"
    assert reader.get_version() == 2
    assert abs(int(reader.get_server_time()) - time.time()) < 5
    assert reader.get_order_book(YES)["bids"][-1]["price"] == "0.49"
    assert len(reader.get_order_books([BookParams(YES), BookParams(NO)])) == 2
    assert reader.get_midpoint(YES) == {"mid": "0.5"}
    assert reader.get_price(YES, "BUY") == {"price": "0.51"}
    assert reader.get_prices([BookParams(YES, "SELL")]) == {YES: {"SELL": "0.49"}}
    assert reader.get_spread(YES) == {"spread": "0.02"}
    assert reader.get_tick_size(YES) == "0.01"
    assert reader.get_clob_market_info(CONDITION)["t"][0]["t"] == YES
    assert reader.get_market(CONDITION)["tokens"][0]["token_id"] == YES
    assert reader.get_markets()["next_cursor"] == "LTE="
    assert reader.get_simplified_markets()["count"] == 4
    assert reader.get_sampling_markets()["count"] == 3
    assert len(reader.get_last_trades_prices([BookParams(YES)])) <= 1
    assert reader.get_api_keys()["apiKeys"] == [reader.creds.api_key]
    assert reader.get_closed_only_mode() == {"closed_only": False}
    assert reader.get_notifications() == []
    assert reader.get_current_rewards() == []


def test_v2_heartbeats(site):
    """The first heartbeat arms the switch; a stale id is refused with the expected one."""
    trader = client(site, 51)
    first = trader.post_heartbeat()["heartbeat_id"]
    second = trader.post_heartbeat(first)["heartbeat_id"]
    with pytest.raises(PolyApiException) as error:
        trader.post_heartbeat(first)
    assert error.value.error_msg == {"error_msg": "Invalid Heartbeat ID", "heartbeat_id": second}


def test_v1_flow(site):
    """py-clob-client creates, posts, lists and cancels when version 1 orders are switched on."""
    trader = client(site, 60, OldClient)
    answer = trader.create_and_post_order(OldOrder(token_id=YES, price=0.2, size=10, side="BUY"))
    assert answer["status"] == "live"
    assert [row["id"] for row in trader.get_orders(OldOpen(market=CONDITION))] == [answer["orderID"]]
    assert trader.get_order_book(YES).bids[-1].price == "0.49"
    assert trader.cancel(answer["orderID"])["canceled"] == [answer["orderID"]]
    filled = trader.create_order(OldOrder(token_id=YES, price=0.51, size=10, side="BUY"))
    assert trader.post_order(filled, OldType.FOK)["status"] == "matched"
    assert trader.get_trades()[0]["price"] == "0.51"
    assert int(trader.get_balance_allowance(OldBalance(asset_type="COLLATERAL"))["balance"]) < 10_000_000_000
    assert trader.post_heartbeat(None)["heartbeat_id"]


def test_v1_nonce(site):
    """Version 1 orders with a nonce other than the account's are refused."""
    trader = client(site, 63, OldClient)
    signed = trader.create_order(OldOrder(token_id=YES, price=0.2, size=10, side="BUY", nonce=1))
    with pytest.raises(OldError, match="invalid nonce"):
        trader.post_order(signed)


def test_takers_are_held():
    """With a taker delay the answer to a crossing order of a crypto market comes later, a resting one at once."""
    with Background(taker_delay_s=0.4) as site:
        trader = client(site, 64)
        assert trader.get_clob_market_info(CONDITION)["itode"] is True
        listed = httpx2.get(f"{site.urls['gamma']}/markets", params={"condition_ids": CONDITION}).json()
        assert [row["takerDelayMs"] for row in listed] == [400]
        begin = time.monotonic()
        trader.create_and_post_order(OrderArgs(token_id=YES, price=0.2, size=10, side="BUY"), defer_exec=True)
        resting_s = time.monotonic() - begin
        begin = time.monotonic()
        filled = trader.create_and_post_order(OrderArgs(token_id=YES, price=0.51, size=10, side="BUY"), defer_exec=True)
        assert time.monotonic() - begin > 0.4 > resting_s / 4
        assert trader.cancel_orders([filled["orderID"]])["not_canceled"] == {filled["orderID"]: "Order already matched"}


def test_v1_is_refused_by_default():
    """Without version 1 switched on its orders are refused as on the venue, and reads still work."""
    with Background() as site:
        trader = client(site, 61, OldClient)
        assert trader.get_ok() == {"version": 2}
        with pytest.raises(OldError, match="order_version_mismatch"):
            trader.create_and_post_order(OldOrder(token_id=YES, price=0.2, size=10, side="BUY"))
        assert trader.get_orders() == []


def test_protocol_v2_markets():
    """Markets of protocol v2 take version 3 orders and no others."""
    with Background(protocol_v2_share=1.0) as site:
        trader = client(site, 62)
        answer = trader.create_and_post_order(OrderArgs(position_id=YES, price=0.2, size=10, side="BUY"))
        assert answer["status"] == "live"
        assert trader.get_clob_market_info(CONDITION)["v"] == "v2"
        with pytest.raises(PolyApiException, match="order_version_mismatch"):
            trader.create_and_post_order(OrderArgs(token_id=YES, price=0.2, size=10, side="BUY"))
