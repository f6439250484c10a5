"""Command ingest: what happened since the last time, appended to var/landing. Never a DVC output.

    var/landing/state.json                         market time up to which everything is there
    var/landing/bars/day=YYYY-MM-DD/<as_of>.parquet    as in data/raw, and so headlines and markets; a second file of
                                                       one market time is <as_of>_2.parquet
    var/landing/books/day=YYYY-MM-DD/<as_of>.parquet   touch of every open market at that moment
    var/landing/order_flow/, var/landing/holders/      with pull.order_flow: features of bars, positions of holders
    var/landing/reference/day=YYYY-MM-DD/*.parquet     reference prices that `oddsmith data record` kept
    var/landing/quarantine/                            rows that broke a rule (`quarantine_landing`)

A run writes new files and then the state; one that was interrupted is repeated, and readers keep the newest of equals.
"""

import asyncio
import io
import itertools
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.core import log, raw_tables
from pipelines.core.artifacts import read_json, write_bytes, write_json
from pipelines.core.domain import Market
from pipelines.core.errors import DataError
from pipelines.core.params import Params, load
from pipelines.core.raw_tables import Bars
from pipelines.core.settings import Mode, Settings
from pipelines.pull import frames, landed, live, order_flow
from pipelines.pull.landed import Landed
from pipelines.pull.quarantine_landing import LandingQuarantine
from pipelines.reference import segments, stated_file
from pipelines.reference.external import HOLDS_S
from pipelines.reference.prices import Price
from pipelines.venue import clob, data, gamma
from pipelines.venue.http import VenueHttp
from pipelines.venue.wire import Book

BEFORE_S = 7_200
"""Reference prices of so long before a window are read too: the volatility looks back."""

BOOKS_BEFORE_S = 7_200
DAY_S = 86_400
BOOKS = pa.schema(
    [
        ("market_id", pa.string()),
        ("token_id", pa.string()),
        ("ts_ms", pa.int64()),
        ("bid_units", pa.int32()),
        ("ask_units", pa.int32()),
        ("bid_size_micro", pa.int64()),
        ("ask_size_micro", pa.int64()),
    ]
)


def run(days: float | None = None) -> None:
    """Append bars, headlines and books up to the venue's market time; with `days`, also those of so many market days
    before it that are missing.

    Raises:
        VenueError: if the venue does not answer; the next run takes up from the same time.
    """
    settings, params = Settings().for_trading(), load()
    folder = settings.var / "landing"
    as_of_s = asyncio.run(live.market_time_s(settings))
    as_of_s -= as_of_s % params.bars.length_s
    since_s = _since(folder, as_of_s, params)
    if days is not None:
        since_s = min(since_s, as_of_s - round(days * DAY_S))
    if since_s >= as_of_s:
        log.get("ingest").info("nothing new", as_of_s=as_of_s)
        return
    quarantine = LandingQuarantine(folder, as_of_s)
    bars = _append_history(folder, settings, params, since_s, quarantine)
    books = asyncio.run(_append_present(folder, settings, params, quarantine))
    quarantine.write()
    write_json(folder / "state.json", {"as_of_s": as_of_s})
    log.get("ingest").info("appended", bars=bars, books=books, since_s=since_s, as_of_s=as_of_s)


def prices(settings: Settings, start_s: int, as_of_s: int) -> list[Price]:
    """Reference prices that a recorder put into the landing zone and that were known in the window, with those of the
    memory before it; and the external probabilities of `stated_file.FILE` there.

    Raises:
        DataError: if one of the files cannot be read.
    """
    from_ms, to_ms, folder = (start_s - BEFORE_S) * 1_000, as_of_s * 1_000, settings.var / "landing"
    stated, left_out = stated_file.read(folder / stated_file.FILE)
    if left_out:
        log.get("pull").warning("rows of external probabilities cannot be read", file=stated_file.FILE, rows=left_out)
    external = [one for one in stated if start_s - HOLDS_S <= one.known_ms / 1_000 <= as_of_s]
    return segments.prices(folder, from_ms, to_ms, by_message=settings.mode is Mode.SIMULATED) + external


def recorder_of(
    settings: Settings, params: Params, start_s: int, as_of_s: int
) -> Callable[[list[Market]], Landed] | None:
    """What gives the bars of some markets where they are shorter than the venue's history has them: recorded frames."""
    if params.bars.length_s >= data.LEAST_BUCKET_S:
        return None
    return _frames_of(settings, params, start_s, as_of_s, start_s)


def books_of(settings: Settings, params: Params, start_s: int, as_of_s: int) -> Callable[[list[Market]], Landed] | None:
    """What gives the books at the ends of bars that have their prices from the venue's history: recorded frames.

    Frames of BOOKS_BEFORE_S more are read: a market shows a whole book only now and then.
    """
    if params.bars.length_s < data.LEAST_BUCKET_S or not (settings.var / "landing/frames").is_dir():
        return None
    return _frames_of(settings, params, start_s, as_of_s, start_s - BOOKS_BEFORE_S)


