"""Moments of synthetic markets and of a recording: `python -m benchmarks.moments [--recording FILE] [--edge 0.5]`.

Prints one JSON line. Both are measured alike: one-minute mids of each market without its final 6 hours, markets whose
first price lies in [0.05, 0.95], bars whose price lies there too. A recording may hold only the last 24 hours of its
markets; synthetic lives are whole. The recording is a parquet file with market_id, timestamp and price at every
minute. `--markdown` prints the table. `--world` names the kinds of worlds.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds

from pipelines.core.domain import FloatArray
from simulator.markets.events import Family, build, paths
from simulator.markets.price_grid import BoolArray
from simulator.markets.price_model import Model, World

RECORDED_MIN = 1440
FINAL_MIN = 360
LAGS = (1, 2, 5, 24)
SPANS = (2, 5, 10, 24, 60, 120)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.moments", description=__doc__)
    parser.add_argument("--recording", type=Path)
    parser.add_argument("--edge", type=float, nargs="*", default=[0.5, 0.0])
    parser.add_argument("--world", choices=get_args(World), nargs="*", default=["reversion"])
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--markets", type=int, default=600)
    parser.add_argument("--life-min", type=int, default=4320)
    parser.add_argument("--markdown", action="store_true")
    asked = parser.parse_args(arguments)
    columns = {} if asked.recording is None else {"recording": moments(recorded(asked.recording))}
    for world in asked.world:
        for edge in asked.edge:
            family = Family(asked.seed, Model(edge=edge, world=world), event_length_min=asked.life_min)
            name = f"edge {edge:g}" if world == "reversion" else f"{world}, edge {edge:g}"
            columns[name] = moments(synthetic(family, asked.markets))
    if asked.markdown:
        print(markdown(columns))
    else:
        print(json.dumps({"benchmark": "moments", "seed": asked.seed, "life_min": asked.life_min, **columns}))


def synthetic(family: Family, markets: int) -> FloatArray:
    """Mids in [0, 1] of the first markets of a family, (N, T)."""
    events = [build(family, number) for number in range(-(-markets // family.markets_per_event))]
    blocks = [paths(family, events[k : k + 60]).mid_units for k in range(0, len(events), 60)]
    return np.concatenate(blocks)[:markets] / 10_000.0


def recorded(path: Path) -> FloatArray:
    """Mids of a recording, (N, T): the last 24 hours of every market that has them at each minute."""
    table = ds.dataset(path).to_table(columns=["market_id", "timestamp", "price"])
    table = table.set_column(0, "market_id", table.column("market_id").cast(pa.string()))
    table = table.sort_by([("market_id", "ascending"), ("timestamp", "ascending")])
    price = np.asarray(table.column("price").to_numpy(), dtype=np.float64)
    _, first = np.unique(table.column("market_id").to_numpy(), return_index=True)
    series = [part[-RECORDED_MIN:] for part in np.split(price, np.sort(first)[1:])]
    whole = [part for part in series if len(part) == RECORDED_MIN and np.isfinite(part).all()]
    return np.array(whole)


def moments(mids: FloatArray) -> dict[str, float]:
    """Moments of one-minute moves, by name."""
    window = mids[:, : mids.shape[1] - FINAL_MIN]
    window = window[np.abs(window[:, 0] - 0.5) <= 0.45]
    move, band = np.diff(window, axis=1), np.abs(window[:, :-1] - 0.5) <= 0.45
    odds = np.diff(np.log(window / (1 - window)), axis=1)
    inside = move[band]
    active = np.abs(inside[inside != 0])
    found = {
        "markets": float(len(window)),
        "zero moves, in band": float(np.mean(inside == 0)),
        "zero moves, all prices": float(np.mean(move == 0)),
        "sd of move": float(inside.std()),
        "sd of move, log-odds": float(odds[band].std()),
        "moves >= 0.03 per market-day": float(np.mean(np.abs(inside) >= 0.0299) * 1440),
        "moves >= 0.10 per market-day": float(np.mean(np.abs(inside) >= 0.0999) * 1440),
    }
    found |= {f"abs move, quantile {q}": float(np.quantile(active, q)) for q in (0.5, 0.75, 0.9, 0.99)}
    found |= {f"autocorrelation, lag {lag}": _autocorrelation(move, band, lag) for lag in LAGS}
    found |= {f"autocorrelation of abs, lag {lag}": _autocorrelation(np.abs(move), band, lag) for lag in LAGS}
    found |= {f"variance ratio, {span} min": _variance_ratio(window, span) for span in SPANS}
    return {name: round(value, 5) for name, value in found.items()}


def _autocorrelation(move: FloatArray, band: BoolArray, lag: int) -> float:
    both = band[:, :-lag] & band[:, lag:]
    return float(np.corrcoef(move[:, :-lag][both], move[:, lag:][both])[0, 1])


def _variance_ratio(window: FloatArray, span: int) -> float:
    """Variance of `span`-minute moves over `span` times that of one-minute moves."""
    start: BoolArray = np.abs(window - 0.5) <= 0.45
    short, long = np.diff(window, axis=1), window[:, span:] - window[:, :-span]
    return float((long[start[:, :-span]] ** 2).mean() / span / (short[start[:, :-1]] ** 2).mean())


def markdown(columns: dict[str, dict[str, float]]) -> str:
    """A table with a row for each moment."""
    names = list(next(iter(columns.values())))
    rows = ["| moment | " + " | ".join(columns) + " |", "|---|" + "---|" * len(columns)]
    rows += [f"| {name} | " + " | ".join(f"{column[name]:.4g}" for column in columns.values()) + " |" for name in names]
    return "\n".join(rows)


if __name__ == "__main__":
    main()
