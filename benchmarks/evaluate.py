"""Strategies over seeds on unseen synthetic time: `oddsmith evaluate --edge 1.0 --seeds 10`.

Every seed is a world of its own: agents train on its earlier events and are judged, with all others, on its later
ones, on one account with all limits, after costs. Every finished strategy of a seed is kept in var/evaluate and not
run again under the same parameters; the table (interquartile mean over seeds with a bootstrap interval) goes to
docs/results. Without --forecaster the forecasts are the Kalman limit of the public data.
"""

import argparse
import hashlib
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import get_args

import numpy as np

from benchmarks.contest import AGENTS, Contest
from benchmarks.worlds import world
from pipelines.core.artifacts import read_json, write_bytes
from pipelines.core.domain import FloatArray
from pipelines.core.errors import ParameterError
from pipelines.core.params import Params, read
from pipelines.core.sections import Learner
from pipelines.inference.predictor import Predictor
from pipelines.trading.policies.registry import builtin

EVENTS = 42
RULES = tuple(kind for kind, one in builtin().items() if one.compared)
DEFAULT_AGENTS = ("ppo", "ppo_tuned", "ppo_without_forecasts", "dqn", "sac")
LEARNERS = get_args(Learner)
KEPT = Path("var/evaluate")
ROOT = Path(__file__).parents[1]
SECTIONS = {"agent", *LEARNERS, "policy", "sizing", "risk", "execution", "backtest", "forecast"}
SOURCES = (
    "pipelines/decide.py", "pipelines/trading", "pipelines/replay", "pipelines/agent", "pipelines/features",
    "pipelines/inference", "pipelines/news/decay.py", "pipelines/core/money.py", "pipelines/core/domain.py",
    "pipelines/core/settlement.py", "pipelines/core/brackets.py",
    "simulator/markets", "benchmarks/worlds.py", "benchmarks/contest.py",
)  # fmt: skip
"""Parameters and code that decide a result: with others, what was kept does not count."""

KALMAN_RULE = "threshold_on_kalman"
"""The row of the threshold rule on the Kalman limit, where the forecasts of all others are learned."""

Row = dict[str, float]


def run(asked: argparse.Namespace) -> None:
    """Run what is missing, then print and write the table.

    Raises:
        ParameterError: naming an agent that is not known.
    """
    agents, events = asked.agents if asked.agents is not None else DEFAULT_AGENTS, asked.events or EVENTS
    for name in agents:
        if name not in AGENTS:
            raise ParameterError(f"agent was {name!r}; known are {', '.join(AGENTS)}")
    params = read(Path("params.yaml"))
    if asked.timesteps is not None:
        short = {"timesteps": asked.timesteps}
        params = params.model_copy(update={name: getattr(params, name).model_copy(update=short) for name in LEARNERS})
    kind = str(read_json(asked.forecaster / "meta.json")["kind"]) if asked.forecaster else None
    name = f"edge-{asked.edge:g}-{kind or 'kalman'}"
    kept = Kept(KEPT / f"{name}.jsonl", digest(params, events, asked.forecaster))
    seeds = range(1, asked.seeds + 1)
    for seed in seeds:
        one_seed(seed, asked.edge, events, asked.forecaster, agents, params, kept)
    names = [*RULES, "random", *agents, *([KALMAN_RULE] if asked.forecaster else [])]
    rows = [{one: kept.rows[seed][one] for one in names} for seed in seeds]
    table = summary(rows)
    asked.out.mkdir(parents=True, exist_ok=True)
    page = render(table, asked.edge, kind, agents) + by_seed(rows)
    (asked.out / f"strategies-{name}.md").write_text(page, encoding="utf-8")
    line = {
        "benchmark": "evaluate",
        "edge": asked.edge,
        "strategies": table,
        f"ppo_over_{yardstick(rows)}": ratio(rows),
    }
    print(json.dumps(line))


class Kept:
    """Finished results of one set of parameters: seed -> strategy -> P&L in pUSD, one line of JSON each."""

    def __init__(self, path: Path, digest: str) -> None:
        self._path = path
        self._digest = digest
        self.rows: dict[int, Row] = {}
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.is_file() else []
        whole = [line for line in lines if line.endswith("\n")]  # an interruption may leave a part of the last one
        if len(whole) < len(lines):
            write_bytes(path, "".join(whole).encode())
        for row in map(json.loads, whole):
            if row["digest"] == digest:
                self.rows.setdefault(row["seed"], {})[row["strategy"]] = row["pnl_pusd"]

    def add(self, seed: int, strategy: str, pnl: float, seconds: float) -> None:
        """Append one result."""
        self.rows.setdefault(seed, {})[strategy] = pnl
        row = {"seed": seed, "strategy": strategy, "pnl_pusd": pnl, "seconds": round(seconds, 1)}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"digest": self._digest, **row}) + "\n")
        print(json.dumps(row), flush=True)


