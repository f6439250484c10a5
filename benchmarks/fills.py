"""python -m benchmarks.fills BOOKS: fit the fills of resting orders on recorded up/down books, test them on others.

A probe rests a bid of each token at its touch `AT_S` seconds before the end of a window, as the maker probe of 2026
did. Books are looked at every LOOK_S seconds, or `--look-s`: the length of the bars that the fills are for. At a look
the order is filled when the other side's touch has come to its limit; between looks the model says how likely that was,
and the messages in between say whether it was so. The first two thirds of the markets fit the weights, the rest are
never seen by the fit. One JSON line, also in reports/fills.json, which the gate reads before it promotes a policy that
rests: it has to have been judged with these `weights` (rounded as they are to be written to `execution.fill_weights`)
and on bars no longer than `look_s`.
"""

import argparse
import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from pipelines.core.artifacts import write_json
from pipelines.core.domain import FloatArray
from pipelines.core.money import MICRO, PRICE_SCALE
from pipelines.core.products import report_json
from pipelines.trading.fill_model import NAMES, Resting, chance_of
from pipelines.venue import settlement_rules

REPORT = report_json("fills")
TICK = 100
AT_S = tuple(range(60, 281, 20))
"""Seconds before the end at which a probe is placed; each is a window of its own."""
STEP_S = 1
FIT_SHARE = 2 / 3
LOOK_S = 1
DIGITS = 2
"""Of the weights, as they are measured and written to params.yaml."""
NEWTON_STEPS = 40
RIDGE = 1e-2


@dataclass(frozen=True)
class Window:
    """One market's YES book every second: bid, ask, sizes; `won` is what it paid, `left_s` the seconds to its end."""

    name: str
    left_s: FloatArray
    bid: FloatArray
    ask: FloatArray
    bid_size: FloatArray
    ask_size: FloatArray
    lowest_ask: FloatArray
    highest_bid: FloatArray
    """Best of all messages within the second before."""
    won: bool


def top5(path: Path) -> list[Window]:
    """Windows of a recording of the best levels (`bid_px1`, `ask_px1`, ..., one token per market)."""
    names = ["slug", "server_ms", "bid_px1", "bid_sz1", "ask_px1", "ask_sz1"]
    table = pq.read_table(path, columns=names).sort_by([("slug", "ascending"), ("server_ms", "ascending")])
    slugs = table["slug"].to_numpy(zero_copy_only=False)
    columns = [table[name].to_numpy(zero_copy_only=False).astype(np.float64) for name in names[1:]]
    edges = [0, *(np.flatnonzero(slugs[1:] != slugs[:-1]) + 1).tolist(), len(slugs)]
    made = (_window(slugs[a], *(column[a:b] for column in columns)) for a, b in itertools.pairwise(edges))
    return [one for one in made if one is not None]


def lists(path: Path) -> list[Window]:
    """Windows of a recording of whole levels (`bid_px` and others as lists, `side` UP and DOWN), with its markets."""
    about = {row["market_id"]: row for row in pq.read_table(markets_of(path)).to_pylist()}
    rows = pq.read_table(path).to_pylist()
    found: dict[str, list[tuple[float, ...]]] = {}
    for row in rows:
        if row["side"].upper() != "UP":
            continue
        bid, ask = (row["bid_px"] or [0.0])[0], (row["ask_px"] or [1.0])[0]
        sizes = ((row["bid_sz"] or [0.0])[0], (row["ask_sz"] or [0.0])[0])
        found.setdefault(row["market_id"], []).append((row["ts"], bid, sizes[0], ask, sizes[1]))
    made = []
    for market_id, books in sorted(found.items(), key=lambda one: about[one[0]]["start_ts"]):
        columns = np.array(sorted(books)).T
        window = _window(about[market_id]["slug"], *columns)
        if window is not None:
            made.append(window)
    return made


def markets_of(path: Path) -> Path:
    """The file of markets in the folder of a file of books."""
    return path.with_name(path.name.replace("_books", "_markets"))


def _window(
    slug: str, ms: FloatArray, bid: FloatArray, bid_size: FloatArray, ask: FloatArray, ask_size: FloatArray
) -> Window | None:
    rule = settlement_rules.of_slug(str(slug))
    if rule is None or len(ms) < 60:
        return None
    seconds = np.arange(rule.start_s, rule.end_s, STEP_S)
    row = np.searchsorted(ms, seconds * 1_000, side="right") - 1
    seen = row >= 0
    seconds, row = seconds[seen], row[seen]
    bids = np.nan_to_num(bid[row], nan=0.0)
    asks = np.nan_to_num(ask[row], nan=1.0)
    asks[asks <= 0.0] = 1.0
    if len(row) < 60 or rule.end_s - seconds[-1] > 5:
        return None
    last = (bids[-5:].mean() + asks[-5:].mean()) / 2.0
    if 0.2 < last < 0.8:
        return None
    sizes = (np.nan_to_num(bid_size[row]), np.nan_to_num(ask_size[row]))
    messages = (np.where(np.nan_to_num(ask) > 0.0, ask, 1.0), np.nan_to_num(bid))
    edges = [0, *(row + 1).tolist()]
    within = [slice(min(a, b - 1), b) for a, b in itertools.pairwise(edges)]
    inside = ([float(messages[0][one].min()) for one in within], [float(messages[1][one].max()) for one in within])
    left_s = (rule.end_s - seconds).astype(float)
    return Window(str(slug), left_s, bids, asks, *sizes, np.array(inside[0]), np.array(inside[1]), bool(last > 0.5))


