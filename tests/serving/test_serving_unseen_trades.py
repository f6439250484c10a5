"""Trades that neither the stream nor the list of trades shows: nothing is bought twice, paid twice or lost by them."""

import json

import pytest
from serving_desk import CASH, Desk, FakeVenue, make_intent, make_market
from test_serving_account_kinds import fill, opened, trade
from test_serving_settlement import archive, settled

from pipelines.core.domain import FeeSchedule, Outcome, Side
from pipelines.core.money import fee_micro
from pipelines.core.orders import PlaceStatus
from pipelines.decision_record import market_document
from pipelines.trading.order_states import OrderState
from serving.account import execution
from serving.account.accounting import Accounting
from serving.account.journal import Journal

MARKET = make_market()
SHARES = 10_000_000


def filled_unseen(desk: Desk) -> str:
    """A rest that traded while the stream was down, and whose trade the list does not have yet; its id."""
    desk.venue.rests = True
    order_id = desk.execution.submit(make_intent(MARKET)).order.order_id
    desk.execution.stream_is(up=False)
    desk.venue.match(order_id, desk.venue.open.pop(order_id))
    desk.venue.hidden = 1
    return order_id


def states(desk: Desk) -> list[OrderState]:
    """The states of all orders in the journal."""
    return [row.state for row in desk.journal.orders()]


