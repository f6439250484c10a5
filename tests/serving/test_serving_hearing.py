"""What the stream tells of several trades is booked with few writes; the venue is asked only for what is unknown."""

import time
from collections import Counter
from dataclasses import replace

import pytest
from serving_desk import CASH, FakeVenue, make_intent, make_market
from sqlalchemy import event
from test_serving_account_kinds import MARKET, fill, opened, trade

from pipelines.core.domain import FillState, Side
from pipelines.core.orders import OrderType
from pipelines.trading.order_states import OrderState
from serving.account.execution import READ_EVERY_S
from serving.account.trading_account import TradingAccount


@pytest.fixture
def account(journal_url: str) -> TradingAccount:
    """An account at a venue that matches everything."""
    return opened(FakeVenue(), journal_url)


def commits(account: TradingAccount) -> Counter[str]:
    """Counts transactions of the journal from now on."""
    count: Counter[str] = Counter()
    event.listen(account.journal._engine, "commit", lambda _: count.update(["commit"]))
    return count


def test_the_legs_of_a_batch_are_booked_in_one_transaction(account: TradingAccount) -> None:
    """Three trades, and two steps of the settlement of each, are two commits; all of it is in journal and ledger."""
    legs = [trade(account.gateway, fill(number, 10_000_000)) for number in (1, 2, 3)]  # type: ignore[arg-type]
    written = commits(account)

    account.execution.hear_all([([one], "matched") for one in legs])
    assert written["commit"] == 1
    account.execution.hear_all([([one], state) for one in legs for state in ("mined", "confirmed")])

    assert written["commit"] == 2
    assert account.accounting.shares_micro(MARKET.token_yes) == 30_000_000
    assert set(account.journal.fill_states().values()) == {FillState.CONFIRMED}
    assert account.differences() == []


def test_a_batch_with_every_kind_of_news_ends_as_one_by_one(account: TradingAccount, journal_url: str) -> None:
    """Repeats, a failure, a sale of more than is held and a late confirmation give the books of single messages."""
    one, two, sale = fill(1, 10_000_000), fill(2, 5_000_000), fill(3, 12_000_000, Side.SELL)
    news = [
        (one, "matched"), (one, "matched"), (two, "matched"), (two, "failed"), (sale, "matched"),
        (one, "mined"), (two, "confirmed"), (sale, "confirmed"),
    ]  # fmt: skip
    account.execution.hear_all([([fills], status) for fills, status in news])
    single = opened(FakeVenue(account="0xother"), journal_url.replace("journal", "other"))
    for fills, status in news:
        single.execution.hear([fills], status)

    for token in (MARKET.token_yes, MARKET.token_no):
        assert account.accounting.shares_micro(token) == single.accounting.shares_micro(token)
    assert account.accounting.cash_micro == single.accounting.cash_micro
    assert account.journal.fill_states() == single.journal.fill_states()
    account.journal.close()
    again = opened(account.gateway, journal_url)  # type: ignore[arg-type]
    assert again.accounting.shares_micro(MARKET.token_yes) == single.accounting.shares_micro(MARKET.token_yes)


def asked(account: TradingAccount, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts readings of the list of open orders from now on."""
    count: Counter[str] = Counter()
    read = account.gateway.open_orders

    def counted() -> object:
        count.update(["open orders"])
        return read()

    monkeypatch.setattr(account.gateway, "open_orders", counted)
    return count


@pytest.mark.parametrize("stream_first", [True, False])
def test_a_take_is_not_looked_up_while_the_stream_is_up(
    account: TradingAccount, monkeypatch: pytest.MonkeyPatch, *, stream_first: bool
) -> None:
    """Its answer states what it took and it cannot rest: it is over, without a request, when the stream has told its
    fills, before the end of the turn or after it; until then its market is busy."""
    account.execution.stream_is(up=True)
    account.execution.sync()
    looks = asked(account, monkeypatch)
    account.execution.submit(replace(make_intent(MARKET), order_type=OrderType.FAK))
    told = [account.gateway.done[-1]]  # type: ignore[attr-defined]
    if stream_first:
        account.execution.hear(told, "matched")
    account.execution.learn()
    assert account.execution.busy(MARKET.market_id) is not stream_first
    account.execution.hear(told, "matched")

    assert looks["open orders"] == 0
    assert not account.execution.pending
    assert {row.state for row in account.journal.orders()} == {OrderState.FILLED}


def test_a_take_is_looked_up_while_the_stream_is_down(account: TradingAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody would tell its fills, so the lists are read."""
    account.execution.sync()
    account.execution.stream_is(up=False)
    looks = asked(account, monkeypatch)
    account.execution.submit(replace(make_intent(MARKET), order_type=OrderType.FAK))
    account.execution.learn()

    assert looks["open orders"] == 1


def test_an_order_that_may_rest_is_looked_up(account: TradingAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same answer to an order that may rest proves nothing: the list of open orders is read."""
    account.execution.stream_is(up=True)
    account.execution.sync()
    looks = asked(account, monkeypatch)
    account.execution.submit(make_intent(MARKET))
    account.execution.hear([account.gateway.done[-1]], "matched")  # type: ignore[attr-defined]
    account.execution.learn()

    assert looks["open orders"] == 1


def test_lists_are_due_again_although_the_stream_told_everything(
    account: TradingAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing works and nobody else trades: the lists are due once they were not read for a while, so that a list that
    is gone for good is noticed before the next purchase."""
    account.execution.stream_is(up=True)
    account.execution.sync()
    assert not account.execution.lists_are_due
    now = time.monotonic()
    monkeypatch.setattr("serving.account.execution.time.monotonic", lambda: now + READ_EVERY_S + 1.0)

    assert account.execution.lists_are_due


def test_states_of_a_turn_are_written_together_and_lost_by_no_error(account: TradingAccount) -> None:
    """Two orders' answers wait for the end of the turn; an exception before it writes them at once."""
    with account.execution.together():
        account.execution.submit(make_intent(MARKET))
        account.execution.submit(make_intent(make_market(2)))
    assert {row.state for row in account.journal.orders()} == {OrderState.PREPARED}
    account.journal.conclude(account.execution.taken_moves(), 20_000, {})
    assert {row.state for row in account.journal.orders()} == {OrderState.FILLED}

    with pytest.raises(ZeroDivisionError), account.execution.together():
        account.execution.submit(make_intent(make_market(3)))
        raise ZeroDivisionError
    assert {row.state for row in account.journal.orders()} == {OrderState.FILLED}
    assert account.accounting.cash_micro == CASH
