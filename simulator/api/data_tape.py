"""Public trades as JSON. The bytes are written directly, because a pull reads hundreds of thousands of rows."""

import numpy as np

from pipelines.core.domain import Outcome, Side
from pipelines.core.money import MICRO, PRICE_SCALE
from simulator.api import formats
from simulator.api.data_pages import Paging, pagination
from simulator.engine.markets import LiveMarket
from simulator.markets.large_account import wallet
from simulator.markets.price_grid import IntArray
from simulator.markets.source import Prints
from simulator.venue.venue import Venue

NOISE_WALLET = "0x" + "b2" * 20
"""Of the trades of a tape that does not know who traded."""


def tape_page(venue: Venue, markets: list[LiveMarket], side: str, bounds: tuple[int, int], paging: Paging) -> bytes:
    """A page of public trades as JSON bytes."""
    if len(markets) == 1 and not side and not venue.tape.outside(markets[0].listing.market_id):
        return _plain_tape(venue, markets[0], bounds, paging)
    lines: list[tuple[int, int, int, int, int]] = []
    for number, market in enumerate(markets):
        lines.extend(_lines(venue, number, market, side, bounds))
    if len(markets) > 1:
        lines.sort(key=lambda line: line[0])
    end = len(lines) if paging.cursor is None else min(paging.cursor, len(lines))
    start = max(0, end - paging.limit)
    heads = [_row_head(market) for market in markets]
    rows = [_row(heads[line[1]], line) for line in reversed(lines[start:end])]
    return b'{"data":[' + ",".join(rows).encode() + b"]," + pagination(paging.limit, start) + b"}"


def _plain_tape(venue: Venue, market: LiveMarket, bounds: tuple[int, int], paging: Paging) -> bytes:
    """The same for one market without outside trades. It is faster, because it reads only the rows of the page."""
    noise = venue.source.trades(market.listing.market_id)
    first, last = (int(i) for i in np.searchsorted(noise.ts_s, [bounds[0], bounds[1] + 1]))
    end = last - first if paging.cursor is None else min(paging.cursor, last - first)
    start = max(0, end - paging.limit)
    part = slice(first + start, first + end)
    columns = (noise.ts_s[part], _kinds(noise)[part], noise.price_units[part], noise.shares_micro[part])
    head = _row_head(market)
    found = zip(*(c[::-1].tolist() for c in columns), strict=True)
    rows = [_row(head, (t, 0, kind, p, s)) for t, kind, p, s in found]
    return b'{"data":[' + ",".join(rows).encode() + b"]," + pagination(paging.limit, start) + b"}"


def _lines(
    venue: Venue, number: int, market: LiveMarket, side: str, bounds: tuple[int, int]
) -> list[tuple[int, int, int, int, int]]:
    """Trades of a market as (ts, market, kind, price, shares), oldest first.

    kind: bit 0 buy, bit 1 NO token, above them the account plus one where the tape knows who traded.
    """
    noise = venue.source.trades(market.listing.market_id)
    first, last = np.searchsorted(noise.ts_s, [bounds[0], bounds[1] + 1])
    part = slice(first, last)
    columns = (noise.ts_s[part], _kinds(noise)[part], noise.price_units[part], noise.shares_micro[part])
    rows = [(t, number, kind, p, s) for t, kind, p, s in zip(*(c.tolist() for c in columns), strict=True)]
    outside = [
        (
            t.ts_s,
            number,
            (1 if t.side is Side.BUY else 0) + (2 if t.token_id == market.listing.token_no else 0),
            t.price_units,
            t.shares_micro,
        )
        for t in venue.tape.outside(market.listing.market_id)
        if bounds[0] <= t.ts_s <= bounds[1]
    ]
    if outside:
        rows = sorted(rows + outside, key=lambda row: row[0])
    if side:
        rows = [row for row in rows if (row[2] & 1) == (side == "BUY")]
    return rows


def _kinds(trades: Prints) -> IntArray:
    """Of every trade: whether it buys, and who made it."""
    buys = trades.buys.astype(np.int64)
    accounts = getattr(trades, "accounts", None)
    return buys if accounts is None else buys + 4 * (accounts + 1)


def _row_head(market: LiveMarket) -> tuple[str, list[str], str]:
    """The constant parts of a market's rows: start, one middle per kind, end."""
    listing = market.listing
    quoted = formats.encode(listing.question).decode(), formats.encode(listing.slug).decode()
    event = formats.encode(listing.event_id).decode()
    middles = []
    for index, outcome in enumerate(Outcome):
        token, label = market.token(outcome), formats.encode(market.label(outcome)).decode()
        for side in ("SELL", "BUY"):
            middles.append(
                f'"side":"{side}","token_id":"{token}","condition_id":"{listing.market_id}","outcome":{label},'
                f'"outcome_index":{index},"title":{quoted[0]},"slug":{quoted[1]},"event_slug":{event},'
            )
    return f'{{"proxy_wallet":"{NOISE_WALLET}",', middles, listing.market_id[2:42]


def _row(head: tuple[str, list[str], str], line: tuple[int, int, int, int, int]) -> str:
    ts_s, _, kind, units, shares = line
    who = head[0] if kind < 4 else f'{{"proxy_wallet":"{wallet((kind >> 2) - 1)}",'
    unique = f"{ts_s:010x}{units & 0xFFFF:04x}{shares & 0xFFFFFFFFFF:010x}"
    return (
        f'{who}{head[1][kind & 3]}"size":{shares / MICRO},"price":{units / PRICE_SCALE},"timestamp":{ts_s},'
        f'"transaction_hash":"0x{head[2]}{unique}"}}'
    )
