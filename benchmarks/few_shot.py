"""Skill gained by adapting to the first bars of a new event: `python -m benchmarks.few_shot`.

A linear head over market context, last moves and headlines is trained on events of several generators and edges. Then
other events come, of a kind of generator that it knows or of one that it never saw. It adapts from the first K bars of
the event's markets, or of those of the event and of all earlier ones of its family, and is judged on the bars after the
longest K, the same for every K: a Bayesian head, Reptile and a head trained anew on these bars alone, against the head
that does not adapt. How strongly it adapts is chosen on training events. Skill is 1 - RMSE / RMSE of the price, in
price units. Differences are paired by event, with a 95 % bootstrap interval over events. One JSON line; what is
finished is kept in var/benchmarks and not made again.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
from scipy.signal import lfilter

from benchmarks.few_shot_head import Learner, Prior, Sums
from benchmarks.kept_rows import digest
from benchmarks.worlds import market_context
from pipelines.core.artifacts import write_bytes
from pipelines.core.command_line import exit_status, whole
from pipelines.core.domain import FloatArray
from pipelines.core.money import PRICE_SCALE
from pipelines.features.market_context import CONTEXT, PRICES
from simulator.markets.events import Family, build
from simulator.markets.price_model import Model, World
from simulator.markets.truth import truth

KEPT = Path("var/benchmarks/few-shot")
SOURCES = ("benchmarks/few_shot.py", "simulator/markets", "pipelines/features")
KINDS: tuple[World, ...] = get_args(World)
EDGES, NEW_EDGES = (0.25, 0.5, 1.0), (0.5, 1.0)
HORIZONS = (1, 5, 24)
BARS = (0, 30, 120, 480)
"""K: bars of every market of the event from which the head adapts."""
FIRST_SEED, NEW_SEED = 501, 601
LAGS = 5
TONE_BARS = 15.0
PRICE_COLUMNS = [CONTEXT.index(name) for name in PRICES]
METHODS = ("bayes", "reptile", "anew")
SITUATIONS = {"new_kind_event": (False, False), "new_kind_family": (False, True), "known_kind_event": (True, False)}
"""Whether the kind of generator is known from training; whether earlier events of the family are seen too."""
PARTS = ("xx", "xy", "yy", "count")
SAMPLES = 2_000

Task = dict[int, Sums]
Families = dict[World, list[list["Task"]]]
"""By K: the sums of the event's first K bars; at -1 those of the bars that judge."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is missing, print one line and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.few_shot", description=__doc__)
    parser.add_argument("--events", type=whole(2), default=12, help="of each generator and edge")
    parser.add_argument("--out", type=Path, default=Path("docs/results/few-shot.md"))
    asked = parser.parse_args(arguments)
    past = {kind: [tasks(kind, edge, FIRST_SEED, asked.events) for edge in EDGES] for kind in KINDS}
    new = {kind: [tasks(kind, edge, NEW_SEED, asked.events) for edge in NEW_EDGES] for kind in KINDS}
    found = {"benchmark": "few_shot", "events": asked.events * len(KINDS) * len(NEW_EDGES)} | measured(past, new)
    write_bytes(asked.out, render(found).encode())
    print(json.dumps(found))


def tasks(kind: World, edge: float, seed: int, events: int) -> list[Task]:
    """The events of a generator as tasks, computed or as they were kept."""
    path = KEPT / f"{kind}-{edge:g}-{seed}-{events}-{digest(SOURCES)[:10]}.npz"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        made = made_tasks(kind, edge, seed, events)
        columns = {
            f"{number}_{bars}_{name}": getattr(sums, name)
            for number, task in enumerate(made)
            for bars, sums in task.items()
            for name in PARTS
        }
        part = path.with_suffix(".part.npz")
        np.savez(part, **columns)
        part.rename(path)
        print(json.dumps({"made": path.name}), file=sys.stderr, flush=True)
    with np.load(path) as kept:
        return [
            {bars: Sums(*(kept[f"{number}_{bars}_{name}"] for name in PARTS)) for bars in (*BARS, -1)}
            for number in range(events)
        ]


