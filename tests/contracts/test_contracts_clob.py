"""The CLOB gateway beyond the common contract: resting orders, repeats, heartbeats, and a venue that is away."""

import socket
import sys
import time
from dataclasses import replace
from typing import Any

import pytest
from eth_account import Account
from pydantic import SecretStr

from pipelines.core.domain import Outcome, Side
from pipelines.core.errors import SettingError, VenueUnavailable
from pipelines.core.orders import OrderIntent, PlaceStatus
from pipelines.core.settings import Mode, Settings
from pipelines.venue import client_unified, pins, wallets
from pipelines.venue.client_v2 import ClientV2
from pipelines.venue.clob_gateway import ClobGateway

KEY = "0x" + "42" * 32


@pytest.fixture
def gateway(clob_gateway: ClobGateway) -> ClobGateway:
    """A fresh account that knows the listed markets, at each library that production takes orders from."""
    return clob_gateway


@pytest.fixture
def resting(venue: Any) -> OrderIntent:
    """A purchase far below the bid: it rests."""
    market, _ = venue.market()
    return OrderIntent(
        market_id=market.market_id,
        token_id=market.token_yes,
        outcome=Outcome.YES,
        side=Side.BUY,
        price_units=2 * market.tick_units,
        shares_micro=10_000_000,
        tick_units=market.tick_units,
        neg_risk=market.neg_risk,
        version=market.version,
        reason="enter",
        ts_s=1,
    )


def test_a_resting_order_is_listed_and_cancelled(gateway: ClobGateway, resting: OrderIntent) -> None:
    """What rests is shown under its hash with its size and price, and leaves when cancelled."""
    order = gateway.prepare(resting)
    result = gateway.place(order)
    listed = gateway.open_orders()

    assert (result.status, result.venue_status) == (PlaceStatus.ACCEPTED, "live")
    assert [o.order_id for o in listed] == [order.order_id]
    assert (listed[0].price_units, listed[0].shares_micro, listed[0].matched_micro) == (
        resting.price_units,
        resting.shares_micro,
        0,
    )
    assert gateway.order(order.order_id) == listed[0]
    assert gateway.cancel([order.order_id]).cancelled == (order.order_id,)
    assert gateway.open_orders() == []


def test_a_market_of_protocol_two_is_traded_like_any(gateway: ClobGateway, venue: Any) -> None:
    """Its order has the later domain and its balance the later kind; cash and shares are explained by the fills."""
    market, quote = venue.market("v2")
    intent = OrderIntent(
        market_id=market.market_id,
        token_id=market.token_yes,
        outcome=Outcome.YES,
        side=Side.BUY,
        price_units=quote.ask_units,
        shares_micro=10_000_000,
        tick_units=market.tick_units,
        neg_risk=market.neg_risk,
        version=market.version,
        reason="enter",
        ts_s=1,
    )
    result = gateway.place(gateway.prepare(intent))
    deadline = time.monotonic() + 5
    while gateway.shares_micro(market.token_yes) == 0 and time.monotonic() < deadline:
        time.sleep(0.05)

    assert result.status is PlaceStatus.ACCEPTED
    assert gateway.shares_micro(market.token_yes) == 10_000_000
    assert gateway.cash_micro() == 10_000_000_000 + sum(f.cash_micro for f in gateway.trades(0))


def test_a_repeat_proves_nothing_new(gateway: ClobGateway, resting: OrderIntent) -> None:
    """Sending the same signed order twice rests one order; the second answer is unknown, never a rejection."""
    order = gateway.prepare(resting)
    gateway.place(order)
    again = gateway.place(order)

    assert again.status is PlaceStatus.UNKNOWN
    assert "Duplicated" in again.reason
    assert len(gateway.open_orders()) == 1


def test_a_small_order_is_rejected_with_the_venues_words(gateway: ClobGateway, resting: OrderIntent) -> None:
    """A refusal carries the status and the reason."""
    result = gateway.place(gateway.prepare(replace(resting, shares_micro=1_000_000)))

    assert result.status is PlaceStatus.REJECTED
    assert "minimum" in result.reason


def test_several_orders_are_cancelled_at_once(gateway: ClobGateway, resting: OrderIntent) -> None:
    """Cancelling many names each that went."""
    orders = [gateway.prepare(replace(resting, shares_micro=n * 10_000_000)) for n in (1, 2, 3)]
    for order in orders:
        gateway.place(order)

    assert set(gateway.cancel([o.order_id for o in orders]).cancelled) == {o.order_id for o in orders}


