"""Do 90 % intervals of markets that end soon hold 90 %? `python -m benchmarks.interval_coverage --series 15m 1h`.

Each data set is pulled, cut and calibrated by the stages, as a family's profile does it, and judged on every slice
after the calibration's: simulated windows of `--series` (a recording is written of them), and recordings given as
`--recorded FAMILY=FILE`. The last line is JSON: by data set the coverage over all bars and horizons with its 95 %
interval over events, by quarters of the bars (nearest to the end first), at the first, middle and last horizon, and the
scale that was fitted.
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks import recorded_rows
from benchmarks.judged_bars import judged
from benchmarks.recorded_rows import RecordedRows, changed, importable
from pipelines.core.artifacts import read_json
from pipelines.core.command_line import whole
from pipelines.core.money import MICRO, PRICE_SCALE
from pipelines.forecast.accuracy import measure
from pipelines.forecast.training_windows import Rows
from pipelines.inference.predictor import Predictor
from simulator.markets.events import EPOCH_S
from simulator.series.kinds import Series
from simulator.series.underlying import Underlying
from simulator.series.windows import Window, windows_from

SHAPES = {"5m": (5, 144), "15m": (15, 48), "1h": (60, 70), "ladder": (60, 70)}
"""Seconds of a bar, as in the families of `oddsmith profiles`, and number of windows, one after the other, of each
asset."""
LOOKBACK, HORIZON = 24, 12
"""Bars, of all these families."""
ASSETS = ("BTC", "ETH", "SOL", "XRP")
STRIKES = (-0.01, -0.005, 0.0, 0.005, 0.01)
FIRST_S = EPOCH_S + 14_400
SAMPLES = 1_000

Row = dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure every data set and print one JSON line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.interval_coverage", description=__doc__)
    parser.add_argument("--series", choices=sorted(SHAPES), nargs="*", default=[])
    parser.add_argument("--recorded", nargs="*", default=[], metavar="FAMILY=FILE")
    parser.add_argument("--kind", default="ssm", help="forecast.kind (ssm: filter alone, no network)")
    parser.add_argument("--seed", type=whole(0), default=3)
    asked = parser.parse_args(arguments)
    found = {}
    with tempfile.TemporaryDirectory() as work:
        for family in asked.series:
            path = Path(work) / f"series-{family}.parquet"
            simulated(family, asked.seed).to_parquet(path)
            found[path.stem] = one(path, family, asked.kind)
        for family, _, name in (given.partition("=") for given in asked.recorded):
            found[Path(name).stem] = one(Path(name), family, asked.kind)
    print(json.dumps({"benchmark": "interval_coverage", "coverage": found}))


def one(path: Path, family: str, kind: str) -> Row:
    """Coverage on the later slices of a recording."""
    from pipelines.forecast import candidate  # noqa: PLC0415 - TensorFlow is loaded by those who train

    with tempfile.TemporaryDirectory() as work:
        recorded = features_of(path, family, [f"forecast.kind={kind}"], Path(work))
        forecaster = Path(work) / "forecaster"
        candidate.make(recorded.rows, recorded.params, forecaster, path.name, {})
        candidate.checkpoint_of(recorded.params, path.name).clear()
        return {
            **judge(recorded.rows, Predictor(forecaster)),
            "scale": read_json(forecaster / "conformal.json").get("ending"),
        }


def judge(rows: Rows, predictor: Predictor) -> Row:
    """Coverage of a forecaster's intervals on the slices after the calibration's."""
    positions = judged(rows, predictor.lookback, predictor.horizon)
    made = predictor.forecast_many(rows.windows(predictor.lookback, rows.states(predictor.filter)), positions)
    moves = rows.moves(positions, predictor.horizon)
    inside = ((moves >= made.lower) & (moves <= made.upper)).mean(axis=1)
    event = np.unique(rows.event[positions], return_inverse=True)[1]
    sums = np.stack((np.bincount(event, inside), np.bincount(event)), axis=1)
    drawn = sums[np.random.default_rng(0).integers(0, len(sums), (SAMPLES, len(sums)))].sum(axis=1)
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], (0.025, 0.975))
    figures = measure(rows, positions, made)
    return {
        "events": len(sums),
        "coverage": [round(float(value), 4) for value in (inside.mean(), low, high)],
        "by_time_left": [round(value, 3) for value in figures["coverage_by_time_left"]],
        "by_horizon": {bars: round(value, 3) for bars, value in figures["coverage"].items()},
        "width": round(float(np.median(made.upper - made.lower)), 4),
    }


def features_of(path: Path, family: str, given: Sequence[str], folder: Path) -> RecordedRows:
    """The feature table of a recording, with the parameters of its family and some changes."""
    shape = {
        "bars.length_s": SHAPES[family][0],
        "forecast.lookback_bars": LOOKBACK,
        "forecast.horizon_bars": HORIZON,
        "gate.first_horizon": 1,
        "gate.last_horizon": HORIZON,
        "drift.horizon_bars": 5,
    }
    assignments = [*(f"{name}={value}" for name, value in shape.items()), *given]
    return recorded_rows.read(importable(path, folder), changed(assignments), assignments)


def simulated(family: str, seed: int) -> pd.DataFrame:
    """Consecutive windows of a family as a recording."""
    length_s, count = SHAPES[family]
    ladder = family == "ladder"
    parts = []
    for symbol in ASSETS[: 2 if ladder else 4]:
        series = Series(symbol, "1h", strikes=STRIKES) if ladder else Series(symbol, family)
        underlying = Underlying(seed, symbol)
        for begin_s in (FIRST_S + k * series.length_s for k in range(count)):
            parts += [_bars(window, length_s) for window in windows_from(series, begin_s, underlying, seed)]
    return pd.concat(parts, ignore_index=True)


def _bars(window: Window, length_s: int) -> pd.DataFrame:
    """Closes of the bars of one window: the last book with both sides."""
    closes = np.flatnonzero(window.ts_s % length_s == length_s - 1)
    two_sided = (window.bid_units > 0) & (window.ask_units < PRICE_SCALE)
    last = np.maximum.accumulate(np.where(two_sided, np.arange(len(two_sided)), 0))[closes]
    bid, ask = window.bid_units[last] / PRICE_SCALE, window.ask_units[last] / PRICE_SCALE
    listing, traded = window.listing, np.add.reduceat(window.volume_micro, np.r_[0, closes[:-1] + 1])
    return pd.DataFrame(
        {
            "market_id": listing.market_id,
            "event_slug": listing.event_id,
            "token_id": listing.token_yes,
            "outcome": "Yes",
            "timestamp": pd.to_datetime(window.ts_s[closes] + 1, unit="s", utc=True),
            "price": (bid + ask) / 2.0,
            "best_bid": bid,
            "best_ask": ask,
            "volume": traded[: len(closes)] / MICRO,
            "end_date": pd.to_datetime(listing.end_s, unit="s", utc=True),
        }
    )


if __name__ == "__main__":
    main()
