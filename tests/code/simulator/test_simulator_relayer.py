"""The relayer: batches signed as polymarket-client signs them redeem, split, merge and convert, whole or not at all."""

import itertools
import time

import httpx2
import pytest
from eth_abi.abi import encode
from eth_account import Account
from eth_account.messages import encode_typed_data
from py_clob_client_v2.clob_types import BalanceAllowanceParams, OrderArgs
from simulator_bench import listing
from simulator_site import Background, until
from test_simulator_clients import client
from test_simulator_faults import start

from pipelines.core.money import MICRO
from simulator.engine.audit import audit
from simulator.engine.markets import neg_risk_id
from simulator.signing.eip712 import keccak
from simulator.venue.contracts import CTF_ADAPTER, NEG_RISK_ADAPTER, PUSD, ROUTER

FIRST, NEG = listing(1), listing(3)
CASH = BalanceAllowanceParams(asset_type="COLLATERAL")
_keys = itertools.count(400)


@pytest.fixture(scope="module")
def site():
    """A venue where owners redeem themselves, whose books balance at the end."""
    with Background(admin=True, auto_redeem=False) as running:
        yield running
        assert running.do(lambda: audit(running.venue.exchange)) == []


@pytest.fixture
def trader(site):
    """A client with a key of its own."""
    made = client(site, next(_keys))
    yield made
    httpx2.delete(site.urls["clob"] + "/admin/faults")


def call(target, signature, *arguments):
    """A call of a contract: target and data."""
    inside = signature[signature.index("(") + 1 : -1]
    return target, keccak(signature.encode())[:4] + encode(inside.split(","), list(arguments))


def split(market, micro, target=CTF_ADAPTER):
    """Turn pUSD into pairs."""
    condition = bytes.fromhex(market.market_id[2:])
    types = "splitPosition(address,bytes32,bytes32,uint256[],uint256)"
    return call(target, types, PUSD, bytes(32), condition, [1, 2], micro)


def merge(market, micro, target=CTF_ADAPTER):
    """Turn pairs into pUSD."""
    condition = bytes.fromhex(market.market_id[2:])
    types = "mergePositions(address,bytes32,bytes32,uint256[],uint256)"
    return call(target, types, PUSD, bytes(32), condition, [1, 2], micro)


def redeem(market, target=CTF_ADAPTER):
    """Redeem all shares of a market."""
    condition = bytes.fromhex(market.market_id[2:])
    return call(target, "redeemPositions(address,bytes32,bytes32,uint256[])", PUSD, bytes(32), condition, [1, 2])


def headers(trader):
    """A relayer key of the signer."""
    return {"RELAYER_API_KEY": "any", "RELAYER_API_KEY_ADDRESS": trader.get_address()}


def sent(site, trader, *calls, **changes):
    """POST /submit with a batch that the trader's key signs; the response."""
    url, owner = site.urls["clob"] + "/relayer", trader.get_address()
    query = {"address": owner, "type": "WALLET"}
    asked = httpx2.get(f"{url}/v1/account/transactions/params", params=query, headers=headers(trader))
    nonce, deadline = changes.get("nonce", int(asked.json()["nonce"])), changes.get("deadline", int(time.time()) + 600)
    wallet = changes.get("wallet", owner)
    message = {
        "wallet": wallet, "nonce": nonce, "deadline": deadline,
        "calls": [{"target": target, "value": 0, "data": data} for target, data in calls],
    }  # fmt: skip
    typed = {
        "domain": {"name": "DepositWallet", "version": "1", "chainId": 137, "verifyingContract": wallet},
        "types": {
            "EIP712Domain": [
                {"name": "name", "type": "string"}, {"name": "version", "type": "string"},
                {"name": "chainId", "type": "uint256"}, {"name": "verifyingContract", "type": "address"},
            ],
            "Call": [
                {"name": "target", "type": "address"}, {"name": "value", "type": "uint256"},
                {"name": "data", "type": "bytes"},
            ],
            "Batch": [
                {"name": "wallet", "type": "address"}, {"name": "nonce", "type": "uint256"},
                {"name": "deadline", "type": "uint256"}, {"name": "calls", "type": "Call[]"},
            ],
        },
        "primaryType": "Batch",
        "message": message,
    }  # fmt: skip
    signed = Account.sign_message(encode_typed_data(full_message=typed), changes.get("key", trader.signer.private_key))
    body = {
        "type": "WALLET", "from": owner, "to": "0x00000000000Fb5C9ADea0298D729A0CB3823Cc07", "nonce": str(nonce),
        "signature": "0x" + signed.signature.hex(), "metadata": "",
        "depositWalletParams": {
            "depositWallet": wallet, "deadline": str(deadline),
            "calls": [{"target": target, "value": "0", "data": "0x" + data.hex()} for target, data in calls],
        },
    }  # fmt: skip
    return httpx2.post(f"{url}/submit", json=body, headers=headers(trader))


