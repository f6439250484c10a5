"""python -m benchmarks.fills BOOKS: fit the fills of resting orders on recorded up/down books, test them on others.

A probe rests a bid of each token at its touch `AT_S` seconds before the end of a window, as the maker probe of 2026
did. Books are looked at every LOOK_S seconds, or `--look-s`: the length of the bars that the fills are for. At a look
the order is filled when the other side's touch has come to its limit; between looks the model says how likely that was,
and the messages in between say whether it was so. The first two thirds of the markets fit the weights, the rest are
never seen by the fit. One JSON line, also in reports/fills.json, which the gate reads before it promotes a policy that
rests: it has to have been judged with these `weights` (rounded as they are to be written to `execution.fill_weights`)
and on bars no longer than `look_s`. Trades that come through the queue at the touch (`benchmarks.queues`) fill too, as
`execution.fill_queue_weights` and `fill_trade_share` say: these books do not tell a trade from a cancel. What such
fills are charged (`execution.fill_adverse_units`) is in the report too, so that the gate can compare. The share is
that of both, and `touch_alone` is that of the touch. Its interval is over whole windows: the probes of one window share
their outcome and are one piece of evidence. `one_sided_windows` counts the windows with at least one expected one-sided
fill, and `left_out` names the windows that could not be used and why.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import recorded_windows
from benchmarks.fill_cases import Queue, Resting, queue
from benchmarks.recorded_books import BookSource
from benchmarks.recorded_windows import Recording, Window
from pipelines.core.artifacts import write_json
from pipelines.core.domain import FloatArray
from pipelines.core.errors import DataError, OddsmithError
from pipelines.core.money import MICRO, PRICE_SCALE
from pipelines.core.params import load
from pipelines.core.products import report_json
from pipelines.replay.bounds import draws
from pipelines.trading.fill_model import NAMES, QUEUE_NAMES, logistic, weighed

REPORT = report_json("fills")
TICK = 100
AT_S = tuple(range(60, 281, 20))
"""Seconds before the end at which a probe is placed; each is a window of its own."""
FIT_SHARE = 2 / 3
"""Share of the windows of each recording, the earlier ones, that fit the weights."""
LEVEL = 0.95
SAMPLES = 10_000
LOOK_S = 1
SHOWN = 3
"""Windows that an error names."""
DIGITS = 2
"""Of the weights, as they are measured and written to params.yaml."""
NEWTON_STEPS = 40
RIDGE = 1e-2


@dataclass(frozen=True)
class Probe:
    """One resting bid. Per interval between looks, while it waits: features, its queue (None behind the touch), and
    whether the price came to it in between (not seen at a look). `through`: whether it came at all; `seen`: whether it
    was there at a look."""

    yes: bool
    price: float
    features: tuple[tuple[float, ...], ...]
    queues: tuple[Queue | None, ...]
    came: tuple[bool, ...]
    through: bool
    seen: bool


def probe(window: Window, at_s: int, *, yes: bool, look_s: int = LOOK_S, share: float = 0.0) -> Probe | None:
    """A bid at the touch of a token, `at_s` before the end, looked at every `look_s`; None without a touch. `share` of
    what vanishes before it was traded."""
    start = int(np.searchsorted(-window.left_s, -at_s))
    bid, ask = (window.bid, window.ask) if yes else (1.0 - window.ask, 1.0 - window.bid)
    lowest = window.lowest_ask if yes else 1.0 - window.highest_bid
    sizes = (window.bid_size, window.ask_size) if yes else (window.ask_size, window.bid_size)
    if start >= len(bid) or not 0.02 < bid[start] < ask[start] < 0.98:
        return None
    limit = bid[start]
    ahead = int(sizes[0][start] * MICRO)
    features: list[tuple[float, ...]] = []
    queues: list[Queue | None] = []
    came: list[bool] = []
    seen = False
    for k in range(start, len(bid) - 1, look_s):
        later = min(k + look_s, len(bid) - 1)
        seen = bool(ask[later] <= limit + 1e-9)
        if seen:
            break
        queues.append(_queue(bid, sizes[0], limit, k, later, ahead))
        ahead = ahead if queues[-1] is None else queues[-1].left_micro(share)
        features.append(_looks(window, bid, ask, sizes, limit, k, later))
        came.append(bool((lowest[k + 1 : later + 1] <= limit + 1e-9).any()))
        if came[-1]:
            break
    through = seen or any(came)
    return Probe(yes, float(limit), tuple(features), tuple(queues), tuple(came), through=through, seen=seen)


def _queue(bid: FloatArray, size: FloatArray, limit: float, k: int, later: int, ahead: int) -> Queue | None:
    before, after = (round((bid[row] - limit) * PRICE_SCALE) for row in (k, later))
    shown = (int(size[k] * MICRO), int(size[later] * MICRO))
    one_sided = not bid[later] > 0.0
    return None if one_sided else queue((before, after), shown, ahead, float(later - k))


def _looks(
    window: Window,
    bid: FloatArray,
    ask: FloatArray,
    sizes: tuple[FloatArray, FloatArray],
    limit: float,
    k: int,
    later: int,
) -> tuple[float, ...]:
    own, other = sizes
    return Resting(
        before_units=max(round((ask[k] - limit) * PRICE_SCALE), 0),
        after_units=max(round((ask[later] - limit) * PRICE_SCALE), 0),
        seconds=float(later - k),
        ahead_micro=int(own[k] * MICRO) if abs(bid[k] - limit) < 1e-9 else 0,
        spread_units=round((ask[k] - bid[k]) * PRICE_SCALE),
        tick_units=TICK,
        own_micro=int(own[k] * MICRO),
        other_micro=int(other[k] * MICRO),
        move_units=round((bid[k] + ask[k] - bid[later] - ask[later]) / 2.0 * PRICE_SCALE),
        left_s=float(window.left_s[k]),
    ).features()


def probes(
    windows: Sequence[Window], look_s: int = LOOK_S, share: float = 0.0
) -> Iterator[tuple[Window, Probe, Probe]]:
    """Two-sided probes: YES and NO of each window, at each time."""
    for window in windows:
        for at_s in AT_S:
            both = [probe(window, at_s, yes=yes, look_s=look_s, share=share) for yes in (True, False)]
            if both[0] is not None and both[1] is not None:
                yield window, both[0], both[1]


def fit(made: Sequence[tuple[Window, Probe, Probe]]) -> tuple[float, ...]:
    """Weights by maximum likelihood, to DIGITS: a logistic regression of "the price came to the limit between these
    looks"."""
    both = [one for _, *pair in made for one in pair]
    x = np.array([row for one in both for row in one.features])
    y = np.array([float(hit) for one in both for hit in one.came])
    weights = np.zeros(x.shape[1])
    for _ in range(NEWTON_STEPS):
        chance = 1.0 / (1.0 + np.exp(-np.clip(x @ weights, -30.0, 30.0)))
        gradient = x.T @ (y - chance) - RIDGE * weights
        curve = (x * (chance * (1.0 - chance))[:, None]).T @ x + RIDGE * np.eye(x.shape[1])
        weights = weights + np.clip(np.linalg.solve(curve, gradient), -1.0, 1.0)
    return tuple(round(float(value), DIGITS) for value in weights)


