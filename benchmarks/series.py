"""python -m benchmarks.series: temporal arbitrage and the maker on simulated series, the maker probe, speed,
imports; one JSON line.

Seeds are kept one by one in reports/series.jsonl with the code and the parameters that they were measured with, so that
a stopped run goes on where it was and a changed program measures again. `--quick` takes two seeds of each kind.
`fills`, `recorded` and `maker` take the recordings of `--books` (any up/down books of a shape that `oddsmith data
import` understands, columns renamed with `--map`), else the two of ODDSMITH_RECORDINGS that are named here.
"""

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.fills import REPORT as FILLS
from benchmarks.fills import measure as measured_fills
from benchmarks.kept_rows import KeptRows
from benchmarks.recorded_books import BookSource
from benchmarks.series_import import ROWS
from benchmarks.series_import import measure as imported
from benchmarks.series_maker import measure as quoted
from benchmarks.series_recorded import CLOSING_BARS
from benchmarks.series_recorded import measure as on_recordings
from benchmarks.series_speed import decide_ms
from benchmarks.series_ticks import TICKS
from benchmarks.series_ticks import measure as tick_to_order
from benchmarks.series_verdict import Choice, PlayedPolicy, judged
from benchmarks.series_world import LENGTH_S, world
from pipelines.backtest import selection_bias
from pipelines.core.artifacts import read_json
from pipelines.core.errors import OddsmithError
from pipelines.core.params import Params, load
from pipelines.core.products import REPORTS
from pipelines.replay import rules
from pipelines.replay.market_history import History
from pipelines.trading.sizing import NO_SIGNALS
from simulator.series.kinds import Series

KEPT = REPORTS / "series.jsonl"
SOURCES = (
    "benchmarks/series.py",
    "benchmarks/series_verdict.py",
    "benchmarks/series_world.py",
    "pipelines/core",
    "pipelines/decide.py",
    "pipelines/features",
    "pipelines/gate",
    "pipelines/reference",
    "pipelines/replay",
    "pipelines/trading",
    "pipelines/venue",
    "simulator/markets",
    "simulator/series",
)
"""Code that a world's figures depend on."""
LAGGED, UNLAGGED = 10, 20
"""Seeds with quotes 2 s behind the reference price, and with quotes that follow it at once."""
WINDOWS = 144
SELECTION = 0.4
"""Share of the windows on which the policy is chosen; the rest is the gate's."""
MULTIPLES = (0.85, 1.5)
BOOKS = ("btc5m_2026-04-16_top5.parquet", "btc15m_2026-09-28_books.parquet")


def judge(lag_s: int, seed: int, params: Params) -> dict[str, Any]:
    """One world: choose on its first windows, judge on the rest by the gate's criteria (`series_verdict`)."""
    made = world(Series("BTC", "5m", 60, lag_s), seed, WINDOWS)
    tried = {multiple: _played(made.part(0.0, SELECTION), multiple, params) for multiple in MULTIPLES}
    chosen = _chosen(tried)
    cash = np.zeros(len(tried[MULTIPLES[0]].changes))
    field = selection_bias.rivals({str(multiple): one.changes for multiple, one in tried.items()}, cash)
    choice = Choice([one.statistic for one in tried.values()], selection_bias.overfitting_probability(field))
    # Where the selection keeps cash, the gate is asked all the same: its own rate of false promotions is a number too.
    trial = _played(made.part(SELECTION, 1.0), MULTIPLES[0] if chosen is None else chosen, params)
    found = judged(trial, choice, {})
    return {
        "multiple": chosen,
        "promoted": found.promoted and chosen is not None,
        "gate_alone": found.promoted,
        **found.document(),
    }


def _chosen(tried: Mapping[float, PlayedPolicy]) -> float | None:
    """The multiple with the best P&L less a standard error over windows; None where none earned: cash."""
    best = 0.0
    found: float | None = None
    for multiple, trial in tried.items():
        values = np.array(list(trial.traded.by_event.values()))
        cautious = float(values.sum() - values.std(ddof=1) * np.sqrt(len(values)))
        if cautious > best:
            best, found = cautious, multiple
    return found