def made_tasks(kind: World, edge: float, seed: int, events: int) -> list[Task]:
    """The sums of every event of a generator."""
    family = Family(seed, Model(edge=edge, world=kind), event_length_min=720, event_every_min=60, markets_per_event=6)
    built = [build(family, number) for number in range(events)]
    known = truth(family, built)
    price = known.paths.mid_units / PRICE_SCALE
    tone = np.where(known.news, known.sentiment, 0.0)
    inputs = columns(price, market_context(known, built)[:, :, PRICE_COLUMNS], tone)
    return [task(inputs[known.event == number], price[known.event == number]) for number in range(events)]


def columns(price: FloatArray, context: FloatArray, tone: FloatArray) -> FloatArray:
    """Inputs (markets, minutes, k) in price units: the context, the last moves, and headlines, new and absorbed."""
    move = np.diff(price, axis=1, prepend=price[:, :1])
    lags = [np.roll(move, lag, axis=1) * (np.arange(price.shape[1]) >= lag) for lag in range(1, LAGS + 1)]
    room = price * (1.0 - price)
    keep = np.exp(-1.0 / TONE_BARS)
    slow = lfilter([1.0], [1.0, -keep], tone, axis=1)
    return np.concatenate([context, np.stack([*lags, room * tone, room * slow], axis=2)], axis=2)


SCALE, LIMIT = 0.01, 20.0
"""Inputs and moves are counted in cents, inputs at most so many."""


def task(inputs: FloatArray, price: FloatArray) -> Task:
    """The sums of one event. A move that ends after bar K is not known at bar K."""
    last = price.shape[1] - max(HORIZONS)
    made = {bars: _sums(inputs, price, 0, bars, bars) for bars in BARS}
    return made | {-1: _sums(inputs, price, max(BARS), last, price.shape[1])}


def _sums(inputs: FloatArray, price: FloatArray, first: int, last: int, known: int) -> Sums:
    """Sums of the bars first .. last - 1 whose moves end before bar `known`; each horizon has bars of its own."""
    size, parts = inputs.shape[2], []
    for horizon in HORIZONS:
        rows = slice(first, max(min(last, known - horizon), first))
        moved = price[:, horizon:] - price[:, :-horizon]
        x = np.clip(inputs[:, rows].reshape(-1, size) / SCALE, -LIMIT, LIMIT)
        parts.append((x, moved[:, rows].ravel() / SCALE))
    return Sums.of(parts)


def measured(past: Families, new: Families) -> dict[str, Any]:
    """Of each situation: the skill of the head that does not adapt, and the points that each method adds at each K."""
    return {name: _situation(past, new, *about) for name, about in SITUATIONS.items()}


def _situation(past: Families, new: Families, knows_kind: bool, of_family: bool) -> dict[str, Any]:
    errors: dict[tuple[str, int], list[FloatArray]] = {}
    price, plain = [], []
    for kind in KINDS:
        learned = [family for other in KINDS if knows_kind or other != kind for family in past[other]]
        whole = [one[-1] + one[max(BARS)] for family in learned for one in family]
        prior, half = Prior.of(whole, HORIZONS), Prior.of(whole[::2], HORIZONS)
        still = prior.mean
        for bars in BARS:
            learner = Learner.of(prior, half, _shown(learned, bars, of_family)[1::2], HORIZONS)
            for seen, judged in _shown(new[kind], bars, of_family):
                if bars == 0:
                    price.append(judged.yy)
                    plain.append(judged.squared_error(still))
                for name, head in zip(METHODS, learner.heads(seen), strict=True):
                    errors.setdefault((name, bars), []).append(judged.squared_error(head))
    base, unmoved = np.array(price), np.array(plain)
    found: dict[str, Any] = {"not_adapted": _skills(base, unmoved)}
    for name in METHODS:
        found[name] = {str(bars): _gains(base, unmoved, np.array(errors[name, bars])) for bars in BARS}
    return found


