"""Every refusal that the venue documents is produced, word for word, and leaves nothing on the book."""

import dataclasses
import time

import httpx2
import pytest
from coincurve import PrivateKey
from py_clob_client.client import ClobClient as OldClient
from py_clob_client.clob_types import OrderArgs as OldOrder
from py_clob_client.exceptions import PolyApiException as OldError
from py_clob_client_v2.clob_types import (
    BalanceAllowanceParams,
    BookParams,
    MarketOrderArgs,
    OrderArgs,
    OrderPayload,
    OrderType,
    PostOrdersV2Args,
)
from simulator_bench import listing
from simulator_site import Background
from test_simulator_clients import client

from simulator.signing.eip712 import SignedFields, order_digest

YES, NO, OVER = listing(1).token_yes, listing(1).token_no, listing(4).token_yes
CONDITION = listing(1).market_id


def signed(trader, price=0.2, size=10, side="BUY", token=YES, **more):
    """A signed limit order."""
    return trader.create_order(OrderArgs(token_id=token, price=price, size=size, side=side, **more))


def admin(site, path, **document):
    """Something that only the venue can do."""
    answer = httpx2.post(f"{site.urls['clob']}/admin/{path}", json=document)
    assert answer.status_code == 200, answer.text


def banned(site, trader):
    """An order of a banned address."""
    admin(site, "ban", address=trader.get_address())
    trader.post_order(signed(trader))


def closed_only(site, trader):
    """A purchase of an address that may only close."""
    admin(site, "closed-only", address=trader.get_address())
    trader.post_order(signed(trader))


def unallowed(site, trader):
    """An order beyond the allowance of the exchange contract."""
    admin(site, "allowance", address=trader.get_address(), micro=1_000_000)
    trader.post_order(signed(trader))


def unsettled(site, trader):
    """An order beyond what matched but unsettled trades leave."""
    site.venue.settlement.mined_after_s = 5.0
    try:
        trader.post_order(signed(trader, 0.51, 10), defer_exec=True)
        trader.post_order(signed(trader, 0.20, 60_000))
    finally:
        site.venue.settlement.mined_after_s = 0.05


def reserved(site, trader):
    """An order beyond what open orders leave."""
    trader.post_order(signed(trader, 0.20, 40_000))
    trader.post_order(signed(trader, 0.21, 40_000))


def canceled_on_chain(site, trader):
    """An order whose maker cancelled it in the contract."""
    made = signed(trader)
    name = trader.post_order(made)["orderID"]
    admin(site, "cancel-on-chain", order=name)
    assert trader.get_open_orders() == []
    trader.post_order(made)


def faulty(fault, **options):
    """A crossing order while a fault is on."""

    def act(site, trader):
        admin(site, "faults", fault=fault, **options)
        trader.post_order(signed(trader, 0.51))

    return act


def duplicate(site, trader):
    """The same signed order twice."""
    made = signed(trader)
    trader.post_order(made)
    trader.post_order(made)


def batch(site, trader):
    """Sixteen orders at once."""
    trader.post_orders([PostOrdersV2Args(signed(trader), OrderType.GTC)] * 16)


def foreign(site, trader):
    """An order signed by another key."""
    trader.post_order(signed(client(site, 391)))


def owned(site, trader):
    """An order under the name of another API key."""
    made = signed(trader)
    from py_clob_client_v2.order_utils.model.order_data_v2 import order_to_json_v2

    body = order_to_json_v2(made, "somebody", OrderType.GTC, False, False)
    send(site, trader, "POST", "/order", body)


def send(site, trader, method, path, document):
    """An authenticated request of one's own making, refused as the client refuses."""
    import json

    from py_clob_client_v2.exceptions import PolyApiException

    from simulator.signing.credentials import request_signature

    body = json.dumps(document, separators=(",", ":")).encode()
    creds, now = trader.creds, str(int(time.time()))
    headers = {
        "POLY_ADDRESS": trader.get_address(), "POLY_API_KEY": creds.api_key, "POLY_PASSPHRASE": creds.api_passphrase,
        "POLY_TIMESTAMP": now,
        "POLY_SIGNATURE": request_signature(creds.api_secret, f"{now}{method}{path}".encode() + body),
    }  # fmt: skip
    answer = httpx2.request(method, site.urls["clob"] + path, content=body, headers=headers)
    if answer.status_code != 200:
        raise PolyApiException(answer)


def wallet(site, trader):
    """An order from a wallet of another key."""
    other = "0x" + "cd" * 20
    client(site, 392, signature_type=2, funder=other).create_and_post_order(OrderArgs(YES, 0.2, 10, "BUY"))
    client(site, 393, signature_type=2, funder=other).create_and_post_order(OrderArgs(YES, 0.2, 10, "BUY"))


def cheap(site, trader):
    """A market purchase of half a dollar."""
    trader.create_and_post_market_order(MarketOrderArgs(token_id=YES, amount=0.5, side="BUY", price=0.51))


def tampered(site, trader):
    """An order whose amount was changed after signing."""
    trader.post_order(dataclasses.replace(signed(trader), makerAmount="1000000"))


def changed(trader, **fields):
    """A signed order with other fields than a client would write, and its maker's signature of them."""
    made = dataclasses.replace(signed(trader), **fields)
    amounts = int(made.makerAmount), int(made.takerAmount)
    wanted = SignedFields(
        int(made.salt), made.maker, made.signer, int(made.tokenId), *amounts, 0, 0, int(made.timestamp)
    )
    raw = PrivateKey.from_hex(trader.signer.private_key[2:]).sign_recoverable(order_digest(wanted, 2, False), None)
    return dataclasses.replace(made, signature="0x" + (raw[:64] + bytes([raw[64] + 27])).hex())


