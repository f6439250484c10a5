"""Public trades as JSON. The bytes are written directly, because a pull reads hundreds of thousands of rows."""

import numpy as np

from pipelines.core.domain import Outcome, Side
from pipelines.core.money import MICRO, PRICE_SCALE
from simulator.api import formats
from simulator.api.data_pages import Paging, pagination
from simulator.engine.markets import LiveMarket
from simulator.markets.large_account import ACCOUNTS, wallet
from simulator.markets.price_grid import IntArray
from simulator.markets.source import Prints
from simulator.venue.venue import Venue

WALLETS = tuple(wallet(account) for account in range(ACCOUNTS + 1))
"""Addresses of the tape's accounts, by number."""

_TIMES, _SIZES = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)
"""Odd factors that mix the bits of times and sizes."""

Line = tuple[int, int, int, int, int, str]
"""A trade: ts, market, kind, price, shares, the taker's wallet. kind: bit 0 buy, bit 1 NO token."""


def tape_page(venue: Venue, markets: list[LiveMarket], side: str, bounds: tuple[int, int], paging: Paging) -> bytes:
    """A page of public trades as JSON bytes."""
    if len(markets) == 1 and not side and not venue.tape.outside(markets[0].listing.market_id):
        return _plain_tape(venue, markets[0], bounds, paging)
    lines: list[Line] = []
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
    head = _row_head(market)
    rows = [_row(head, line) for line in reversed(_noise(noise, part, 0))]
    return b'{"data":[' + ",".join(rows).encode() + b"]," + pagination(paging.limit, start) + b"}"


def _lines(venue: Venue, number: int, market: LiveMarket, side: str, bounds: tuple[int, int]) -> list[Line]:
    """Trades of a market, oldest first."""
    noise = venue.source.trades(market.listing.market_id)
    first, last = (int(i) for i in np.searchsorted(noise.ts_s, [bounds[0], bounds[1] + 1]))
    rows = _noise(noise, slice(first, last), number)
    outside = [
        (
            t.ts_s,
            number,
            (1 if t.side is Side.BUY else 0) + (2 if t.token_id == market.listing.token_no else 0),
            t.price_units,
            t.shares_micro,
            t.wallet.lower(),
        )
        for t in venue.tape.outside(market.listing.market_id)
        if bounds[0] <= t.ts_s <= bounds[1]
    ]
    if outside:
        rows = sorted(rows + outside, key=lambda row: row[0])
    if side:
        rows = [row for row in rows if (row[2] & 1) == (side == "BUY")]
    return rows


def _noise(trades: Prints, part: slice, number: int) -> list[Line]:
    """Trades of the tape in the YES token of market `number`, oldest first."""
    columns = (trades.ts_s[part], trades.buys[part].astype(np.int64), trades.price_units[part])
    found = zip(*(c.tolist() for c in (*columns, trades.shares_micro[part], accounts(trades, part))), strict=True)
    return [(t, number, kind, p, s, WALLETS[account]) for t, kind, p, s, account in found]


def accounts(trades: Prints, part: slice = slice(None)) -> IntArray:
    """Number of the account that made each trade of the tape. One that does not know who traded is spread over the
    noise traders by time and size, so that none of them is large."""
    known: IntArray | None = getattr(trades, "accounts", None)
    if known is not None:
        return known[part]
    mixed = trades.ts_s[part].astype(np.uint64) * _TIMES ^ trades.shares_micro[part].astype(np.uint64) * _SIZES
    return 1 + (mixed * _TIMES >> np.uint64(33)).astype(np.int64) % ACCOUNTS


def _row_head(market: LiveMarket) -> tuple[list[str], str]:
    """The constant parts of a market's rows: one middle per kind, end."""
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
    return middles, listing.market_id[2:42]


def _row(head: tuple[list[str], str], line: Line) -> str:
    ts_s, _, kind, units, shares, who = line
    unique = f"{ts_s:010x}{units & 0xFFFF:04x}{shares & 0xFFFFFFFFFF:010x}"
    return (
        f'{{"proxy_wallet":"{who}",{head[0][kind]}"size":{shares / MICRO},"price":{units / PRICE_SCALE},'
        f'"timestamp":{ts_s},"transaction_hash":"0x{head[1]}{unique}"}}'
    )