def done(site, trader, *calls):
    """Send a batch and wait for its end; the transaction."""
    answer = sent(site, trader, *calls)
    assert answer.status_code == 200, answer.text
    assert answer.json()["state"] == "STATE_NEW"
    url = f"{site.urls['clob']}/relayer/v1/account/transactions/{answer.json()['transactionID']}"

    def over():
        row = httpx2.get(url, headers=headers(trader)).json()
        return row if row["state"] in ("STATE_CONFIRMED", "STATE_FAILED") else None

    return until(over, "the end of the transaction")


def cash(trader):
    """pUSD base units."""
    return int(trader.get_balance_allowance(CASH)["balance"])


def shares(trader, token):
    """Shares in base units."""
    return int(
        trader.get_balance_allowance(BalanceAllowanceParams(asset_type="CONDITIONAL", token_id=token))["balance"]
    )


def activity(site, trader):
    """Kinds and pUSD of what the trader did, newest first."""
    rows = httpx2.get(site.urls["data"] + "/v2/activity", params={"user": trader.get_address()}).json()["data"]
    assert len({row["transaction_hash"] for row in rows}) == len(rows)
    return [(row["type"], row["size"], row["usdc_size"]) for row in rows]


def test_split_and_merge(site, trader):
    """pUSD becomes pairs and pairs become pUSD, each a row of the activity; a batch of both is one transaction."""
    assert done(site, trader, split(FIRST, 20 * MICRO))["transaction_hash"].startswith("0x")
    assert (cash(trader), shares(trader, FIRST.token_yes)) == (9_980 * MICRO, 20 * MICRO)
    done(site, trader, merge(FIRST, 5 * MICRO), merge(FIRST, 5 * MICRO))
    assert (cash(trader), shares(trader, FIRST.token_no)) == (9_990 * MICRO, 10 * MICRO)
    assert activity(site, trader)[:3] == [("MERGE", 5.0, 5.0), ("MERGE", 5.0, 5.0), ("SPLIT", 20.0, 20.0)]
    done(site, trader, split(NEG, MICRO, NEG_RISK_ADAPTER))
    assert shares(trader, NEG.token_yes) == MICRO


@pytest.mark.parametrize(
    ("calls", "text"),
    [
        ((split(FIRST, 5 * MICRO), merge(FIRST, 6 * MICRO)), "not enough balance"),
        ((split(FIRST, 10**12),), "not enough balance"),
        ((split(FIRST, 0),), "not enough balance"),
        ((split(FIRST, MICRO), redeem(FIRST)), "result for condition not received yet"),
        ((split(FIRST, MICRO, NEG_RISK_ADAPTER),), "does not serve the market"),
        ((split(NEG, MICRO),), "does not serve the market"),
        ((split(listing(9), MICRO),), "condition not prepared"),
        (((CTF_ADAPTER, b"\x01\x02"),), "unknown function"),
        (((CTF_ADAPTER, split(FIRST, MICRO)[1][:40]),), "unknown function"),
        ((call(ROUTER, "split(bytes31,uint256)", bytes(31), MICRO),), "condition not prepared"),
    ],
)  # fmt: skip
def test_a_batch_that_fails_changes_nothing(site, trader, calls, text):
    """One call that cannot be done fails the whole transaction with words; cash, shares and activity are as before."""
    before = activity(site, trader)
    row = done(site, trader, *calls)
    assert row["state"] == "STATE_FAILED"
    assert text in row["error_msg"]
    assert cash(trader) == 10_000 * MICRO
    assert shares(trader, FIRST.token_yes) == 0
    assert activity(site, trader) == before
    assert site.do(lambda: audit(site.venue.exchange)) == []


