"""Source of synthetic markets in staggered events.

An event is generated as a whole when it is first listed, and revealed step by step, so history and live steps are the
same numbers. The true values (fair value, mispricing) are dropped here; `truth` computes them again for evaluations.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np

from pipelines.core.domain import FloatArray
from pipelines.core.errors import ParameterError
from pipelines.core.money import MICRO, PRICE_SCALE, SHARE_GRID
from simulator.markets.coarse import CoarseMarkets
from simulator.markets.events import EPOCH_S, STEP_S, Event, Family, build, market_number, paths
from simulator.markets.informed import informed_orders
from simulator.markets.large_account import wishes
from simulator.markets.price_grid import tick_at
from simulator.markets.price_model import Model, Paths
from simulator.markets.random_streams import INFORMED, LARGE, generator
from simulator.markets.source import MarketSource, SourceOptions
from simulator.markets.timeline import MarketLife, Timeline, TimelineMarkets

_BLOCK: Final = 512
_BLOCK_BARS: Final = 2_000_000
"""Markets, and bars of theirs, generated at once: enough for vector speed, few enough for memory (about 200 bytes a
bar)."""

MOST_MINUTES: Final = 60
"""Longest step in minutes."""


class SyntheticMarkets(TimelineMarkets):
    """Source of synthetic markets: all events from the epoch to `now_s`, then step by step.

    Args:
        family: seed, model and schedule.
        now_s: market time to start at, a multiple of the step, not before the epoch.

    Raises:
        ParameterError: if `now_s` is before the epoch or off the grid of steps.
    """

    step_s = STEP_S

    def __init__(self, family: Family, now_s: int) -> None:
        if now_s < EPOCH_S or (now_s - EPOCH_S) % STEP_S:
            raise ParameterError(
                f"market time was {now_s}; it must be {EPOCH_S} or later, in steps of {STEP_S} s: "
                "delete the state file to start again"
            )
        self.family = family
        self.now_s = now_s
        self._events = 0
        self._timeline = Timeline(STEP_S)
        self._extend()
        self._timeline.reveal(now_s)

    def _extend(self) -> None:
        """Generate the events that have started since the last call."""
        reached = (self.now_s - EPOCH_S) // (self.family.event_every_min * STEP_S) + 1
        count = self.family.markets_per_event
        stride = max(1, min(_BLOCK, _BLOCK_BARS // self.family.event_length_min) // count)
        edges = [*range(self._events, reached, stride), reached]
        for first, last in pairwise(edges):
            events = [build(self.family, number) for number in range(first, last)]
            self._timeline.accept(
                lives(self.family, events), (headline for event in events for headline in event.headlines)
            )
        self._events = reached


def lives(family: Family, events: Sequence[Event]) -> list[MarketLife]:
    """The markets of the events without their true values."""
    made = paths(family, events)
    places = [(event, index) for event in events for index in range(len(event.listings))]
    return [_life(family, event, index, made, row) for row, (event, index) in enumerate(places)]


def _life(family: Family, event: Event, index: int, made: Paths, row: int) -> MarketLife:
    seed, share = family.seed, family.model.large_account
    number = market_number(event.number, index)
    return MarketLife(
        listing=event.listings[index],
        stream=(seed, number),
        payout_micro=MICRO if made.resolved_yes[row] else 0,
        bid=made.bid_units[row].astype(np.int16),
        ask=made.ask_units[row].astype(np.int16),
        bid_size=(made.bid_size_micro[row] // SHARE_GRID).astype(np.int32),
        ask_size=(made.ask_size_micro[row] // SHARE_GRID).astype(np.int32),
        volume_micro=made.volume_micro[row].copy(),
        n_trades=made.n_trades[row].astype(np.int16),
        informed=informed_orders(
            made.fair[row] * PRICE_SCALE,
            (made.bid_units[row], made.ask_units[row]),
            tick_at(made.tick_units[row], made.mid_units[row]),
            generator(seed, INFORMED | number),
        ),
        large=wishes(_error(made, row), share, generator(seed, LARGE | number)) if share else None,
    )


def _error(made: Paths, row: int) -> FloatArray:
    """Fair value less quote in log-odds, where both are inside the bounds."""
    fair, mid = (np.clip(one, 1e-3, 1.0 - 1e-3) for one in (made.fair[row], made.mid_units[row] / PRICE_SCALE))
    error: FloatArray = np.log(fair / (1.0 - fair)) - np.log(mid / (1.0 - mid))
    return error


def open_source(options: SourceOptions) -> MarketSource:
    """The source that the options describe, at its first market time or at `resume_s`.

    Raises:
        ParameterError: if the bar length is not whole minutes that fit the schedule, or the schedule is out of range.
    """
    allowed = {"history_days": 10_000, "event_length_min": 100_000, "event_every_min": 100_000, "markets_per_event": 50}
    for name, most in allowed.items():
        if not 1 <= getattr(options, name) <= most:
            raise ParameterError(f"--{name.replace('_', '-')} was {getattr(options, name)}; give 1 to {most}")
    for name in ("paraphrase", "irony", "irrelevant"):
        if not 0.0 <= (share := getattr(options.styles, name)) <= 1.0:
            raise ParameterError(f"--{name}-share was {share}; give 0 to 1")
    if options.styles.paraphrase + options.styles.irony > 1.0:
        raise ParameterError("--paraphrase-share and --irony-share are more than 1 together; lower one")
    factor = _minutes(options)
    model = Model(
        edge=options.edge,
        world=options.world,
        size_lean=options.size_lean,
        large_account=options.large_account,
        drift_at_min=float("inf") if options.drift_at_min is None else options.drift_at_min,
        drift_rel=options.drift_rel,
        drift_feat=options.drift_feat,
    )
    schedule = (options.event_length_min, options.event_every_min, options.markets_per_event, options.exclusive_share)
    first_s = EPOCH_S + options.history_days * 86_400 if options.resume_s is None else options.resume_s
    first_s -= (first_s - EPOCH_S) % (factor * STEP_S) if factor > 1 else 0
    made = SyntheticMarkets(Family(options.seed, model, *schedule, options.styles), first_s)
    return made if factor == 1 else CoarseMarkets(made, factor)


def _minutes(options: SourceOptions) -> int:
    """Minutes of a step. Markets must begin and end on its grid."""
    length_s = STEP_S if options.bar_length_s is None else options.bar_length_s
    minutes = length_s // STEP_S
    schedule = (options.event_length_min, options.event_every_min)
    if length_s % STEP_S or not 1 <= minutes <= MOST_MINUTES or any(part % minutes for part in schedule):
        raise ParameterError(
            f"--bar-length-s was {length_s}: synthetic markets step by whole minutes, 60 to {MOST_MINUTES * STEP_S} s, "
            f"that divide --event-length-min ({schedule[0]}) and --event-every-min ({schedule[1]})"
        )
    return minutes