def _frames_of(
    settings: Settings, params: Params, start_s: int, as_of_s: int, wall_from_s: int
) -> Callable[[list[Market]], Landed]:
    # The simulator has a clock of its own: there the time of a segment says nothing of the market time in it.
    wall_s = 0 if settings.mode is Mode.SIMULATED else wall_from_s
    span = (start_s, as_of_s, params.bars.length_s)
    flow = params.pull.order_flow
    return lambda markets: frames.read(settings.var / "landing", markets, *span, wall_from_s=wall_s, order_flow=flow)


def _since(folder: Path, as_of_s: int, params: Params) -> int:
    """Market time that is there already; the first time, as much is fetched as the drift check looks at."""
    first = params.drift.window_bars + params.forecast.lookback_bars + params.forecast.horizon_bars
    earliest = as_of_s - first * params.bars.length_s
    if not (folder / "state.json").is_file():
        return earliest
    known_s = int(read_json(folder / "state.json")["as_of_s"])
    if known_s > as_of_s:
        # Market time went back: another simulated world. Its records are kept, and not mixed with these.
        folder.rename(folder.with_name(f"{folder.name}.until-{known_s}"))
        return earliest
    return known_s


def _append_history(
    folder: Path, settings: Settings, params: Params, since_s: int, quarantine: LandingQuarantine
) -> int:
    """Bars and headlines of (since, as_of]; the number of bars. Some bars before are asked for to close short gaps."""
    as_of_s = quarantine.as_of_s
    overlap_s = (params.bars.max_gap_bars + 1) * params.bars.length_s
    span = (since_s - overlap_s, as_of_s)
    known, recorded = landed.read(folder, *span, params.news.scorer), recorder_of(settings, params, *span)
    books = books_of(settings, params, *span)
    found = asyncio.run(live.history(settings, params, *span, known=known, recorded=recorded, books=books))
    bars = Bars.concatenated([_new(part, found.markets, since_s, known) for part in found.bars.parts()])
    table = quarantine.kept("bars", raw_tables.bars_table([m.market_id for m in found.markets], bars))
    _append_days(folder / "bars", table, as_of_s)
    markets = quarantine.kept("markets", raw_tables.markets_table(found.markets))
    _append(folder / "markets" / f"{as_of_s}.parquet", markets)
    _append_days(folder / "order_flow", order_flow.new_rows(found.order_flow, since_s, known), as_of_s)
    told = {one.headline_id for one in known.headlines}
    news = [one for one in found.headlines if one.known_s > since_s and one.headline_id not in told]
    told_now = quarantine.kept("headlines", raw_tables.headlines_table(news))
    _append(folder / "headlines" / f"{as_of_s}.parquet", landed.with_scorer(told_now, params.news.scorer))
    return int(table.num_rows)


def _new(bars: Bars, markets: list[Market], since_s: int, known: Landed) -> Bars:
    """The bars of a market after `since_s` that the landing zone does not have."""
    there = np.isin(bars.ts_s, known.times(markets[int(bars.code[0])].market_id))
    return bars.where((bars.ts_s > since_s) & ~there)


async def _append_present(folder: Path, settings: Settings, params: Params, quarantine: LandingQuarantine) -> int:
    """Append the books and, with the order flow, the positions of holders of now; the number of books."""
    async with VenueHttp(settings.gamma_url) as listing, VenueHttp(settings.clob_url) as exchange:
        markets = await gamma.tradable(listing, params.pull.max_markets)
        found = await clob.books(exchange, [market.token_yes for market in markets])
    if params.pull.order_flow:
        async with VenueHttp(settings.data_url, per_10_s=800) as archive:
            made = await order_flow.holders(archive, markets, quarantine.as_of_s, params.pull.concurrency)
        _append_days(folder / "holders", made, quarantine.as_of_s)
    rows = [_book_row(market, found[market.token_yes]) for market in markets if market.token_yes in found]
    table = quarantine.kept("books", pa.Table.from_pylist(rows, schema=BOOKS))
    day = datetime.fromtimestamp(quarantine.as_of_s, UTC).strftime("%Y-%m-%d")
    _append(folder / "books" / f"day={day}" / f"{quarantine.as_of_s}.parquet", table)
    return int(table.num_rows)


def _book_row(market: Market, wire: Book) -> dict[str, object]:
    """The touch of a book; one whose levels or time cannot be read has none, and goes to the quarantine."""
    names: dict[str, object] = {"market_id": market.market_id, "token_id": market.token_yes}
    try:
        touch, ts_ms = clob.top(wire), clob.time_ms(wire)
    except (ArithmeticError, DataError, ValueError) as error:
        log.get("ingest").warning("a book cannot be read", market=market.market_id, error=str(error))
        return names
    return {
        **names,
        "ts_ms": ts_ms,
        **{name: getattr(touch, name) for name in ("bid_units", "ask_units", "bid_size_micro", "ask_size_micro")},
    }


def _append_days(folder: Path, rows: pa.Table, as_of_s: int) -> None:
    days = pc.divide(rows["ts_s"], DAY_S)
    for day in sorted(pc.unique(days).to_pylist()):
        _append(raw_tables.day_folder(folder, day) / f"{as_of_s}.parquet", rows.filter(pc.equal(days, day)))


def _append(path: Path, table: pa.Table) -> None:
    """A file beside those that are there: one of the same market time, as a backfill has after an ingest, stays."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    names = itertools.chain([path], (landed.again(path, number) for number in itertools.count(2)))
    write_bytes(next(one for one in names if not one.exists()), buffer.getvalue())
