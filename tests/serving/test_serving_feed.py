"""Bars carry what was there and quotes are as old as their last confirmation, whatever the stream does."""

import asyncio
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from serving_desk import make_market
from serving_market import NOW_S, Heard, LocalVenue, book, feeding, make_feed, trade, until

from pipelines.core.domain import Bar
from pipelines.core.errors import VenueForbidden
from pipelines.core.params import read
from pipelines.core.settings import Settings
from pipelines.features.ladder import LADDER
from pipelines.inference.linear_path import SEEN
from pipelines.venue import stream
from serving import metrics
from serving.dashboard.status import Status
from serving.market import feed as feed_module
from serving.market.feed import Feed
from serving.market.windows import Window
from serving.safety.block import Block
from serving.safety.feed_watch import FeedWatch

ONE, TWO = make_market(1), make_market(2)
PLACE = [SEEN.index(name) for name in LADDER]
FIRST = NOW_S + 20
"""Close of the first bar."""


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Snapshots at once."""
    monkeypatch.setattr(stream, "RESYNC_EVERY_S", 0.05)


async def closes(feed: Feed, count: int) -> None:
    """Wait until so many bars have closed."""
    await until(lambda: feed.closed[0] >= FIRST + (count - 1) * 60)


async def test_a_silent_market_grows_old_while_others_speak() -> None:
    """A book is as old as its own last message, until a look over REST confirms it."""
    async with feeding(ONE, TWO, lookback=1) as (venue, feed, _):
        await venue.say(book(ONE, at_s=1), book(TWO, at_s=1))
        for minute in range(1, 9):
            await venue.say(book(ONE, at_s=60 * minute))
            await closes(feed, minute)
        await until(lambda: len(feed.seen()) == 2)

        ages = {one.market.market_id: one.quote_age_s for one in feed.seen()}
        assert ages[ONE.market_id] <= 60
        assert ages[TWO.market_id] >= 7 * 60
        venue.books = [book(TWO, at_s=1)]
        await feed._look((FIRST + 7 * 60) * 1_000, time.monotonic())
        assert {one.market.market_id: one.quote_age_s for one in feed.seen()}[TWO.market_id] == 0


async def test_a_look_asks_for_silent_books_and_for_all_once_a_minute() -> None:
    """Books that speak are not asked for at every look, and a book that differs is not confirmed by it."""
    async with feeding(ONE, TWO, lookback=1) as (venue, feed, _):
        await venue.say(book(ONE, at_s=1), book(TWO, at_s=1))
        venue.books = [book(ONE, at_s=2), book(TWO, at_s=2)]
        now = time.monotonic()
        await feed._look((NOW_S + 2) * 1_000, now)
        venue.asked.clear()
        await feed._look((NOW_S + 50) * 1_000, now + 30)
        assert venue.asked == []
        await feed._look((NOW_S + 50) * 1_000, now + 61)
        assert venue.asked == ["/books"]

        venue.books = []
        await feed._look((NOW_S + 500) * 1_000, now + 62)
        assert feed.followed[ONE.market_id].age_s(NOW_S + 500) == 450


async def test_a_quiet_market_at_the_start_is_as_old_as_its_confirmation() -> None:
    """A snapshot of days ago opens no bars of days ago, and a look makes it fresh."""
    async with feeding(ONE, TWO, lookback=1) as (venue, feed, heard):
        await venue.say(book(ONE, at_s=-200_000), book(TWO, at_s=1))
        await venue.say(book(TWO, at_s=30))
        await until(lambda: len(heard.of(ONE)) == 1)
        await asyncio.sleep(0.2)

        assert [bar.ts_s for bar in heard.of(ONE)] == [FIRST]
        assert feed.followed[ONE.market_id].age_s(FIRST) > 200_000
        venue.books = [book(ONE, at_s=-200_000)]
        await feed._look(FIRST * 1_000, time.monotonic())
        assert feed.followed[ONE.market_id].age_s(FIRST) == 0


@pytest.mark.parametrize(("bid", "ask"), [("0.48", None), (None, "0.52"), (None, None)])
async def test_a_missing_side_moves_no_price(bid: str | None, ask: str | None) -> None:
    """While a side is missing bars and marks keep the last mid of both sides; the quote shows what is there."""
    async with feeding(ONE, TWO) as (venue, feed, heard):
        await venue.say(book(ONE, at_s=1), book(TWO, at_s=1))
        await venue.say(book(ONE, bid, ask, at_s=25), book(TWO, at_s=90))
        await until(lambda: len(heard.of(ONE)) == 2)

        assert [(bar.mid_units, bar.spread_units) for bar in heard.of(ONE)] == [(5_000, 400), (5_000, 0)]
        assert feed.mids()[ONE.market_id] == 5_000
        quote = heard.bars[-1][0][1]
        assert not quote.two_sided
        assert (quote.bid_units, quote.ask_units) == (4_800 if bid else 0, 5_200 if ask else 10_000)


@pytest.mark.parametrize(
    ("bid", "ask", "price"), [("0.001", "0.999", 5_000), ("0.55", "0.999", 5_500), ("0.001", "0.30", 3_000)]
)
async def test_a_ghost_book_is_no_price(bid: str, ask: str, price: int) -> None:
    """Two sides far apart keep the last price, within what they allow; their middle is nobody's price."""
    async with feeding(ONE, TWO) as (venue, _, heard):
        await venue.say(book(ONE, at_s=1), book(TWO, at_s=1))
        await venue.say(book(ONE, bid, ask, at_s=25), book(TWO, at_s=90))
        await until(lambda: len(heard.of(ONE)) == 2)

        assert [bar.mid_units for bar in heard.of(ONE)] == [5_000, price]


