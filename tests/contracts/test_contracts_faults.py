"""When the venue misbehaves: what is proven stays proven, what is not is looked up, and streams heal."""

import asyncio
import time
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from pipelines.core.domain import Market, Outcome, Side
from pipelines.core.errors import VenueForbidden
from pipelines.core.orders import OrderIntent, PlaceStatus
from pipelines.venue import clob, gamma
from pipelines.venue.clob_gateway import ClobGateway
from pipelines.venue.http import VenueHttp
from pipelines.venue.stream import Gap, MarketStream, QuoteUpdate
from pipelines.venue.user_stream import FillUpdate, OrderUpdate, Reconnected, UserStream

FIRST_CASH = 10_000_000_000
HEALS_S = 5.0
"""Wall seconds that a stream may need to heal: the pause before its next try (4 s after five), and a resync."""


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


@pytest.fixture
def taking(venue: Any, resting: OrderIntent) -> OrderIntent:
    """A purchase at the ask: it fills."""
    return replace(resting, price_units=venue.market()[1].ask_units)


def test_a_lost_answer_is_unknown_and_found_by_its_hash(
    gateway: ClobGateway, resting: OrderIntent, faults: Any
) -> None:
    """The order rests although nothing was answered; its hash, known before, finds it."""
    faults.start("lost_answer", count=1, hold_s=0.3)
    order = gateway.prepare(resting)
    result = gateway.place(order)

    assert result.status is PlaceStatus.UNKNOWN
    found = gateway.order(order.order_id)
    assert found is not None
    assert found.order_id == order.order_id


@pytest.mark.parametrize("kind", ["order_timeout", "disabled", "cancel_only"])
def test_server_errors_prove_nothing(gateway: ClobGateway, resting: OrderIntent, faults: Any, kind: str) -> None:
    """A 5xx is unknown; the look-up then shows that nothing rests."""
    faults.start(kind)
    order = gateway.prepare(resting)

    assert gateway.place(order).status is PlaceStatus.UNKNOWN
    faults.clear()
    assert gateway.order(order.order_id) is None


@pytest.mark.parametrize(("kind", "said"), [("restart", "425"), ("rate_limit", "429"), ("geoblock", "region")])
def test_refusals_before_the_book_are_refusals(
    gateway: ClobGateway, resting: OrderIntent, faults: Any, kind: str, said: str
) -> None:
    """Restart, rate limit and regional block come before the book: rejected, with the venue's words."""
    faults.start(kind, for_s=30, post_only_s=0)
    result = gateway.place(gateway.prepare(resting))

    assert result.status is PlaceStatus.REJECTED
    assert said in result.reason


def test_a_blocked_address_stops_everything(gateway: ClobGateway, resting: OrderIntent, faults: Any) -> None:
    """An HTML page instead of an answer is a refusal in plain words, and what must not fail silently raises."""
    faults.start("forbidden")
    result = gateway.place(gateway.prepare(resting))

    assert result.status is PlaceStatus.REJECTED
    assert "<" not in result.reason
    with pytest.raises(VenueForbidden, match="trading stops"):
        gateway.cancel_all()


def test_cancels_wait_for_a_restart(gateway: ClobGateway, resting: OrderIntent, faults: Any) -> None:
    """A cancel that meets a restart is repeated until the engine is back."""
    order = gateway.prepare(resting)
    gateway.place(order)
    faults.start("restart", for_s=0.6, post_only_s=0)

    assert gateway.cancel([order.order_id]).cancelled == (order.order_id,)


def test_a_failed_settlement_gives_everything_back(gateway: ClobGateway, taking: OrderIntent, faults: Any) -> None:
    """A match that fails to settle is no fill: the trade list is empty, and the cash is back."""
    faults.start("settlement_fails")
    result = gateway.place(gateway.prepare(taking))
    deadline = time.monotonic() + 10
    while gateway.trades(0) and time.monotonic() < deadline:
        time.sleep(0.1)

    assert result.status is PlaceStatus.ACCEPTED
    assert gateway.trades(0) == []
    assert gateway.cash_micro() == FIRST_CASH
    assert gateway.shares_micro(taking.token_id) == 0


