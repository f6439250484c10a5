"""Every public call of the two libraries that are installed with this project, unmodified, against the local venue."""

import inspect
from types import SimpleNamespace

from py_clob_client import clob_types as old_types
from py_clob_client.client import ClobClient as OldClient
from py_clob_client_v2 import clob_types as types
from py_clob_client_v2.client import ClobClient
from simulator_bench import listing
from simulator_site import Background

from simulator.engine.audit import audit

KEY, CHAIN_ID = "0x" + "2d" * 32, 137
DAY = "2026-01-01"
YES = listing(1).token_yes
MARKET = listing(1).market_id
LOCAL = {"set_api_creds", "assert_level_1_auth", "assert_level_2_auth", "assert_builder_auth", "can_builder_auth"}
"""No request, or a check that raises by design."""


def calls(client, given):
    """What each public call answered; those that delete keys or orders come last."""
    ends = ("cancel", "delete", "drop", "revoke")
    names = [name for name, _ in inspect.getmembers(type(client), inspect.isfunction) if not name.startswith("_")]
    answered, failed = {}, {}
    for name in sorted(set(names) - LOCAL, key=lambda one: (one == "delete_api_key", one.startswith(ends), one)):
        try:
            arguments = given(name)
            answered[name] = getattr(client, name)(**arguments)
        except Exception as error:
            failed[name] = f"{type(error).__name__}: {error}"[:200]
    return answered, failed


def of_v2(client):
    """Arguments of each call of py-clob-client-v2."""
    order = types.OrderArgs(token_id=YES, price=0.40, size=10, side="BUY")
    taking = types.MarketOrderArgs(token_id=YES, amount=5, side="BUY")
    books = [types.BookParams(token_id=YES, side="BUY")]

    def given(name):
        resting = client.create_and_post_order(order)["orderID"] if "order" in name else ""
        special = {
            "create_and_post_order": {"order_args": order},
            "create_order": {"order_args": order},
            "create_and_post_market_order": {"order_args": taking},
            "create_market_order": {"order_args": taking},
            "post_order": {"order": client.create_order(order)},
            "post_orders": {"args": [types.PostOrdersV2Args(client.create_order(order), "GTC")]},
            "cancel_order": {"payload": types.OrderPayload(orderID=resting)},
            "cancel_orders": {"order_hashes": [resting]},
            "cancel_market_orders": {"payload": types.OrderMarketCancelParams(market=MARKET)},
            "is_order_scoring": {"params": types.OrderScoringParams(orderId=resting)},
            "are_orders_scoring": {"params": types.OrdersScoringParams(orderIds=[resting])},
            "get_balance_allowance": {"params": types.BalanceAllowanceParams(asset_type="COLLATERAL")},
            "update_balance_allowance": {"params": types.BalanceAllowanceParams(asset_type="COLLATERAL")},
            "get_builder_trades": {"params": types.BuilderTradeParams(builder_code="0x" + "11" * 32)},
            "get_order": {"order_id": resting},
            "get_order_book_hash": {"orderbook": types.OrderBookSummary(**book(client))},
            "get_prices_history": {"params": types.PricesHistoryParams(market=YES, interval="1d", fidelity=60)},
            "calculate_market_price": {"token_id": YES, "side": "BUY", "amount": 5.0},
            "get_price": {"token_id": YES, "side": "BUY"},
            "drop_notifications": {"params": types.DropNotificationParams(ids=["1"])},
            "delete_readonly_api_key": {"key": "0"},
        }
        if name in special:
            return special[name]
        return common(client, name, books)

    return given