async def test_a_market_with_one_side_since_the_start_gets_its_price_from_history() -> None:
    """Without a price there would be no bar, and nobody would watch what is held there."""
    async with feeding(ONE, TWO) as (venue, feed, heard):
        venue.price = 0.37
        await venue.say(book(ONE, "0.30", None, at_s=1), book(TWO, at_s=1), book(TWO, at_s=30))
        await until(lambda: feed.followed[ONE.market_id].mid_units == 3_700)
        await venue.say(book(TWO, at_s=90))
        await until(lambda: len(heard.of(ONE)) == 1)

        assert heard.of(ONE)[0].mid_units == 3_700


@pytest.mark.parametrize("factor", [1_000, 1_000_000, 0.001])
async def test_one_stamp_in_another_unit_stops_no_bar(factor: float) -> None:
    """Bars close on as if the message had not come."""
    async with feeding(ONE, TWO) as (venue, feed, heard):
        await venue.say(book(ONE, at_s=1), book(TWO, at_s=1))
        wrong = trade(TWO, 5, 10) | {"timestamp": str(int((NOW_S + 10) * 1_000 * factor))}
        await venue.say(wrong, book(ONE, at_s=30), book(ONE, at_s=90))
        await until(lambda: len(heard.of(ONE)) == 2)

        assert feed.market_s == NOW_S + 90
        assert feed.stream.unread.stamps == 1


async def test_what_was_traded_during_a_gap_is_in_the_bars_afterwards() -> None:
    """After a broken connection windows are filled from the archive, and serve meanwhile with the old volume."""
    async with feeding(ONE, lookback=4) as (venue, feed, heard):
        await venue.say(book(ONE, at_s=1))
        for minute in range(1, 7):
            await venue.say(trade(ONE, 1, 60 * minute - 30), book(ONE, at_s=60 * minute))
            await closes(feed, minute)
        one = feed.followed[ONE.market_id]
        await until(lambda: one.ready and one.warming is None)
        venue.trades[ONE.market_id] = [(60.0 * minute - 30, 1.0) for minute in range(1, 7)] + [(400, 70.0), (450, 80.0)]
        await venue.sockets[-1].close()
        await until(lambda: len(venue.sockets) == 2 and feed.connected)
        assert one.age_s(NOW_S + 500) >= 500 - 380
        await venue.say(book(ONE, at_s=570))
        await until(lambda: one.gap_ms is None)
        await venue.say(book(ONE, at_s=630))
        await closes(feed, 11)

    assert [bar.volume_micro for bar in heard.of(ONE)[7:9]] == [0, 0]  # the stream was down
    expected = Window(4, 60, None)
    for close in range(FIRST - 40 * 60, FIRST + 11 * 60, 60):
        shares = sum(size for at, size in venue.trades[ONE.market_id] if close - 60 < NOW_S + at <= close)
        expected.push(Bar(ONE.market_id, close, 5_000, int(shares * 1e6), 0, 0))
    assert expected.last is not None
    assert one.window.last is not None
    assert expected.last.ts_s == one.window.last.ts_s
    assert np.array_equal(expected.view().features, one.window.view().features)
    assert one.age_s(NOW_S + 630) == 0


