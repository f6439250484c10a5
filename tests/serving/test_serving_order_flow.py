"""What books and trades lean to is at each live close the bits of training, and nobody asks for it without need."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from serving_desk import make_market
from serving_market import NOW_S, Heard, LocalVenue, book, feeding, make_feed, until

from pipelines.core.domain import FloatArray, Market
from pipelines.core.settings import Settings
from pipelines.features import order_flow
from pipelines.features.order_flow import ORDER_FLOW
from pipelines.inference.linear_path import SEEN
from pipelines.venue import data, gamma, stream
from pipelines.venue.http import VenueHttp
from pipelines.venue.stream import MarketStream
from serving import metrics
from serving.market.account_poll import AccountPoll
from serving.market.feed import Feed, Followed
from serving.market.order_flow import MarketFlow
from serving.turns.bar_turn import BarTurns
from simulator.api.apps import Site, bind, serve, servers
from simulator.markets.events import EPOCH_S, Family
from simulator.markets.large_account import wallet
from simulator.markets.price_model import Model
from simulator.markets.synthetic import SyntheticMarkets
from simulator.venue.options import Options
from simulator.venue.venue import Venue

ONE = make_market(1)
FIRST = NOW_S + 20
"""Close of the first bar."""
LENGTH, LOOKBACK = 60, 40
FLOW = [SEEN.index(name) for name in ORDER_FLOW]
OF_BOOK, OF_TRADES = slice(0, len(order_flow.BOOK)), slice(len(order_flow.BOOK), len(ORDER_FLOW) - 1)
LARGE = "0x" + "aa" * 20


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Snapshots at once."""
    monkeypatch.setattr(stream, "RESYNC_EVERY_S", 0.05)


class Told:
    """A local venue whose trades are in its archive and, where the stream is up, on its stream."""

    def __init__(self, venue: LocalVenue, seed: int = 5) -> None:
        self._venue = venue
        self._random = np.random.default_rng(seed)

    def rows(self, first_s: float, last_s: float, count: int) -> list[dict[str, Any]]:
        """Put so many trades of both tokens between two times into the archive; some of the same second, a third of
        them the large account's."""
        made = []
        for at in sorted(self._random.integers(int(first_s) + 1, int(last_s) + 1, count).tolist()):
            is_no, buys, large = (self._random.random(3) < (0.4, 0.5, 0.33)).tolist()
            made.append(
                {
                    "condition_id": ONE.market_id,
                    "token_id": ONE.token_no if is_no else ONE.token_yes,
                    "timestamp": NOW_S + at,
                    "size": float(self._random.integers(1, 50)),
                    "price": round(float(self._random.integers(3_000, 7_000)) / 10_000, 4),
                    "side": "BUY" if buys else "SELL",
                    "proxy_wallet": LARGE if large else f"0x{int(self._random.integers(1, 99)):040x}",
                }
            )
        self._venue.tape += made
        return made

    @staticmethod
    def frame(row: dict[str, Any]) -> dict[str, Any]:
        """The same trade as the stream tells it."""
        return {
            "event_type": "last_trade_price", "asset_id": row["token_id"], "market": row["condition_id"],
            "price": str(row["price"]), "size": str(row["size"]), "side": row["side"],
            "timestamp": str(int(row["timestamp"] * 1_000) - 250),
        }  # fmt: skip

    def book(self, at_s: float) -> Any:
        """A whole book of up to seven levels a side."""
        middle = int(self._random.integers(40, 60))
        sides = [
            [(middle + sign * step, int(self._random.integers(1, 90))) for step in range(1, 8) if step != skipped]
            for sign, skipped in ((-1, 2), (1, 3))
        ]
        bids, asks = ([{"price": f"0.{p:02d}", "size": str(n)} for p, n in side] for side in sides)
        return book(ONE, at_s=at_s) | {"bids": bids, "asks": asks}


