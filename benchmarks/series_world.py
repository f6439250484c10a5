"""A simulated series as histories: its windows on bars of a second, the feeds of its underlying, cut in two slices."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pipelines.core.domain import Market
from pipelines.core.venue_dates import taker_delay_ms
from pipelines.features import compute
from pipelines.reference.board import Board
from pipelines.reference.prices import EXCHANGE, Price
from pipelines.replay.market_history import History
from pipelines.venue import settlement_rules
from simulator.markets.events import EPOCH_S
from simulator.series.feeds import SOURCES, sent_ms
from simulator.series.kinds import Series
from simulator.series.trades import STREAM_MS, within
from simulator.series.underlying import Underlying
from simulator.series.windows import Window, windows_from

LENGTH_S = 1
HORIZON = 24
BEFORE_S = 2_400
"""Reference prices before the first window: what the volatility looks back on, and more."""
FIRST_S = EPOCH_S + 7_200


@dataclass(frozen=True)
class SeriesWorld:
    """Histories in the order of time, one per window."""

    histories: tuple[History, ...]

    def part(self, first: float, last: float) -> tuple[History, ...]:
        """The windows of a share of the time."""
        count = len(self.histories)
        return self.histories[int(first * count) : int(last * count)]


def world(series: Series, seed: int, windows: int) -> SeriesWorld:
    """Consecutive windows of a series with the fair value that its feeds imply."""
    underlying = Underlying(seed, series.symbol)
    begins = [FIRST_S + k * series.length_s for k in range(windows)]
    made = [window for begin_s in begins for window in windows_from(series, begin_s, underlying, seed)]
    board = Board()
    for price in prices(underlying, FIRST_S - BEFORE_S, begins[-1] + series.length_s + 60):
        board.take(price)
    return SeriesWorld(tuple(history(one, board) for one in made))


def prices(underlying: Underlying, from_s: int, to_s: int) -> Iterator[Price]:
    """What three feeds say of the seconds of [from_s, to_s), in the order in which it becomes known: the venue's socket
    as late as the local exchange sends it, and an exchange's stream of trades STREAM_MS after each. At the close of a
    second the newest price of the stream is 0.1 s old (nine tenths of the second's move), that of the venue's `binance`
    1 s and the oracle's 2 s."""
    spot, oracle = underlying.prices(from_s - 1, to_s), underlying.oracle(from_s, to_s)
    columns = {"crypto_prices": spot[1:], "crypto_prices_chainlink": oracle}
    made = [
        Price(underlying.symbol, SOURCES[topic], ts_s * 1_000, sent_ms(topic, ts_s), float(value))
        for topic, values in columns.items()
        for ts_s, value in zip(range(from_s, to_s), values, strict=True)
    ]
    before = within(spot[:-1], spot[1:], 1_000 - STREAM_MS)
    for shift_ms, values in ((-STREAM_MS, before), (0, spot[1:])):
        for ts_s, value in zip(range(from_s, to_s), values, strict=True):
            ts_ms = ts_s * 1_000 + shift_ms
            made.append(Price(underlying.symbol, EXCHANGE, ts_ms, ts_ms + STREAM_MS, float(value)))
    yield from sorted(made, key=lambda one: (one.known_ms, one.ts_ms))


def market(window: Window) -> Market:
    """The market as its listing's text describes it, read by the bot's own parser."""
    listing = window.listing
    raw = {"question": listing.question, "slug": listing.slug, "description": listing.description}
    return Market(
        market_id=listing.market_id,
        event_id=listing.event_id,
        question=listing.question,
        token_yes=listing.token_yes,
        token_no=listing.token_no,
        tick_units=listing.tick_units,
        min_size_micro=listing.min_size_micro,
        fee=listing.fee,
        start_s=listing.start_s,
        end_s=listing.end_s,
        topic="crypto",
        settlement=settlement_rules.read(raw, listing.end_s, listing.event_start_s),
        # The texts state the rules of today, whatever the date of the simulated world.
        taker_delay_ms=taker_delay_ms("crypto", None),
    )


def history(window: Window, board: Board) -> History:
    """Bars of a second from the beginning of the range on, without a forecast: these policies act on the reference
    price and the book."""
    described = market(window)
    rows = window.ts_s >= (window.listing.event_start_s or 0)
    ts_s, bid, ask, volume = (
        column[rows] for column in (window.ts_s, window.bid_units, window.ask_units, window.volume_micro)
    )
    mid = (bid + ask) // 2
    count, flat = len(mid), np.zeros((len(mid), HORIZON))
    return History(
        described,
        ts_s,
        mid,
        bid,
        ask,
        volume,
        ask - bid,
        compute.batch(ts_s, mid, volume, window.listing.end_s),
        np.zeros(count),
        flat,
        flat,
        flat,
        np.full(count, 0.5),
        window.payout_micro,
        board.series(described.settlement, ts_s, LENGTH_S),
    )
