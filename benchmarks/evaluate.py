"""Strategies over seeds on unseen synthetic time: `python -m benchmarks.evaluate --edge 1.0 --seeds 10`.

Every seed is a world of its own: agents train on its earlier events and are judged, with all others, on its later
ones, on one account with all limits, after costs. Finished seeds are kept in var/evaluate and not run again; the
table (interquartile mean over seeds with a bootstrap interval) goes to docs/results. Without --forecaster the forecasts
are the Kalman limit of the public data.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.worlds import World, world
from pipelines.core.domain import FloatArray
from pipelines.core.money import MICRO
from pipelines.core.params import Params, read
from pipelines.engine import rules
from pipelines.engine.history import History
from pipelines.engine.metrics import figures
from pipelines.engine.replay import Tape, replay, tape
from pipelines.engine.signals import sizing_table
from pipelines.inference.predictor import Predictor

LENGTH_S = 60
EVENTS = 42
RULES = ("cash", "buy_and_hold", "threshold", "kelly", "ensemble", "spike_fading")
AGENTS = {"ppo": ("ppo", True), "ppo_without_forecasts": ("ppo", False), "dqn": ("dqn", True)}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what is missing, then print and write the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evaluate", description=__doc__)
    parser.add_argument("--edge", type=float, default=1.0)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--forecaster", type=Path, help="folder of a trained forecaster, such as models/forecaster")
    parser.add_argument("--agents", nargs="*", default=list(AGENTS), choices=list(AGENTS))
    parser.add_argument("--out", type=Path, default=Path("docs/results"))
    asked = parser.parse_args(arguments)
    name = f"edge-{asked.edge:g}" + ("-learned" if asked.forecaster else "-kalman")
    kept = Path("var/evaluate") / f"{name}.jsonl"
    rows = _kept(kept)
    for seed in range(1, asked.seeds + 1):
        if seed not in rows:
            began = time.perf_counter()
            rows[seed] = one_seed(seed, asked.edge, asked.forecaster, asked.agents)
            _keep(kept, seed, rows[seed])
            print(
                json.dumps({"seed": seed, "seconds": round(time.perf_counter() - began, 1), **rows[seed]}), flush=True
            )
    table = summary([rows[seed] for seed in sorted(rows) if seed <= asked.seeds])
    asked.out.mkdir(parents=True, exist_ok=True)
    (asked.out / f"strategies-{name}.md").write_text(
        render(table, asked.edge, bool(asked.forecaster)), encoding="utf-8"
    )
    print(json.dumps({"benchmark": "evaluate", "edge": asked.edge, "strategies": table}))


def one_seed(seed: int, edge: float, forecaster: Path | None, agents: Sequence[str]) -> dict[str, float]:
    """P&L in pUSD of every strategy on the later part of one world."""
    params = read(Path("params.yaml"))
    params = params.model_copy(update={"agent": params.agent.model_copy(update={"seed": seed})})
    limit = world(seed, edge, EVENTS, params.execution)
    made = limit if forecaster is None else world(seed, edge, EVENTS, params.execution, Predictor(forecaster))
    result = {kind: _rule(kind, made, params) for kind in RULES}
    result["random"] = _random(made, params, seed)
    result |= {name: _agent(name, made, params) for name in agents}
    if forecaster is not None:
        result["threshold_on_kalman"] = _rule("threshold", limit, params)
    return {name: round(pnl, 2) for name, pnl in result.items()}


def _tape(histories: list[History], made: World, params: Params) -> Tape:
    return tape(histories, made.scaler, params.execution.model_depth_shares)


def _rule(kind: str, made: World, params: Params, given: dict[str, Any] | None = None) -> float:
    table = sizing_table(made.earlier, params)
    strategy = rules.make(kind, params, table, made.scaler, LENGTH_S, given=given)
    return _pnl(replay(_tape(made.later, made, params), strategy, _cash(params)), params)


def _random(made: World, params: Params, seed: int) -> float:
    """Random entries with about the threshold rule's turnover."""
    table = sizing_table(made.earlier, params)
    later = _tape(made.later, made, params)
    like = replay(later, rules.make("threshold", params, table, made.scaler, LENGTH_S), _cash(params))
    shown = figures(like, _cash(params), LENGTH_S)
    given = {
        "seed": seed,
        "entry_probability": max(shown.round_trips, 1) / later.bars,
        "hold_bars": shown.mean_hold_bars or 10.0,
        "fraction": 1.0,
    }
    return _rule("random_matched", made, params, given)


