"""Wallets, contract calls and envelopes for the relayer, equal to the byte to those of polymarket-client 0.14."""

from dataclasses import replace
from typing import Any

import httpx2
import pytest
from eth_utils.crypto import keccak

from pipelines.core.domain import FeeSchedule, Market, Outcome
from pipelines.core.errors import SettingError, VenueError, VenueForbidden, VenueUnavailable
from pipelines.core.orders import NotOffered
from pipelines.core.settings import Mode, Settings
from pipelines.venue import contract_calls, wallet_batches, wallets
from pipelines.venue.relayer import BatchState, Relayer
from pipelines.venue.relayer_signing import BatchSigner
from pipelines.venue.wallet_batches import GIVEN_UP_S, WalletBatches

KEY = "0x" + "42" * 32
OWNER = "0x17c5185167401eD00cF5F5b2fc97D9BBfDb7D025"
CTF = Market(
    market_id="0x" + "ab" * 32,
    event_id="e",
    question="Will it?",
    token_yes="1",
    token_no="2",
    tick_units=100,
    min_size_micro=5_000_000,
    fee=FeeSchedule(0.0),
    start_s=None,
    end_s=None,
    topic="",
)
V2 = replace(CTF, market_id="0x" + "ab" * 31, version="v2")
REDEEM = contract_calls.redeem(CTF, {Outcome.YES: 1})


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (wallets.EOA, (OWNER,)),
        (wallets.PROXY, ("0x29cd707C693b51a9a72A3A02F6C2a52e6ee4dF47",)),
        (wallets.SAFE, ("0x1eDD49d06DcDCbfc95D932C03dfB3d842d2b59BD",)),
        (
            wallets.DEPOSIT,
            ("0x0eb75536cBdde576EfBc38433657d00adBf56A08", "0xc35C005D0AD1bf6C6e376b3C02b1B0DEaA95f654"),
        ),
    ],
)
def test_wallets_are_where_their_factory_makes_them(kind: int, expected: tuple[str, ...]) -> None:
    """The address of every kind of wallet follows from its owner, as the maintained library derives it."""
    assert wallets.addresses(OWNER, kind) == expected


@pytest.mark.parametrize(
    ("calls", "target", "digest"),
    [
        (REDEEM, contract_calls.ADAPTER, "26ec52139ca359b259845f5fc13d319c89ef1563b57e7db1af78cdc2ccab8e69"),
        (
            contract_calls.split(replace(CTF, neg_risk=True), 5),
            contract_calls.NEG_RISK_ADAPTER,
            "76e96311dcdf1fee0cd1dd3775ebd756be4cf4616b3880ad91355340123e82f9",
        ),
        (
            contract_calls.merge(CTF, 5),
            contract_calls.ADAPTER,
            "f58f5551bc7b041521f635a3a2ce4dc661419c8ed26339e2829e45ea20f400b5",
        ),
        (
            contract_calls.redeem(V2, {Outcome.YES: 0, Outcome.NO: 7}),
            contract_calls.ROUTER,
            "2d23aba42573a7950b7c2f6837f0fa3d34873235fc07a9f3b28cfe6bcb92ed2b",
        ),
        (
            contract_calls.merge(V2, 7),
            contract_calls.ROUTER,
            "bfd0a9bd650437d72bfecf439cb22298c8b5cb5d2de5832331eace8921e832cb",
        ),
    ],
)
def test_calls_are_encoded_as_the_library_encodes_them(
    calls: tuple[contract_calls.Call, ...], target: str, digest: str
) -> None:
    """Contract and data of each kind of call, by protocol version and negative risk."""
    (call,) = calls
    assert (call.target, keccak(call.data).hex()) == (target, digest)


@pytest.mark.parametrize(
    "market", [replace(CTF, market_id="0xm"), replace(CTF, market_id="0xab"), replace(V2, market_id="")]
)
def test_an_id_that_is_no_condition_is_redeemed_by_hand(batches: WalletBatches, market: Market) -> None:
    """A market whose id is no condition id makes no call: its owner is told."""
    with pytest.raises(NotOffered, match="no condition id"):
        batches.redeem(market, HELD)


