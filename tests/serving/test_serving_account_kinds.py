"""What the venue did to accounts of others: ghost fills, unnamed cash, odd sales, false peaks. The books stay right."""

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from serving_desk import CASH, Desk, FakeVenue, make_intent, make_market

from pipelines.core.domain import Fill, FillState, Outcome, Quote, Side
from pipelines.core.errors import DataError, ParameterError
from pipelines.core.params import read
from pipelines.core.sections import RiskParams
from serving.account import explain, requests, trading_account
from serving.account.accounting import Accounting
from serving.account.breaker import BreakerTripped
from serving.account.journal import CashFlow, Journal
from serving.account.trading_account import TradingAccount

MARKET = make_market()
DAY = 86_400


def fill(number: int, shares: int, side: Side = Side.BUY, **changes: object) -> Fill:
    """A trade of YES at 0.52 that the venue lists."""
    plain = Fill(
        fill_id=f"t{number}",
        order_id=f"0x{number}",
        market_id=MARKET.market_id,
        token_id=MARKET.token_yes,
        outcome=Outcome.YES,
        side=side,
        price_units=5_200,
        shares_micro=shares,
        fee_micro=0,
        ts_s=1_000 + number,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def opened(venue: FakeVenue, url: str, limits: RiskParams | None = None) -> TradingAccount:
    """The account as a start of the bot opens it; trades count from the first one on."""
    account = TradingAccount(venue, Journal(url, "simulated"), limits)
    account.accounting.know(MARKET)
    return account


def trade(venue: FakeVenue, one: Fill) -> Fill:
    """The venue matches a trade and moves the cash."""
    venue.done.append(one)
    venue.cash += one.cash_micro
    return one


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits of seconds take no time."""
    monkeypatch.setattr("serving.account.execution.LOOK_AGAIN_S", 0.0)
    monkeypatch.setattr(TradingAccount, "_lasting_differences", lambda self, limit_s: self.differences())


# Ghost fills


@pytest.mark.parametrize("late", ["confirmed", "matched", "mined", "retrying"])
def test_a_confirmation_undoes_a_failure_and_nothing_else_does(desk: Desk, late: str) -> None:
    """A trade that failed is taken back; a late or repeated message does not bring it back, a confirmation does."""
    one = fill(1, 10_000_000)
    desk.execution.hear([one], "matched")
    desk.execution.hear([one], "failed")
    assert desk.accounting.cash_micro == CASH

    for _ in range(2):
        desk.execution.hear([one], late)

    booked = late == "confirmed"
    assert desk.accounting.cash_micro == CASH - 5_200_000 * booked
    assert desk.accounting.tokens() == ({MARKET.token_yes: 10_000_000} if booked else {})


@pytest.mark.parametrize("payout", [0, 300_000, 1_000_000])
@pytest.mark.parametrize("restart", [False, True])
def test_a_sale_that_happened_after_all_takes_the_payout_back(journal_url: str, payout: int, *, restart: bool) -> None:
    """A sale failed, its market was decided and its shares were settled, then the sale is confirmed: the books have
    the cash of the sale alone."""
    desk, sale = Desk.open(FakeVenue(), journal_url), fill(2, 10_000_000, Side.SELL)
    desk.execution.hear([fill(1, 10_000_000)], "confirmed")
    for status in ("matched", "failed"):
        desk.execution.hear([sale], status)
    assert desk.accounting.settle(MARKET.market_id, payout, 2_000) == 10 * payout
    if restart:
        desk.journal.close()
        desk = Desk.open(FakeVenue(), journal_url)

    for _ in range(2):
        desk.execution.hear([sale], "confirmed")
    (note,) = desk.accounting.adopt_aside(0.0)

    assert "before it was decided" in note
    assert desk.accounting.tokens() == desk.accounting.aside == {}
    assert desk.accounting.cash_micro == CASH
    desk.journal.close()
    again = Desk.open(FakeVenue(), journal_url)
    assert again.accounting.cash_micro == CASH
    again.journal.close()


@pytest.mark.parametrize("payout", [0, 300_000, 1_000_000])
def test_a_purchase_that_happened_after_its_market_was_decided_is_settled(desk: Desk, payout: int) -> None:
    """A purchase failed, its market was decided, then the purchase is confirmed: its shares are paid out."""
    for status in ("matched", "failed"):
        desk.execution.hear([fill(1, 10_000_000)], status)
    assert desk.accounting.settle(MARKET.market_id, payout, 2_000) == 0
    desk.execution.hear([fill(1, 10_000_000)], "confirmed")

    assert desk.accounting.settle(MARKET.market_id, payout, 2_000) == 10 * payout
    assert desk.accounting.tokens() == {}
    assert desk.accounting.cash_micro == CASH - 5_200_000 + 10 * payout


def test_a_confirmed_trade_stays(desk: Desk) -> None:
    """After the confirmation a failure is out of order and takes nothing back."""
    one = fill(1, 10_000_000)
    for status in ("matched", "mined", "confirmed", "failed", "matched"):
        desk.execution.hear([one], status)

    assert desk.accounting.tokens() == {MARKET.token_yes: 10_000_000}


def test_states_of_fills_outlive_the_process(journal_url: str) -> None:
    """A restart knows that a trade failed: an old message does not book it, its confirmation does."""
    first = Desk.open(FakeVenue(), journal_url)
    one = fill(1, 10_000_000)
    first.execution.hear([one], "matched")
    first.execution.hear([one], "failed")
    first.journal.close()

    again = Desk.open(FakeVenue(), journal_url)
    again.execution.hear([one], "matched")
    assert again.accounting.tokens() == {}
    again.execution.hear([one], "confirmed")
    assert again.accounting.tokens() == {MARKET.token_yes: 10_000_000}
    again.journal.close()


def test_what_the_venue_lists_as_failed_is_taken_back(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure that only the list tells is a failure."""
    one = fill(1, 10_000_000)
    desk.execution.hear([one], "matched")
    monkeypatch.setattr(desk.venue, "failed", lambda: [replace(one, state=FillState.FAILED)])

    desk.execution.sync()

    assert desk.accounting.cash_micro == CASH


@pytest.mark.parametrize("shown", [[], [0], [1], [3], [0, 1], [0, 3], [1, 2], [2, 3]])
def test_an_incomplete_list_voids_no_good_fill(desk: Desk, monkeypatch: pytest.MonkeyPatch, shown: list[int]) -> None:
    """Whatever part of the list is shown while cash differs for another reason, the balances vouch for every fill."""
    fills = [trade(desk.venue, fill(number, 10_000_000)) for number in range(4)]
    desk.execution.sync()
    desk.venue.cash += 7
    monkeypatch.setattr(desk.venue, "trades", lambda after_s: [fills[number] for number in shown])

    assert [desk.execution.take_back_missing() for _ in range(3)] == [0, 0, 0]
    assert desk.accounting.tokens() == {MARKET.token_yes: 40_000_000}


def test_an_absence_is_believed_after_a_second_look(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fill that is missing once is not missing."""
    one = trade(desk.venue, fill(1, 10_000_000))
    desk.execution.sync()
    desk.venue.cash -= one.cash_micro
    answers = [[], [one]]
    monkeypatch.setattr(desk.venue, "trades", lambda after_s: answers.pop(0))
    monkeypatch.setattr(desk.venue, "shares_micro", lambda token: 0)

    assert desk.execution.take_back_missing() == 0


def test_a_fill_that_was_only_missing_is_booked_again(desk: Desk) -> None:
    """A fill that was taken back for its absence is booked again when the venue lists it, as often as it takes."""
    one = trade(desk.venue, fill(1, 10_000_000))
    desk.execution.sync()
    for _ in range(2):
        desk.venue.done.remove(one)
        desk.venue.cash -= one.cash_micro
        assert desk.execution.take_back_missing() == 1
        assert desk.accounting.tokens() == {}
        trade(desk.venue, one)
        desk.execution.sync()
        assert desk.accounting.tokens() == {MARKET.token_yes: 10_000_000}
    assert desk.accounting.cash_micro == desk.venue.cash


def test_shares_are_provisional_until_they_are_mined(desk: Desk) -> None:
    """A position says how many of its shares the venue has matched and not yet moved."""
    desk.execution.hear([fill(1, 10_000_000)], "confirmed")
    desk.execution.hear([fill(2, 5_000_000)], "matched")
    desk.execution.hear([fill(3, 3_000_000)], "retrying")
    seen = [desk.accounting.positions[MARKET.market_id].provisional_micro]
    desk.execution.hear([fill(2, 5_000_000)], "mined")
    seen.append(desk.accounting.positions[MARKET.market_id].provisional_micro)
    desk.execution.hear([fill(3, 3_000_000)], "failed")
    seen.append(desk.accounting.positions[MARKET.market_id].provisional_micro)

    assert seen == [8_000_000, 3_000_000, 0]
    assert desk.accounting.tokens() == {MARKET.token_yes: 15_000_000}


# Sales of shares that the books do not hold


@pytest.mark.parametrize(("bought", "sold"), [(0, 40_000_000), (10_000_000, 40_000_000), (7_085_123, 7_085_124)])
def test_a_sale_of_shares_from_outside_ends_nothing(journal_url: str, bought: int, sold: int) -> None:
    """The sale is set aside, adopted after a while as a deposit of its value, and equals the venue."""
    venue = FakeVenue()
    account = opened(venue, journal_url)
    if bought:
        trade(venue, fill(1, bought))
    trade(venue, fill(2, sold, Side.SELL))
    account.execution.sync()
    assert account.accounting.tokens().get(MARKET.token_yes, 0) == bought
    assert len(account.accounting.aside) == 1

    (note,) = account.accounting.adopt_aside(0.0)

    assert "never bought here" in note
    assert account.accounting.tokens() == {}
    assert account.accounting.cash_micro == venue.cash
    assert abs(account.accounting.equity_micro - account.accounting.first_micro) <= 1  # two floors
    account.journal.close()
    again = opened(venue, journal_url)
    assert again.accounting.cash_micro == venue.cash
    again.journal.close()


def test_a_sale_that_was_only_early_is_booked_when_its_purchase_comes(desk: Desk) -> None:
    """A list that shows the sale before the purchase adopts nothing."""
    sale = trade(desk.venue, fill(2, 10_000_000, Side.SELL))
    desk.execution.sync()
    desk.venue.done.insert(0, fill(1, 10_000_000))
    desk.venue.cash -= 5_200_000

    desk.execution.sync()
    desk.execution.sync()

    assert desk.accounting.aside == {}
    assert desk.accounting.cash_micro == desk.venue.cash == CASH
    assert sale.fill_id in {one.fill.fill_id for one in desk.journal.fills()}


def test_a_journal_with_such_a_row_opens(tmp_path) -> None:  # type: ignore[no-untyped-def]
    """A sale that an older program wrote before it refused it is repaired at the start, once."""
    path = tmp_path / "journal.sqlite"
    venue, url = FakeVenue(), f"sqlite:///{path}"
    first = Desk.open(venue, url)
    sale = trade(venue, fill(1, 40_000_000, Side.SELL))
    first.journal.book_fill(sale, 5_200, "", "")
    first.journal.close()

    for _ in range(2):
        again = Desk.open(venue, url)
        assert again.accounting.cash_micro == venue.cash
        assert again.accounting.tokens() == {}
        again.journal.close()
    with sqlite3.connect(path) as db:
        assert db.execute("select count(*) from fills where fill_id like 'adopted/%'").fetchone() == (1,)


# Cash


def flow(kind: str, micro: int, number: int = 1) -> CashFlow:
    """A payment that the venue lists."""
    return CashFlow(f"0x{number}/{kind}", kind, micro, 1_000 + number)


@pytest.mark.parametrize(
    ("kind", "micro", "profit"),
    [
        ("REWARD", 1, 1), ("MAKER_REBATE", 123_456, 123_456), ("TAKER_REBATE", 7, 7), ("REFERRAL", 5, 5),
        ("DEPOSIT", 500_000_000, 0), ("WITHDRAWAL", -500_000_000, 0),
    ],
)  # fmt: skip
def test_a_payment_is_booked_under_its_name(journal_url: str, kind: str, micro: int, profit: int) -> None:
    """Cash that the venue names is booked in session, once, with a note: income is P&L, what the owner moves is not."""
    venue = FakeVenue()
    account = opened(venue, journal_url)
    account.accounting.mark({}, DAY)
    peak = account.accounting.peak_micro
    venue.cash += micro
    account.flows = [flow(kind, micro), flow("REWARD", 999, 2)]

    assert [account.judge(account.differences()) for _ in range(3)] == [False, True, True]
    assert account.accounting.equity_micro - account.accounting.first_micro == profit
    assert account.accounting.income_micro == ({kind: profit} if profit else {})
    assert account.accounting.peak_micro - peak == (0 if profit else micro)
    assert any(kind in note for note in account.notes)
    account.journal.close()
    again = opened(venue, journal_url)
    assert again.differences() == []
    assert again.accounting.equity_micro - again.accounting.first_micro == profit
    again.journal.close()


def test_several_payments_explain_one_difference() -> None:
    """The payments that add up exactly are taken, the fewest first; without an exact sum none is."""
    flows = [flow("REWARD", 5, 1), flow("REWARD", 7, 2), flow("DEPOSIT", 100, 3)]
    assert explain.explaining(flows, 12) == (flows[1], flows[0])
    assert explain.explaining(flows, 100) == (flows[2],)
    assert explain.explaining(flows, 13) == ()
    assert explain.explaining([], 1) == ()


@pytest.mark.parametrize(
    ("micro", "booked"), [(1, True), (-1, True), (10_000, True), (10_001, False), (-50_000, False)]
)
def test_a_tiny_difference_does_not_stop_buying_for_ever(
    journal_url: str, monkeypatch: pytest.MonkeyPatch, micro: int, booked: bool
) -> None:
    """What nothing names is booked after a minute where it is small; a large amount waits for a person."""
    venue = FakeVenue()
    account = opened(venue, journal_url)
    venue.cash += micro
    assert account.judge(account.differences()) is False
    assert account.judge(account.differences()) is False
    monkeypatch.setattr(trading_account, "UNNAMED_S", 0.0)

    assert account.judge(account.differences()) is booked
    assert account.accounting.income_micro == ({"UNEXPLAINED": micro} if booked else {})
    account.journal.close()


def test_the_first_difference_asks_for_fresh_balances(journal_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stale cache is the first suspect: the venue reads every balance that differs anew."""
    venue = FakeVenue()
    account = opened(venue, journal_url)
    asked: list[str] = []
    monkeypatch.setattr(venue, "refresh_balance", asked.append)
    trade(venue, fill(1, 10_000_000))
    account.execution.sync()
    venue.cash += 3
    monkeypatch.setattr(venue, "shares_micro", lambda token: 0)

    for _ in range(3):
        account.judge(account.differences())

    assert asked == ["", MARKET.token_yes]
    account.journal.close()


# Decided markets


@pytest.mark.parametrize(("payout", "received"), [(1_000_000, 10_000_000), (500_000, 5_000_000), (0, 0)])
def test_a_payout_is_cash_when_it_comes(
    journal_url: str, monkeypatch: pytest.MonkeyPatch, payout: int, received: int
) -> None:
    """A decided market is worth its payout at once, takes no place, and its cash comes when the venue pays."""
    venue = FakeVenue()
    account = opened(venue, journal_url)
    trade(venue, fill(1, 10_000_000))
    account.execution.sync()
    spent = account.accounting.cash_micro

    assert account.settle(MARKET.market_id, payout, 2_000) == 0
    assert account.accounting.cash_micro == spent
    assert account.accounting.equity_micro == spent + received
    assert account.accounting.positions == {}
    assert account.differences() == []
    assert (MARKET.market_id in account.accounting.redeemable) == (payout > 0)
    account.journal.close()
    account = opened(venue, journal_url)
    assert account.accounting.equity_micro == spent + received
    assert account.collect(2_060) == 0

    venue.cash += received
    monkeypatch.setattr(venue, "shares_micro", lambda token: 0 if payout else 10_000_000)

    assert account.collect(2_120) == received
    assert account.accounting.cash_micro == venue.cash
    assert account.accounting.redeemable == {}
    assert account.differences() == []
    account.journal.close()


def test_losses_while_the_bot_was_down_are_losses(journal_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shares that went without cash are lost: the baselines stay, so that the limits see it; no withdrawal."""
    venue = FakeVenue()
    account = opened(venue, journal_url)
    trade(venue, fill(1, 3_000_000_000))
    account.execution.sync()
    account.accounting.mark({MARKET.market_id: 5_200}, DAY)
    before = (account.accounting.day_start_micro, account.accounting.peak_micro, account.accounting.first_micro)
    monkeypatch.setattr(venue, "shares_micro", lambda token: 0)

    account.reconcile()

    after = (account.accounting.day_start_micro, account.accounting.peak_micro, account.accounting.first_micro)
    assert after == before
    assert account.accounting.equity_micro == venue.cash == CASH - 1_560_000_000
    assert account.differences() == []
    account.journal.close()


@pytest.mark.parametrize("paid", [0, 1, 2_999_999_999, 3_000_000_000, 3_000_000_007])
def test_what_a_position_explains_is_never_cash_from_outside(
    journal_url: str, monkeypatch: pytest.MonkeyPatch, paid: int
) -> None:
    """Cash up to 1 pUSD a share came for shares that are gone; only what is beyond it is a deposit."""
    venue = FakeVenue()
    account = opened(venue, journal_url)
    trade(venue, fill(1, 3_000_000_000))
    account.execution.sync()
    first = account.accounting.first_micro
    venue.cash += paid
    monkeypatch.setattr(venue, "shares_micro", lambda token: 0)

    account.reconcile()

    assert account.accounting.cash_micro == venue.cash
    assert account.accounting.tokens() == {}
    assert account.accounting.first_micro - first == max(0, paid - 3_000_000_000)
    account.journal.close()


def test_a_split_by_hand_is_no_withdrawal() -> None:
    """pUSD that became pairs paid for them, to the base unit, at the fair price of each side."""
    pairs = [(MARKET, Outcome.YES, 10_000_003, 3_000), (MARKET, Outcome.NO, 10_000_003, 7_000)]
    fills, rest = explain.adoptions(pairs, -10_000_003, 0, 1)
    assert rest == 0
    assert sum(one.cash_micro for one in fills) == -10_000_003
    assert [one.side for one in fills] == [Side.BUY, Side.BUY]
    assert fills[0].cash_micro == pytest.approx(-3_000_000, abs=2)


# Marks and baselines


GOOD = Quote(5_000, 5_100, 10**9, 10**9)


@pytest.mark.parametrize("odd", [Quote(5_000, 10_000, 10**9, 0), Quote(0, 10_000, 0, 0), Quote(0, 5_200, 0, 10**9),
                                 Quote(10, 9_990, 1, 1)])  # fmt: skip
def test_a_book_without_a_price_rolls_nothing(desk: Desk, odd: Quote) -> None:
    """Asks gone, bids gone, nothing or a ghost: equity stays at the last mid; day, peak and best mid do not move."""
    desk.execution.hear([fill(1, 1_000_000_000)], "confirmed")
    books = desk.accounting

    def see(quote: Quote, ts_s: int) -> tuple[object, ...]:
        references = books.references({MARKET.market_id: quote}, {}, ts_s)
        untrusted = {MARKET.market_id} if quote is odd else set()
        books.mark({key: fair for key, (fair, _) in references.items()}, ts_s, untrusted)
        best = books.positions[MARKET.market_id].peak_units
        return books.equity_micro, books.peak_micro, books.day_start_micro, best, references[MARKET.market_id]

    *before, _ = see(GOOD, DAY)
    *during, (fair, age_s) = see(odd, 2 * DAY)

    assert during == before
    assert (fair, age_s) == (5_050, DAY)
    *after, (_, age_s) = see(Quote(5_200, 5_300, 1, 1), 2 * DAY + 60)
    assert after[2] == after[0]
    assert after[3] == 5_250
    assert age_s == 0


@pytest.mark.parametrize(("kind", "name"), [("day", "day_start_micro"), ("peak", "peak_micro")])
def test_a_person_resets_a_baseline(journal_url: str, kind: str, name: str) -> None:
    """A reset is asked for while the bot runs, applied at the next bar, audited with who asked, and durable."""
    desk = Desk.open(FakeVenue(), journal_url)
    desk.accounting.mark({}, DAY)
    desk.accounting.adopt(0, "")
    desk.accounting._facts[name] = 12_439_000_000

    assert [one.account for one in requests.ask(journal_url, kind, "ann")] == [desk.venue.account]
    desk.accounting.mark({}, DAY + 60)

    assert getattr(desk.accounting, name) == CASH
    (event,) = [event for event in desk.journal.events(9) if event["kind"] == "reset"]
    assert event["text"] == f"{kind} of ann: {name} 12439000000 -> {CASH}"
    assert desk.journal.requests(requests.BASELINES) == []
    desk.journal.close()
    again = Desk.open(FakeVenue(), journal_url)
    assert again.journal.facts()[name] == CASH
    again.journal.close()


@pytest.mark.parametrize(
    ("kind", "who", "account"), [("equity", "ann", ""), ("day", " ", ""), ("day", "ann", "0xother")]
)
def test_an_odd_reset_changes_nothing(journal_url: str, kind: str, who: str, account: str) -> None:
    """Another kind, nobody's name or a stranger's account is refused in words."""
    desk = Desk.open(FakeVenue(), journal_url)
    with pytest.raises(ParameterError):
        requests.ask(journal_url, kind, who, account)
    assert desk.journal.requests(requests.BASELINES) == []
    desk.journal.close()


# The breaker


def limits(**changes: float) -> RiskParams:
    """The limits of params.yaml with a small breaker."""
    return read(Path("params.yaml")).risk.model_copy(update=changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("changes", [{"orders_per_minute": 3}, {"notional_per_hour": 0.0016}])
def test_a_loop_of_orders_is_stopped_and_stays_stopped(journal_url: str, changes: dict[str, float]) -> None:
    """Beyond the limit no buy is sent, across restarts, until a person releases the breaker; sales pass."""
    venue = FakeVenue()
    account = opened(venue, journal_url, limits(**changes))
    for number in range(3):
        account.execution.submit(make_intent(MARKET, ts_s=1_000 + number))
    with pytest.raises(BreakerTripped, match="release"):
        account.execution.submit(make_intent(MARKET, ts_s=1_003))
    account.execution.submit(make_intent(MARKET, side=Side.SELL, ts_s=1_004))
    assert len(venue.sent) == 4
    account.journal.close()

    account = opened(venue, journal_url, limits(**changes))
    assert account.accounting.tripped
    with pytest.raises(BreakerTripped):
        account.execution.submit(make_intent(MARKET, ts_s=99_000))
    requests.ask(journal_url, "breaker", "ann")
    account.accounting.mark({}, 99_060)
    account.execution.submit(make_intent(MARKET, ts_s=199_000))
    assert len(venue.sent) == 5
    account.journal.close()


def test_the_newest_static_data_outlives_the_process(journal_url: str) -> None:
    """A tick that moved while a market is held is in the journal: a restart does not take the first one."""
    desk = Desk.open(FakeVenue(), journal_url)
    desk.execution.hear([fill(1, 10_000_000)], "confirmed")
    desk.accounting.know(replace(MARKET, tick_units=10))
    desk.journal.close()
    again = Desk.open(FakeVenue(), journal_url, knows_markets=False)
    assert again.accounting.markets[MARKET.market_id].tick_units == 10
    again.journal.close()


def test_one_odd_fill_keeps_no_other_from_the_books(journal_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fill that the ledger refuses is left out with a note; the fills after it are booked."""
    plain = Accounting.book

    def book(self: Accounting, one: Fill) -> bool:
        if one.fill_id == "t2":
            raise DataError("the ledger refuses it")
        return plain(self, one)

    monkeypatch.setattr(Accounting, "book", book)
    desk = Desk.open(FakeVenue(), journal_url)
    for number, shares in ((1, 10_000_000), (2, 7_000_000), (3, 5_000_000)):
        trade(desk.venue, fill(number, shares))
    assert desk.execution.sync() == 2
    assert desk.accounting.tokens() == {MARKET.token_yes: 15_000_000}
    desk.journal.close()


def test_a_look_costs_few_requests_and_misses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A turn compares cash, what is held and some of what was traded lately; what is back in the wallet is found within
    a few turns, and while something differs everything is compared."""
    venue = FakeVenue()
    account = opened(venue, f"sqlite:///{tmp_path / 'journal.db'}")
    account._recent = {f"{number}": None for number in range(trading_account.RECENT_TOKENS)}
    asked: list[str] = []
    odd = {"7": 5}

    def shares(token: str) -> int:
        asked.append(token)
        return odd.get(token, 0)

    monkeypatch.setattr(venue, "shares_micro", shares, raising=False)
    found = []
    while not found:
        asked.clear()
        found = account.look()
        assert len(asked) == trading_account.RECENT_A_LOOK
    assert [(one.token_id, one.micro) for one in found] == [("7", 5)]
    assert not account.judge(found)
    asked.clear()
    assert account.look() == found
    assert len(asked) == trading_account.RECENT_TOKENS
