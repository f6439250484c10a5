"""Command stacks: every named stack through featurize, forecast, agent and backtest -> reports/stacks.json.

A stack works in var/stacks/<name>, on the pull that is there, so nothing of the running system is touched. A stack
whose scorer is not available here (FinBERT without transformers, no endpoint) is skipped with the reason.
"""

import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from pipelines.core import log
from pipelines.core.artifacts import read_json, write_bytes, write_json
from pipelines.core.domain import Headline
from pipelines.core.errors import DataError, OddsmithError, ParameterError
from pipelines.core.params import Params, load
from pipelines.core.sections import StackParams
from pipelines.core.settings import Settings
from pipelines.news import scorers

REPORT = Path("reports/stacks.json")
TABLE = Path("docs/results/stacks.md")
WORK = Path("var/stacks")
RAW = Path("data/raw")
WINDOW = Path("data/window.json")
STAGES = ("featurize", "forecast", "agent", "backtest")
LOG = log.get("stacks")


def run(names: Sequence[str] = ()) -> None:
    """Train and judge the named stacks (all without a name) and write the table.

    Raises:
        ParameterError: if a name is not in params.yaml.
        DataError: if there is no pull to train on.
    """
    params = load()
    if unknown := [name for name in names if name not in params.stacks]:
        raise ParameterError(f"unknown stack {unknown[0]!r}; params.yaml knows {', '.join(params.stacks)}")
    if not (RAW / "markets.parquet").is_file():
        raise DataError("data/raw is empty; run `make run` or `python -m pipelines pull` before the stacks")
    rows = {name: _guarded(name, params) for name in names or params.stacks}
    write_json(REPORT, {"stacks": rows})
    write_bytes(TABLE, render(rows, _data(params)).encode())


def _guarded(name: str, params: Params) -> dict[str, Any]:
    try:
        return train(name, params.stacks[name], params)
    except OddsmithError as error:
        LOG.info("skipped", stack=name, reason=str(error))
        return {"skipped": str(error)}


def train(name: str, stack: StackParams, params: Params) -> dict[str, Any]:
    """One stack from headlines to backtest; its measurements.

    Raises:
        OddsmithError: if the scorer is not available or a stage failed.
    """
    folder = WORK / name
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "data").mkdir(parents=True)
    shutil.copytree(RAW, folder / RAW)
    rescore(folder / RAW / "headlines.parquet", stack, params)
    document = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    write_bytes(folder / "params.yaml", yaml.safe_dump(configured(document, stack), sort_keys=False).encode())
    for stage in STAGES:
        LOG.info("stage", stack=name, stage=stage)
        _stage(stage, folder)
    return measured(folder, stack)


def configured(document: dict[str, Any], stack: StackParams) -> dict[str, Any]:
    """params.yaml with the parts of a stack in place."""
    document["news"]["scorer"] = stack.scorer
    document["forecast"]["kind"] = stack.forecast
    document["agent"] |= {"algorithm": stack.agent, "forecast_block": stack.forecast_block}
    return document


def rescore(path: Path, stack: StackParams, params: Params) -> None:
    """Score the headlines of a pull with the stack's scorer, in place."""
    if stack.scorer == params.news.scorer or not path.is_file():
        return
    table = pq.read_table(path)
    scorer = scorers.make(params.news.model_copy(update={"scorer": stack.scorer}), Settings())
    plain = [
        Headline(**{**row, "market_ids": tuple(row["market_ids"]), "sentiment": None}) for row in table.to_pylist()
    ]
    scored = [replace(one) for one in scorers.scored(plain, scorer)]
    column = pa.array([one.sentiment for one in scored], pa.float64())
    pq.write_table(table.set_column(table.schema.get_field_index("sentiment"), "sentiment", column), path)


def _stage(stage: str, folder: Path) -> None:
    command = [sys.executable, "-m", "pipelines", stage]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise DataError(f"stage {stage} failed: {reason}")


def measured(folder: Path, stack: StackParams) -> dict[str, Any]:
    """What the guide's table asks for, of the stack's own agent on the selection slice."""
    backtest = read_json(folder / "reports/backtest.json")
    forecast = read_json(folder / "reports/forecast.json")
    agent = backtest["strategies"][stack.agent]
    bars = len((folder / "reports/equity.csv").read_text(encoding="utf-8").splitlines()) - 1
    days = max(bars * backtest["bar_length_s"] / 86_400, 1e-9)
    return {
        "parts": stack.model_dump(),
        "sharpe_day": agent["sharpe_day"],
        "sharpe_bar": agent["sharpe_bar"],
        "daily_return": agent["return_fraction"] / days,
        "win_rate": agent["win_rate"],
        "max_drawdown": agent["max_drawdown"],
        "pnl_pusd": agent["pnl_pusd"],
        "round_trips": agent["round_trips"],
        "threshold_pnl_pusd": backtest["strategies"]["threshold"]["pnl_pusd"],
        "skill_price": forecast["selection"]["skill_price"],
        "skill_price_pooled": forecast["selection"]["skill_price_pooled"],
        "skill_price_pooled_interval": forecast["selection"]["skill_price_pooled_interval"],
        "days": days,
        "markets": backtest["markets"],
    }


def _data(params: Params) -> str:
    """Where the pull came from, and how long was trained."""
    source = str(read_json(WINDOW)["source"]) if WINDOW.is_file() else "unknown"
    world = f", edge {params.simulator.edge:g}, seed {params.simulator.seed}" if source == "simulated" else ""
    learnt = f"{params.forecast.epochs} x {params.forecast.windows:,} windows, {params.agent.timesteps:,} steps"
    return f"Data: source {source}{world}. Training of each: {learnt} of the agent, one seed."


def render(rows: Mapping[str, Mapping[str, Any]], data: str) -> str:
    """The guide's table of stacks, measured, as Markdown."""
    done = [row for row in rows.values() if "skipped" not in row]
    judged = f"{done[0]['markets']} markets in {done[0]['days']:.1f} days" if done else "no stack could be trained"
    lines = [
        "# The guide's model stacks, measured",
        "",
        f"{data} Each stack learnt from the same pull and was judged on the selection slice ({judged}), after spread,"
        " impact and fees. Skill is of the forecasts against persistence, with its 95 % interval. Made by"
        " `make league STACKS=1`.",
        "",
        "| stack | P&L, pUSD | round trips | daily return | Sharpe (bar) | win rate | max drawdown | skill [95 %] |"
        " threshold rule on its forecasts, pUSD |",
        "|" + "---|" * 9,
    ]
    return "\n".join([*lines, *(_line(name, row) for name, row in rows.items())]) + "\n"


def _line(name: str, row: Mapping[str, Any]) -> str:
    if "skipped" in row:
        return f"| {name} | not trained: {row['skipped']} |" + " |" * 7
    low, high = row["skill_price_pooled_interval"]
    cells = (
        f"{row['pnl_pusd']:+,.0f}",
        f"{row['round_trips']}",
        f"{row['daily_return']:+.2%}",
        "" if row["sharpe_bar"] is None else f"{row['sharpe_bar']:.1f}",
        "" if row["win_rate"] is None else f"{row['win_rate']:.0%}",
        f"{row['max_drawdown']:.1%}",
        f"{row['skill_price_pooled']:+.1%} [{low:+.1%}, {high:+.1%}]",
        f"{row['threshold_pnl_pusd']:+,.0f}",
    )
    return f"| {name} | {' | '.join(cells)} |"
