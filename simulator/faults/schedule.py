"""Schedules of faults in market time, as pure functions of a seed."""

import random
from collections.abc import Sequence
from itertools import combinations
from typing import Any

from pipelines.core.errors import ParameterError
from simulator.faults.catalog import KINDS, ONCE
from simulator.faults.profiles import Profile

TimedFault = tuple[float, dict[str, Any]]
"""Market minutes from the start, and the fault with its options in the form of POST /admin/faults."""

MOST_MINUTES = 1_000_000
"""Longest schedule in market minutes."""

DAY_MIN = 1_440.0

OPTIONS: dict[str, tuple[tuple[str, tuple[float, ...]], ...]] = {
    "engine_error": (("placed", (0, 1)),),
    "disabled": (("short", (0, 1)),),
    "lost_answer": (("hold_s", (0.5, 2)),),
    "late_answer": (("delay_s", (0.5, 2)),),
    "slow": (("delay_s", (0.2, 1)),),
    "restart": (("post_only_s", (2,)),),
    "forbidden": (("reads", (0, 1)),),
    "delayed_with_words": (("lives", (0, 1)),),
    "stale_balance": (("orders", (0, 1)),),
    "clock_skew": (("skew_s", (-30, 30)),),
    "tick_change": (("tick_units", (10, 100)),),
    "tick_missed": (("tick_units", (10, 100)),),
    "spend_sums": (("decimals", (4, 5, 6)),),
    "resolve_early": (("payout", (0, 1)),),
    "decided_away": (("payout", (0, 1)),),
    "resolve_late": (("delay_min", (5, 60)),),
    "resolve_disputed": (("delay_min", (5, 60)), ("flip", (0, 1))),
    "trades_incomplete": (("rows", (1, 3)),),
    "fee_change": (("rate", (0, 0.1)),),
    "min_size_change": (("shares", (5, 15)),),
    "end_change": (("minutes", (-600, 600)),),
    "reference_jump": (("share", (-0.0019, 0.0019, 9.0)),),
    "rebate": (("taker", (0, 1)),),
    "withdrawal": (("micro", (1, 5_000_000)),),
    "deposit": (("micro", (1, 5_000_000)),),
    "taker_delay": (("delay_s", (0.15, 1)),),
    "sports_delay": (("delay_s", (0.5, 2)),),
    "gamma_odd": (("probability", (0.02, 0.5)),),
    "history_nulls": (("probability", (0.02, 0.2)),),
}
"""By fault: its options, and the values from which a schedule draws."""

SELDOM = ("odd_frames", "odd_stamps")
"""Faults of single messages. A schedule gives them a probability, so that some messages stay correct."""

ROUTES = ("/prices-history", "/midpoint", "/v2/prices-history", "/balance-allowance/update")
"""Routes that a schedule may retire. A client can work without them."""


def names() -> tuple[str, ...]:
    """Names of all faults in the order of the catalogue."""
    return tuple(KINDS)


def pairs() -> tuple[tuple[str, str], ...]:
    """All pairs of different faults."""
    return tuple(combinations(KINDS, 2))


def schedule(seed: int, minutes: int = 60, faults: Sequence[str] = (), each: int = 1) -> list[TimedFault]:
    """Every fault `each` times, at random minutes and for a random time. The same arguments give the same schedule.

    Args:
        seed: seed of all random choices.
        minutes: market minutes in which faults begin, 1 to 1,000,000.
        faults: names of the faults; empty means all.
        each: how often each fault starts, 1 to 1,000.

    Returns:
        Events, the earliest first. Five minutes after the last minute no fault is on any more.

    Raises:
        ParameterError: if an argument is wrong; the text names it, the value received and what is allowed.
    """
    if not 1 <= minutes <= MOST_MINUTES:
        raise ParameterError(f"minutes was {minutes!r}; give 1 to {MOST_MINUTES}")
    if not 1 <= each <= 1_000:
        raise ParameterError(f"each was {each!r}; give 1 to 1000")
    unknown = [name for name in faults if name not in KINDS]
    if unknown:
        raise ParameterError(f"fault was {unknown[0]!r}; choose one of {', '.join(KINDS)}")
    chance = random.Random(f"schedule {seed}")  # noqa: S311 - reproducible schedules, no secrets
    events = [(chance.uniform(0, minutes), drawn(name, chance)) for _ in range(each) for name in faults or names()]
    return sorted(events, key=lambda event: event[0])


def pair_schedule(seed: int, pair: tuple[str, str], minutes: int = 60) -> list[TimedFault]:
    """Two faults that overlap: the second begins while the first is on, or within a minute of it."""
    chance = random.Random(f"pair {seed} {pair[0]} {pair[1]}")  # noqa: S311 - reproducible schedules, no secrets
    first, second = (drawn(name, chance) for name in chance.sample(pair, 2))
    begin = chance.uniform(0, minutes)
    return [(begin, first), (begin + chance.uniform(0, first.get("for_min", 1)), second)]


def drawn(name: str, chance: random.Random) -> dict[str, Any]:
    """A fault with random options. If it has a duration, that is 1, 2 or 5 market minutes."""
    event: dict[str, Any] = {"fault": name}
    if name not in ONCE:
        event["for_min"] = chance.choice((1, 2, 5))
    for option, values in OPTIONS.get(name, ()):
        event[option] = chance.choice(values)
    if name in SELDOM:
        event["probability"] = chance.choice((0.01, 0.1, 1))
    if name == "route_retired":
        event |= {"route": chance.choice(ROUTES), "status": chance.choice((404, 410))}
    return event


def profile_schedule(found: Profile, seed: int, day: int) -> list[TimedFault]:
    """The recurring faults of a profile in market day number `day`, with their minutes of the day, earliest first."""
    chance = random.Random(f"profile {seed} {day}")  # noqa: S311 - reproducible schedules, no secrets
    events: list[TimedFault] = []
    for name, timed in found.recurring.items():
        minute = chance.expovariate(timed.per_day) * DAY_MIN
        while minute < DAY_MIN:
            options = {"for_min": 1} if name not in ONCE and not set(timed.options) & {"for_s", "for_min"} else {}
            events.append((minute, {"fault": name, **options, **timed.options}))
            minute += chance.expovariate(timed.per_day) * DAY_MIN
    return sorted(events, key=lambda event: event[0])
