"""History from the venue's own routes: the same client and requests for the simulator and for production."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
from rich.console import Console
from rich.progress import Progress

from pipelines.core import log
from pipelines.core.domain import Headline, Market, Tape
from pipelines.core.errors import DataError, VenueError
from pipelines.core.packed import PackedBars, PackedMarkets
from pipelines.core.params import Params
from pipelines.core.raw_tables import Bars, IntArray
from pipelines.core.settings import Settings
from pipelines.news import matching, rss, scorers, sources
from pipelines.pull import grid, spreads, unreadable_rows
from pipelines.pull.grid import Points
from pipelines.pull.landed import Landed, merged, overlay, overlay_books, within
from pipelines.pull.order_flow import OrderFlow, asked_from
from pipelines.venue import clob, data, gamma
from pipelines.venue.gamma_rows import Odd
from pipelines.venue.http import VenueHttp
from pipelines.venue.listing_facts import UNKNOWN, ListingFacts
from pipelines.venue.odd_rows import MOST_CHARACTERS, OddRow, OddRows
from pipelines.venue.wanted import matches

CONDITIONS_ASKED = 50
"""Open markets whose books are looked at for the market time."""
BOOKS_ASKED = 500
"""Open markets whose books are looked at for their spread."""


@dataclass(frozen=True)
class History:
    """Markets, their bars and the headlines of one window; `dropped` counts markets by reason."""

    markets: list[Market]
    bars: PackedBars
    headlines: list[Headline]
    dropped: dict[str, int]
    payouts: dict[str, int]
    """Market id -> what a YES share of a resolved market paid."""
    scoring_usd: float = 0.0
    """What scoring the headlines cost."""
    spreads: dict[int, tuple[float, int]] = field(default_factory=dict)
    """Tick -> mean spread of the books of now in 1e-4, and the number of markets."""
    asked: dict[str, int] = field(default_factory=dict)
    """Markets whose prices the venue was asked for, and bars that the landing zone gave."""
    disputed: set[str] = field(default_factory=set)
    """Resolved markets whose resolution was disputed."""
    order_flow: PackedMarkets = field(default_factory=PackedMarkets)
    """Columns `ts_s` and `ORDER_FLOW` by market; none without `pull.order_flow`."""


@dataclass(frozen=True)
class _Series:
    """What the Data API says about one market."""

    ts_s: IntArray
    mid_units: IntArray
    tape: Tape
    asked: list[tuple[int, int]] = field(default_factory=list)
    """Spans whose bars were asked for. Trades before them are there where the order flow is made."""

    @property
    def traded(self) -> Tape:
        """The trades of the spans."""
        return self.tape.where(within(self.tape.ts_s, self.asked))


@dataclass(frozen=True)
class _Made:
    """How many prices of a market were read, how many of them the landing zone gave, how many its bars use, and whether
    the venue was asked."""

    prices: int
    landed: int
    used: int
    asked: bool


async def market_time_s(settings: Settings, transport: httpx2.AsyncBaseTransport | None = None) -> int:
    """The venue's market time: the newest timestamp of its open order books.

    Raises:
        DataError: if no market is open.
    """
    async with (
        VenueHttp(settings.gamma_url, transport=transport) as listing,
        VenueHttp(settings.clob_url, transport=transport) as exchange,
    ):
        markets = await gamma.tradable(listing, CONDITIONS_ASKED)
        found = await clob.books(exchange, [m.token_yes for m in markets])
    if not found:
        raise DataError(f"{settings.clob_url} shows no open order book for {len(markets)} open markets")
    return clob.market_time_ms(found.values()) // 1000


async def history(
    settings: Settings,
    params: Params,
    start_s: int,
    as_of_s: int,
    transport: httpx2.AsyncBaseTransport | None = None,
    *,
    known: Landed | None = None,
    recorded: Callable[[list[Market]], Landed] | None = None,
    books: Callable[[list[Market]], Landed] | None = None,
) -> History:
    """Markets that lived in (start_s, as_of_s], their bars and the headlines about them.

    What is `known` from the landing zone is taken from there; the venue is asked for the bars that are missing. With
    `recorded` the bars of the listed markets are those that it gives (bars shorter than a minute have no other source).
    `books` gives the books at the ends of bars where they were recorded.
    """
    landed = Landed() if known is None else known
    async with (
        VenueHttp(settings.gamma_url, per_10_s=300, transport=transport) as listing,
        VenueHttp(settings.data_url, per_10_s=800, transport=transport) as archive,
        VenueHttp(settings.data_url, per_10_s=300, transport=transport) as tape,
        VenueHttp(settings.clob_url, transport=transport) as exchange,
    ):
        odd_rows: list[Odd] = []
        facts: dict[str, ListingFacts] = {}
        markets = await _markets(listing, start_s, as_of_s, params, odd_rows, facts)
        if not markets:
            raise DataError(f"{settings.gamma_url} lists no market between {_day(start_s)} and {_day(as_of_s)}")
        odd = OddRows()
        if recorded is not None:
            landed = replace(recorded(markets), headlines=landed.headlines)
        seen = Landed() if books is None else books(markets)
        making = _Making(settings.var / "landing", start_s, as_of_s, params, landed, seen)
        made = await making.all(archive, tape, markets, odd)
        disputed: set[str] = set()
        over = [one.market_id for one in markets if (one.end_s or as_of_s) < as_of_s]
        paid = await gamma.payouts(listing, over, disputed)
        spread = await _spreads(exchange, [one for one in markets if one.end_s is None or one.end_s > as_of_s])
    _set_aside(settings.var / "landing", odd_rows, odd, len(facts), as_of_s, params)
    dropped = _dropped(made, params)
    items = await _known_items(settings, params, start_s, as_of_s, transport)
    matched = matching.headlines(items, markets)
    dropped |= {"headlines_about_no_market": len(items) - len(matched), "listing_rows": _say(odd_rows)} | dict(odd)
    headlines = merged(matched, landed, markets)
    scorer = scorers.make(params.news, settings)
    scored = scorers.scored([one for one in headlines if one.sentiment is None], scorer)
    scored = sorted(
        [*scored, *(one for one in headlines if one.sentiment is not None)],
        key=lambda one: (one.known_s, one.headline_id),
    )
    cost, flow = scorers.cost_usd(scorer), PackedMarkets() if making.order_flow is None else making.order_flow.kept
    return History(markets, making.bars, scored, dropped, paid, cost, spread, _asked(made), disputed, flow)


async def _spreads(exchange: VenueHttp, still_open: list[Market]) -> dict[int, tuple[float, int]]:
    asked = still_open[:BOOKS_ASKED]
    books = await clob.books(exchange, [market.token_yes for market in asked])
    seen = ((m.tick_units, clob.readable_top(books[m.token_yes])) for m in asked if m.token_yes in books)
    return spreads.typical((tick, touch) for tick, touch in seen if touch is not None)


async def _known_items(
    settings: Settings, params: Params, start_s: int, as_of_s: int, transport: httpx2.AsyncBaseTransport | None
) -> list[rss.Item]:
    """Headlines and posts that became known in (start_s, as_of_s]."""
    async with sources.opened(settings, transport=transport) as opened:
        items = [item for source in opened for item in await source.read()]
    return [item for item in items if start_s < item.known_s <= as_of_s]


def _set_aside(
    landing: Path, listing: list[Odd], history_rows: OddRows, readable: int, as_of_s: int, params: Params
) -> None:
    """Keep the rows that cannot be read, and stop where they are many."""
    unreadable = [
        OddRow("/markets/keyset", one.name, one.reason, json.dumps(one.raw, ensure_ascii=False)[:MOST_CHARACTERS])
        for one in listing
        if one.left_out and one.raw is not None
    ]
    kept, share = [*unreadable, *history_rows.rows], params.validate_.max_quarantined_share
    unreadable_rows.write(landing, kept, as_of_s)
    listed = readable + len(unreadable)
    unreadable_rows.require_few("listing", unreadable, len(unreadable), listed, share, landing)
    broken = history_rows[data.UNREADABLE]
    unreadable_rows.require_few("history", history_rows.rows, broken, history_rows.read, share, landing)


def _say(odd: list[Odd]) -> int:
    """Name the rows of the listing that were left out; how many there were."""
    left_out = [one for one in odd if one.left_out]
    for one in left_out:
        log.get("pull").warning("row of the listing left out", row=one.name, reason=one.reason)
    return len(left_out)


def _day(ts_s: int) -> str:
    return datetime.fromtimestamp(ts_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def _markets(
    http: VenueHttp,
    start_s: int,
    as_of_s: int,
    params: Params,
    odd: list[Odd],
    facts: dict[str, ListingFacts] | None = None,
) -> list[Market]:
    """Up to half of `pull.max_markets` open markets, the most traded of the last day first, then those that ended.

    Without the ended ones the history would know survivors alone. Both orders are known at `as_of_s`; lifetime volume,
    which is not, selects nothing. Of those that `pull.allow` names, where it names any. Sorted by id. `facts` gets what
    the listing says of every market that could be read.
    """
    found: dict[str, Market] = {}
    facts = {} if facts is None else facts
    limit, allow = params.pull.max_markets, params.pull.allow
    asked: tuple[tuple[bool, int, dict[str, Any]], ...] = (
        (False, max(limit // 2, 1), {"order": "volume24hr"}),
        (True, limit, {"order": "endDate", "end_date_min": _day(start_s)}),
    )
    for closed, most, filters in asked:
        async for market in gamma.listed(http, odd=odd, facts=facts, closed=closed, ascending=False, **filters):
            if allow and not any(matches(one, market, facts.get(market.market_id, UNKNOWN)) for one in allow):
                continue
            begins_late = market.start_s is not None and market.start_s >= as_of_s
            ended_early = closed and market.end_s is not None and market.end_s <= start_s
            if not begins_late and not ended_early:
                found[market.market_id] = market
            if len(found) >= most:
                break
    return [found[name] for name in sorted(found)]


class _Making:
    """Makes the bars of one market after the other: while they are made a market takes several times their memory, and
    afterwards they are kept compressed."""

    def __init__(self, folder: Path, start_s: int, as_of_s: int, params: Params, landed: Landed, books: Landed) -> None:
        self.bars = PackedBars()
        self._start_s, self._as_of_s, self._params, self._landed = start_s, as_of_s, params, landed
        self._touches, self._books = spreads.Touches(folder), books
        self.order_flow = OrderFlow(folder, start_s, as_of_s, params.bars.length_s) if params.pull.order_flow else None

    async def all(self, archive: VenueHttp, tape: VenueHttp, markets: list[Market], odd: OddRows) -> list[_Made]:
        """What became of each market, in their order."""

        async def one(code: int, market: Market) -> _Made:
            series, have, asked = await self._series(archive, tape, market, odd)
            used = 0
            if len(series.ts_s):
                bars = overlay(_market_bars(code, series, self._params), market, self._landed)
                bars = self._touches.on(bars, market.market_id, self._params.bars.length_s)
                bars = overlay_books(bars, market, self._books)
                self.bars.add(bars)
                if self.order_flow is not None:
                    books = self._books if self._books.bars else self._landed
                    self.order_flow.add(market, bars, series.tape, series.asked, books)
                used = int((~bars.filled).sum())
            return _Made(len(series.ts_s), have, used, asked)

        return await _each(one, markets, self._params.pull.concurrency)

    async def _series(
        self, archive: VenueHttp, tape: VenueHttp, market: Market, odd: OddRows
    ) -> tuple[_Series, int, bool]:
        """Prices and trades of a market, how many prices the landing zone gave, and whether the venue was asked."""
        length_s = self._params.bars.length_s
        begin = max(self._start_s, (market.start_s or self._start_s) - length_s)
        end = min(self._as_of_s, (market.end_s or self._as_of_s) + 3_600)  # trading may run on past the scheduled end
        have = self._landed.points(market.market_id)
        whole = [(begin, max(begin, end))]
        spans = self._landed.missing(market, *whole[0], length_s) if len(have[0]) else whole
        if length_s < data.LEAST_BUCKET_S:
            spans = []
        prices, priced = [have], []
        for span in spans:
            found = await data.price_history(archive, market.token_yes, *span, length_s, odd)
            prices.append(found)
            priced += [span] if len(found[0]) else []
        traded = priced if self.order_flow is None else asked_from(priced, length_s)
        tapes = [await data.trades(tape, market, *span, odd) for span in traded]
        ts_s, mids = _by_time(prices)
        return _Series(ts_s, mids, Tape.joined(tapes), priced), len(have[0]), bool(spans)


def _by_time(parts: list[tuple[IntArray, IntArray]]) -> tuple[IntArray, IntArray]:
    """Prices of several parts in the order of time; of one second, the venue's own."""
    ts_s, mids = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(ts_s, kind="stable")
    ts_s, mids = ts_s[order], mids[order]
    last = np.append(np.diff(ts_s) != 0, True) if len(ts_s) else np.empty(0, bool)
    return ts_s[last], mids[last]