REFUSALS = {
    "Invalid order payload": lambda s, t: send(s, t, "POST", "/order", {"order": 1}),
    "the order owner has to be the owner of the API KEY": owned,
    "the order signer address has to be the address of the API KEY": foreign,
    "invalid signature": tampered,
    "maker address not allowed, please use the deposit wallet flow": wallet,
    "'{address}' address banned": banned,
    "'{address}' address in closed only mode": closed_only,
    "order_version_mismatch": lambda s, t: client(s, 394, OldClient).create_and_post_order(
        OldOrder(token_id=YES, price=0.2, size=10, side="BUY")
    ),
    "Too many orders in payload: 16, max allowed: 15": batch,
    "Too many orders in payload: 1001, max allowed: 1000": lambda s, t: t.cancel_orders(["0x" + "1" * 64] * 1001),
    "invalid post-only order: order crosses book": lambda s, t: t.post_order(
        signed(t, 0.51), OrderType.GTC, post_only=True
    ),
    "breaks minimum tick size rule: 0.01": lambda s, t: t.post_order(changed(t, makerAmount="2050000")),
    "is invalid. Size (1.73) lower than the minimum: 5": lambda s, t: t.post_order(signed(t, 0.2, 1.73)),
    "is invalid. Duplicated.": duplicate,
    "crosses the book": faulty("crossing_refused"),
    "not enough balance / allowance: the balance is not enough -> balance: 0, order amount: 10000000": (
        lambda s, t: t.post_order(signed(t, side="SELL"))
    ),
    "sum of matched orders: 5224950, order amount (inc. fees): 12000000000": unsettled,
    "balance: 10000000000, sum of active orders: 8000000000, sum of matched orders: 0, order amount": reserved,
    "spender: 0xE111180000d2663C0091e4f400237545B87B996B, allowance: 1000000, order amount: 2000000": unallowed,
    "invalid expiration": lambda s, t: t.post_order(signed(t, expiration=int(time.time()) + 100), OrderType.GTD),
    "order canceled in the CTF exchange contract": canceled_on_chain,
    "order match delayed due to market conditions": faulty("match_delayed"),
    "order couldn't be fully filled. FOK orders are fully filled or killed.": (
        lambda s, t: t.post_order(signed(t, 0.51, 9000), OrderType.FOK)
    ),
    "no orders found to match with FAK order. FAK orders are partially filled or killed if no match is found.": (
        lambda s, t: t.post_order(signed(t, 0.40), OrderType.FAK)
    ),
    "the market is not yet ready to process new orders": lambda s, t: t.post_order(changed(t, tokenId=OVER)),
    "invalid amounts, the buy orders maker amount supports a max accuracy of 4 decimals, taker amount": (
        lambda s, t: t.post_order(changed(t, takerAmount="10001000"))
    ),
    "invalid amounts, the market buy orders maker amount supports a max accuracy of 2 decimals": (
        lambda s, t: t.post_order(changed(t, makerAmount="5101000"), OrderType.FAK)
    ),
    "invalid amount for a marketable BUY order ($0.5000), min size: $1": cheap,
    "Invalid orderID": lambda s, t: t.cancel_order(OrderPayload(orderID="")),
    "Invalid token id": lambda s, t: t.get_order_book("abc"),
    "No orderbook exists for the requested token id": lambda s, t: t.get_order_book("12345"),
    "Invalid side": lambda s, t: t.get_prices([BookParams(YES, "HOLD")]),
    "market not found": lambda s, t: t.get_clob_market_info("0x" + "12" * 31),
    "Invalid asset type": lambda s, t: t.get_balance_allowance(BalanceAllowanceParams(asset_type="SHELLS")),
    "Payload exceeds the limit": lambda s, t: t.get_order_books([BookParams(YES)] * 501),
    "Could not derive api key!": lambda s, t: t.derive_api_key(nonce=77),
    "Could not create api key": lambda s, t: t.create_api_key(),
    "trading is disabled": faulty("disabled", short=1),
    "Trading is currently disabled": faulty("disabled"),
    "order timed out": faulty("order_timeout"),
}


@pytest.mark.parametrize("text", list(REFUSALS))
def test_refusals(site, text):
    """The documented text comes back, and what was refused is not on the book."""
    trader = client(site, 4000 + list(REFUSALS).index(text))
    try:
        with pytest.raises(Exception) as error:
            REFUSALS[text](site, trader)
        assert text.format(address=trader.get_address()) in str(getattr(error.value, "error_msg", error.value))
    finally:
        httpx2.delete(site.urls["clob"] + "/admin/faults")
        left = trader.cancel_all()["canceled"]
    assert len(left) == (text in ("is invalid. Duplicated.",) or "active orders" in text)


def test_later_wording_of_the_version():
    """A version 1 order in a market that needs version 3 is told to use the latest client."""
    text = "invalid order version, please use the latest clob-client"
    with Background(order_versions=(1, 2, 3), protocol_v2_share=1.0) as site, pytest.raises(OldError, match=text):
        client(site, 60, OldClient).create_and_post_order(OldOrder(token_id=YES, price=0.2, size=10, side="BUY"))


@pytest.mark.parametrize("placed", [0, 1])
def test_engine_errors_prove_nothing(site, placed):
    """After a 500 of the engine the order may rest or not: only a look-up by its hash says."""
    trader = client(site, 395 + placed)
    admin(site, "faults", fault="engine_error", placed=placed, count=1)
    with pytest.raises(Exception, match=r"no matching orders|rounding issues|could not insert order"):
        trader.post_order(signed(trader))
    assert len(trader.cancel_all()["canceled"]) == placed