async def hear(gateway: ClobGateway, venue: Any, taking: OrderIntent, until: str) -> list[Any]:
    """What the user stream says from before an order to the wanted status of its trade."""
    stream = UserStream(venue.settings.clob_ws_url, gateway.credentials, gateway.fills)
    heard: list[Any] = []
    async with asyncio.timeout(15):
        async for update in stream.updates():
            heard.append(update)
            if isinstance(update, Reconnected):
                await asyncio.sleep(0.2)
                await asyncio.to_thread(lambda: gateway.place(gateway.prepare(taking)))
            if isinstance(update, FillUpdate) and update.status == until:
                break
    return heard


@pytest.mark.parametrize("kind", [None, "ws_duplicate", "ws_reorder"])
def test_our_fills_are_heard_once_each(
    gateway: ClobGateway, venue: Any, taking: OrderIntent, faults: Any, kind: str | None
) -> None:
    """Order and settlement come over the user stream; repeats and reordering carry the same ids as REST."""
    if kind:
        faults.start(kind)
    heard = asyncio.run(hear(gateway, venue, taking, "confirmed"))
    fills = {fill.fill_id: fill for update in heard if isinstance(update, FillUpdate) for fill in update.fills}

    assert list(fills.values()) == gateway.trades(0)
    assert any(isinstance(update, OrderUpdate) for update in heard)
    assert "matched" in {update.status for update in heard if isinstance(update, FillUpdate)}


def test_a_failure_is_heard_with_the_fills_that_did_not_happen(
    gateway: ClobGateway, venue: Any, taking: OrderIntent, faults: Any
) -> None:
    """The failed trade names the fills to take back."""
    faults.start("settlement_fails")
    heard = asyncio.run(hear(gateway, venue, taking, "failed"))
    by_status = {u.status: {f.fill_id for f in u.fills} for u in heard if isinstance(u, FillUpdate)}

    assert by_status["failed"] == by_status["matched"] != set()


async def right(stream: MarketStream, exchange: VenueHttp, markets: list[Market]) -> dict[tuple[str, int], bool]:
    """Of the books that are as old as REST's, by market and time: whether their touches are equal."""
    books = await clob.books(exchange, [m.token_yes for m in markets])
    await asyncio.sleep(0.05)
    found = {}
    for market in markets:
        book, wire = stream.book(market), books.get(market.token_yes)
        if book is not None and wire is not None and book.ts_ms == clob.time_ms(wire):
            found[market.market_id, book.ts_ms] = book.quote() == clob.top(wire)
    return found


async def healed(stream: MarketStream, exchange: VenueHttp, markets: list[Market]) -> None:
    """Wait until every book was right once and one of them a second time later: the first may be a snapshot by REST."""
    proven: set[tuple[str, int]] = set()
    with suppress(TimeoutError):
        async with asyncio.timeout(HEALS_S):
            while len({name for name, _ in proven}) < len(markets) or len(proven) == len(markets):
                proven |= {key for key, equal in (await right(stream, exchange, markets)).items() if equal}


async def wrong_quotes(moving: Any, kind: str, switches: Any) -> tuple[int, int, int]:
    """Markets whose folded touch differs from REST after a fault has passed; markets compared; gaps announced."""
    async with VenueHttp(moving.settings.gamma_url) as listing, VenueHttp(moving.settings.clob_url) as exchange:
        markets = await gamma.tradable(listing, 50)
        stream = MarketStream(moving.settings.clob_ws_url, exchange, markets, silence_s=1.5)
        seen: list[Any] = []

        async def follow() -> None:
            async for update in stream.updates():
                seen.append(update)

        task = asyncio.create_task(follow())
        await healed(stream, exchange, markets)
        switches.start(kind)
        await asyncio.sleep(3.0)
        switches.clear()
        await healed(stream, exchange, markets)
        found: list[bool] = []
        for look in range(200):  # on a busy machine few books are as old as those of REST
            found += (await right(stream, exchange, markets)).values()
            if look >= 19 and len(found) > 20:
                break
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert any(isinstance(update, QuoteUpdate) for update in seen)
    return found.count(False), len(found), sum(isinstance(update, Gap) for update in seen)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "least_gaps"), [("ws_drop", 1), ("ws_freeze", 1), ("ws_duplicate", 0), ("ws_reorder", 0)]
)
def test_books_are_right_after_any_trouble(moving: Any, faults_of_moving: Any, kind: str, least_gaps: int) -> None:
    """Drops and silence are announced, and after every kind of trouble the folded books are the venue's again."""
    wrong, compared, gaps = asyncio.run(wrong_quotes(moving, kind, faults_of_moving))

    assert compared > 20
    assert wrong == 0
    assert gaps >= least_gaps