def test_nothing_held_is_no_call() -> None:
    """Without shares there is nothing to redeem, on either protocol."""
    assert contract_calls.redeem(CTF, {Outcome.YES: 0}) == contract_calls.redeem(V2, {}) == ()


@pytest.mark.parametrize(
    ("kind", "more", "nonce", "signature"),
    [
        (
            wallets.DEPOSIT,
            contract_calls.redeem(V2, {Outcome.NO: 7}),
            "7",
            "0xeaf82576d9d8ccf1b30618f8501a9ca936d5b1c18e096d71cf0917560d1107065c67a0516142445033aef25ac04fba7c"
            "d8b25362aa959599d648a142ff9b47a21c",
        ),
        (
            wallets.SAFE,
            (),
            "3",
            "0x8bc39d58805a7fa16d015cb7ccef0dc6ced22df1696ec616aa7f68a50c275c4430b6b61eb45c089c4e5c314e7d801cb9"
            "3feb45fa4072caeb0c027dce89d699eb1f",
        ),
        (
            wallets.PROXY,
            (),
            "4",
            "0xd280709a0e0b86289fccd6b1a8ad0bab7499f688168e8e4c3a1444485390cd9a4af57505fd640cc4cd69103a7d06b28c"
            "60ee023f2d8f1b0c8ceb6f1735de936f1c",
        ),
    ],
)
def test_envelopes_carry_the_signature_of_the_library(
    kind: int, more: tuple[contract_calls.Call, ...], nonce: str, signature: str
) -> None:
    """The same key, wallet, calls and nonce give the same signature for each kind of wallet."""
    signer = BatchSigner(KEY, kind, wallets.addresses(OWNER, kind)[0])
    assert signer.envelope(REDEEM + more, nonce, "0x" + "11" * 20, 1_800_000_000 - 600)["signature"] == signature


def test_several_calls_become_one_for_a_safe_and_a_proxy() -> None:
    """The data of a multisend and of a proxy's batch is the library's."""
    both = REDEEM + contract_calls.split(replace(CTF, neg_risk=True), 5)
    assert keccak(contract_calls.multisend(both)).hex() == (
        "ddd876fe112ba096481198b1928ebcccbb7954bcdc4e6e442cc500db0bf7224d"
    )
    assert keccak(contract_calls.proxied(both)).hex() == (
        "51561f56cc1b3b9045ca421880bdd89fdb9eb801cf622630b66f66944ead5ec4"
    )


class Answers:
    """A relayer whose answers a test decides; `sent` are the batches that it took."""

    def __init__(self) -> None:
        self.state: Any = {"state": "STATE_NEW"}
        self.status, self.submit = 200, {"transactionID": "t1", "state": "STATE_NEW", "transactionHash": ""}
        self.sent = 0

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        """One answer."""
        if request.url.path.endswith("/params"):
            return httpx2.Response(200, json={"address": OWNER, "nonce": "0"})
        if request.method == "POST":
            self.sent += self.status == 200
            return httpx2.Response(self.status, json=self.submit)
        return httpx2.Response(200, json=self.state)


@pytest.fixture
def answers() -> Answers:
    """The relayer's answers."""
    return Answers()


@pytest.fixture
def batches(answers: Answers) -> WalletBatches:
    """The batches of a deposit wallet."""
    relayer = Relayer("http://relayer", KEY, signature_type=wallets.DEPOSIT, wallet=OWNER, api_key="k")
    relayer._http = httpx2.Client(base_url="http://relayer", transport=httpx2.MockTransport(answers))
    return WalletBatches(relayer)


HELD = {Outcome.YES: 5}


