"""python -m benchmarks.queues RECORDING: what vanishes at the touch by trade and by cancel, and whom the trades reach.

A recording of the venue's market channel (`book` and `price_change` rows, or `last_trade_price`) tells trades from
cancels (`queue_changes`). A probe joins the touch of either side every PROBE_S seconds and is looked at every LOOK_S
(`--look-s`), as the replay and the paper account look. Trades take from the front of its queue, cancels from everywhere
alike: where in a queue a cancel was, no recording of levels says; only order ids would. All markets fit
`execution.fill_queue_weights` and `execution.fill_trade_share`; each third of them is measured by a fit on the other
two (the queue of the probes moves by the share of all). Recorded fills by trades are worth less a minute later than
the model's: `adverse_units` is by how much (`execution.fill_adverse_units`) and `adverse_most_units` the most of it
within the interval; `worth_charged_units` is what is left on each third where the other two charge theirs. One JSON
line, also in reports/queues.json: predicted and recorded, and log losses with and without the part, paired by market.
"""

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.queue_changes import read
from benchmarks.queue_looks import PROBE_S, QueueLook, Vanished, looks, trade_share, vanished
from pipelines.core.artifacts import write_json
from pipelines.core.domain import FloatArray
from pipelines.core.errors import DataError
from pipelines.core.params import load
from pipelines.core.products import report_json
from pipelines.replay.policy_search import interval
from pipelines.trading.fill_model import QUEUE_NAMES

REPORT = report_json("queues")
LOOK_S = 1
FOLDS = 3
DIGITS = 2
STEPS, RIDGE = 80, 1e-2
SAMPLES = 2_000


def fit(found: Sequence[QueueLook]) -> tuple[float, ...]:
    """Weights by maximum likelihood, to DIGITS: fills as a Poisson process whose rate is log-linear."""
    x = np.array([one.queue.features() for one in found])
    y = np.array([one.filled for one in found])
    seconds = np.array([one.queue.seconds for one in found])
    weights = np.zeros(x.shape[1])
    for _ in range(STEPS):
        rate = np.exp(np.clip(x @ weights + np.log(seconds), -30.0, 5.0))
        grows = np.where(y, rate / np.expm1(rate), -rate)
        curve = (x * (rate * rate / np.expm1(rate))[:, None]).T @ x + RIDGE * np.eye(x.shape[1])
        weights = weights + np.clip(np.linalg.solve(curve, x.T @ grows - RIDGE * weights), -1.0, 1.0)
    return tuple(round(float(value), DIGITS) for value in weights)


def _losses(chances: FloatArray, hits: FloatArray) -> FloatArray:
    safe = np.clip(chances, 1e-12, 1.0 - 1e-12)
    made: FloatArray = -np.where(hits > 0.0, np.log(safe), np.log(1.0 - safe))
    return made


def _paired(with_it: list[float], without: list[float], count: int) -> dict[str, Any]:
    """Mean log loss with and without, and the difference with its interval over markets, per 1,000 cases."""
    per = 1_000.0 / max(count, 1)
    gained = np.array(without) - np.array(with_it)
    low, high = interval(gained)
    numbers = {"with": sum(with_it), "without": sum(without), "gained": float(gained.sum()), "low": low, "high": high}
    return {name: round(value * per, 4) for name, value in numbers.items()}


def measure(path: Path, look_s: int = LOOK_S) -> dict[str, Any]:
    """Fit on all markets of a recording, and measure each third by a fit on the others.

    Raises:
        DataError: if the recording has fewer than FOLDS markets.
    """
    markets = read(path)
    if len(markets) < FOLDS:
        raise DataError(f"{path} has {len(markets)} markets; at least {FOLDS} are needed, one for each part")
    falls = [vanished(market) for market in markets]
    share = _share(falls)
    found = [list(looks(market, look_s, share)) for market in markets]
    splits: list[Split] = []
    fills: list[Fills] = []
    for fold in np.array_split(np.arange(len(markets)), FOLDS):
        others = [k for k in range(len(markets)) if k not in fold]
        part, weights = _share([falls[k] for k in others]), _weights([found[k] for k in others])
        splits += [Split.of(falls[k], part) for k in fold]
        lost = lost_units([look for k in others for look in found[k]], weights)
        fills += [Fills.of(found[k], weights, lost) for k in fold]
    weights = _weights(found)
    compared = _fills(fills)
    worth = compared["worth_units"]
    return {
        "recording": path.name,
        "markets": len(markets),
        "look_s": look_s,
        "weights": dict(zip(QUEUE_NAMES, weights, strict=True)),
        "trade_share": share,
        "vanished": _vanished(splits),
        "adverse_units": math.ceil(max(worth.get("less", 0.0), 0.0)),
        "adverse_most_units": math.ceil(max(worth.get("high", 0.0), 0.0)),
        "fills": compared,
    }


def _share(falls: Sequence[Sequence[Vanished]]) -> float:
    return round(trade_share([one for market in falls for one in market]), DIGITS)


def _weights(found: Sequence[Sequence[QueueLook]]) -> tuple[float, ...]:
    return fit([one for market in found for one in market])