def filled(weights: tuple[float, ...], one: Probe, trades: tuple[float, ...] | None) -> float:
    """Probability that the model gives to a fill of the probe from the looks alone: that the other touch came, and with
    the weights of `trades` that these took its queue."""
    missed = [1.0 - logistic(weighed(weights, row)) for row in one.features]
    if trades is not None:
        missed += [1.0 - waiting.chance(trades) for waiting in one.queues if waiting is not None]
    return 1.0 if one.seen else 1.0 - float(np.prod(missed))


@dataclass(frozen=True)
class Sides:
    """Expected fills of the two-sided probes of one window: of one side alone, of these on the loser, of both sides."""

    alone: float
    loser: float
    both: float


def sides(
    weights: tuple[float, ...] | None,
    made: Sequence[tuple[Window, Probe, Probe]],
    trades: tuple[float, ...] | None = None,
) -> dict[str, Sides]:
    """Expected fills by window, by the model (`filled`), or by the books where `weights` is None."""
    found: dict[str, Sides] = {}
    for window, yes, no in made:
        chances = [float(one.through) if weights is None else filled(weights, one, trades) for one in (yes, no)]
        only_yes, only_no = chances[0] * (1.0 - chances[1]), chances[1] * (1.0 - chances[0])
        known = found.get(window.name, Sides(0.0, 0.0, 0.0))
        found[window.name] = Sides(
            known.alone + only_yes + only_no,
            known.loser + (only_no if window.won else only_yes),
            known.both + chances[0] * chances[1],
        )
    return found


def summed(found: dict[str, Sides]) -> dict[str, Any]:
    """Fills of one side and of both over all windows; the share of the first on the loser (None without any) with its
    interval, and in how many windows there was at least one of them."""
    alone, loser = (np.array([getattr(one, name) for one in found.values()]) for name in ("alone", "loser"))
    return {
        "one_sided": float(alone.sum()),
        "on_loser_share": float(loser.sum() / alone.sum()) if alone.sum() > 0.0 else None,
        "on_loser_interval": _interval(alone, loser),
        "one_sided_windows": int((alone >= 1.0).sum()),
        "two_sided": float(sum(one.both for one in found.values())),
    }