def of_v1(client):
    """Arguments of each call of py-clob-client."""
    order = old_types.OrderArgs(token_id=YES, price=0.40, size=10, side="BUY")
    books = [old_types.BookParams(token_id=YES, side="BUY")]

    def given(name):
        resting = client.create_and_post_order(order)["orderID"] if "order" in name or "cancel" in name else ""
        special = {
            "create_and_post_order": {"order_args": order},
            "create_order": {"order_args": order},
            "create_market_order": {"order_args": old_types.MarketOrderArgs(token_id=YES, amount=5, side="BUY")},
            "post_order": {"order": client.create_order(order)},
            "post_orders": {"args": [old_types.PostOrdersArgs(client.create_order(order), "GTC")]},
            "cancel": {"order_id": resting},
            "cancel_orders": {"order_ids": [resting]},
            "cancel_market_orders": {"market": MARKET},
            "is_order_scoring": {"params": old_types.OrderScoringParams(orderId=resting)},
            "are_orders_scoring": {"params": old_types.OrdersScoringParams(orderIds=[resting])},
            "get_balance_allowance": {"params": old_types.BalanceAllowanceParams(asset_type="COLLATERAL")},
            "update_balance_allowance": {"params": old_types.BalanceAllowanceParams(asset_type="COLLATERAL")},
            "get_order": {"order_id": resting},
            "get_order_book_hash": {"orderbook": client.get_order_book(YES)},
            "calculate_market_price": {"token_id": YES, "side": "BUY", "amount": 5.0, "order_type": "FOK"},
            "get_price": {"token_id": YES, "side": "BUY"},
            "post_heartbeat": {"heartbeat_id": None},
            "validate_readonly_api_key": {"address": client.get_address(), "key": "0"},
            "delete_readonly_api_key": {"key": "0"},
        }
        return special[name] if name in special else common(client, name, books)

    return given


def book(client):
    """An order book in the fields of the library's own type."""
    said = client.get_order_book(YES)
    said = said if isinstance(said, dict) else vars(said)
    known = inspect.signature(types.OrderBookSummary).parameters
    levels = {side: [SimpleNamespace(**level) for level in said[side]] for side in ("bids", "asks")}
    return {name: said.get(name) for name in known} | levels


def common(client, name, books):
    """Arguments by the name of the parameter."""
    values = {"token_id": YES, "condition_id": MARKET, "date": DAY, "side": "BUY", "params": books}
    wanted = inspect.signature(getattr(client, name)).parameters.values()
    return {one.name: values[one.name] for one in wanted if one.default is one.empty}


V2_FAILS = {
    "create_api_key": "400",
    "delete_readonly_api_key": "4",
}
"""Calls that fail at the venue too: the key exists already, and there is no read-only key of that name."""

V1_FAILS = V2_FAILS | {"get_builder_trades": "Builder API Credentials"}
"""As there, and builder trades need a builder's own credentials, which only their owner has."""


def test_every_call_of_py_clob_client_v2():
    """Each of its public calls is answered, or refused with the words of the venue; nothing is lost or made."""
    with Background(rewards_pusd=100.0) as site:
        client = ClobClient(site.urls["clob"], CHAIN_ID, key=KEY)
        client.set_api_creds(client.create_or_derive_api_key())
        answered, failed = calls(client, of_v2(client))
        assert site.do(lambda: audit(site.venue.exchange)) == []
    unexpected = {name: text for name, text in failed.items() if V2_FAILS.get(name, "?") not in text}
    assert unexpected == {}
    assert len(answered) >= 67


def test_every_call_of_py_clob_client():
    """The old library, on a venue that takes its orders, as the venue did until 2026-04-28."""
    with Background(rewards_pusd=100.0, order_versions=(1, 2, 3)) as site:
        client = OldClient(site.urls["clob"], CHAIN_ID, KEY)
        client.set_api_creds(client.create_or_derive_api_creds())
        answered, failed = calls(client, of_v1(client))
        assert site.do(lambda: audit(site.venue.exchange)) == []
    unexpected = {name: text for name, text in failed.items() if V1_FAILS.get(name, "?") not in text}
    assert unexpected == {}
    assert len(answered) >= 55