def test_refusals(site, trader):
    """Wrong nonce, signature, deadline, wallet, target, key and body are refused with the relayer's words."""
    one = split(FIRST, MICRO)
    stranger = client(site, next(_keys))
    done(site, stranger, one)
    cases = [
        (sent(site, trader, one, nonce=7), "batch nonce 7 does not match on-chain nonce 0"),
        (sent(site, trader, one, deadline=1), "deadline expired"),
        (sent(site, trader, one, key="0x" + "77" * 32), "invalid signature"),
        (sent(site, trader, one, wallet=stranger.get_address()), "invalid signature"),
        (sent(site, trader, ("0xd91E80cF2E7be2e162c6513ceD06f1dD0dA35296", one[1])), "call target not allowed"),
        (sent(site, trader), "no calls"),
    ]
    for answer, text in cases:
        assert (answer.status_code, text in answer.json()["error"]) == (400, True), answer.text
    url = site.urls["clob"] + "/relayer/submit"
    assert httpx2.post(url, json={"type": "WALLET"}).status_code == 400
    assert httpx2.post(url, content=b"{").status_code == 400
    without = {"address": trader.get_address(), "type": "WALLET"}
    assert httpx2.get(url.replace("submit", "v1/account/transactions/params"), params=without).status_code == 401


def test_one_batch_at_a_time(site, trader):
    """A second batch is refused while the first is on its way, and taken afterwards."""
    site.do(lambda: setattr(site.venue.settlement, "mined_after_s", 1.0))
    assert sent(site, trader, split(FIRST, MICRO)).status_code == 200
    assert "in-flight action" in sent(site, trader, split(FIRST, MICRO)).json()["error"]
    site.do(lambda: setattr(site.venue.settlement, "mined_after_s", 0.05))
    until(lambda: sent(site, trader, split(FIRST, MICRO)).status_code == 200, "the end of the first")
    until(lambda: shares(trader, FIRST.token_yes) == 2 * MICRO, "the second")


@pytest.mark.parametrize(
    ("fault", "text"), [("relayer_busy", "in-flight action"), ("contract_retired", "the contract is retired")]
)
def test_refusing_faults(site, trader, fault, text):
    """The relayer is busy, or its contracts are retired: the batch is refused and the nonce is still good."""
    start(site, fault, count=1)
    assert text in sent(site, trader, split(FIRST, MICRO)).json()["error"]
    assert done(site, trader, split(FIRST, MICRO))["state"] == "STATE_CONFIRMED"


def test_failing_fault(site, trader):
    """A transaction fails and changes nothing; the next one works."""
    start(site, "relayer_fails", count=1)
    assert done(site, trader, split(FIRST, MICRO))["state"] == "STATE_FAILED"
    assert cash(trader) == 10_000 * MICRO
    assert done(site, trader, split(FIRST, MICRO))["state"] == "STATE_CONFIRMED"


def test_resolved_shares_wait_for_their_owner():
    """Without redemption a resolved holding is redeemable and its cash is not there; redeeming pays, losers nothing."""
    with Background(admin=True, auto_redeem=False) as site:
        winner, loser = client(site, 501), client(site, 502)
        winner.create_and_post_order(OrderArgs(token_id=FIRST.token_yes, price=0.55, size=10, side="BUY"))
        loser.create_and_post_order(OrderArgs(token_id=FIRST.token_no, price=0.55, size=10, side="BUY"))
        site.settled()
        before = cash(winner)
        start(site, "resolve_early", market=FIRST.market_id, payout=1)
        assert cash(winner) == before

        def held(trader, status):
            query = {"user": trader.get_address(), "status": status}
            return httpx2.get(site.urls["data"] + "/v2/positions", params=query).json()["data"]

        (row,) = held(winner, "REDEEMABLE")
        assert (row["current_size"], row["redeemable"], row["current_price"]) == (10.0, True, 1.0)
        assert (len(held(loser, "REDEEMABLE")), len(held(loser, "REDEEMABLE_LOST"))) == (0, 1)
        assert done(site, winner, redeem(FIRST))["state"] == "STATE_CONFIRMED"
        assert cash(winner) == before + 10 * MICRO
        assert activity(site, winner)[0] == ("REDEEM", 10.0, 10.0)
        assert held(winner, "REDEEMABLE") == []
        lost = cash(loser)
        done(site, loser, redeem(FIRST))
        assert (cash(loser), activity(site, loser)[0]) == (lost, ("REDEEM", 10.0, 0.0))
        assert site.do(lambda: audit(site.venue.exchange)) == []