def test_what_is_under_way_is_not_sent_again(batches: WalletBatches, answers: Answers) -> None:
    """Asking twice sends one batch; after a failure the words are raised, and the next question sends another."""
    batches.redeem(CTF, HELD)
    batches.redeem(CTF, HELD)
    assert answers.sent == 1
    answers.state = {"state": "STATE_FAILED", "error_msg": "reverted"}
    with pytest.raises(VenueError, match="t1 failed: reverted"):
        batches.redeem(CTF, HELD)
    batches.redeem(CTF, HELD)
    assert answers.sent == 2
    answers.state = [{"state": "STATE_CONFIRMED", "transaction_id": "t1"}]
    batches.redeem(CTF, HELD)
    assert answers.sent == 2


def test_a_batch_past_its_deadline_is_sent_anew(answers: Answers, batches: WalletBatches) -> None:
    """A batch without an end cannot be executed after its deadline: another one is sent."""
    now = [0.0]
    batches._now_s = lambda: now[0]
    batches.redeem(CTF, HELD)
    now[0] = GIVEN_UP_S + 1
    batches.redeem(CTF, HELD)
    assert answers.sent == 2


@pytest.mark.parametrize(
    ("status", "body", "raised"),
    [
        (400, {"error": "wallet has in-flight action"}, VenueUnavailable),
        (400, {"error": "Wallet busy: active action"}, VenueError),
        (400, {"error": "invalid signature"}, VenueError),
        (403, {"error": "no"}, VenueForbidden),
        (429, {"error": "slow down"}, VenueUnavailable),
        (503, {"error": "away"}, VenueUnavailable),
        (200, {"state": "STATE_NEW"}, VenueUnavailable),
        (200, [1], VenueUnavailable),
    ],
)
def test_refusals_are_errors_of_the_venue(
    batches: WalletBatches, answers: Answers, status: int, body: Any, raised: type[Exception]
) -> None:
    """Busy, limits and outages can be tried again, the rest cannot; nothing escapes as another error."""
    answers.status, answers.submit = status, body
    with pytest.raises(raised):
        batches.redeem(CTF, HELD)


def test_an_unknown_state_is_still_under_way(batches: WalletBatches, answers: Answers) -> None:
    """A state that this program does not know proves neither the end nor a failure."""
    answers.state = {"state": "STATE_SOMETHING", "error_msg": None}
    assert batches._relayer is not None
    assert batches._relayer.state("t1") == (BatchState.PENDING, "")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"mode": Mode.LIVE, "signature_type": 0, "relayer_key": "k"}, "pays gas in POL"),
        ({"mode": Mode.LIVE, "signature_type": 3}, "ODDSMITH_RELAYER_KEY was empty"),
        ({"mode": Mode.SIMULATED, "signature_type": 0}, "pays gas in POL"),
    ],
)
def test_an_account_without_a_relayer_is_told_what_to_do(settings: dict[str, Any], words: str) -> None:
    """A plain key, and a live account without an API key, are not redeemed: the owner is told where and why."""
    made = wallet_batches.of_settings(Settings(_env_file=None, **settings), KEY, settings["signature_type"], OWNER)
    for asked in (lambda: made.redeem(CTF, HELD), lambda: made.split(CTF, 5), lambda: made.merge(CTF, 5)):
        with pytest.raises(NotOffered, match=words) as refused:
            asked()
        assert "polymarket.com/portfolio" in str(refused.value)


def test_the_relayer_is_the_local_one_in_simulated_mode() -> None:
    """Simulated mode signs for a local relayer alone; live asks the venue's unless another is set."""
    simulated = Settings(_env_file=None, clob_url="http://127.0.0.1:9")
    assert simulated.relayer_address == "http://127.0.0.1:9/relayer"
    assert Settings(_env_file=None, mode=Mode.LIVE).relayer_address == "https://relayer-v2.polymarket.com"
    public = Settings(_env_file=None, clob_url="http://127.0.0.1:9", relayer_url="https://relayer-v2.polymarket.com")
    with pytest.raises(SettingError, match="ODDSMITH_RELAYER_URL"):
        public.refuse_simulated_orders_elsewhere()
