"""The markets of a world: one stays open, one ends during the schedule. Their prices move enough to reach stops."""

import random
from dataclasses import replace
from typing import Final

import numpy as np

from pipelines.core.money import MICRO, SHARE_GRID
from simulator.markets.questions import listing
from simulator.markets.timeline import MarketLife, Timeline, TimelineMarkets

BAR_MIN: Final = 30
"""Market minutes of a step of the venue, and of a bar of the bot. Bars of any length take the same computing time."""

STEP_S: Final = BAR_MIN * 60
START_S: Final = 1_767_312_000
"""Market time at which every world begins: 2026-01-02T00:00Z."""

PAST_BARS: Final = 48
"""Bars before the start: what a window needs until it is warm."""

ENDS_AFTER: Final = 14
"""Bars from the start to the scheduled end of the second market."""

SUBJECTS: Final = ("Alpha", "Beta")


class ScriptedMarkets(TimelineMarkets):
    """A source of markets; a seed decides all of its numbers."""

    step_s = STEP_S

    def __init__(self, seed: str, bars: int) -> None:
        self.now_s = START_S
        self._timeline = Timeline(STEP_S)
        lives = [_life(seed, index, bars) for index in range(len(SUBJECTS))]
        self._timeline.accept(lives, ())
        self._timeline.reveal(START_S)


def _life(seed: str, index: int, live_bars: int) -> MarketLife:
    chance = random.Random(f"market {seed} {index}")  # noqa: S311 - reproducible
    bars = PAST_BARS + (ENDS_AFTER if index else live_bars)
    begin_s = START_S - PAST_BARS * STEP_S
    listed = listing(1, (0, index), SUBJECTS[index], (begin_s, begin_s + bars * STEP_S), 0.0)
    # Each market has an event of its own, so that the limit of related markets lets the bot hold both.
    listed = replace(listed, event_id=f"{listed.event_id}-{index}", category=chance.choice(("crypto", "politics")))
    mid, bids, asks = chance.randint(35, 65), [], []
    for _ in range(bars):
        jump = chance.choice((-6, 6)) if chance.random() < 0.04 else 0
        mid = min(80, max(20, mid + chance.choice((-1, 0, 0, 1)) + jump))
        spread = chance.choice((1, 1, 2))
        bids.append((mid - spread // 2) * 100)
        asks.append((mid - spread // 2 + spread) * 100)
    sizes = [[chance.randint(2_000, 120_000) for _ in range(bars)] for _ in range(2)]
    counts = [chance.choice((0, 1, 1, 2)) for _ in range(bars)]
    volume = [count * chance.randint(10, 4_000) * SHARE_GRID * 10 for count in counts]
    payout = MICRO if chance.random() < mid / 100 else 0
    return MarketLife(
        listing=listed,
        stream=(chance.randrange(2**31), index),
        payout_micro=payout,
        bid=np.array(bids, np.int16),
        ask=np.array(asks, np.int16),
        bid_size=np.array(sizes[0], np.int32),
        ask_size=np.array(sizes[1], np.int32),
        volume_micro=np.array(volume, np.int64),
        n_trades=np.array(counts, np.int16),
    )