def digest(params: Params, events: int, forecaster: Path | None) -> str:
    """Of the parameters, the code of SOURCES, and the network of a forecaster with its scaling and calibration."""
    digest = hashlib.sha256(f"{events} {params.model_dump_json(include=SECTIONS)}".encode())
    learned = [*sorted(forecaster.glob("*.onnx")), *sorted(forecaster.glob("*.json"))] if forecaster else []
    sources = [ROOT / source for source in SOURCES]
    code = [file for path in sources for file in (sorted(path.rglob("*.py")) if path.is_dir() else [path])]
    for file in (*learned, *code):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def one_seed(
    seed: int, edge: float, events: int, forecaster: Path | None, agents: Sequence[str], params: Params, kept: Kept
) -> None:
    """What is missing of one world."""
    wanted = [*RULES, "random", *agents, *([KALMAN_RULE] if forecaster else [])]
    missing = [name for name in wanted if name not in kept.rows.get(seed, {})]
    if not missing:
        return
    predictor = Predictor(forecaster) if forecaster else None
    contest = Contest.of(world(seed, edge, events, params.execution, predictor), params)
    for name in missing:
        began = time.perf_counter()
        if name == KALMAN_RULE:
            limit = Contest.of(world(seed, edge, events, params.execution), params)
            pnl = limit.pnl(limit.rule("threshold"))
        elif name == "random":
            pnl = contest.pnl(contest.random(contest.rule("threshold"), seed))
        else:
            pnl = contest.pnl(contest.agent(name, seed) if name in AGENTS else contest.rule(name))
        kept.add(seed, name, pnl, time.perf_counter() - began)


def summary(rows: Sequence[Row], samples: int = 2_000) -> dict[str, Row]:
    """Interquartile mean over seeds, its 95 % bootstrap interval, and the share of seeds above 0."""
    rng = np.random.default_rng(0)
    table = {}
    for name in rows[0]:
        values = np.array([row[name] for row in rows])
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


def yardstick(rows: Sequence[Row]) -> str:
    """What PPO is measured against: the threshold rule on the Kalman-optimal forecast, which with learned forecasts is
    a row of its own."""
    return KALMAN_RULE if KALMAN_RULE in rows[0] else "threshold"


def ratio(rows: Sequence[Row], samples: int = 2_000) -> Row | None:
    """IQM of PPO over IQM of its yardstick with its 95 % interval (seeds drawn for both at once); None without PPO or
    where the rule earned nothing."""
    if "ppo" not in rows[0]:
        return None
    rule = yardstick(rows)
    values = np.array([[row["ppo"], row[rule]] for row in rows])
    if iqm(values[:, 1]) <= 0.0:
        return None
    rng = np.random.default_rng(0)
    drawn = [values[rng.integers(0, len(values), len(values))] for _ in range(samples)]
    low, high = np.quantile([iqm(one[:, 0]) / iqm(one[:, 1]) for one in drawn], (0.025, 0.975))
    value = iqm(values[:, 0]) / iqm(values[:, 1])
    return {"ratio": round(value, 3), "low": round(float(low), 3), "high": round(float(high), 3)}


def iqm(values: FloatArray) -> float:
    """Mean of the middle half, with fractional weights at its ends."""
    ordered = np.sort(values)
    edge = len(ordered) / 4.0
    ranks = np.arange(len(ordered))
    weights = np.clip(np.minimum(ranks + 1.0 - edge, len(ordered) - edge - ranks), 0.0, 1.0)
    return float(np.average(ordered, weights=weights))


def render(table: dict[str, Row], edge: float, kind: str | None, agents: Sequence[str] = DEFAULT_AGENTS) -> str:
    """The table as Markdown, best first; `kind` of a trained forecaster, None for the Kalman limit."""
    options = (" --forecaster FOLDER" if kind else "") + (
        "" if tuple(agents) == DEFAULT_AGENTS else f" --agents {' '.join(agents)}".rstrip()
    )
    trained = f"`{kind}`, trained on another world (`python -m benchmarks.forecaster --kind {kind} --edge {edge:g}`)"
    source = trained if kind else "the Kalman limit of the public data"
    lines = [
        f"# Strategies on unseen synthetic markets, edge {edge:g}",
        "",
        f"P&L in pUSD after spread, impact and fees on one account of 10,000 pUSD; forecasts of {source}.",
        "Interquartile mean over seeds (each a world of its own) with a 95 % bootstrap interval. Agents that see",
        "forecasts are warm-started from the threshold rule; `ppo_without_forecasts` learns from rewards alone. Buy",
        "and hold and random entries (with the threshold rule's turnover) have no stops and no loss limits. Made by",
        f"`oddsmith evaluate --edge {edge:g}{options}`.",
        *([f"`{KALMAN_RULE}` is the threshold rule on the Kalman limit of the public data."] if kind else []),
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


def by_seed(rows: Sequence[Row]) -> str:
    """Every number behind the table, PPO's share of the threshold rule's gain, and what its tuned setting adds."""
    shown = ratio(rows)
    learned = yardstick(rows) == KALMAN_RULE
    rule = (
        "what the threshold rule earns on the Kalman-optimal forecast"
        if learned
        else "the threshold rule on the same forecasts"
    )
    lines = [""]
    if shown is not None:
        lines += [
            f"PPO earned {shown['ratio']:.0%} of {rule} (95 % interval {shown['low']:.0%} to {shown['high']:.0%}).",
            "",
        ]
    names = list(rows[0])
    if {"ppo", "ppo_tuned"} <= set(names) and len(rows) > 1:
        more = np.array([row["ppo_tuned"] - row["ppo"] for row in rows])
        error = float(np.std(more, ddof=1) / np.sqrt(len(more)))
        lines += [
            f"With the tuned hyper-parameters instead of the guide's PPO earned {more.mean():+,.0f} pUSD more on"
            f" average (standard error over the worlds {error:,.0f}).",
            "",
        ]
    lines += [f"| seed | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for seed, row in enumerate(rows, start=1):
        lines.append(f"| {seed} | {' | '.join(f'{row[name]:+,.0f}' for name in names)} |")
    return "\n".join(lines) + "\n"