def test_heartbeats_recover_from_a_foreign_id(gateway: ClobGateway) -> None:
    """A refused id is replaced by the one that the venue names, at once."""
    gateway.heartbeat()
    gateway._heartbeat_id = "00000000-0000-0000-0000-000000000000"
    gateway.heartbeat()
    gateway.heartbeat()


def test_keys_are_derived_again(venue: Any) -> None:
    """The same key finds the same account and the same credentials."""
    settings = venue.settings.model_copy(update={"private_key": SecretStr(KEY)})
    first, second = ClobGateway.connect(settings), ClobGateway.connect(settings)

    assert first.account == second.account
    assert first.credentials == second.credentials
    assert first.credentials.secret not in repr(first.credentials)


def test_a_venue_that_is_away_is_named() -> None:
    """Connecting to nothing says what does not answer."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(VenueUnavailable, match="did not answer"):
            ClobGateway(ClientV2(url, KEY))


def test_an_order_without_an_answer_is_unknown(gateway: ClobGateway, resting: OrderIntent) -> None:
    """A broken connection proves neither acceptance nor refusal."""
    order = gateway.prepare(resting)
    if isinstance(gateway._client, client_unified.ClientUnified):
        gateway._client._http._client.base_url = "http://127.0.0.1:9"
    gateway._client.url = "http://127.0.0.1:9"

    assert gateway.place(order).status is PlaceStatus.UNKNOWN


@pytest.mark.parametrize(
    ("changes", "missing"),
    [({"live": ""}, "ODDSMITH_LIVE"), ({"live": "yes"}, "ODDSMITH_PRIVATE_KEY")],
)
def test_real_orders_need_the_word_and_the_key(changes: dict[str, str], missing: str) -> None:
    """Live mode without ODDSMITH_LIVE=yes, or without a key, refuses before any request."""
    settings = Settings(mode=Mode.LIVE, private_key=None, clob_url="http://127.0.0.1:9", **changes)

    with pytest.raises(SettingError, match=missing):
        ClobGateway.connect(settings)


def test_a_key_in_simulated_mode_reaches_no_real_venue() -> None:
    """Simulated mode with a key and the venue's own address refuses before any request."""
    settings = Settings(mode=Mode.SIMULATED, private_key=SecretStr(KEY), clob_url="https://clob.polymarket.com")

    with pytest.raises(SettingError, match="mode simulated trades on a local exchange alone"):
        ClobGateway.connect(settings)


def test_the_old_library_is_refused_where_it_fails() -> None:
    """py-clob-client orders outside of the simulator are a setting's error, with the remedy, before any request."""
    settings = Settings(mode=Mode.LIVE, live="yes", private_key=SecretStr(KEY), clob_client="v1")

    with pytest.raises(SettingError, match="ODDSMITH_CLOB_CLIENT=v2"):
        ClobGateway.connect(settings)


def test_the_unified_library_is_what_was_tested(unified_library: None) -> None:
    """Its version, the parts that orders go through and the addresses that it signs for are the pinned ones."""
    assert client_unified.changed_parts() == []
    assert pins.other_contracts(client_unified.contracts()) == []
    assert pins.other_contracts(client_unified.contracts() | {"exchange_v2": "0x" + "12" * 20}) == ["exchange_v2"]


def test_a_missing_unified_library_says_how_it_is_installed(monkeypatch: pytest.MonkeyPatch, venue: Any) -> None:
    """Without the library nothing starts, and the message has the command."""
    monkeypatch.setitem(sys.modules, "polymarket", None)
    monkeypatch.setitem(sys.modules, "polymarket.environments", None)
    with pytest.raises(SettingError, match="pip install --no-deps --require-hashes"):
        ClobGateway.connect(venue.settings.model_copy(update={"clob_client": "unified"}))


def test_a_wallet_of_another_kind_is_refused(unified_library: None, venue: Any) -> None:
    """The library decides the kind of a wallet by its address: where the settings say another, nothing is signed."""
    values = {"clob_client": "unified", "private_key": SecretStr(KEY), "signature_type": 2}
    deposit = wallets.addresses(Account.from_key(KEY).address, wallets.DEPOSIT)[0]
    with pytest.raises(SettingError, match="for a DEPOSIT_WALLET"):
        ClobGateway.connect(venue.settings.model_copy(update=values | {"funder": deposit}))
