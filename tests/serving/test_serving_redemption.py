"""Redemption by the bot's account, against a simulator process whose owners redeem through the relayer."""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from eth_account import Account
from serving_venue import simulator

from pipelines.core.domain import Market, Outcome, Quote, Side
from pipelines.core.errors import VenueUnavailable
from pipelines.core.orders import OrderIntent
from pipelines.core.settings import Settings
from pipelines.venue import clob, gamma, wallets
from pipelines.venue.clob_gateway import ClobGateway
from pipelines.venue.http import VenueHttp
from serving.account import payouts
from serving.account.journal import Journal
from serving.account.trading_account import TradingAccount
from serving.safety import doctor


@dataclass(frozen=True)
class Site:
    """A venue where nobody is paid without redeeming."""

    settings: Settings
    quotes: dict[str, tuple[Market, Quote]]

    def start(self, fault: str, **options: Any) -> None:
        """Switch a fault on."""
        httpx2.post(f"{self.settings.clob_url}/admin/faults", json={"fault": fault, **options}).raise_for_status()


async def _listed(settings: Settings) -> dict[str, tuple[Market, Quote]]:
    async with VenueHttp(settings.gamma_url) as listing, VenueHttp(settings.clob_url) as exchange:
        markets = await gamma.tradable(listing, 50)
        books = await clob.books(exchange, [m.token_yes for m in markets])
    return {m.market_id: (m, clob.top(books[m.token_yes])) for m in markets if m.token_yes in books}


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """The venue, standing still in market time, half of its markets of the second protocol."""
    more = "--redeem manual --admin --protocol-v2-share 0.5 --neg-risk-share 0.4 --settle-s 0.2 --event-every-min 60"
    with simulator(speed=0, more=more) as environment:
        values = {name.removeprefix("ODDSMITH_").lower(): value for name, value in environment.items()}
        settings = Settings(_env_file=None, **values)
        yield Site(settings, asyncio.run(_listed(settings)))


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Questions about payouts are repeated at once."""
    monkeypatch.setattr(payouts, "LOOK_AGAIN_S", 0.05)


def until(condition: Callable[[], Any], what: str) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen"
        time.sleep(0.05)


def asked(call: Callable[[], None]) -> bool:
    """Whether the relayer took a batch; it takes one at a time."""
    try:
        call()
    except VenueUnavailable:
        return False
    return True


def wallet_of(site: Site, kind: int) -> Settings:
    """Settings of a fresh wallet of a kind."""
    key = "0x" + Account.create().key.hex().removeprefix("0x")
    wallet = wallets.addresses(Account.from_key(key).address, kind)[0]
    return site.settings.model_copy(
        update={"private_key": Settings(_env_file=None, private_key=key).private_key, "signature_type": kind,
                "funder": wallet if kind else None}
    )  # fmt: skip


def holding(site: Site, settings: Settings, tmp_path: Path, market: Market) -> TradingAccount:
    """An account on a fresh journal that has bought ten YES shares of a market."""
    gateway = ClobGateway.connect(settings, [market])
    account = TradingAccount(gateway, Journal(f"sqlite:///{tmp_path / 'journal.db'}", "simulated"))
    account.accounting.know(market)
    account.accounting.mids[market.market_id] = site.quotes[market.market_id][1].mid_units
    buy = OrderIntent(
        market_id=market.market_id,
        token_id=market.token_yes,
        outcome=Outcome.YES,
        side=Side.BUY,
        price_units=site.quotes[market.market_id][1].ask_units,
        shares_micro=10_000_000,
        tick_units=market.tick_units,
        neg_risk=market.neg_risk,
        version=market.version,
        reason="enter",
        ts_s=1,
    )
    account.execution.submit(buy)
    until(lambda: account.execution.sync() >= 0 and not account.differences(), "settlement of the purchase")
    return account


def some(site: Site, version: str) -> Market:
    """A market of a protocol version with a two-sided book that no test has used yet."""
    for name, (market, quote) in list(site.quotes.items()):
        if market.version == version and 0 < quote.bid_units < quote.ask_units < 9_000 and name not in USED:
            USED.add(name)
            return market
    raise AssertionError(f"no market of version {version} is left")


USED: set[str] = set()


@pytest.mark.parametrize("kind", [wallets.PROXY, wallets.SAFE, wallets.DEPOSIT])
@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_decided_holding_is_redeemed_by_the_bot(site: Site, tmp_path: Path, kind: int, version: str) -> None:
    """It is a state of the ledger until the relayer has paid it: worth its payout, no position, and no cash before."""
    market = some(site, version)
    account = holding(site, wallet_of(site, kind), tmp_path, market)
    before, accounting = account.accounting.cash_micro, account.accounting
    site.start("resolve_early", market=market.market_id, payout=1)

    assert account.settle(market.market_id, 1_000_000, 2) == 0
    assert accounting.redeemable == {market.market_id: 1_000_000}
    assert (accounting.cash_micro, accounting.equity_micro) == (before, before + 10_000_000)
    assert market.market_id not in accounting.positions

    until(lambda: account.collect(3), "the redemption")
    assert accounting.cash_micro == before + 10_000_000
    assert (accounting.redeemable, account.differences(), account.notes) == ({}, [], [])


@pytest.mark.parametrize("fault", [{"fault": "relayer_fails", "count": 2}, {"fault": "relayer_busy", "count": 2}])
def test_a_relayer_that_fails_or_is_busy_is_asked_again(site: Site, tmp_path: Path, fault: dict[str, Any]) -> None:
    """A batch that failed or was refused is sent again, and the payout is booked once."""
    market = some(site, "v1")
    account = holding(site, wallet_of(site, wallets.DEPOSIT), tmp_path, market)
    before = account.accounting.cash_micro
    site.start("resolve_half", market=market.market_id)
    site.start(**fault)

    account.settle(market.market_id, 500_000, 2)
    until(lambda: account.collect(3), "the redemption")

    assert account.accounting.cash_micro == before + 5_000_000
    assert account.differences() == []


def test_a_restart_between_batch_and_payout_redeems_once(site: Site, tmp_path: Path) -> None:
    """A bot that was killed after it asked finds the holding decided in the journal, and books its payout once."""
    market, settings = some(site, "v1"), wallet_of(site, wallets.DEPOSIT)
    account = holding(site, settings, tmp_path, market)
    before = account.accounting.cash_micro
    site.start("resolve_early", market=market.market_id, payout=1)
    account.settle(market.market_id, 1_000_000, 2)
    account.journal.close()

    again = TradingAccount(
        ClobGateway.connect(settings, [market]), Journal(f"sqlite:///{tmp_path / 'journal.db'}", "simulated")
    )
    assert again.accounting.redeemable == {market.market_id: 1_000_000}
    until(lambda: again.collect(3) or not again.accounting.redeemable, "the redemption")
    assert again.accounting.cash_micro == before + 10_000_000
    assert again.differences() == []


def test_a_plain_key_is_told_to_redeem_by_hand(site: Site, tmp_path: Path) -> None:
    """The relayer serves no plain key: the holding stays redeemable, its owner is told once, and doctor warns."""
    market, settings = some(site, "v1"), wallet_of(site, wallets.EOA)
    account = holding(site, settings, tmp_path, market)
    before = account.accounting.cash_micro
    site.start("resolve_early", market=market.market_id, payout=1)

    account.settle(market.market_id, 1_000_000, 2)
    account.collect(3)
    time.sleep(0.1)
    assert account.collect(3) == 0

    assert account.accounting.cash_micro == before
    assert [("polymarket.com/portfolio" in note, "POL" in note) for note in account.notes] == [(True, True)]
    with pytest.raises(doctor.Odd, match="not redeemed by the bot"):
        asyncio.run(doctor._redemption(settings))


def test_a_loser_is_settled_without_a_batch(site: Site, tmp_path: Path) -> None:
    """Shares that pay nothing are booked as lost; they stay in the wallet and are no difference."""
    market = some(site, "v1")
    account = holding(site, wallet_of(site, wallets.DEPOSIT), tmp_path, market)
    before = account.accounting.cash_micro
    site.start("resolve_early", market=market.market_id, payout=0)

    assert account.settle(market.market_id, 0, 2) == 0
    assert (account.accounting.cash_micro, account.accounting.redeemable) == (before, {})
    assert account.differences() == []


def test_pairs_are_split_and_merged_through_the_relayer(site: Site, tmp_path: Path) -> None:
    """pUSD becomes pairs and pairs become pUSD at the venue, by the gateway's own calls."""
    market = some(site, "v1")
    gateway = ClobGateway.connect(wallet_of(site, wallets.SAFE), [market])
    first = gateway.cash_micro()
    gateway.split(market, 7_000_000)
    until(lambda: gateway.shares_micro(market.token_no) == 7_000_000, "the split")
    assert gateway.cash_micro() == first - 7_000_000
    until(lambda: asked(lambda: gateway.merge(market, 4_000_000)), "the batch")
    until(lambda: gateway.shares_micro(market.token_yes) == 3_000_000, "the merge")
    assert gateway.cash_micro() == first - 3_000_000


def test_doctor_names_the_way_and_a_foreign_wallet(site: Site) -> None:
    """Doctor says how payouts come in, and warns of a funder that is not the key's wallet of that kind."""
    settings = wallet_of(site, wallets.DEPOSIT)
    assert "through http://127.0.0.1" in asyncio.run(doctor._redemption(settings))
    assert "deposit wallet" in asyncio.run(doctor._wallet(settings))
    with pytest.raises(doctor.Odd, match="ODDSMITH_FUNDER was 0x1111"):
        asyncio.run(doctor._wallet(settings.model_copy(update={"funder": "0x" + "11" * 20})))