def _agent(name: str, made: World, params: Params) -> float:
    from pipelines.agent.algorithms import actor  # noqa: PLC0415
    from pipelines.agent.export import export  # noqa: PLC0415
    from pipelines.agent.training import train  # noqa: PLC0415

    algorithm, block = AGENTS[name]
    update = {"algorithm": algorithm, "forecast_block": block}
    if not block:
        update["imitation_epochs"] = 0
    chosen = params.model_copy(update={"agent": params.agent.model_copy(update=update)})
    table = sizing_table(made.earlier, params)
    learner, _ = train(made.earlier, chosen, table, made.scaler, LENGTH_S)
    folder = Path("var/evaluate/agent")
    folder.mkdir(parents=True, exist_ok=True)
    export(actor(learner), 27 if block else 20, folder / "policy.onnx")
    strategy = rules.make(algorithm, chosen, table, made.scaler, LENGTH_S, folder)
    return _pnl(replay(_tape(made.later, made, params), strategy, _cash(params)), params)


def _cash(params: Params) -> int:
    return params.backtest.cash_pusd * MICRO


def _pnl(result: Any, params: Params) -> float:
    return float(result.equity_micro[-1] - _cash(params)) / MICRO


def summary(rows: Sequence[dict[str, float]], samples: int = 2_000) -> dict[str, dict[str, float]]:
    """Interquartile mean over seeds, its 95 % bootstrap interval, and the share of seeds above 0."""
    rng = np.random.default_rng(0)
    table = {}
    for name in rows[0]:
        values = np.array([row[name] for row in rows if name in row])
        drawn = [iqm(values[rng.integers(0, len(values), len(values))]) for _ in range(samples)]
        low, high = np.quantile(drawn, (0.025, 0.975))
        table[name] = {
            "iqm_pusd": round(iqm(values), 2),
            "low_pusd": round(float(low), 2),
            "high_pusd": round(float(high), 2),
            "above_zero": round(float(np.mean(values > 0.0)), 3),
            "seeds": len(values),
        }
    return table


def iqm(values: FloatArray) -> float:
    """Mean of the middle half, with fractional weights at its ends."""
    ordered = np.sort(values)
    edge = len(ordered) / 4.0
    ranks = np.arange(len(ordered))
    weights = np.clip(np.minimum(ranks + 1.0 - edge, len(ordered) - edge - ranks), 0.0, 1.0)
    return float(np.average(ordered, weights=weights))


def render(table: dict[str, dict[str, float]], edge: float, learned: bool) -> str:
    """The table as Markdown, best first."""
    source = "the trained forecaster" if learned else "the Kalman limit of the public data"
    lines = [
        f"# Strategies on unseen synthetic markets, edge {edge:g}",
        "",
        f"P&L in pUSD after spread, impact and fees on one account of 10,000 pUSD; forecasts of {source}.",
        "Interquartile mean over seeds (each a world of its own) with a 95 % bootstrap interval. Made by",
        "`python -m benchmarks.evaluate`.",
        "",
        "| strategy | IQM | 95 % interval | seeds above 0 |",
        "|---|---|---|---|",
    ]
    best: Callable[[str], float] = lambda name: -table[name]["iqm_pusd"]  # noqa: E731
    for name in sorted(table, key=best):
        row = table[name]
        interval = f"{row['low_pusd']:+,.0f} to {row['high_pusd']:+,.0f}"
        lines.append(f"| {name} | {row['iqm_pusd']:+,.0f} | {interval} | {row['above_zero']:.0%} of {row['seeds']} |")
    return "\n".join(lines) + "\n"


def _kept(path: Path) -> dict[int, dict[str, float]]:
    if not path.is_file():
        return {}
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {row["seed"]: row["pnl"] for row in rows}


def _keep(path: Path, seed: int, pnl: dict[str, float]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps({"seed": seed, "pnl": pnl}) + "\n")


if __name__ == "__main__":
    main()