def test_an_order_that_may_have_filled_is_waited_for(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """While nobody tells what became of it and the balance shows its shares, it works on; then its trade is booked."""
    filled_unseen(desk)
    desk.execution.sync()
    assert desk.execution.busy(MARKET.market_id)

    monkeypatch.setattr(execution, "PATIENCE_MS", -1)
    desk.execution.stream_is(up=True)
    for _ in range(3):
        desk.execution.sync()
    assert desk.execution.busy(MARKET.market_id)
    assert desk.execution.open_buys({})[MARKET.market_id] > 0

    desk.venue.hidden = 0
    desk.execution.sync()
    assert not desk.execution.busy(MARKET.market_id)
    assert desk.accounting.shares_micro(MARKET.token_yes) == SHARES


def test_an_order_that_did_not_fill_is_over_after_patience(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The token's balance is what the books say: nothing was traded, and the market is free again."""
    desk.venue.rests = True
    order_id = desk.execution.submit(make_intent(MARKET)).order.order_id
    desk.execution.stream_is(up=False)
    desk.venue.open.pop(order_id)
    desk.execution.sync()
    assert desk.execution.busy(MARKET.market_id)

    monkeypatch.setattr(execution, "PATIENCE_MS", -1)
    desk.execution.sync()

    assert states(desk) == [OrderState.CANCELLED]


def test_no_order_blocks_its_market_for_ever(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the last patience the order is over; the comparison with the venue's account does the rest."""
    filled_unseen(desk)
    desk.execution.sync()
    monkeypatch.setattr(execution, "PATIENCE_MS", -1)
    monkeypatch.setattr(execution, "LAST_PATIENCE_MS", -1)

    desk.execution.sync()

    assert not desk.execution.busy(MARKET.market_id)


def test_with_the_stream_up_an_order_that_is_gone_is_over(desk: Desk) -> None:
    """The stream would have told of a fill, so nothing is waited for."""
    desk.venue.rests = True
    order_id = desk.execution.submit(make_intent(MARKET)).order.order_id
    desk.venue.open.pop(order_id)

    desk.execution.sync()

    assert states(desk) == [OrderState.CANCELLED]


def test_what_the_stream_says_was_matched_is_waited_for(desk: Desk) -> None:
    """A cancellation tells how much had traded before; the order is over when that is booked."""
    order_id = filled_unseen(desk)
    desk.execution.stream_is(up=True)
    desk.execution.hear_of(order_id, "cancellation", SHARES)
    desk.execution.sync()
    assert desk.execution.busy(MARKET.market_id)

    desk.venue.hidden = 0
    desk.execution.sync()

    assert not desk.execution.busy(MARKET.market_id)


def test_an_order_without_answer_that_traded_is_not_given_up(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list without its trade does not prove that it never arrived when its shares are in the wallet."""
    desk.venue.answers, desk.venue.fills_unknown, desk.venue.hidden = [PlaceStatus.UNKNOWN], True, 1
    desk.execution.submit(make_intent(MARKET))
    monkeypatch.setattr(execution, "PATIENCE_MS", -1)
    desk.execution.sync()
    assert states(desk) == [OrderState.UNKNOWN]

    desk.venue.hidden = 0
    desk.execution.sync()

    assert states(desk) == [OrderState.FILLED]


def test_an_old_trade_is_found_while_the_books_differ(journal_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trades are read from where books and venue were last equal, however many newer ones are booked."""
    monkeypatch.setattr(execution, "SURE_AFTER_S", -1.0)
    venue = FakeVenue()
    account = opened(venue, journal_url)
    trade(venue, fill(1, SHARES))
    account.execution.sync()
    assert account.judge(account.differences())
    late = trade(venue, fill(2, SHARES))
    venue.done.remove(late)
    trade(venue, fill(500, SHARES))
    account.execution.sync()
    venue.done.insert(0, late)

    for _ in range(3):
        account.judge(account.differences())

    assert account.differences() == []


@pytest.mark.parametrize("rate", [0.1, 0.0])
def test_a_fee_that_changed_is_booked_exactly(journal_url: str, rate: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fills after the change cost what the venue charges, those before what they cost then, however much it is."""
    venue = FakeVenue()
    account = opened(venue, journal_url)
    charged = fee_micro(100 * SHARES, 5_200, rate)
    known = fee_micro(100 * SHARES, 5_200, MARKET.fee.rate)
    for number in (1, 2, 3):
        trade(venue, fill(number, 100 * SHARES, fee_micro=known))
        if number > 1:
            venue.cash += known - charged
    account.execution.sync()
    monkeypatch.setattr(venue, "fee", lambda market_id: FeeSchedule(rate), raising=False)

    for _ in range(3):
        account.judge(account.differences())

    assert account.differences() == []
    assert sum(flow.cash_micro for flow in account.journal.flows()) == 2 * (known - charged)


def test_a_market_with_an_order_that_is_not_over_is_not_settled(journal_url: str) -> None:
    """Shares that are gone may have been sold; the payout is booked once that is known."""
    venue = FakeVenue()
    account = opened(venue, journal_url)
    trade(venue, fill(1, SHARES))
    account.execution.sync()
    venue.hidden = 0
    account.execution.submit(make_intent(MARKET, side=Side.SELL))
    venue.hidden = 1
    payout = archive({"/v2/resolutions": {"data": [{"status": "resolved", "payouts": [1_000_000, 0]}]}})

    assert settled(account, payout) == 0

    venue.hidden = 0
    account.execution.sync()
    assert settled(account, payout) == 0
    assert account.differences() == []


def test_a_payout_of_shares_that_had_been_sold_is_taken_back(journal_url: str) -> None:
    """A sale that comes to light after its market was settled leaves its own proceeds, and no payout."""
    venue = FakeVenue()
    account = opened(venue, journal_url)
    trade(venue, fill(1, SHARES))
    account.execution.sync()
    sold = trade(venue, fill(2, SHARES, Side.SELL, price_units=3_100))
    venue.done.remove(sold)
    account.accounting.settle(MARKET.market_id, 500_000, 2_000)

    venue.done.append(sold)
    account.execution.sync()
    notes = account.accounting.adopt_aside(-1.0)

    assert "payout are taken back" in notes[0]
    assert account.differences() == []
    assert account.accounting.cash_micro == CASH - 5_200_000 + sold.cash_micro


def test_a_sale_before_the_settlement_keeps_its_value_when_the_journal_is_opened(journal_url: str) -> None:
    """In a journal that holds a sale of shares from outside and a later settlement of the market, the shares are worth
    what the sale brought, not the payout."""
    journal = Journal(journal_url, "simulated")
    journal.begin("0xabc")
    Accounting(journal, CASH).know(MARKET)
    document = market_document(MARKET)
    bought, sold = fill(1, SHARES), fill(2, SHARES, Side.SELL, outcome=Outcome.NO, token_id=MARKET.token_no)
    for one in (bought, sold):
        journal.book_fill(one, 5_200, "enter", json.dumps(document))
    journal.book_settlement(MARKET.market_id, 1_000_000, SHARES, 2_000)

    Accounting(journal, CASH)

    (adopted,) = [one.fill for one in journal.fills() if one.fill.fill_id.startswith("adopted/")]
    assert adopted.price_units == sold.price_units
    journal.close()


def cancelled_after_a_part(desk: Desk) -> str:
    """A rest of which a part traded before we cancelled it, while the stream is up and tells nothing and the list of
    trades is empty; its id."""
    desk.venue.rests = True
    order_id = desk.execution.submit(make_intent(MARKET, ts_s=1_000)).order.order_id
    desk.execution.stream_is(up=True)
    desk.execution.sync()
    desk.venue.match(order_id, make_intent(MARKET, shares=4))
    desk.venue.hidden = 1
    assert desk.execution.cancel_expired(2_000) == 1
    return order_id


def test_a_cancelled_rest_whose_part_nobody_told_is_waited_for(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer to a cancel says that nothing rests, not what had traded: the balance keeps the market busy until the
    trade is booked, and nothing is bought twice."""
    cancelled_after_a_part(desk)
    monkeypatch.setattr(execution, "PATIENCE_MS", -1)
    for _ in range(3):
        desk.execution.sync()
    assert desk.execution.busy(MARKET.market_id)

    desk.venue.hidden = 0
    desk.execution.sync()
    assert states(desk) == [OrderState.CANCELLED]
    assert desk.accounting.shares_micro(MARKET.token_yes) == 4_000_000


@pytest.mark.parametrize("fill_first", [True, False])
def test_a_cancellation_that_the_stream_tells_ends_the_order_at_once(desk: Desk, *, fill_first: bool) -> None:
    """The message states what had traded; once that is booked the market is free, without asking the venue."""
    order_id = cancelled_after_a_part(desk)
    part = desk.venue.done[-1]
    if fill_first:
        desk.execution.hear([part], "matched")
    desk.execution.hear_of(order_id, "cancellation", part.shares_micro)
    if not fill_first:
        assert desk.execution.busy(MARKET.market_id)
        desk.execution.hear([part], "matched")

    assert not desk.execution.busy(MARKET.market_id)
    assert states(desk) == [OrderState.CANCELLED]


def test_a_cancelled_rest_that_never_traded_frees_its_market_after_patience(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stream stays silent and the balance is what the books say: nothing traded."""
    desk.venue.rests = True
    desk.execution.submit(make_intent(MARKET, ts_s=1_000))
    desk.execution.stream_is(up=True)
    desk.execution.cancel_expired(2_000)
    monkeypatch.setattr(execution, "PATIENCE_MS", -1)
    desk.execution.sync()

    assert states(desk) == [OrderState.CANCELLED]