def _asked(made: list[_Made]) -> dict[str, int]:
    return {"markets_asked": sum(one.asked for one in made), "prices_landed": sum(one.landed for one in made)}


async def _each(
    job: Callable[[int, Market], Coroutine[Any, Any, _Made]], markets: list[Market], concurrency: int
) -> list[_Made]:
    """Results in the order of the markets, `concurrency` at a time; the first error ends all."""
    slots = asyncio.Semaphore(concurrency)
    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("pull: markets", total=len(markets))

        async def limited(code: int, market: Market) -> _Made:
            async with slots:
                result = await job(code, market)
            progress.advance(bar)
            return result

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(limited(code, market)) for code, market in enumerate(markets)]
        except* (VenueError, DataError) as failed:
            raise failed.exceptions[0] from None
    return [task.result() for task in tasks]


def _nothing(markets: int, length_s: int) -> str:
    if length_s < data.LEAST_BUCKET_S:
        return (
            f"none of {markets} markets has recorded frames in the window, and bars of {length_s} s come from nothing"
            " else (the venue's price history has a minute at least): let `oddsmith data record` run first"
        )
    return f"none of {markets} markets has a price history in the window; is the Data API complete?"


def _dropped(made: list[_Made], params: Params) -> dict[str, int]:
    """Markets and prices that are in no bar, by reason."""
    without = sum(one.prices == 0 for one in made)
    if without == len(made):
        raise DataError(_nothing(len(made), params.bars.length_s))
    cut = sum(one.prices - one.used for one in made)
    return {"markets_without_prices": without, "points_outside_longest_run": cut}


def _market_bars(code: int, one: _Series, params: Params) -> Bars:
    nothing = np.zeros(len(one.ts_s), np.int64)
    points = Points(nothing + code, one.ts_s, one.mid_units, nothing, nothing, nothing, nothing)
    bars = grid.to_bars(points, params.bars.length_s, params.bars.max_gap_bars)
    traded = one.traded
    return grid.add_trades(bars, params.bars.length_s, np.full(len(traded), code), traded.ts_s, traded.shares_micro)