def _shown(families: Sequence[Sequence[Task]], bars: int, of_family: bool) -> list[tuple[Sums, Sums]]:
    """Of every event: what is seen first, and what judges."""
    shown = []
    for family in families:
        earlier: Sums | None = None
        for one in family:
            seen = one[bars] if earlier is None else one[bars] + earlier
            shown.append((seen, one[-1]))
            earlier = seen if of_family else None
    return shown


def _skills(price: FloatArray, errors: FloatArray) -> dict[str, float]:
    """Skill in per cent at each horizon, all events together."""
    skill = 100.0 * (1.0 - np.sqrt(errors.sum(axis=0) / price.sum(axis=0)))
    return {f"h{horizon}": round(float(one), 3) for horizon, one in zip(HORIZONS, skill, strict=True)}


def _gains(price: FloatArray, still: FloatArray, moved: FloatArray) -> dict[str, list[float]]:
    """Points of skill that a method adds, [value, 2.5 %, 97.5 %] over events, at each horizon."""
    rng = np.random.default_rng(0)

    def gain(rows: Any) -> FloatArray:
        total = price[rows].sum(axis=0)
        more: FloatArray = np.sqrt(still[rows].sum(axis=0) / total) - np.sqrt(moved[rows].sum(axis=0) / total)
        return 100.0 * more

    drawn = np.array([gain(rng.integers(0, len(price), len(price))) for _ in range(SAMPLES)])
    low, high = np.quantile(drawn, (0.025, 0.975), axis=0)
    values = zip(HORIZONS, gain(slice(None)), low, high, strict=True)
    return {f"h{horizon}": [round(float(value), 3) for value in row] for horizon, *row in values}


TITLES = {
    "new_kind_event": "An event of a kind of generator that it never saw, from the event's first K bars",
    "new_kind_family": "A family of such a kind, from the first K bars of the event and of each earlier one",
    "known_kind_event": "An event of a known kind of generator, from the event's first K bars",
}


def render(found: dict[str, Any]) -> str:
    """The page."""
    lines = [
        "# Adapting to the first bars of a new event",
        "",
        "A linear head (market context, last moves, headlines) is trained on"
        f" {3 * 12 * len(KINDS)} events of {len(KINDS)} kinds of generators",
        f"at the edges {', '.join(f'{edge:g}' for edge in EDGES)}, and judged on {found['events']} other events at the"
        f" edges {', '.join(f'{edge:g}' for edge in NEW_EDGES)}, on their bars",
        f"from {max(BARS)} on. The tables have the points of skill (per cent less RMSE than the price) that adapting",
        "adds to the head that does not adapt, with the 95 % interval over events. `bayes` moves a prior whose spread",
        "was fitted to the events of the past, `reptile` takes gradient steps from weights that were trained for it,",
        "`anew` knows no past events. How strongly the first two may move was chosen on events of the past. Made by",
        "`python -m benchmarks.few_shot`.",
    ]
    for situation, title in TITLES.items():
        of = found[situation]
        still = ", ".join(f"{value:.2f} % {name[1:]} bars ahead" for name, value in of["not_adapted"].items())
        lines += ["", f"## {title}", "", f"Skill without adaptation: {still}.", ""]
        lines += [f"| head | K | {' | '.join(f'{horizon} bars ahead' for horizon in HORIZONS)} |"]
        lines += [f"|---|---|{'---|' * len(HORIZONS)}"]
        for name in METHODS:
            for bars, row in of[name].items():
                told = [f"{one[0]:+.2f} [{one[1]:+.2f}, {one[2]:+.2f}]" for one in row.values()]
                lines.append(f"| {name} | {bars} | {' | '.join(told)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(exit_status("few_shot", main))