@asynccontextmanager
async def followed(*, wanted: bool = True) -> AsyncIterator[tuple[LocalVenue, Feed, Told]]:
    """A feed with an account poll on a local venue with four hours of trades."""
    async with feeding(ONE, lookback=LOOKBACK) as (venue, feed, _):
        feed.read_order_flow(wanted=wanted)
        told = Told(venue)
        told.rows(-4 * 3_600, 0, 600)
        venue.holders = [{"token_id": ONE.token_yes, "holders": [holder(LARGE, 90.0), holder("0xb", 5.0)]}]
        task = asyncio.create_task(AccountPoll(venue.http(), feed, LENGTH).run())
        try:
            yield venue, feed, told
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def holder(name: str, shares: float) -> dict[str, Any]:
    """A holder of YES."""
    return {"proxy_wallet": name, "token_id": ONE.token_yes, "amount": shares}


async def minute(venue: LocalVenue, feed: Feed, told: Told, number: int, *, streamed: bool = True) -> Any:
    """A bar with its trades and books, up to its close and until accounts were asked for; its last book."""
    rows = told.rows(60 * (number - 1) + 20, 60 * number + 20, 9)
    last = told.book(60 * number + 20)
    if streamed:
        await venue.say(told.book(60 * number - 20), *(told.frame(row) for row in rows), last)
        await venue.say(told.book(60 * number + 20.5))
        await until(lambda: feed.closed[0] >= FIRST + 60 * number)
    return last


def is_told(flow: MarketFlow | None, close_s: int) -> bool:
    """Whether a market was asked about after a close and the venue has answered."""
    return flow is not None and min(flow.asked_s, flow._told_s) >= close_s and flow.held is not None


async def settled(feed: Feed, close_s: int) -> Followed:
    """The market once its window is filled and who traded up to a close was told."""
    one = feed.followed[ONE.market_id]
    await until(lambda: one.warming is None and is_told(one.flow, close_s))
    return one


def seen_of(one: Followed) -> FloatArray:
    """Order flow of the bars of a window, (L, len(ORDER_FLOW))."""
    found: FloatArray = one.window.view().states[:, FLOW]
    return found


async def trained(venue: LocalVenue, one: Followed) -> FloatArray:
    """(trade_imbalance, profile_gap, large_flow) of the bars of a window as training computes them."""
    view = one.window.view()
    end_s = view.last.ts_s
    tape = await data.trades(venue.http(), ONE, end_s - 10**6, end_s)
    closes = [end_s - LENGTH * back for back in range(LOOKBACK - 1, -1, -1)]
    return order_flow.values(tape, closes, view.mids.tolist(), LENGTH)


def levels_of(message: Any) -> tuple[float, ...]:
    """The values of a whole book as training computes them."""
    bids, asks = (
        sorted(
            ((round(float(level["price"]) * 10_000), int(level["size"]) * 10**6) for level in message[side]),
            reverse=side == "bids",
        )
        for side in ("bids", "asks")
    )
    return order_flow.book_values(bids, asks)


async def test_live_values_are_those_of_training() -> None:
    """After history and at every live close books, trades of both tokens and accounts have the bits of training."""
    async with followed() as (venue, feed, told):
        await venue.say(told.book(1))
        for number in range(8):
            last = await minute(venue, feed, told, number)
            one = await settled(feed, FIRST + 60 * number)
            seen = seen_of(one)
            assert seen[-1, OF_BOOK].tolist() == list(levels_of(last))
            assert seen[:, OF_TRADES].tobytes() == np.ascontiguousarray(await trained(venue, one)).tobytes()
        assert seen[:, OF_TRADES].any(axis=0).all()
        assert seen[:, -1].tolist() == [0.0] * (LOOKBACK - 7) + [90.0 / 95.0] * 7
        assert not seen[:-8, OF_BOOK].any()


async def test_trades_of_a_gap_are_remembered_and_counted_once() -> None:
    """After a broken connection the memory is that of history, with what was traded while nobody listened."""
    async with followed() as (venue, feed, told):
        await venue.say(told.book(1))
        for number in range(3):
            await minute(venue, feed, told, number)
            one = await settled(feed, FIRST + 60 * number)
        await minute(venue, feed, told, 3, streamed=False)
        await venue.sockets[-1].close()
        await until(lambda: len(venue.sockets) == 2 and feed.connected)
        for number in range(4, 8):
            before = one.flow
            await minute(venue, feed, told, number)
            if number == 4:
                await until(lambda before=before: one.flow is not before)  # type: ignore[misc]
            await settled(feed, FIRST + 60 * number)
        assert seen_of(one)[:, OF_TRADES].tobytes() == np.ascontiguousarray(await trained(venue, one)).tobytes()