def _played(histories: Sequence[History], multiple: float, params: Params) -> PlayedPolicy:
    given = {**rules.policy_params("temporal_arbitrage", params, LENGTH_S), "cost_multiple": multiple}
    strategy = rules.make("temporal_arbitrage", params, NO_SIGNALS, None, LENGTH_S, given=given)
    return PlayedPolicy.of(replace(strategy, horizon_bars=CLOSING_BARS), histories, params)


def seeds(lagged: int, unlagged: int, kept: Path = KEPT) -> list[dict[str, Any]]:
    """Every world; those that an earlier run measured with the same code and parameters are read from the file."""
    params, rows = load(), KeptRows(kept, SOURCES)
    of = hashlib.sha256(params.model_dump_json().encode()).hexdigest()[:16]
    wanted = [(2, seed) for seed in range(1, lagged + 1)] + [(0, seed) for seed in range(1, unlagged + 1)]
    found = []
    for lag_s, seed in wanted:
        about = {"lag_s": lag_s, "seed": seed, "windows": WINDOWS, "params": of}
        row = rows.find(about)
        if row is None:
            row = {**about, **judge(lag_s, seed, params)}
            rows.add(row)
        found.append(row)
    return found


def document(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Counts over the worlds."""
    late = [row for row in rows if row["lag_s"] == 2]
    prompt = [row for row in rows if row["lag_s"] == 0]
    return {
        "lag_2s_found": sum(row["promoted"] for row in late),
        "lag_2s_seeds": len(late),
        "lag_2s_median_pnl_pusd": float(np.median([row["pnl_pusd"] for row in late])) if late else None,
        "lag_0_gate_alone": sum(row["gate_alone"] for row in prompt),
        "lag_0_promoted": sum(row["promoted"] for row in prompt),
        "lag_0_seeds": len(prompt),
    }


def kept_books() -> list[Path]:
    """The recordings of ODDSMITH_RECORDINGS that are named here; empty without them."""
    folder = os.environ.get("ODDSMITH_RECORDINGS", "")
    return [path for name in BOOKS if folder and (path := Path(folder) / "books" / name).is_file()]


@dataclass(frozen=True)
class Recordings:
    """The recorded books of a run."""

    sources: Sequence[BookSource]

    @cached_property
    def report(self) -> dict[str, Any]:
        """That of `benchmarks.fills`: measured on the books, else as an earlier run left it, else empty."""
        if self.sources:
            return measured_fills(self.sources)
        return read_json(FILLS) if FILLS.is_file() else {}

    def judged(self) -> dict[str, Any]:
        """Every candidate on the books; None without them."""
        if not self.sources:
            return {"recorded_windows": None, "recorded": None}
        return on_recordings(self.sources, self.report)

    def fills(self) -> dict[str, Any]:
        """The maker probe's finding by the fill model; None where neither books nor a report is there."""
        names = ("one_sided_on_loser_share", "one_sided_on_loser_interval", "one_sided", "one_sided_windows")
        return {name: self.report.get(name) for name in (*names, "probes_held_out", "windows_held_out")}


PARTS: dict[str, Callable[[bool, Recordings], dict[str, Any]]] = {
    "fills": lambda _quick, kept: kept.fills(),
    "recorded": lambda _quick, kept: kept.judged(),
    "maker": lambda quick, kept: quoted((1,) if quick else (1, 2, 3), kept.report),
    "decide": lambda _quick, _kept: decide_ms(),
    "order": lambda quick, _kept: tick_to_order(10 if quick else TICKS),
    "import": lambda quick, _kept: imported(100_000 if quick else ROWS),
    "lag": lambda quick, _kept: document(seeds(2, 2) if quick else seeds(LAGGED, UNLAGGED)),
}


def main() -> int | str:
    """Measure all parts, or those that are named."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.series", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="only these (default: all)")
    parser.add_argument("--books", nargs="+", type=Path, help="recordings of up/down books")
    BookSource.add_arguments(parser)
    parser.add_argument("--quick", action="store_true", help="two seeds of each kind, small files")
    arguments = parser.parse_args()
    kept = Recordings(BookSource.of(arguments.books or kept_books(), arguments))
    found: dict[str, Any] = {}
    try:
        for name in arguments.parts or PARTS:
            found |= PARTS[name](arguments.quick, kept)
    except OddsmithError as error:
        return f"series: {error}"
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
