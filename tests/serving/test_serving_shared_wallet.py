"""Somebody else trades the same account: limits, books and foreign orders stay whole, and the page says so."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr
from serving_desk import CASH, FakeVenue, make_intent, make_market
from serving_venue import KEY, bot, machine, promote, simulator, until
from test_serving_account_kinds import MARKET, fill, opened, trade

from pipelines.core.domain import Market, Outcome, Side
from pipelines.core.orders import OrderIntent, OrderType
from pipelines.venue.clob_gateway import ClobGateway
from serving.account.trading_account import TradingAccount
from serving.bot import Bot


@pytest.fixture
def account(journal_url: str) -> TradingAccount:
    """An account on which somebody else trades too."""
    return opened(FakeVenue(), journal_url)


def test_a_foreign_fill_is_booked_and_said(account: TradingAccount) -> None:
    """A trade of an order that the journal does not know moves books and limits like ours, and one line tells of it."""
    account.execution.hear([trade(account.gateway, fill(1, 10_000_000))], "matched")  # type: ignore[arg-type]

    assert account.differences() == []
    assert account.accounting.positions[MARKET.market_id].shares_micro == 10_000_000
    assert [note for note in account.notes if "somebody else traded" in note]
    assert account.shared == ""


def test_our_own_fills_are_no_foreign_ones(account: TradingAccount) -> None:
    """Orders of this journal, also of an earlier start, are ours."""
    account.execution.submit(make_intent(MARKET))
    account.execution.sync()

    assert account.notes == []
    assert account.execution.foreign == {}


def test_a_foreign_rest_counts_and_is_never_cancelled(account: TradingAccount) -> None:
    """What a foreign buy may cost takes room from ours; expiry, kill switch and stop leave it at the venue."""
    venue: FakeVenue = account.gateway  # type: ignore[assignment]
    venue.open["0xforeign"] = replace(make_intent(MARKET, shares=100))
    account.execution.hear_of("0xforeign", "placement", 0)
    assert account.execution.heard_foreign
    account.execution.sync()
    account.see_foreign()

    assert account.execution.open_buys({MARKET.market_id: MARKET})[MARKET.market_id] >= 52_000_000
    assert "not cancelled" in account.notes[0]
    account.execution.cancel_expired(10**12)
    account.execution.cancel_buys()
    account.execution.cancel_all()
    assert "0xforeign" in venue.open

    del venue.open["0xforeign"]
    account.execution.hear_of("0xforeign", "cancellation", 0)
    account.execution.sync()
    assert account.execution.open_buys({}) == {}
    assert venue.cash == CASH


def test_several_foreign_trades_are_a_second_decider(account: TradingAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three orders within a quarter of an hour: nothing is bought until it is over."""
    for number in (1, 2, 3):
        account.execution.hear([trade(account.gateway, fill(number, 5_000_000))], "matched")  # type: ignore[arg-type]
    assert "3 orders of somebody else" in account.shared

    monkeypatch.setattr("serving.account.trading_account.SHARED_S", -1.0)
    assert account.shared == ""


def _intent(market: Market, price_units: int, shares: int, kind: OrderType) -> OrderIntent:
    plain = make_intent(make_market(), shares)
    names = {"market_id": market.market_id, "token_id": market.token_yes, "tick_units": market.tick_units}
    return replace(plain, **names, price_units=price_units, neg_risk=market.neg_risk, version=market.version,
                   outcome=Outcome.YES, side=Side.BUY, order_type=kind)  # fmt: skip


def _placed_buys(trader: Bot) -> int:
    return sum(row.side is Side.BUY for row in trader._journal.orders())


@pytest.mark.nightly
@pytest.mark.slow
async def test_two_bots_and_a_person_on_one_wallet(tmp_path: Path) -> None:
    """Both bots see the other's heartbeats and buy nothing while it lives; what a person takes is booked by both, what
    a person leaves in the book stays there; books equal the venue to the base unit at both stops."""
    with simulator() as venue:
        machines = [machine(tmp_path / name, venue, private_key=SecretStr(KEY)) for name in ("one", "two")]
        for name in ("one", "two"):
            promote(tmp_path / name)
        first, second = (bot(settings) for settings in machines)
        person = await asyncio.to_thread(ClobGateway.connect, machines[0])
        first.start()
        try:
            await until(lambda: first.state(whole=False)["orders"]["matched"] >= 1, 60, "an order of the first bot")
            second.start()
            for one in (first, second):
                said = lambda one=one: "another program" in " ".join(one.state(whole=False)["alarms"])  # type: ignore[misc]  # noqa: E731
                await until(said, 60, "the alarm of a shared account")
            bought = [_placed_buys(one) for one in (first, second)]
            assert first._session is not None
            followed = next(one for one in first._session.feed.followed.values() if one.quote is not None)
            person.know([followed.market])
            rest = person.prepare(_intent(followed.market, followed.market.tick_units, 20, OrderType.GTC))
            assert followed.quote is not None
            take = person.prepare(_intent(followed.market, followed.quote.ask_units, 10, OrderType.FAK))
            for order in (rest, take):
                answer = await asyncio.to_thread(person.place, order)
                assert answer.status == "accepted", answer
            for one in (first, second):
                told = lambda one=one: any("somebody else traded" in row["text"] for row in one._journal.events(500))  # type: ignore[misc]  # noqa: E731
                await until(told, 30, "the person's trade in the journal")
            await asyncio.sleep(3.0)
            assert [_placed_buys(one) for one in (first, second)] == bought
            await second.stop()
            quiet = lambda: "another program" not in " ".join(first.state(whole=False)["alarms"])  # noqa: E731
            await until(quiet, 40, "the end of the alarm")
            resting = {one.order_id for one in await asyncio.to_thread(person.open_orders)}
            assert rest.order_id in resting
            await until(lambda: first.state(whole=False)["ledger_equals_venue"] is True, 20, "equal books")
        finally:
            await second.stop()
            await first.stop()
        account = first._lasting.account if first._lasting is not None else None
        assert account is not None
        assert account.accounting.cash_micro == await asyncio.to_thread(person.cash_micro)