async def test_a_tick_that_changed_is_told_to_the_account() -> None:
    """Message, snapshot and listing each change the tick; a listing that says the same as before does not."""
    async with feeding(ONE) as (venue, feed, heard):
        await venue.say(book(ONE, tick_size="0.01", at_s=1))
        await venue.say(book(ONE, tick_size="0.001", at_s=2))
        await until(lambda: heard.markets == [replace(ONE, tick_units=10)])
        await feed.follow([replace(ONE, min_size_micro=1)])
        assert feed.followed[ONE.market_id].market == replace(ONE, tick_units=10, min_size_micro=1)
        await feed.follow([replace(ONE, tick_units=50)])

    assert [market.tick_units for market in heard.markets] == [10, 10, 50]


async def test_another_end_fills_the_window_anew() -> None:
    """The time to the end is a feature: a window of another end is not used on."""
    async with feeding(ONE, lookback=2) as (venue, feed, _):
        await venue.say(book(ONE, at_s=1))
        for minute in range(1, 4):
            await venue.say(book(ONE, at_s=60 * minute))
            await closes(feed, minute)
        one = feed.followed[ONE.market_id]
        await until(lambda: one.ready and one.warming is None)
        before = one.window
        await feed.follow([replace(ONE, end_s=NOW_S + 9_000)])
        await venue.say(book(ONE, at_s=240))
        await until(lambda: one.window is not before)

        assert one.window._end_s == NOW_S + 9_000
        assert one.ready


async def test_the_same_market_with_other_tokens_is_not_taken_over() -> None:
    """A record that swaps tokens would turn what is held round."""
    async with feeding(ONE) as (_, feed, heard):
        await feed.follow([replace(ONE, token_yes=ONE.token_no, token_no=ONE.token_yes)])

        assert feed.followed[ONE.market_id].market == ONE
        assert heard.markets == []


def watched(feed: Feed, tmp_path: Any) -> tuple[FeedWatch, Status]:
    """A watch over a feed, and where its alarms are shown."""
    status = Status(Settings(var=tmp_path), read(Path("params.yaml")))
    return FeedWatch(feed, status, Block(status)), status


