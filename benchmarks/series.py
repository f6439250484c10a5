"""python -m benchmarks.series: temporal arbitrage and the maker on simulated series, the maker probe, speed,
imports; one JSON line.

Seeds are kept one by one in reports/series.jsonl, so that a stopped run goes on where it was. `--quick` takes two seeds
of each kind.
"""

import argparse
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.fills import measure as measured_fills
from benchmarks.series_import import ROWS
from benchmarks.series_import import measure as imported
from benchmarks.series_maker import measure as quoted
from benchmarks.series_recorded import measure as judged
from benchmarks.series_speed import ORDERS, decide_ms, tick_to_order_ms
from benchmarks.series_world import LENGTH_S, world
from pipelines.core.money import MICRO
from pipelines.core.params import Params, load
from pipelines.core.products import REPORTS
from pipelines.gate.earned import earnings
from pipelines.replay import rules
from pipelines.replay.loop import Tape, replay, tape
from pipelines.replay.market_history import History
from pipelines.replay.performance import pnl_by_event
from pipelines.trading.sizing import NO_SIGNALS
from simulator.series.kinds import Series

KEPT = REPORTS / "series.jsonl"
LAGGED, UNLAGGED = 10, 20
"""Seeds with quotes 2 s behind the reference price, and with quotes that follow it at once."""
WINDOWS = 144
SELECTION = 0.4
"""Share of the windows on which the policy is chosen; the rest is the gate's."""
MULTIPLES = (0.85, 1.5)
DEPTH_SHARES = 200
"""Shares at every level, like the recorded books'."""
CLOSING_BARS = 5
BOOKS = ("btc5m_2026-04-16_top5.parquet", "btc15m_2026-09-28_books.parquet")


def judge(lag_s: int, seed: int) -> dict[str, Any]:
    """One world: choose on its first windows, judge on the rest as the gate does."""
    params = load()
    made = world(Series("BTC", "5m", 60, lag_s), seed, WINDOWS)
    chosen = _chosen(made.part(0.0, SELECTION), params)
    # Where the selection keeps cash, the gate is asked all the same: its own rate of false promotions is a number too.
    result, course = _played(made.part(SELECTION, 1.0), MULTIPLES[0] if chosen is None else chosen, params)
    gate = params.gate
    earned = earnings(result, course, level=gate.confidence_level, samples=gate.bootstrap_samples)
    passed = earned.lower_pusd > 0.0 and earned.events >= gate.min_events
    return {
        "lag_s": lag_s,
        "seed": seed,
        "multiple": chosen,
        "promoted": passed and chosen is not None,
        "gate_alone": passed,
        "pnl_pusd": round(earned.pnl_pusd, 2),
        "lower_pusd": round(earned.lower_pusd, 2),
    }


def _chosen(histories: Sequence[History], params: Params) -> float | None:
    """The multiple with the best P&L less a standard error over windows; None where none earned: cash."""
    best = 0.0
    found: float | None = None
    for multiple in MULTIPLES:
        result, made = _played(histories, multiple, params)
        values = np.array(list(pnl_by_event(result, made.markets).values()))
        cautious = float(values.sum() - values.std(ddof=1) * np.sqrt(len(values)))
        if cautious > best:
            best, found = cautious, multiple
    return found


def _played(histories: Sequence[History], multiple: float, params: Params) -> tuple[Any, Tape]:
    given = {**rules.policy_params("temporal_arbitrage", params, LENGTH_S), "cost_multiple": multiple}
    strategy = rules.make("temporal_arbitrage", params, NO_SIGNALS, None, LENGTH_S, given=given)
    made = tape(histories, None, DEPTH_SHARES)
    return replay(made, replace(strategy, horizon_bars=CLOSING_BARS), params.backtest.cash_pusd * MICRO), made


def seeds(lagged: int, unlagged: int, kept: Path = KEPT) -> list[dict[str, Any]]:
    """Every world, those of an earlier run from the file."""
    known = [json.loads(line) for line in kept.read_text().splitlines()] if kept.is_file() else []
    done = {(row["lag_s"], row["seed"]): row for row in known}
    wanted = [(2, seed) for seed in range(1, lagged + 1)] + [(0, seed) for seed in range(1, unlagged + 1)]
    kept.parent.mkdir(exist_ok=True)
    for key in wanted:
        if key not in done:
            done[key] = judge(*key)
            with kept.open("a") as file:
                file.write(json.dumps(done[key]) + "\n")
    return [done[key] for key in wanted]


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


def _books() -> list[Path]:
    folder = os.environ.get("ODDSMITH_RECORDINGS", "")
    return [path for name in BOOKS if folder and (path := Path(folder) / "books" / name).is_file()]


def recorded() -> dict[str, Any]:
    """Every candidate on the recorded books of ODDSMITH_RECORDINGS; None without them."""
    books = _books()
    return judged(books) if books else {"recorded_windows": None, "recorded": None}


def fills() -> dict[str, Any]:
    """The maker probe's finding by the fill model, on the recorded books of ODDSMITH_RECORDINGS; None without them."""
    books = _books()
    found = measured_fills(books) if books else {}
    return {name: found.get(name) for name in ("one_sided_on_loser_share", "one_sided", "probes_held_out")}


PARTS: dict[str, Callable[[bool], dict[str, Any]]] = {
    "fills": lambda _quick: fills(),
    "recorded": lambda _quick: recorded(),
    "maker": lambda quick: quoted((1,) if quick else (1, 2, 3)),
    "decide": lambda _quick: decide_ms(),
    "order": lambda quick: tick_to_order_ms(10 if quick else ORDERS),
    "import": lambda quick: imported(100_000 if quick else ROWS),
    "lag": lambda quick: document(seeds(2, 2) if quick else seeds(LAGGED, UNLAGGED)),
}


def main() -> None:
    """Measure all parts, or those that are named."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.series", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="only these (default: all)")
    parser.add_argument("--quick", action="store_true", help="two seeds of each kind, small files")
    arguments = parser.parse_args()
    found: dict[str, Any] = {}
    for name in arguments.parts or PARTS:
        found |= PARTS[name](arguments.quick)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
