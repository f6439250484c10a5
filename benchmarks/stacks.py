"""Command stacks: every named stack through featurize, forecast, agent and backtest -> reports/stacks.json.

A stack works in var/stacks/<name>, on the pull that is there, so nothing of the running system is touched. Stacks that
share scorer and forecaster share the forecasts; each trains an agent of its own. A scorer that is not available here
(FinBERT without transformers, no endpoint) is replaced by a stand-in, which the table names (`benchmarks.stand_ins`).
"""

import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from benchmarks import stand_ins
from flows import studies
from pipelines.core import log
from pipelines.core.artifacts import read_json, sha256_path, write_bytes, write_json
from pipelines.core.domain import Headline
from pipelines.core.errors import DataError, OddsmithError, ParameterError
from pipelines.core.params import Params, load
from pipelines.core.products import FORECASTER, RAW, WINDOW, report_json
from pipelines.core.sections import StackParams
from pipelines.core.settings import Settings
from pipelines.news import scorers

REPORT = report_json("stacks")
TABLE = Path("docs/results/stacks.md")
WORK = Path("var/stacks")
FORECAST = report_json("forecast")
FORECASTING = ("featurize", "forecast")
TRADING = ("agent", "backtest")
NO_SCORER = "none"
PARTS, FIGURES = 5, 8
"""Columns of the table."""
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
    rows: dict[str, dict[str, Any]] = {}
    forecasters: dict[tuple[str, str], Path] = {}
    for name in names or params.stacks:
        rows[name] = _guarded(name, params, forecasters)
    measured_at = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    data = {"about": _data(params), "sha256": sha256_path(RAW)}
    write_json(REPORT, {"stacks": rows, "data": data, "measured_at": measured_at})
    studies.remember("stacks", data, rows)
    write_bytes(TABLE, render(rows, data["about"], f"{measured_at}, hash of the pull {data['sha256'][:12]}").encode())


def _guarded(name: str, params: Params, forecasters: dict[tuple[str, str], Path]) -> dict[str, Any]:
    stack = params.stacks[name]
    try:
        return train(name, stack, params, forecasters)
    except OddsmithError as error:
        LOG.info("skipped", stack=name, reason=str(error))
        return {"parts": stack.model_dump(), "skipped": str(error)}


def train(name: str, stack: StackParams, params: Params, forecasters: dict[tuple[str, str], Path]) -> dict[str, Any]:
    """One stack from headlines to backtest; its measurements.

    `forecasters` holds the folders of stacks that are done, by scorer and forecaster: their forecasts are these, too.

    Raises:
        OddsmithError: if the scorer is not available or a stage failed.
    """
    folder = WORK / name
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "data").mkdir(parents=True)
    done = forecasters.get((stack.scorer, stack.forecast))
    if done is None:
        shutil.copytree(RAW, folder / RAW)
        rescore(folder / RAW / "headlines.parquet", stack, params)
    else:
        _take_over(done, folder)
    document = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    write_bytes(folder / "params.yaml", yaml.safe_dump(configured(document, stack), sort_keys=False).encode())
    for stage in (*FORECASTING, *TRADING) if done is None else TRADING:
        LOG.info("stage", stack=name, stage=stage)
        _stage(stage, folder)
    forecasters.setdefault((stack.scorer, stack.forecast), folder)
    return measured(folder, stack) | {"stand_in": stand_ins.needed(stack.scorer, params.news, Settings())}


def _take_over(done: Path, folder: Path) -> None:
    """What another stack pulled, computed and forecast."""
    for part in (Path("data"), FORECASTER):
        shutil.copytree(done / part, folder / part, dirs_exist_ok=True)
    write_bytes(folder / FORECAST, (done / FORECAST).read_bytes())


def configured(document: dict[str, Any], stack: StackParams) -> dict[str, Any]:
    """params.yaml with the parts of a stack in place.

    An agent that does not see the forecasts does not imitate the rule that trades on them either.
    """
    if stack.scorer != NO_SCORER:
        document["news"]["scorer"] = stack.scorer
    document["forecast"]["kind"] = stack.forecast
    document["agent"] |= {"learner": stack.agent, "forecast_block": stack.forecast_block}
    if not stack.forecast_block:
        document["agent"]["imitation_epochs"] = 0
    return document


def rescore(path: Path, stack: StackParams, params: Params) -> None:
    """Score the headlines of a pull with the stack's scorer, in place; without a scorer no headline has a score."""
    if stack.scorer == params.news.scorer or not path.is_file():
        return
    table = pq.read_table(path)
    column = pa.array(_scores(table, stack.scorer, params), pa.float64())
    pq.write_table(table.set_column(table.schema.get_field_index("sentiment"), "sentiment", column), path)


def _scores(table: pa.Table, scorer: str, params: Params) -> list[float | None]:
    if scorer == NO_SCORER:
        return [None] * table.num_rows
    plain = [
        Headline(**{**row, "market_ids": tuple(row["market_ids"]), "sentiment": None}) for row in table.to_pylist()
    ]
    with stand_ins.scorer(scorer, params.news, Settings()) as (news, settings):
        return [one.sentiment for one in scorers.scored(plain, scorers.make(news, settings))]


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
    learnt = f"{params.forecast.epochs} x {params.forecast.windows:,} windows"
    steps = f"{params.ppo.timesteps:,} steps of PPO or {params.dqn.timesteps:,} of DQN"
    return f"Data: source {source}{world}. Training of each: {learnt}, {steps}, one seed."


def render(rows: Mapping[str, Mapping[str, Any]], data: str, measured: str) -> str:
    """The guide's table of stacks as Markdown: how they were trained (`data`), and when and on what (`measured`)."""
    done = [row for row in rows.values() if "skipped" not in row]
    judged = f"{done[0]['markets']} markets in {done[0]['days']:.1f} days" if done else "no stack could be trained"
    lines = [
        "# The guide's model stacks, measured",
        "",
        f"{data} Each stack learnt from the same pull and was judged on the selection slice ({judged}), after spread,"
        f" impact and fees ({measured}). Skill is of the forecasts against persistence, with its 95 % interval. An"
        " agent that does not see the forecasts learns from rewards alone; the limits still read the confidence of a"
        " forecast. Made by `make league STACKS=1`.",
        "",
        "| stack | sentiment | forecaster | agent | sees forecasts | P&L, pUSD | round trips | daily return |"
        " Sharpe (bar) | win rate | max drawdown | skill [95 %] | threshold rule on its forecasts, pUSD |",
        "|" + "---|" * (PARTS + FIGURES),
    ]
    return "\n".join([*lines, *(_line(name, row) for name, row in rows.items())]) + "\n"


def _line(name: str, row: Mapping[str, Any]) -> str:
    parts = row["parts"]
    stand_in = row.get("stand_in", "")
    scorer = f"{parts['scorer']} (stand-in: {stand_in})" if stand_in else parts["scorer"]
    made = (name, scorer, parts["forecast"], parts["agent"], "yes" if parts["forecast_block"] else "no")
    if "skipped" in row:
        return f"| {' | '.join(made)} | not trained: {row['skipped']} |" + " |" * (FIGURES - 1)
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
    return f"| {' | '.join((*made, *cells))} |"