def lost_units(found: Sequence[QueueLook], weights: tuple[float, ...]) -> float:
    """By how much a recorded fill by trades gains less within LATER_S than one that the model expects, on average; 0
    without a fill. Unit: price units a share."""
    through = np.array([one.queue.chance(weights) for one in found])
    worth = np.array([float(one.worth_units) for one in found])
    hits = np.array([one.filled for one in found])
    return float(through @ worth / through.sum() - worth[hits].mean()) if hits.any() else 0.0


class Split(NamedTuple):
    """Size that vanished at the touch of one held-out market, recorded and expected, and the log losses of the split
    into trades and cancels. Unit: displayed sizes."""

    traded: float
    total: float
    expected: float
    loss: float
    without: float
    """With half of it traded."""

    @classmethod
    def of(cls, falls: Sequence[Vanished], share: float) -> "Split":
        """Of falls with the trade share of other markets."""
        total, traded = sum(one.share for one in falls), sum(one.share for one in falls if one.traded)
        losses = (_binary(traded, total, min(max(part, 1e-6), 1.0 - 1e-6)) for part in (share, 0.5))
        return cls(traded, total, share * total, *losses)


def _binary(part: float, whole: float, chance: float) -> float:
    return -part * math.log(chance) - (whole - part) * math.log(1.0 - chance)


def _vanished(found: Sequence[Split]) -> dict[str, Any]:
    traded, total, expected = (sum(one[at] for one in found) for at in range(3))
    return {
        "trade": {"model": round(expected, 1), "recorded": round(traded, 1)},
        "cancel": {"model": round(total - expected, 1), "recorded": round(total - traded, 1)},
        "log_loss": _paired([one.loss for one in found], [one.without for one in found], round(total)),
    }


class Fills(NamedTuple):
    """Fills between looks in one held-out market: expected with fills by trades, expected from the other touch alone,
    and recorded; with their log losses and what they were worth."""

    looks: int
    model: float
    touch_alone: float
    recorded: float
    loss: float
    without: float
    worth: float
    """Of the expected fills by trades: mid LATER_S after the fill less the limit, summed. Unit: price units a share."""
    worth_recorded: float
    through: float
    """Fills by trades that the model expects."""
    charged: float
    """`worth` less what fills of other markets lose: as they are booked."""

    @classmethod
    def of(cls, found: Sequence[QueueLook], weights: tuple[float, ...], lost: float) -> "Fills":
        """Of looks with the weights of other markets, and what a fill by trades loses there."""
        touch = tuple(load().execution.fill_weights)
        came = np.array([one.resting.chance(touch) for one in found])
        through = np.array([one.queue.chance(weights) for one in found])
        hits = np.array([float(one.filled) for one in found])
        both = 1.0 - (1.0 - came) * (1.0 - through)
        worth = np.array([float(one.worth_units) for one in found])
        sums = (both.sum(), came.sum(), hits.sum(), _losses(both, hits).sum(), _losses(came, hits).sum())
        valued = (through @ worth, hits @ worth, through.sum(), through @ (worth - lost))
        return cls(len(found), *map(float, (*sums, *valued)))


def _fills(found: Sequence[Fills]) -> dict[str, Any]:
    count = sum(one.looks for one in found)
    numbers = {
        name: round(sum(getattr(one, name) for one in found), 1) for name in ("model", "touch_alone", "recorded")
    }
    losses = _paired([one.loss for one in found], [one.without for one in found], count)
    valued = {"worth_units": _worth(found, "worth"), "worth_charged_units": _worth(found, "charged")}
    return {"looks": count, **numbers, "log_loss": losses, **valued}


def _worth(found: Sequence[Fills], modelled: str) -> dict[str, Any]:
    """Mean gain of a fill by trades after LATER_S, of expected (field `modelled`) and of recorded fills, and the
    difference with its interval over markets; empty without a fill."""
    sums = np.array([(getattr(one, modelled), one.through, one.worth_recorded, one.recorded) for one in found])
    picks = np.random.default_rng(0).integers(0, len(sums), (SAMPLES, len(sums)))
    with np.errstate(divide="ignore", invalid="ignore"):
        model, recorded = _means(sums.sum(axis=0))
        drawn = np.subtract(*_means(sums[picks].sum(axis=1).T))
    if not sums[:, 3].sum():
        return {}
    low, high = np.nanquantile(drawn, (0.025, 0.975))
    values = (model, recorded, model - recorded, low, high)
    names = ("model", "recorded", "less", "low", "high")
    return {name: round(float(value), 1) for name, value in zip(names, values, strict=True)}


def _means(sums: FloatArray) -> tuple[Any, Any]:
    return sums[0] / sums[1], sums[2] / sums[3]


def main() -> None:
    """Fit, measure, keep."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.queues", description=__doc__)
    parser.add_argument("recording", type=Path, help="the venue's market channel: parquet, or frames of the recorder")
    parser.add_argument("--look-s", type=int, default=LOOK_S, help="seconds between two looks, at least 1")
    given = parser.parse_args()
    if not 1 <= given.look_s <= PROBE_S:
        parser.error(f"--look-s is {given.look_s}; give 1 to {PROBE_S}, the length of the bars in seconds")
    found = measure(given.recording, given.look_s)
    write_json(REPORT, found)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
