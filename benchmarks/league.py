"""`oddsmith league`: every forecaster under one protocol, on the last pull, on worlds, or on recordings.

Each kind is trained on the fit slice with the same windows and seed, calibrated on the next, and judged on later ones:
skill against persistence with an interval over events and one over periods, calibration, times of training and
inference. On the last pull it is the selection slice, and the threshold rule is played too; the gate's slice is left to
the gate. Finished rows are kept in var/league.jsonl and not made again with the same data, parameters and code. The
last line is JSON.
"""

import argparse
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pyarrow.parquet as pq

from benchmarks import kalman, league_data, league_online
from benchmarks.kept_rows import KeptRows
from benchmarks.league_data import Course
from benchmarks.league_members import LIMIT, ONLINE, SLOW, WITHOUT_SIZES, Made, forecast, known
from benchmarks.league_page import page
from benchmarks.league_row import Row, judge
from flows import studies
from flows.exclusive import alone
from pipelines.core import log
from pipelines.core.artifacts import write_bytes, write_json
from pipelines.core.errors import ParameterError
from pipelines.core.money import MICRO
from pipelines.core.params import Params, load
from pipelines.core.products import report_json
from pipelines.core.scheduler import each
from pipelines.core.sections import SimulatorParams
from pipelines.forecast.stage import table
from pipelines.inference.predictor import Forecasts
from pipelines.replay import market_history
from pipelines.replay.loop import replay, tape
from pipelines.replay.performance import figures
from pipelines.replay.rules import make
from pipelines.replay.signals import sizing_table

WORK = Path("var/league")
KEPT = Path("var/league.jsonl")
PAGE = Path("docs/results/league.md")
DOCUMENT = report_json("league")
LIMITS = report_json("kalman")
MEMBER = ("kind", "data", "world", "edge", "size", "seed")
"""What names a row."""
LARGE = 5
"""How many times the windows of an epoch the large protocol has."""
WORLDS = get_args(SimulatorParams.model_fields["world"].annotation)
SOURCES = ("pipelines/forecast", "pipelines/features", "pipelines/inference", "pipelines/news/decay.py")


def run(asked: argparse.Namespace) -> None:
    """Make what is missing, print one JSON line, render the page.

    Raises:
        ParameterError: naming a kind or a world that is not known, or worlds without an edge.
        AlreadyRunning: where another league runs in this folder; both would train in the same places.
    """
    params = load()
    for kind in asked.kinds:
        if kind not in known():
            raise ParameterError(f"forecaster was {kind!r}; known are {', '.join(known())}")
    if asked.world and not asked.edge:
        raise ParameterError("--world was given without --edge; name the edges of these worlds, such as --edge 1")
    for world in asked.world:
        if world not in WORLDS:
            raise ParameterError(f"--world was {world!r}; known are {', '.join(WORLDS)}")
    names = tuple(dict.fromkeys(("persistence", *(asked.kinds or known()))))
    with alone("league", "a league"):
        _measure(asked, params, names)


def _measure(asked: argparse.Namespace, params: Params, names: tuple[str, ...]) -> None:
    if not asked.keep_limit:
        kalman.write(LIMITS)
    kept = KeptRows(KEPT, SOURCES)
    for course in _courses(asked, params):
        for seed in range(1, asked.seeds + 1):
            _play(_seeded(course, seed), names, asked.size, kept)
    limit = json.loads(LIMITS.read_text(encoding="utf-8")) if LIMITS.is_file() else None
    write_json(DOCUMENT, {"entries": kept.rows, "kalman": limit})
    write_bytes(PAGE, page(kept.rows, limit, params).encode())
    members = {" ".join(str(row[name]) for name in MEMBER if name in row): row for row in kept.rows}
    studies.remember("league", {"size": asked.size, "seeds": asked.seeds}, members)
    print(json.dumps(summary(kept.rows)))


def _courses(asked: argparse.Namespace, params: Params) -> Iterator[Course]:
    sizes = {"small": params.league.windows, "large": LARGE * params.league.windows}
    settings = {"windows": sizes[asked.size], "epochs": params.league.epochs}
    params = params.model_copy(update={"forecast": params.forecast.model_copy(update=settings)})
    for world in asked.world or [params.simulator.world]:
        simulator = params.simulator.model_copy(update={"world": world})
        of_world = params.model_copy(update={"simulator": simulator})
        for edge in asked.edge:
            for seed in range(1, asked.worlds + 1):
                yield league_data.synthetic(edge, seed, of_world)
    for path in asked.recorded:
        yield league_data.recording(path, params)
    if not asked.edge and not asked.recorded:
        yield league_data.last_pull(params)