def _interval(alone: FloatArray, loser: FloatArray) -> list[float] | None:
    """Interval of the share by bootstrap over whole windows; None with fewer than two windows that have fills."""
    if (alone > 0.0).sum() < 2:
        return None
    drawn = draws(len(alone), SAMPLES, 0)
    total, part = alone[drawn].sum(axis=1), loser[drawn].sum(axis=1)
    shares = part[total > 0.0] / total[total > 0.0]
    return [round(float(np.quantile(shares, level)), 4) for level in ((1.0 - LEVEL) / 2.0, (1.0 + LEVEL) / 2.0)]


def adverse_units(made: Sequence[tuple[Window, Probe, Probe]]) -> float:
    """Mean loss to the end of what was filled, in price units: what a fill is worth less than it cost."""
    lost = [
        PRICE_SCALE * (one.price - float(window.won == one.yes))
        for window, *both in made
        for one in both
        if one.through
    ]
    return float(np.mean(lost)) if lost else 0.0


def _unseen(weights: tuple[float, ...] | None, made: Sequence[tuple[Window, Probe, Probe]]) -> float:
    """Fills between looks: as many as the model expects, or (None) as there were."""
    both = [one for _, *pair in made for one in pair]
    if weights is None:
        return float(sum(sum(one.came) for one in both))
    return float(sum(logistic(weighed(weights, row)) for one in both for row in one.features))


def split(made: Recording) -> tuple[list[Window], list[Window]]:
    """The windows of a recording that fit the weights, and the later ones that the fit never sees."""
    cut = round(FIT_SHARE * len(made.windows))
    return made.windows[:cut], made.windows[cut:]


def measure(sources: Sequence[BookSource], look_s: int = LOOK_S) -> dict[str, Any]:
    """Fit on the first windows of all recordings, measure on the last ones, with a look every `look_s` seconds.

    Raises:
        DataError: if a file is no recording of books, or there are too few windows.
    """
    execution = load().execution
    share, trades = execution.fill_trade_share, tuple(execution.fill_queue_weights)
    recordings = [recorded_windows.read(source) for source in sources]
    parts = [split(one) for one in recordings]
    first, later = ([window for part in parts for window in part[place]] for place in (0, 1))
    left_out = {name: why for one in recordings for name, why in one.left_out.items()}
    fitting, held = (list(probes(windows, look_s, share)) for windows in (first, later))
    if not fitting or not held:
        raise DataError(
            f"{len(first) + len(later)} windows of {', '.join(str(one.path) for one in sources)} can be used, and"
            f" probes need an earlier and a later one; left out: {said(left_out)}"
        )
    weights = fit(fitting)
    model, books = summed(sides(weights, held, trades)), summed(sides(None, held))
    return {
        "recordings": [source.path.name for source in sources],
        "windows_fit": len(first),
        "windows_held_out": len(later),
        "left_out": left_out,
        "probes_fit": len(fitting),
        "probes_held_out": len(held),
        "look_s": look_s,
        "weights": dict(zip(NAMES, weights, strict=True)),
        "queue_weights": dict(zip(QUEUE_NAMES, trades, strict=True)),
        "trade_share": share,
        "reference_weight": execution.fill_reference_weight,
        "adverse_charged_units": execution.fill_adverse_units,
        "adverse_most_units": execution.fill_adverse_most_units,
        "one_sided_on_loser_share": model["on_loser_share"],
        "one_sided_on_loser_interval": model["on_loser_interval"],
        "one_sided": model["one_sided"],
        "one_sided_windows": model["one_sided_windows"],
        "two_sided": model["two_sided"],
        "touch_alone": summed(sides(weights, held)),
        "books": books,
        "unseen_fills": {"model": _unseen(weights, held), "books": _unseen(None, held)},
        "adverse_units": adverse_units(held),
    }


def said(left_out: Mapping[str, str]) -> str:
    """The first reasons for which windows were left out, as a sentence."""
    named = [f"{name} ({why})" for name, why in list(left_out.items())[:SHOWN]]
    more = len(left_out) - len(named)
    return "; ".join(named) + (f" and {more} more" if more > 0 else "") if named else "none"


def main() -> int | str:
    """Fit, measure, keep."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fills", description=__doc__)
    parser.add_argument("books", nargs="+", type=Path, help="recordings of up/down books, of a shape of `data import`")
    BookSource.add_arguments(parser)
    parser.add_argument("--look-s", type=int, default=LOOK_S, help="seconds between two looks, at least 1")
    given = parser.parse_args()
    if given.look_s < 1:
        parser.error(f"--look-s is {given.look_s}; give at least 1, the length of the bars in seconds")
    try:
        found = measure(BookSource.of(given.books, given), given.look_s)
    except OddsmithError as error:
        return f"fills: {error}"
    write_json(REPORT, found)
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