@dataclass(frozen=True)
class Probe:
    """One resting bid. Per interval between looks, while it waits: features, and whether the price came to it in
    between (not seen at a look). `through`: whether it came at all; `seen`: whether it was there at a look."""

    yes: bool
    price: float
    features: tuple[tuple[float, ...], ...]
    came: tuple[bool, ...]
    through: bool
    seen: bool


def probe(window: Window, at_s: int, *, yes: bool, look_s: int = LOOK_S) -> Probe | None:
    """A bid at the touch of a token, `at_s` before the end, looked at every `look_s`; None without a touch."""
    start = int(np.searchsorted(-window.left_s, -at_s))
    bid, ask = (window.bid, window.ask) if yes else (1.0 - window.ask, 1.0 - window.bid)
    lowest = window.lowest_ask if yes else 1.0 - window.highest_bid
    sizes = (window.bid_size, window.ask_size) if yes else (window.ask_size, window.bid_size)
    if start >= len(bid) or not 0.02 < bid[start] < ask[start] < 0.98:
        return None
    limit = bid[start]
    features: list[tuple[float, ...]] = []
    came: list[bool] = []
    for k in range(start, len(bid) - 1, look_s):
        later = min(k + look_s, len(bid) - 1)
        hit = bool((lowest[k + 1 : later + 1] <= limit + 1e-9).any())
        if ask[later] <= limit + 1e-9:
            return Probe(yes, float(limit), tuple(features), tuple(came), through=True, seen=True)
        features.append(_looks(window, bid, ask, sizes, limit, k, later))
        came.append(hit)
        if hit:
            return Probe(yes, float(limit), tuple(features), tuple(came), through=True, seen=False)
    return Probe(yes, float(limit), tuple(features), tuple(came), through=False, seen=False)


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


def probes(windows: Sequence[Window], look_s: int = LOOK_S) -> Iterator[tuple[Window, Probe, Probe]]:
    """Two-sided probes: YES and NO of each window, at each time."""
    for window in windows:
        for at_s in AT_S:
            both = [probe(window, at_s, yes=yes, look_s=look_s) for yes in (True, False)]
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


def filled(weights: tuple[float, ...], one: Probe) -> float:
    """Probability that the model gives to a fill of the probe from the looks alone."""
    unfilled = float(np.prod([1.0 - chance_of(weights, row) for row in one.features]))
    return 1.0 if one.seen else 1.0 - unfilled


def one_sided(
    weights: tuple[float, ...] | None, made: Sequence[tuple[Window, Probe, Probe]]
) -> dict[str, float | None]:
    """Expected fills of one side alone and the share of them on the loser (None without any), by the model, or
    by the books where `weights` is None."""
    alone = loser = both_filled = 0.0
    for window, yes, no in made:
        chances = [float(one.through) if weights is None else filled(weights, one) for one in (yes, no)]
        only_yes, only_no = chances[0] * (1.0 - chances[1]), chances[1] * (1.0 - chances[0])
        alone += only_yes + only_no
        loser += only_no if window.won else only_yes
        both_filled += chances[0] * chances[1]
    return {"one_sided": alone, "on_loser_share": loser / alone if alone else None, "two_sided": both_filled}


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
    return float(sum(chance_of(weights, row) for one in both for row in one.features))


def measure(paths: Sequence[Path], look_s: int = LOOK_S) -> dict[str, Any]:
    """Fit on the first windows of all recordings, measure on the last ones, with a look every `look_s` seconds."""
    fitting: list[tuple[Window, Probe, Probe]] = []
    held: list[tuple[Window, Probe, Probe]] = []
    for path in paths:
        windows = lists(path) if "bid_px" in pq.read_schema(path).names else top5(path)
        cut = round(FIT_SHARE * len(windows))
        fitting += list(probes(windows[:cut], look_s))
        held += list(probes(windows[cut:], look_s))
    weights = fit(fitting)
    model, books = one_sided(weights, held), one_sided(None, held)
    return {
        "recordings": [path.name for path in paths],
        "probes_fit": len(fitting),
        "probes_held_out": len(held),
        "look_s": look_s,
        "weights": dict(zip(NAMES, weights, strict=True)),
        "one_sided_on_loser_share": model["on_loser_share"],
        "one_sided": model["one_sided"],
        "two_sided": model["two_sided"],
        "books": books,
        "unseen_fills": {"model": _unseen(weights, held), "books": _unseen(None, held)},
        "adverse_units": adverse_units(held),
    }


def main() -> None:
    """Fit, measure, keep."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fills", description=__doc__)
    parser.add_argument("books", nargs="+", type=Path, help="recordings of up/down books (parquet)")
    parser.add_argument("--look-s", type=int, default=LOOK_S, help="seconds between two looks, at least 1")
    given = parser.parse_args()
    if given.look_s < 1:
        parser.error(f"--look-s is {given.look_s}; give at least 1, the length of the bars in seconds")
    found = measure(given.books, given.look_s)
    write_json(REPORT, found)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