async def test_what_is_heard_while_history_is_fetched_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bars that close and trades that are heard before history has come get the bits of training all the same."""
    released, asked = asyncio.Event(), data.trades

    async def slow(*args: Any) -> Any:
        await released.wait()
        return await asked(*args)

    monkeypatch.setattr("serving.market.history.data.trades", slow)
    async with followed() as (venue, feed, told):
        await venue.say(told.book(1))
        for number in range(4):
            await minute(venue, feed, told, number)
        one = feed.followed[ONE.market_id]
        assert one.flow is None
        released.set()
        await until(lambda: one.flow is not None)
        await settled(feed, FIRST + 60 * 3)
        await minute(venue, feed, told, 4)
        expected = await trained(venue, one)
        # Nobody had told who traded in the bars that waited for history; it is caught up afterwards.
        assert seen_of(one)[:, OF_TRADES][:, :2].tobytes() == np.ascontiguousarray(expected[:, :2]).tobytes()
        assert seen_of(one)[-1, -2] == expected[-1, -1]


async def test_a_model_that_reads_it_later_finds_the_memory() -> None:
    """When a bundle that reads order flow comes in, windows are filled anew; when it goes, all is zeros again."""
    async with followed(wanted=False) as (venue, feed, told):
        await venue.say(told.book(1))
        for number in range(3):
            await minute(venue, feed, told, number)
        one = feed.followed[ONE.market_id]
        await until(lambda: one.ready and one.warming is None)
        assert not seen_of(one).any()
        feed.read_order_flow(wanted=True)
        for number in range(3, 6):
            await minute(venue, feed, told, number)
            await settled(feed, FIRST + 60 * number)
        assert seen_of(one)[:, OF_TRADES].tobytes() == np.ascontiguousarray(await trained(venue, one)).tobytes()
        feed.read_order_flow(wanted=False)
        await minute(venue, feed, told, 6)
        assert not seen_of(one)[-1].any()


async def test_nothing_is_asked_or_computed_without_a_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no model reads order flow the Data API is asked for the history of a new market alone."""

    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("nobody reads order flow")

    for name in ("book_values", "TradeFlow", "LargeAccounts"):
        monkeypatch.setattr(order_flow, name, never)
    monkeypatch.setattr(MarketFlow, "__init__", never)
    async with followed(wanted=False) as (venue, feed, told):
        await venue.say(told.book(1))
        for number in range(4):
            await minute(venue, feed, told, number)
        one = feed.followed[ONE.market_id]
        await until(lambda: one.ready and one.warming is None)
        await asyncio.sleep(0.2)

        assert feed.stream.levels(ONE) is None
        assert (one.levels, one.flow, one.heard) == (None, None, None)
        assert venue.asked.count("/v2/trades") == 1
        assert "/v2/holders" not in venue.asked
        assert not seen_of(one).any()


async def test_a_data_api_that_is_down_leaves_zeros_and_bars_that_close() -> None:
    """Values of accounts are 0 while nobody tells who traded, books and trades go on, and later all is caught up."""
    failed = metrics.API_ERRORS.labels("accounts")
    async with followed() as (venue, feed, told):
        await venue.say(told.book(1))
        for number in range(2):
            await minute(venue, feed, told, number)
            one = await settled(feed, FIRST + 60 * number)
        venue.status = {"/v2/trades": 500, "/v2/holders": 500}
        for number in range(2, 5):
            before = failed._value.get()
            await minute(venue, feed, told, number)
            await until(lambda before=before: failed._value.get() > before)  # type: ignore[misc]
        seen = seen_of(one)
        assert seen[-2:, -2].tolist() == [0.0, 0.0]
        assert seen[-1, [*range(len(ORDER_FLOW) - 2)]].all()
        venue.status = {}
        for number in range(5, 8):
            await minute(venue, feed, told, number)
            await settled(feed, FIRST + 60 * number)
        assert seen_of(one)[-2:, OF_TRADES].tobytes() == (await trained(venue, one))[-2:].tobytes()


def test_what_holders_have_counts_for_an_hour() -> None:
    """From the close after it was told until an hour later; before and afterwards it is 0."""
    flow = MarketFlow(LENGTH, held=(FIRST, 0.4))
    found = [flow.close(FIRST + after, 5_000)[-1] for after in (0, 60, 3_600, 3_660)]
    assert found == [0.0, 0.4, 0.4, 0.0]


