"""Synthetic markets with a known truth, in staggered events, as a source of the exchange.

An event is generated whole when it is first listed and revealed step by step, so history and live steps are the same
numbers. The truth (fair value, mispricing) is dropped here; `truth` makes it again for evaluations.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pipelines.core.domain import Headline
from pipelines.core.errors import ParameterError
from pipelines.core.money import MICRO
from simulator.markets.events import EPOCH_S, STEP_S, Event, Family, build, generator, market_number, paths
from simulator.markets.grid import IntArray
from simulator.markets.model import Model, Paths
from simulator.markets.source import History, Listing, SourceOptions, Step, Tick
from simulator.markets.trades import Tape, split

_TRADES_STREAM = 1 << 62
_BLOCK = 512


@dataclass(slots=True)
class _Life:
    """The public part of one market, whole; only what lies before now leaves the source."""

    listing: Listing
    number: int
    payout_micro: int
    mid: NDArray[np.int16]
    bid: NDArray[np.int16]
    ask: NDArray[np.int16]
    bid_size: NDArray[np.int32]
    ask_size: NDArray[np.int32]
    """Sizes in 0.01 share; the columns stand in their smallest types, because thousands of markets stay in memory."""
    volume_micro: IntArray
    n_trades: NDArray[np.int8]
    tape: Tape | None = None


class SyntheticMarkets:
    """Source of synthetic markets: all events from the epoch to `now_s`, then step by step.

    Args:
        family: seed, model and schedule.
        now_s: market time to stand at, a multiple of the step, not before the epoch.

    Raises:
        ParameterError: if `now_s` is before the epoch or off the grid of steps.
    """

    step_s = STEP_S

    def __init__(self, family: Family, now_s: int) -> None:
        if now_s < EPOCH_S or (now_s - EPOCH_S) % STEP_S:
            raise ParameterError(
                f"market time was {now_s}: it must be {EPOCH_S} or later, in steps of {STEP_S} s; "
                "delete the state file to start again"
            )
        self.family = family
        self.now_s = now_s
        self._lives: dict[str, _Life] = {}
        self._alive: dict[str, _Life] = {}
        self._listings: list[Listing] = []
        self._events: list[Event] = []
        self._headlines: list[Headline] = []
        self._pending: list[Headline] = []
        self._resolutions: list[tuple[str, int, int]] = []
        self._open_events()
        self._collect()

    def listings(self) -> Sequence[Listing]:
        """Every market that has begun, resolved ones included."""
        return self._listings

    def resolutions(self) -> Sequence[tuple[str, int, int]]:
        """market_id, payout of a YES share in base units and time of every resolution so far."""
        return self._resolutions

    def headlines(self) -> Sequence[Headline]:
        """Headlines known by now, oldest first."""
        return self._headlines

    def history(self, market_id: str) -> History:
        """A market's steps up to now; its first row is the opening quote at its start."""
        life = self._lives[market_id]
        past = slice(0, self._bars(life))
        columns = (life.mid, life.volume_micro, life.n_trades, life.bid, life.ask)
        return History(_times(life)[past], *(column[past].astype(np.int64) for column in columns))

    def sizes(self, market_id: str) -> tuple[IntArray, IntArray]:
        """Displayed size at bid and ask in base units, row by row as `history`."""
        life = self._lives[market_id]
        past = slice(0, self._bars(life))
        return life.bid_size[past].astype(np.int64) * 10_000, life.ask_size[past].astype(np.int64) * 10_000

    def trades(self, market_id: str) -> Tape:
        """A market's trades up to now: the same prints that live steps carry."""
        life = self._lives[market_id]
        bars, tape = self._bars(life), self._tape(life)
        rows = slice(0, int(tape.first[bars]))
        return Tape(
            tape.first[: bars + 1], tape.ts_s[rows], tape.buys[rows], tape.price_units[rows], tape.shares_micro[rows]
        )

    def advance(self) -> Step:
        """The next minute of market time."""
        self.now_s += STEP_S
        known = len(self._listings)
        self._open_events()
        resolved, headlines = self._collect()
        rows = [self._tick(life) for life in self._alive.values()]
        return Step(self.now_s, rows, headlines, resolved, self._listings[known:])

    def _open_events(self) -> None:
        """Generate every event that has started and is not there yet."""
        reached = (self.now_s - EPOCH_S) // (self.family.event_every_min * STEP_S) + 1
        stride = max(1, _BLOCK // self.family.markets_per_event)
        edges = [*range(len(self._events), reached, stride), reached]
        for first, last in pairwise(edges):
            self._list([build(self.family, number) for number in range(first, last)])

    def _list(self, events: list[Event]) -> None:
        made = paths(self.family, events)
        places = [(event, index) for event in events for index in range(len(event.listings))]
        for row, (event, index) in enumerate(places):
            life = _life(event, index, made, row)
            self._lives[life.listing.market_id] = self._alive[life.listing.market_id] = life
            self._listings.append(life.listing)
        self._events += events
        waiting = self._pending + [headline for event in events for headline in event.headlines]
        self._pending = sorted(waiting, key=lambda headline: (headline.known_s, headline.headline_id))

    def _collect(self) -> tuple[list[tuple[str, int]], list[Headline]]:
        """Move what has become known by now from the future to the past."""
        known = 0
        while known < len(self._pending) and self._pending[known].known_s <= self.now_s:
            known += 1
        fresh, self._pending = self._pending[:known], self._pending[known:]
        self._headlines += fresh
        ended = [life for life in self._alive.values() if life.listing.end_s <= self.now_s]
        for life in ended:
            del self._alive[life.listing.market_id]
            self._resolutions.append((life.listing.market_id, life.payout_micro, life.listing.end_s))
        return [(life.listing.market_id, life.payout_micro) for life in ended], fresh

    def _bars(self, life: _Life) -> int:
        return min(len(life.mid), (self.now_s - life.listing.start_s) // STEP_S + 1)

    def _tick(self, life: _Life) -> Tick:
        bar = (self.now_s - life.listing.start_s) // STEP_S
        trades = self._tape(life).prints(bar) if life.n_trades[bar] else ()
        return Tick(
            life.listing.market_id,
            int(life.bid[bar]),
            int(life.ask[bar]),
            int(life.bid_size[bar]) * 10_000,
            int(life.ask_size[bar]) * 10_000,
            trades,
        )

    def _tape(self, life: _Life) -> Tape:
        if life.tape is None:
            touch = (life.bid.astype(np.int64), life.ask.astype(np.int64))
            random = generator(self.family.seed, _TRADES_STREAM | life.number)
            life.tape = split(_times(life), life.volume_micro, life.n_trades.astype(np.int64), touch, random)
        return life.tape


def open_source(options: SourceOptions) -> SyntheticMarkets:
    """The source that the command line describes, standing at its first market time or where it is resumed.

    Raises:
        ParameterError: if the bar length is not the model's minute.
    """
    if options.bar_length_s not in (None, STEP_S):
        raise ParameterError(
            f"bar length was {options.bar_length_s} s: synthetic markets step by {STEP_S} s; "
            "leave it out or replay a file"
        )
    model = Model(
        edge=options.edge,
        drift_at_min=float("inf") if options.drift_at_min is None else options.drift_at_min,
        drift_rel=options.drift_rel,
        drift_feat=options.drift_feat,
    )
    family = Family(
        options.seed, model, options.event_length_min, options.event_every_min, options.markets_per_event
    )  # fmt: skip
    first_s = EPOCH_S + options.history_days * 86_400
    return SyntheticMarkets(family, first_s if options.resume_s is None else options.resume_s)


def _times(life: _Life) -> IntArray:
    return life.listing.start_s + STEP_S * np.arange(len(life.mid), dtype=np.int64)


def _life(event: Event, index: int, paths: Paths, row: int) -> _Life:
    """One market's public columns in their smallest types."""
    return _Life(
        event.listings[index],
        market_number(event.number, index),
        MICRO if paths.resolved_yes[row] else 0,
        paths.mid_units[row].astype(np.int16),
        paths.bid_units[row].astype(np.int16),
        paths.ask_units[row].astype(np.int16),
        (paths.bid_size_micro[row] // 10_000).astype(np.int32),
        (paths.ask_size_micro[row] // 10_000).astype(np.int32),
        paths.volume_micro[row].copy(),
        paths.n_trades[row].astype(np.int8),
    )
