"""What is held is followed and settled whatever the listing, the messages and the doors of the venue do."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from serving_desk import FakeVenue, make_intent, make_market
from serving_market import NOW_S, Heard, LocalVenue, book, make_feed, row, until

from pipelines.core.domain import Market, Outcome
from pipelines.core.errors import VenueForbidden, VenueUnavailable
from pipelines.core.params import read
from pipelines.core.settings import Settings
from pipelines.news.scorers import Vader
from pipelines.venue.stream import Resolution
from serving import metrics, upkeep
from serving.account.journal import Journal
from serving.account.trading_account import TradingAccount
from serving.dashboard.status import Status
from serving.market.headlines import HeadlinePoller
from serving.safety import block as block_module
from serving.safety.block import Block
from serving.threads import Threads
from serving.upkeep import Upkeep

HELD, OTHER = make_market(1), make_market(2)


@dataclass
class PayingVenue(FakeVenue):
    """An account whose decided YES shares are redeemed at once."""

    redeemed: set[str] = field(default_factory=set)

    def resolved(self, market_id: str, payout_yes_micro: int) -> None:
        token = HELD.token_yes
        if market_id == HELD.market_id and token not in self.redeemed:
            self.cash += self.shares_micro(token) * payout_yes_micro // 1_000_000
            self.redeemed.add(token)

    def shares_micro(self, token_id: str) -> int:
        return 0 if token_id in self.redeemed else super().shares_micro(token_id)


@dataclass
class Office:
    """Upkeep with a real journal and books, and a venue of one process."""

    venue: LocalVenue
    account: TradingAccount
    upkeep: Upkeep
    status: Status
    block: Block

    @property
    def followed(self) -> list[Market]:
        """The followed markets."""
        return [one.market for one in self.upkeep._feed.followed.values()]


@asynccontextmanager
async def office(journal_url: str, *held: Market) -> AsyncIterator[Office]:
    """Upkeep of an account that holds ten shares of each of some markets."""
    gateway, venue = PayingVenue(), LocalVenue()
    journal, threads = Journal(journal_url, "simulated"), Threads()
    account = TradingAccount(gateway, journal)
    for market in held:
        account.accounting.know(market)
        account.execution.submit(make_intent(market))
    account.execution.sync()
    params = read(Path("params.yaml"))
    status = Status(Settings(), params)
    block = Block(status)
    quick = params.model_copy(update={"serving": params.serving.model_copy(update={"rescan_s": 0.05})})
    made = Upkeep(
        quick, account, make_feed(venue, "ws://127.0.0.1:9", Heard()), HeadlinePoller([], Vader()), venue.http(),
        venue.http(), venue.http(), status, block, threads,
    )  # fmt: skip
    try:
        yield Office(venue, account, made, status, block)
    finally:
        await threads.close()
        journal.close()


@asynccontextmanager
async def running(made: Office) -> AsyncIterator[None]:
    """The upkeep of a session, while it lasts."""
    task = asyncio.create_task(made.upkeep.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks without a wait."""
    monkeypatch.setattr(upkeep, "LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(upkeep, "ASK_EVERY_S", 0.02)


@pytest.mark.parametrize(
    "listing",
    [None, "text", [None, "text", 7, [], {}, {"conditionId": "0x"}], [row(HELD, clobTokenIds="null"), row(OTHER)]],
)
async def test_what_is_held_is_followed_without_a_listing(journal_url: str, listing: Any) -> None:
    """Rows, or a whole listing, that cannot be read keep nobody from watching what is held."""
    async with office(journal_url, HELD) as made:
        made.venue.books, made.venue.listing = [book(HELD), book(OTHER)], listing
        _, now_s = await made.upkeep.begin()

        assert now_s == NOW_S
        assert made.followed[0] == HELD
        if isinstance(listing, list):
            assert made.status.alarm_of("rows")


@pytest.mark.parametrize("status", [403, 404, 500])
async def test_a_listing_that_is_away_ends_only_a_bot_that_holds_nothing(journal_url: str, status: int) -> None:
    """With a position the session begins; without one it is tried again later."""
    async with office(journal_url, HELD) as made:
        made.venue.books, made.venue.status = [book(HELD)], {"/markets/keyset": status}
        await made.upkeep.begin()
        assert made.followed == [HELD]
        assert str(status) in made.status.alarm_of("listing")
        assert made.block.active == (status == 403)


async def test_without_a_listing_and_a_position_there_is_no_session(journal_url: str) -> None:
    """Nothing can be followed: the error says why."""
    async with office(journal_url) as made:
        made.venue.status = {"/markets/keyset": 500}
        with pytest.raises(VenueUnavailable, match="500"):
            await made.upkeep.begin()


async def test_two_percent_odd_rows_cost_no_good_market(journal_url: str) -> None:
    """Every good market of a long listing is followed, every odd row is counted and named."""
    shapes: list[Callable[[Market], Any]] = [
        lambda m: row(m, clobTokenIds="null"),
        lambda m: row(m, orderMinSize="abc"),
        lambda m: row(m, orderPriceMinTickSize=0.00001),
        lambda m: row(m, feeSchedule=None),
        lambda m: row(m, clobTokenIds=f'["{m.token_yes}", "{m.token_yes}"]'),
        lambda m: row(m, clobTokenIds=f'["{OTHER.token_yes}", "{m.token_no}"]'),
    ]
    markets = [make_market(number) for number in range(1, 301)]
    odd = {50 * n: shapes[n - 1] for n in range(1, 7)}
    async with office(journal_url) as made:
        made.upkeep._params.serving.__dict__["max_markets"] = 500
        made.venue.listing = [odd[n](m) if n in odd else row(m) for n, m in enumerate(markets, 1)]
        made.venue.books = [book(market) for market in markets]
        await made.upkeep.begin()

        assert len(made.followed) == 294
        assert "6 rows of the listing were left out: market-032" in made.status.alarm_of("rows")
        assert metrics.LISTING_LEFT_OUT._value.get() == 6
        assert {name.split(" ")[0].rstrip(":") for name in made.upkeep._named} >= {
            "market-032",
            "market-064",
            "market-0fa",
        }


async def test_an_empty_listing_is_looked_at_again_by_the_wall_clock(journal_url: str) -> None:
    """With nothing followed no bar closes; the listing is read all the same, and the emptiness is said."""
    async with office(journal_url, HELD) as made:
        made.venue.books = [book(HELD), book(OTHER)]
        await made.upkeep.begin()
        made.account.gateway.resolved(HELD.market_id, 0)
        made.account.accounting.settle(HELD.market_id, 0, NOW_S)
        async with running(made):
            await until(lambda: "nothing is followed" in made.status.alarm_of("nothing"))
            made.venue.listing = [row(OTHER)]
            await until(lambda: [m.market_id for m in made.followed] == [OTHER.market_id])
            await until(lambda: not made.status.alarm_of("nothing"))


@pytest.mark.parametrize("end_s", [None, NOW_S + 10**7, NOW_S - 10**7])
@pytest.mark.parametrize("when", ["at the start", "while it runs"])
async def test_a_held_market_that_takes_no_orders_is_asked_about(
    journal_url: str, when: str, end_s: int | None
) -> None:
    """Decided early, without a scheduled end, or while we were down: what it pays is booked without a message."""
    held = replace(HELD, end_s=end_s)
    async with office(journal_url, held) as made:
        made.venue.books = [book(held), book(OTHER)]
        made.venue.listing = [row(held), row(OTHER)]
        if when == "at the start":
            made.venue.listing, made.venue.payouts = [row(OTHER)], {held.market_id: [1_000_000, 0]}
        before = made.account.accounting.cash_micro
        await made.upkeep.begin()
        async with running(made):
            made.venue.listing, made.venue.payouts = [row(OTHER)], {held.market_id: [1_000_000, 0]}
            await until(lambda: not made.account.accounting.held(held.market_id))

        assert made.account.accounting.cash_micro - before == 10_000_000


async def test_a_market_that_takes_orders_is_not_asked_about_for_ever(journal_url: str) -> None:
    """One look at the start, then none while the listing says that it trades."""
    async with office(journal_url, HELD) as made:
        made.venue.books, made.venue.listing = [book(HELD)], [row(HELD)]
        await made.upkeep.begin()
        async with running(made):
            await asyncio.sleep(0.3)

    assert 1 <= made.venue.asked.count("/v2/resolutions") <= 2
    assert made.venue.asked.count("/markets/keyset") >= 2


@pytest.mark.parametrize(("payouts", "received"), [([500_000, 500_000], 5_000_000), ([0, 1_000_000], 0)])
async def test_what_the_data_api_pays_decides_over_the_message(
    journal_url: str, payouts: list[int], received: int
) -> None:
    """The message names YES as the winner; a half, or another decision, is booked as it is paid, and only then."""
    async with office(journal_url, HELD) as made:
        made.venue.books, made.venue.listing = [book(HELD)], [row(HELD)]
        await made.upkeep.begin()
        before = made.account.accounting.cash_micro
        async with running(made):
            made.venue.listing = []
            made.upkeep.resolved(Resolution(HELD.market_id, NOW_S * 1_000, Outcome.YES))
            await asyncio.sleep(0.2)
            assert made.account.accounting.held(HELD.market_id)
            made.venue.payouts = {HELD.market_id: payouts}
            await until(lambda: not made.account.accounting.held(HELD.market_id))

        assert made.account.accounting.cash_micro - before == received


@pytest.mark.parametrize("answer", [[1_000_000, 1_000_000], [700_000], [], ["x", "y"], [-1, 1_000_001]])
async def test_payouts_that_are_no_decision_are_not_booked(journal_url: str, answer: list[Any]) -> None:
    """Yes and No share one pUSD; an answer that says otherwise settles nothing, and ends nothing."""
    async with office(journal_url, HELD) as made:
        made.venue.books, made.venue.payouts = [book(HELD)], {HELD.market_id: answer}
        await made.upkeep.begin()

        assert made.account.accounting.held(HELD.market_id)


async def test_a_403_of_one_route_keeps_the_rest_going(journal_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An edge page before the listing stops buying at once; settlement goes on, and the listing is read again."""
    monkeypatch.setattr(upkeep, "RETRY_S", 0.05)
    async with office(journal_url, HELD) as made:
        made.venue.books, made.venue.listing = [book(HELD)], [row(HELD)]
        await made.upkeep.begin()
        assert not made.block.active
        async with running(made):
            made.venue.status = {"/markets/keyset": 403}
            await until(lambda: made.block.active)
            assert "nothing is bought" in made.status.alarm_of("forbidden")
            made.venue.payouts = {HELD.market_id: [0, 1_000_000]}
            made.upkeep.resolved(Resolution(HELD.market_id, NOW_S * 1_000, None))
            await until(lambda: not made.account.accounting.held(HELD.market_id))
            made.venue.status = {}
            await until(lambda: not made.status.alarm_of("listing"))


def test_a_block_stops_buying_at_once_and_ends_when_it_lasts(tmp_path: Path) -> None:
    """One 403 is a pause; ten minutes of them, never half a minute apart, are the end; a pause between begins anew."""
    now = [0.0]
    block = Block(Status(Settings(var=tmp_path), read(Path("params.yaml"))), lambda: now[0])
    error = VenueForbidden("403")
    assert not block.active
    assert not block.seen(error)
    assert block.active
    now[0] = block_module.QUIET_S + 1
    assert not block.active
    ended = []
    for _ in range(int(block_module.LASTS_S / 10)):
        ended.append(block.seen(error))
        now[0] += 10
    assert not any(ended)
    assert block.seen(error)
    now[0] += block_module.QUIET_S
    assert not block.seen(error)


def test_the_newest_description_of_a_market_outlives_a_restart(journal_url: str) -> None:
    """A tick that changed is in the journal, so that the next start sells on the grid."""
    venue = FakeVenue()
    journal = Journal(journal_url, "simulated")
    account = TradingAccount(venue, journal)
    account.accounting.know(HELD)
    account.execution.submit(make_intent(HELD))
    account.execution.sync()
    account.accounting.know(replace(HELD, tick_units=10, end_s=5))
    journal.close()

    journal = Journal(journal_url, "simulated")
    again = TradingAccount(venue, journal)
    try:
        assert again.accounting.markets[HELD.market_id] == replace(HELD, tick_units=10, end_s=5)
    finally:
        journal.close()


async def test_after_a_restart_the_listing_wins_over_the_journal(journal_url: str) -> None:
    """What changed while the bot was down is taken over by the first look, for what is held too."""
    async with office(journal_url, HELD) as made:
        made.venue.books = [book(HELD)]
        made.venue.listing = [row(HELD, orderPriceMinTickSize=0.001, orderMinSize=15, endDate="2027-01-01T00:00:00Z")]
        await made.upkeep.begin()
        known = made.account.accounting.markets[HELD.market_id]

        assert (known.tick_units, known.min_size_micro, known.end_s) == (10, 15_000_000, 1_798_761_600)
        assert made.followed[0] == known


async def test_a_row_that_names_a_held_token_is_left_out(journal_url: str) -> None:
    """Whatever stands first in the listing, the token of a position belongs to the market that it was bought in."""
    thief = row(OTHER, clobTokenIds=f'["{HELD.token_yes}", "{OTHER.token_no}"]')
    async with office(journal_url, HELD) as made:
        made.venue.books, made.venue.listing = [book(HELD)], [thief, row(HELD, orderMinSize=15)]
        await made.upkeep.begin()

        assert [(m.market_id, m.min_size_micro) for m in made.followed] == [(HELD.market_id, 15_000_000)]
        assert "names a token of market" in made.status.alarm_of("rows")
