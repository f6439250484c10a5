"""The kinds of schedules: every fault alone, every pair of faults, many faults at once, a kill at every edge.

The schedules are those of the simulator's admin API (`simulator.faults.schedule`), with market minutes stretched to the
bars of the drill.
"""

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from drills.markets import BAR_MIN
from drills.plan import Plan
from simulator.faults.schedule import TimedFault, names, pair_schedule, pairs, schedule

BEGIN_WITHIN: Final = 4
"""Bars within which the first fault of a schedule begins; the longest lasts five more."""

CROWD: Final = 8
"""Number of faults in a schedule of many."""

STRETCHED: Final = ("for_min", "delay_min")


def stretched(events: Sequence[TimedFault]) -> tuple[TimedFault, ...]:
    """Stretch a schedule that was made for bars of a minute to the bars of the drill."""
    return tuple((at * BAR_MIN, {key: _longer(key, value) for key, value in event.items()}) for at, event in events)


def _longer(key: str, value: Any) -> Any:
    return value * BAR_MIN if key in STRETCHED else value


def single(name: str, seed: int) -> Plan:
    """One fault."""
    return Plan(seed, stretched(schedule(seed, BEGIN_WITHIN, [name])))


def pair(two: tuple[str, str], seed: int) -> Plan:
    """Two faults that overlap."""
    return Plan(seed, stretched(pair_schedule(seed, two, BEGIN_WITHIN)))


def crowd(seed: int) -> Plan:
    """Several faults that the seed chooses."""
    chance = random.Random(f"crowd {seed}")  # noqa: S311 - reproducible
    return Plan(seed, stretched(schedule(seed, 2 * BEGIN_WITHIN, chance.sample(names(), CROWD))), bars=12)


def silence(seed: int) -> Plan:
    """Stream and list of trades are silent together for some bars, while rests fill in part and are cancelled."""
    lasts = {"for_min": 8.0 * BAR_MIN}
    events = tuple((2.5 * BAR_MIN, {"fault": name, **lasts}) for name in ("ws_freeze", "trades_empty"))
    return Plan(seed, events)


def cover(seed: int, faults: Sequence[str] = ()) -> Iterator[Plan]:
    """Schedules of `CROWD` faults of which every pair of faults (of `faults` alone, if given) is in at least one."""
    chance = random.Random(f"cover {seed}")  # noqa: S311 - reproducible
    allowed = set(faults or names())
    left = {frozenset(two) for two in pairs() if allowed >= set(two)}
    for number in itertools.count():
        if not left:
            return
        chosen = _greedy(left, chance, sorted(allowed))
        left -= {frozenset(two) for two in itertools.combinations(chosen, 2)}
        own = 1_000 * seed + number
        yield Plan(own, stretched(schedule(own, 2 * BEGIN_WITHIN, chosen)), bars=12)


def _greedy(left: set[frozenset[str]], chance: random.Random, allowed: Sequence[str]) -> list[str]:
    """Faults with many pairs that are still to come: the first pair is drawn, each further fault has the most."""
    chosen = sorted(chance.choice(sorted(left, key=sorted)))
    others = [name for name in allowed if name not in chosen]
    while others and len(chosen) < CROWD:
        chance.shuffle(others)
        best = max(others, key=lambda name: sum(frozenset((name, other)) in left for other in chosen))
        others.remove(best)
        chosen.append(best)
    return chosen


def deaths(plan: Plan, edges: int) -> Iterator[Plan]:
    """The same plan once for each of its edges, with a kill there."""
    for edge in range(1, edges + 1):
        yield replace(plan, dies_at=edge)


def all_pairs() -> tuple[tuple[str, str], ...]:
    """Every pair of different faults."""
    return pairs()


def all_faults() -> tuple[str, ...]:
    """Every fault."""
    return names()
