"""python -m benchmarks.outcomes [FILE ...]: the forecast of outcomes and the systematic bot that trades on it.

Simulated worlds whose price is right, and worlds where favourites win more often than their price (`outcome_slope`):
learned on the first two thirds of the events, traded on the rest, through decide() after costs. With FILEs also their
gains over the price on recordings with known outcomes (later half of the events). One JSON line; finished worlds and
recordings are kept in var/outcomes.jsonl, so the same command goes on where it stopped.
"""

import argparse
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.kept_rows import KeptRows, Row
from benchmarks.outcome_recordings import histories
from benchmarks.worlds import market_of
from pipelines.backtest import outcome_fit, outcomes
from pipelines.backtest.outcome_rows import OutcomeRows
from pipelines.core.money import MICRO, PRICE_SCALE
from pipelines.core.params import Params, load
from pipelines.features import compute
from pipelines.gate.earned import earnings
from pipelines.news import decay
from pipelines.replay import rules
from pipelines.replay.bounds import mean_bound
from pipelines.replay.loop import replay, tape
from pipelines.replay.market_history import History, touches
from pipelines.trading.outcome_odds import Weights
from pipelines.trading.policies.systematic import Systematic
from pipelines.trading.sizing import NO_SIGNALS
from simulator.markets.events import STEP_S, Event, Family, build
from simulator.markets.price_model import Model
from simulator.markets.truth import Truth, truth

KEPT = Path("var/outcomes.jsonl")
SOURCES = (
    "benchmarks/outcomes.py", "benchmarks/outcome_recordings.py", "pipelines/backtest", "pipelines/trading",
    "pipelines/replay", "pipelines/decide.py", "simulator/markets",
)  # fmt: skip
SLOPES = (1.0, 2.0)
WORLDS = 10
EVENTS, MARKETS, LIFE_MIN, EVERY_MIN = 300, 3, 240, 60
EVERY_BAR = 10
"""Minutes of a bar: the bot holds to the end, so few bars say as much as many."""
LENGTH_S = EVERY_BAR * STEP_S
HORIZON = 24
LEARN_SHARE = 2 / 3
SCORES = ("brier", "log_score")


def world(slope: float, seed: int, params: Params, events: int = EVENTS) -> list[History]:
    """Markets of a world without an error in the quote, by event."""
    family = Family(seed, Model(edge=0.0, outcome_slope=slope), LIFE_MIN, EVERY_MIN, MARKETS)
    built = [build(family, number) for number in range(events)]
    known = truth(family, built)
    return [_history(known, built, row, params) for row in range(len(known.event))]


def _history(known: Truth, events: Sequence[Event], row: int, params: Params) -> History:
    event = events[int(known.event[row])]
    listing = event.listings[row % MARKETS]
    minutes = np.arange(EVERY_BAR - 1, LIFE_MIN, EVERY_BAR)
    ts_s = event.start_s + STEP_S * (minutes.astype(np.int64) + 1)
    paths = known.paths
    mid = paths.mid_units[row][minutes].astype(np.int64)
    spread = (paths.ask_units[row] - paths.bid_units[row])[minutes].astype(np.int64)
    bid, ask = touches(ts_s, mid, spread, listing.tick_units, params.execution.model_spread * PRICE_SCALE)
    volume = np.add.reduceat(paths.volume_micro[row].astype(np.int64), minutes - (EVERY_BAR - 1))
    news = np.flatnonzero(known.news[row])
    tone = decay.batch(ts_s, event.start_s + STEP_S * (news + 1), known.sentiment[row][news])
    flat = np.zeros((len(ts_s), HORIZON))
    return History(
        market_of(listing), ts_s, mid, bid, ask, volume, spread, compute.batch(ts_s, mid, volume, listing.end_s), tone,
        flat, flat, flat, np.full(len(ts_s), 0.5), MICRO if paths.resolved_yes[row] else 0,
    )  # fmt: skip


def simulated(slope: float, seed: int, params: Params, events: int = EVENTS) -> Row:
    """One simulated world: the inputs that were kept on its earlier events, and gain and P&L on its later ones."""
    made = world(slope, seed, params, events)
    cut = round(LEARN_SHARE * events) * MARKETS
    known = rules.policy_params(Systematic.kind, params, LENGTH_S)
    found = outcome_fit.learn(OutcomeRows.of(made[:cut]), Weights.of(known), params.gate)
    scores = outcomes.gains(found.later, outcomes.PRICE, found.taken, params)
    given = known | found.kept._asdict()
    course, cash, gate = (
        tape(made[cut:], None, params.execution.model_depth_shares),
        params.backtest.cash_pusd,
        params.gate,
    )
    strategy = rules.make(Systematic.kind, params, NO_SIGNALS, None, LENGTH_S, given=given)
    result = replay(course, strategy, cash * MICRO)
    earned = earnings(result, course, level=gate.confidence_level, samples=gate.bootstrap_samples)
    return {
        "taken": [one.name for one in found.steps],
        "kept": [one.name for one in found.steps if one.kept],
        **{f"{name}_gain": round(scores[name]["gain"], 5) for name in SCORES},
        "orders": result.orders,
        "pnl_pusd": round(earned.pnl_pusd, 2),
        "lower_pusd": round(earned.lower_pusd, 2),
    }


def recorded(path: Path, params: Params) -> Row:
    """Gains over the price on the later half of a recording's events."""
    found = outcomes.document(histories(path, params), params, LENGTH_S)
    if not found:
        return {"markets": 0}
    names = ("enough_events", "events", "markets", "taken", "kept", "brier_of_price", "log_score_of_price", *SCORES)
    inputs = {name: one["log_score"] for name, one in found["inputs"].items() if "log_score" in one}
    return {name: found[name] for name in names} | {"inputs": inputs}


def summed(rows: Sequence[Row]) -> dict[str, Any]:
    """Worlds of one kind: in how many an input was kept, and the P&L with its 90 % interval over worlds."""
    pnl = np.array([row["pnl_pusd"] for row in rows])
    return {
        "worlds": len(rows),
        "kept_in": sum(bool(row["kept"]) for row in rows),
        "traded_in": sum(row["orders"] > 0 for row in rows),
        "surely_earned_in": sum(row["lower_pusd"] > 0.0 for row in rows),
        "pnl_pusd": round(float(pnl.mean()), 2),
        "pnl_interval_pusd": [round(mean_bound(pnl, 0.95), 2), round(0.0 - mean_bound(-pnl, 0.95), 2)],
        "log_score_gain": round(float(np.mean([row["log_score_gain"] for row in rows])), 5),
        "brier_gain": round(float(np.mean([row["brier_gain"] for row in rows])), 5),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is not kept yet and print one line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.outcomes", description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, help="recordings with known outcomes")
    parser.add_argument("--worlds", type=int, default=WORLDS, help=f"worlds of each kind ({WORLDS})")
    asked = parser.parse_args(arguments)
    params, kept = load(), KeptRows(KEPT, SOURCES)
    found: dict[str, Any] = {"benchmark": "outcomes", "simulated": {}, "recorded": {}}
    for slope in SLOPES:
        seeds = range(1, asked.worlds + 1)
        rows = [kept.once({"slope": slope, "seed": seed}, partial(simulated, slope, seed, params)) for seed in seeds]
        found["simulated"][str(slope)] = summed(rows)
    for path in asked.files:
        found["recorded"][path.name] = kept.once({"file": path.name}, partial(recorded, path, params))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