def _seeded(course: Course, seed: int) -> Course:
    """The course with another seed of training; the shipped one is the first."""
    settings = course.params.forecast
    params = course.params.model_copy(
        update={"forecast": settings.model_copy(update={"seed": settings.seed + seed - 1})}
    )
    return Course(**{**course.__dict__, "params": params})


def _play(course: Course, names: tuple[str, ...], size: str, kept: KeptRows) -> None:
    decides = course.params.model_dump_json(exclude={"compute"})  # where work runs changes no result
    digest = hashlib.sha256(decides.encode()).hexdigest()[:12]
    about = {
        "data": course.name,
        "hash": course.data_hash,
        "size": size,
        "seed": course.params.forecast.seed,
        "parameters": digest,
    }
    work = WORK / course.name.replace(" ", "-").replace(",", "")
    made_here = [kind for kind in names if kind != ONLINE and (kind != LIMIT or course.limit is not None)]
    missing = [kind for kind in made_here if kept.find({**about, "kind": kind}) is None]
    task = [(kind, str(work / kind)) for kind in missing]
    for kind, made in zip(missing, each(_made, course, task, course.params.compute), strict=True):
        _keep(course, made, {**about, "kind": kind}, work / kind, kept)
    if ONLINE in names and (missing or kept.find({**about, "kind": ONLINE}) is None):
        _online(course, about, work, kept)


def _made(course: Course, task: tuple[str, str]) -> Made:
    kind, folder = task
    return forecast(course, kind, Path(folder) / "forecaster")


def _keep(course: Course, made: Made, about: Row, folder: Path, kept: KeptRows, **more: Any) -> None:
    file = folder / "forecasts.parquet"
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table(course.rows, made.positions, made.forecasts), file)
    # The key has them in the name of the data and in the parameters: rows that were kept before stay found.
    where = {} if course.world is None else {"world": course.world, "edge": course.edge}
    row = {**about, **where, **judge(course, made), **more}
    if course.trades and about["kind"] not in SLOW:
        row["trading"] = _trade(file, course.params)
    kept.add(row)
    metrics = row["metrics"]
    log.get("league").info("measured", kind=about["kind"], skill_pct=round(100 * metrics["skill_price_pooled"], 2))


def _online(course: Course, about: Row, work: Path, kept: KeptRows) -> None:
    """The row of the online ensemble, from the forecasts of the other rows that lie in their files."""
    weighed = [kind for kind in known() if kind not in {*SLOW, *WITHOUT_SIZES, ONLINE, LIMIT}]
    names = [kind for kind in weighed if kept.find({**about, "kind": kind}) is not None]
    positions = course.positions()
    tables = {name: pq.read_table(work / name / "forecasts.parquet") for name in names}
    columns = {
        part: {name: np.stack(one[part].to_numpy(zero_copy_only=False)) for name, one in tables.items()}
        for part in ("mean", "lower", "upper")
    }
    lookback = course.params.forecast.lookback_bars
    found = league_online.combined(course.rows, positions, columns["mean"], lookback)
    # The interval is the weighted mean of the rows' intervals around their means.
    half = {
        side: sum(w * (columns[side][n] - columns["mean"][n]) for n, w in found.weights.items())
        for side in ("lower", "upper")
    }
    confidence = np.full(len(positions), 0.5)
    forecasts = Forecasts(found.mean, found.mean + half["lower"], found.mean + half["upper"], confidence)
    more = {"weights": found.weights, "regret_per_round": found.regret, "bound_per_round": found.bound}
    _keep(course, Made(positions, forecasts, 0.0, 0.0), {**about, "kind": ONLINE}, work / ONLINE, kept, **more)


def _trade(file: Path, params: Params) -> Row:
    histories = market_history.read("selection", params.execution, file)
    length_s = market_history.bar_length_s()
    strategy = make("threshold", params, sizing_table(histories, params), None, length_s)
    cash = params.backtest.cash_pusd * MICRO
    made = replay(tape(histories, None, params.execution.model_depth_shares), strategy, cash)
    return figures(made, cash, length_s).document()


def summary(rows: list[Row]) -> Row:
    """Pooled skill with its interval of every row, by data and kind."""
    found: dict[str, dict[str, list[float]]] = {}
    for row in rows:
        metrics = row["metrics"]
        value = [metrics["skill_price_pooled"], *metrics["skill_price_pooled_interval"]]
        found.setdefault(row["data"], {})[row["kind"]] = [round(one, 5) for one in value]
    return {"benchmark": "league", "skill": found}