async def test_a_silent_stream_and_missing_bars_are_alarms(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds of silence, and two bar lengths without a bar, are said and taken back."""
    feed = make_feed(LocalVenue(), "ws://127.0.0.1:9", Heard(), wall=True)
    await feed.follow([ONE])
    watch, status = watched(feed, tmp_path)
    watch.look()
    assert not status.alarm_of("feed")
    assert not feed.late
    now = time.monotonic()
    monkeypatch.setattr(feed_module.time, "monotonic", lambda: now + 20)
    watch.look()
    assert "no market message for 20 s" in status.alarm_of("feed")
    assert not feed.late
    monkeypatch.setattr(feed_module.time, "monotonic", lambda: now + 121)
    watch.look()
    assert feed.late
    assert "no bar has closed for 121 s" in status.alarm_of("bars")
    monkeypatch.setattr(feed_module.time, "monotonic", lambda: now)
    watch.look()
    assert status.alarm_of("bars") == status.alarm_of("feed") == ""


async def test_one_unreadable_message_is_a_notice_and_many_are_an_alarm(tmp_path: Any) -> None:
    """What could not be used is counted and shown with its reason; more of it than one a market is an alarm."""
    before = metrics.MESSAGES_UNREAD._value.get()
    odd = {"event_type": "price_change", "price_changes": None}
    async with feeding(ONE) as (venue, feed, _):
        watch, status = watched(feed, tmp_path)
        await venue.say(book(ONE, at_s=1), odd)
        watch.look()
        watch.look()
        (shown,) = status.state(whole=False)["notices"]
        assert "1 messages could not be used (0 for their time), last: price_change" in shown
        assert status.alarm_of("messages") == ""
        await venue.say(odd)
        watch.look()

    assert "2 messages of the last minute: 2 messages could not be used" in status.alarm_of("messages")
    assert status.state(whole=False)["notices"] == []
    assert metrics.MESSAGES_UNREAD._value.get() - before == 2


async def test_a_look_that_is_not_answered_ends_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """While the venue's REST is away the books grow old, which is said; they are confirmed when it is back."""
    monkeypatch.setattr(feed_module, "LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(feed_module, "LOOK_AGAIN_S", 0.02)
    async with feeding(ONE) as (venue, feed, _):
        await venue.say(book(ONE, at_s=1))
        venue.books, venue.status = [book(ONE, at_s=1)], {"/books": 500}
        looking = asyncio.create_task(feed.look())
        watch, status = watched(feed, tmp_path)
        await until(lambda: feed.stream.rest_error is not None)
        watch.look()
        assert "500" in status.alarm_of("books")
        assert not looking.done()
        venue.status = {}
        await until(lambda: feed.stream.rest_error is None)
        watch.look()
        assert not status.alarm_of("books")
        looking.cancel()


async def test_a_403_over_rest_is_counted_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """A 403 that no later look has replaced is one 403: it does not become a block that lasts."""
    feed = make_feed(LocalVenue(), "ws://127.0.0.1:9", Heard())
    feed.stream.rest_error = VenueForbidden("403")
    status = Status(Settings(var=tmp_path), read(Path("params.yaml")))
    now = [0.0]
    block = Block(status, lambda: now[0])
    watch = FeedWatch(feed, status, block)
    for now[0] in range(0, 1_200, 20):
        watch.look()

    assert not block.active
    feed.stream.rest_error = VenueForbidden("403 again")
    watch.look()
    assert block.active


async def test_followed_brackets_know_their_neighbours_and_their_sum() -> None:
    """Windows of listed ranges hold, at the last close, the next brackets by level, the residual and the excess."""
    levels = ("less than $100", "between $100 and $110", "greater than $110")
    markets = [
        replace(make_market(number), event_id="btc", question=f"Will Bitcoin be {text} on May 1?", neg_risk=True)
        for number, text in zip((3, 1, 2), levels, strict=True)
    ]
    sides = (("0.20", "0.22"), ("0.55", "0.57"), ("0.28", "0.30"))
    async with feeding(*markets, lookback=1) as (venue, feed, _):
        for minute in range(3):
            books = (book(one, *touch, at_s=60 * minute + 1) for one, touch in zip(markets, sides, strict=True))
            await venue.say(*books)
        await closes(feed, 2)
        await until(lambda: len(feed.seen()) == 3)

        seen = {one.market.question: one.window.states[-1, PLACE] for one in feed.seen()}
        low, middle, _ = (dict(zip(LADDER, seen[one.question].tolist(), strict=True)) for one in markets)
        assert low["above_gap"] == pytest.approx(0.35)
        assert low["below_gap"] == 0.0
        assert (middle["below_gap"], middle["above_gap"]) == pytest.approx((-0.35, -0.27))
        assert middle["residual"] != 0.0
        assert middle["excess"] == pytest.approx(0.56 * 0.06)


async def test_a_followed_market_knows_its_fair_value_at_each_close() -> None:
    """What the reference price implies is in the window of the close at which it was known, and 0 before."""
    async with feeding(ONE, TWO, lookback=3) as (venue, feed, _):
        feed.implied = lambda market, ts_s: (0.6, 0.5) if market == ONE and ts_s > FIRST + 60 else (None, None)
        for minute in range(4):
            await venue.say(book(ONE, at_s=60 * minute + 1), book(TWO, at_s=60 * minute + 1))
        await closes(feed, 3)
        await until(lambda: len(feed.seen()) == 2)

        gaps = {one.market.market_id: one.window.states[-3:, SEEN.index("fair_gap")] for one in feed.seen()}
        assert gaps[ONE.market_id] == pytest.approx([0.0, 0.0, 0.1])
        assert not gaps[TWO.market_id].any()