def test_redeem_of_protocol_v2():
    """Markets of the second protocol are split and redeemed through the router, outcome by outcome."""
    with Background(admin=True, auto_redeem=False, protocol_v2_share=1.0) as site:
        trader = client(site, 503)
        condition = bytes.fromhex(FIRST.market_id[2:64])
        done(site, trader, call(ROUTER, "split(bytes31,uint256)", condition, 4 * MICRO))
        start(site, "resolve_half", market=FIRST.market_id)
        done(site, trader, call(ROUTER, "redeem(bytes31,uint256,uint256)", condition, 0, 3 * MICRO))
        assert cash(trader) == 9_997_500_000
        row = done(site, trader, call(ROUTER, "redeem(bytes31,uint256,uint256)", condition, 0, 2 * MICRO))
        assert "not enough balance" in row["error_msg"]
        done(site, trader, call(ROUTER, "redeem(bytes31,uint256,uint256)", condition, 1, 4 * MICRO))
        assert cash(trader) == 9_999_500_000
        assert site.do(lambda: audit(site.venue.exchange)) == []


def test_convert():
    """NO shares of one question become YES shares of the others; of two questions, a pUSD besides."""
    with Background(admin=True) as site:
        event = site.do(lambda: _one_event(site))
        trader = client(site, 504)
        done(site, trader, *(split(market.listing, 10 * MICRO, NEG_RISK_ADAPTER) for market in event))
        wanted = bytes.fromhex(neg_risk_id(event[0].listing.event_id)[2:])
        types = "convertPositions(bytes32,uint256,uint256)"
        assert done(site, trader, call(NEG_RISK_ADAPTER, types, wanted, 0b001, 4 * MICRO))["state"] == "STATE_CONFIRMED"
        yes = [shares(trader, market.listing.token_yes) for market in event]
        no = [shares(trader, market.listing.token_no) for market in event]
        assert (yes, no) == ([10 * MICRO, 14 * MICRO, 14 * MICRO], [6 * MICRO, 10 * MICRO, 10 * MICRO])
        before = cash(trader)
        done(site, trader, call(NEG_RISK_ADAPTER, types, wanted, 0b110, MICRO))
        assert cash(trader) == before + MICRO
        assert shares(trader, event[0].listing.token_yes) == 11 * MICRO
        assert activity(site, trader)[0] == ("CONVERSION", 1.0, 1.0)
        row = done(site, trader, call(NEG_RISK_ADAPTER, types, wanted, 0b1000, MICRO))
        assert "names no question" in row["error_msg"]
        row = done(site, trader, call(NEG_RISK_ADAPTER, types, wanted, 0b001, 7 * MICRO))
        assert "not enough balance" in row["error_msg"]
        assert site.do(lambda: audit(site.venue.exchange)) == []


def _one_event(site):
    """Three negative-risk markets of one event."""
    made = []
    for number in (21, 22, 23):
        item = listing(number, neg_risk=True)
        item = type(item)(**{n: getattr(item, n) for n in item.__slots__} | {"event_id": "three", "end_s": 2**31})
        made.append(site.venue._list(item))
    return made


def test_withdrawal_through_the_wallet(site, trader):
    """A transfer of pUSD out of the wallet is a withdrawal, and a deposit of the address that gets it."""
    other = client(site, next(_keys))
    done(site, trader, call(PUSD, "transfer(address,uint256)", other.get_address(), 3 * MICRO))
    assert (cash(trader), cash(other)) == (9_997 * MICRO, 10_003 * MICRO)
    assert activity(site, trader)[0] == ("WITHDRAWAL", 0.0, 3.0)
    assert activity(site, other)[0] == ("DEPOSIT", 0.0, 3.0)
