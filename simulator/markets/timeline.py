"""Markets whose whole life the source knows, revealed step by step.

Synthetic and replayed markets both use this. History and live steps are parts of the same arrays, so they agree to the
unit.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.core.domain import Headline
from pipelines.core.money import SHARE_GRID
from simulator.markets.book_events import Depth
from simulator.markets.informed import InformedOrders
from simulator.markets.large_account import Wishes, marked
from simulator.markets.price_grid import IntArray
from simulator.markets.random_streams import TRADERS, TRADES, generator
from simulator.markets.source import History, Listing, Step, Tick
from simulator.markets.trades import NoiseTrades, split


@dataclass(slots=True)
class MarketLife:
    """The whole life of one market; row 0 is at `start_s`. The types are small, because thousands stay in memory."""

    listing: Listing
    stream: tuple[int, int]
    """Seed and number of the generator that splits volume into trades."""
    payout_micro: int | None
    """Payout of a YES share at the end in base units. None if a recording does not tell it: the market only ends."""
    bid: NDArray[np.int16]
    ask: NDArray[np.int16]
    bid_size: NDArray[np.int32]
    """In 0.01 share, like `ask_size`."""
    ask_size: NDArray[np.int32]
    volume_micro: IntArray
    n_trades: NDArray[np.int16]
    informed: InformedOrders | None = None
    """Orders of the informed trader; None for a recording."""
    large: Wishes | None = None
    """What the large informed account wants; None where there is none."""
    tape: NoiseTrades | None = None
    depth: Depth | None = None
    """Whole books, if they were recorded."""


class Timeline:
    """Lives on a common grid of steps of `step_s` market seconds. Nothing after the last `reveal` can be read."""

    def __init__(self, step_s: int) -> None:
        self.step_s = step_s
        self.now_s = 0
        self.listings: list[Listing] = []
        self.resolutions: list[tuple[str, int, int]] = []
        self.headlines: list[Headline] = []
        self._lives: dict[str, MarketLife] = {}
        self._open: dict[str, MarketLife] = {}
        self._upcoming: list[MarketLife] = []
        self._unpublished: list[Headline] = []

    def accept(self, lives: Iterable[MarketLife], headlines: Iterable[Headline]) -> None:
        """Add markets and headlines; `reveal` shows them when their time has come."""
        self._upcoming = sorted([*self._upcoming, *lives], key=lambda life: life.listing.start_s)
        waiting = [*self._unpublished, *headlines]
        self._unpublished = sorted(waiting, key=lambda headline: (headline.known_s, headline.headline_id))

    def reveal(self, now_s: int) -> Step:
        """Everything that has begun, ended or become known since the last call, and the quotes at `now_s`."""
        self.now_s = now_s
        listed = self._begin()
        resolved = self._end()
        known = sum(1 for headline in self._unpublished if headline.known_s <= self.now_s)
        fresh, self._unpublished = self._unpublished[:known], self._unpublished[known:]
        self.headlines += fresh
        return Step(self.now_s, [self._tick(life) for life in self._open.values()], fresh, resolved, listed)

    def history(self, market_id: str) -> History:
        """Rows of a market up to now.

        Raises:
            KeyError: if the market has not begun.
        """
        life = self._lives[market_id]
        past = slice(0, self._rows(life))
        bid, ask = life.bid[past].astype(np.int64), life.ask[past].astype(np.int64)
        volume, count = life.volume_micro[past], life.n_trades[past].astype(np.int64)
        return History(self._times(life)[past], (bid + ask) // 2, volume, count, bid, ask)

    def trades(self, market_id: str) -> NoiseTrades:
        """Trades of a market up to now: the same as in the live steps."""
        life = self._lives[market_id]
        rows, tape = self._rows(life), self._tape(life)
        past = slice(0, int(tape.first[rows]))
        columns = (tape.ts_s[past], tape.buys[past], tape.price_units[past], tape.shares_micro[past])
        accounts = None if tape.accounts is None else tape.accounts[past]
        return NoiseTrades(tape.first[: rows + 1], *columns, accounts)

    def _begin(self) -> list[Listing]:
        begun = sum(1 for life in self._upcoming if life.listing.start_s <= self.now_s)
        fresh, self._upcoming = self._upcoming[:begun], self._upcoming[begun:]
        for life in fresh:
            self._lives[life.listing.market_id] = self._open[life.listing.market_id] = life
        self.listings += [life.listing for life in fresh]
        return [life.listing for life in fresh]

    def _end(self) -> list[tuple[str, int]]:
        ended = [life for life in self._open.values() if self._over(life)]
        resolved = []
        for life in ended:
            del self._open[life.listing.market_id]
            if life.payout_micro is not None:
                resolved.append((life.listing.market_id, life.payout_micro))
                self.resolutions.append((*resolved[-1], min(life.listing.end_s, self._known_until(life))))
        return resolved

    def _over(self, life: MarketLife) -> bool:
        """Whether the scheduled end is reached, or the last known bar has passed."""
        return self.now_s >= min(life.listing.end_s, self._known_until(life))

    def _known_until(self, life: MarketLife) -> int:
        return life.listing.start_s + len(life.bid) * self.step_s

    def _rows(self, life: MarketLife) -> int:
        return min(len(life.bid), (self.now_s - life.listing.start_s) // self.step_s + 1)

    def _times(self, life: MarketLife) -> IntArray:
        return life.listing.start_s + self.step_s * np.arange(len(life.bid), dtype=np.int64)

    def _tick(self, life: MarketLife) -> Tick:
        row = self._rows(life) - 1
        live = life.listing.start_s + row * self.step_s == self.now_s
        return Tick(
            life.listing.market_id,
            int(life.bid[row]),
            int(life.ask[row]),
            int(life.bid_size[row]) * SHARE_GRID,
            int(life.ask_size[row]) * SHARE_GRID,
            self._tape(life).prints(row) if live and life.n_trades[row] else (),
            life.informed.at(row, self.now_s) if live and life.informed is not None else (),
            tuple((b, p, n * SHARE_GRID) for b, p, n in life.depth.at(row)) if life.depth is not None else (),
        )

    def _tape(self, life: MarketLife) -> NoiseTrades:
        if life.tape is None:
            touch = (life.bid.astype(np.int64), life.ask.astype(np.int64))
            random = generator(life.stream[0], TRADES | life.stream[1])
            life.tape = split(self._times(life), life.volume_micro, life.n_trades.astype(np.int64), touch, random)
            if life.large is not None:
                who = generator(life.stream[0], TRADERS | life.stream[1])
                life.tape = marked(life.tape, life.large, touch, who)
        return life.tape


class TimelineMarkets:
    """A source of markets whose lives are on a timeline: what every such source answers (`MarketSource`).

    A subclass sets `step_s`, `now_s` and `_timeline`, and reveals the start. One that makes its markets as time goes on
    overrides `_extend`.
    """

    step_s: int
    now_s: int
    _timeline: Timeline

    def listings(self) -> Sequence[Listing]:
        """All markets that have begun, resolved ones included."""
        return self._timeline.listings

    def resolutions(self) -> Sequence[tuple[str, int, int]]:
        """market_id, payout of a YES share in base units and time of every resolution so far."""
        return self._timeline.resolutions

    def headlines(self) -> Sequence[Headline]:
        """Headlines known up to now, oldest first; empty where none are about these markets."""
        return self._timeline.headlines

    def history(self, market_id: str) -> History:
        """A market's steps up to now; its first row is the opening quote at its start."""
        return self._timeline.history(market_id)

    def trades(self, market_id: str) -> NoiseTrades:
        """A market's trades up to now: the same as in the live steps."""
        return self._timeline.trades(market_id)

    def advance(self) -> Step:
        """The next step of market time."""
        self.now_s += self.step_s
        self._extend()
        return self._timeline.reveal(self.now_s)

    def _extend(self) -> None:
        """Put the markets that begin by now on the timeline. Nothing to do where all are there from the start."""