def test_one_reader_is_enough() -> None:
    """Order flow is wanted where the champion or the bundle in shadow reads it."""

    turns: Any = BarTurns.__new__(BarTurns)
    models = [None, *(SimpleNamespace(predictor=SimpleNamespace(reads_order_flow=reads)) for reads in (False, True))]
    for champion in models:
        for challenger in models:
            turns._model_watch, turns._shadow = SimpleNamespace(model=champion), SimpleNamespace(model=challenger)
            assert turns.reads_order_flow == (models[2] in (champion, challenger))


@asynccontextmanager
async def simulated() -> AsyncIterator[tuple[Venue, Settings]]:
    """A simulated venue with a large account, behind real sockets; steps are the test's."""
    family = Family(3, Model(edge=1.0, large_account=0.6), event_length_min=720)
    venue = Venue(Options(port=0, speed=0.0), SyntheticMarkets(family, EPOCH_S + 400 * 60))
    venue.open_quotes()
    site = Site()
    sockets, all_servers = bind("127.0.0.1", 0), servers(site)
    site.open(venue)
    serving = asyncio.create_task(serve(all_servers, sockets))
    await until(lambda: all(server.started for server in all_servers.values()))
    ports = {name: one.getsockname()[1] for name, one in sockets.items()}
    try:
        urls = {f"{name}_url": f"http://127.0.0.1:{ports[name]}" for name in ("clob", "gamma", "data")}
        yield venue, Settings(_env_file=None, clob_ws_url=f"ws://127.0.0.1:{ports['clob']}", **urls)
    finally:
        for server in all_servers.values():
            server.should_exit = True
        await serving


async def test_the_large_account_of_a_simulated_venue_is_found() -> None:
    """`/v2/trades` tells the large account apart, `/v2/holders` names it, and live values are those of training."""
    async with simulated() as (venue, found):
        async with VenueHttp(found.gamma_url) as http:
            markets = (await gamma.tradable(http, 50, []))[:5]
        market = markets[0]
        async with VenueHttp(found.data_url) as archive, VenueHttp(found.clob_url) as exchange:
            feed = make_feed(LocalVenue(), found.clob_ws_url, Heard(), LOOKBACK)
            feed.stream, feed._archive = MarketStream(found.clob_ws_url, exchange), archive
            feed.read_order_flow(wanted=True)
            await feed.follow(markets)
            running = [
                asyncio.create_task(feed.run(0, venue.now_s)),
                asyncio.create_task(AccountPoll(archive, feed, LENGTH).run()),
            ]
            try:
                one = await _steps(venue, feed, market, 4)
            finally:
                for task in running:
                    task.cancel()
                await asyncio.gather(*running, return_exceptions=True)
            seen = one.window.view()
            tape = await data.trades(archive, market, 0, seen.last.ts_s)
            yes, no = await data.holders(archive, market)
        large = order_flow.LargeAccounts(LENGTH)
        columns = tape.ts_s, tape.shares_micro, tape.buys, tape.account
        rows = list(zip(*(column.tolist() for column in columns), strict=True))
        named = {account for *trade, account in rows if large.trade(*trade, account)}
        closes = [seen.last.ts_s - LENGTH * back for back in range(LOOKBACK - 1, -1, -1)]
        expected = order_flow.values(tape, closes, seen.mids.tolist(), LENGTH)

    assert data.hashed(wallet(0)) in named
    assert wallet(0) in yes | no
    flows = seen.states[:, FLOW]
    assert flows[-5:, OF_TRADES].tobytes() == np.ascontiguousarray(expected[-5:]).tobytes()
    assert expected[-5:, 2].any()
    assert flows[-1, OF_BOOK].any()
    assert one.flow is not None and one.flow.held is not None
    assert flows[-1, -1] == one.flow.held[1]


async def _steps(venue: Venue, feed: Feed, market: Market, count: int) -> Followed:
    """Follow a market over some steps of a simulated venue."""
    one = feed.followed[market.market_id]
    await until(lambda: is_told(one.flow, venue.now_s))
    for _ in range(count):
        await venue.step()
        await until(lambda: feed.closed[0] >= venue.now_s and one.warming is None and is_told(one.flow, venue.now_s))
    return one
