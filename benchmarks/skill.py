"""How close the default forecaster comes to the limit: `python -m benchmarks.skill --worlds 10`.

Each world is one of the default's shape with a seed of its own; the forecaster is made by the forecast stage's own code
on the world's fit and calibration slices and judged on what comes after them, and so is the Kalman limit of the public
data. Finished worlds are kept in var/skill.jsonl and not run again under the same parameters and code. The last line is
JSON:

* `share_edge_1`, `share_edge_05`: pooled skill (horizons 2 to 24, price units) over the limit's, all worlds together,
  with an interval over worlds;
* `trading_share_edge_1`: what the threshold rule earns on the forecasts over what it earns on the limit's;
* `network_adds`: skill of the forecaster less that of its filter and linear path, [value, low, high] per world;
* `recorded`: RMSE ratio to persistence of each recording given with `--recorded` or found in the folder of
  `--recordings`, with its interval: at the horizons 1, 5 and 24, and at the one whose upper bound is the highest of all
  horizons; `recorded_worst` gives that horizon and its upper bound, `recorded_shape` the lookback and the horizons in
  bars (less than the usual ones where a recording is too short for them), `refused` the reason why a file could not be
  judged;
* `recorded_adds`: what each group of inputs given with `--without` adds to the skill on each recording at the horizons
  1, 5 and 24, [value, low, high]: the forecaster less one that was made without them, on the same bars;
* `edge_0_false`: worlds without an edge in which the skill's lower bound is above 0.
"""

import argparse
import hashlib
import json
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np

from benchmarks.contest import Contest
from benchmarks.evaluate import ROOT
from benchmarks.judged_bars import judged
from benchmarks.recorded_rows import changed
from benchmarks.skill_recordings import SHOWN, files, one_recording, worst
from benchmarks.skill_world import skill_world
from benchmarks.without_inputs import GROUPS
from benchmarks.worlds import world
from pipelines.core.artifacts import sha256_path
from pipelines.core.command_line import whole
from pipelines.core.errors import DataError, ParameterError
from pipelines.core.params import Params
from pipelines.forecast.accuracy import Errors
from pipelines.forecast.training_windows import IntArray, Rows
from pipelines.inference.predictor import Predictor
from simulator.markets.price_model import World

POOLED = slice(1, None)
CONTEST_EVENTS = 42
KEPT = Path("var/skill.jsonl")
SOURCES = (
    "pipelines/forecast",
    "pipelines/features",
    "pipelines/inference",
    "pipelines/news/decay.py",
    "simulator/markets",
)

Row = dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what is missing, then print one JSON line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.skill", description=__doc__)
    parser.add_argument("--worlds", type=int, default=10, help="per edge")
    parser.add_argument("--edge", type=float, nargs="*", default=[1.0, 0.5, 0.0])
    parser.add_argument("--world", choices=get_args(World), nargs="*", default=["reversion"], help="kinds of worlds")
    parser.add_argument("--days", type=int, default=16, help="of history in a world, as in simulator.history_days")
    parser.add_argument("--set", nargs="*", default=[], metavar="section.key=value", help="other parameters")
    parser.add_argument("--every", type=whole(1), default=1, help="judge every n-th bar alone, for a quick look")
    parser.add_argument("--kind", help="instead of params.yaml's forecast.kind")
    parser.add_argument("--recorded", type=Path, nargs="*", default=[], help="recordings, or files to make them of")
    parser.add_argument("--recordings", type=Path, help="a folder: every file in it that may be one, each by itself")
    parser.add_argument(
        "--map", nargs="*", default=[], metavar="ours=theirs", help="columns, as in oddsmith data import"
    )
    parser.add_argument(
        "--without", choices=(*GROUPS, "brackets"), nargs="*", default=[], help="on recordings, each group by itself"
    )
    asked = parser.parse_args(arguments)
    assignments = [*asked.set, *([f"forecast.kind={asked.kind}"] if asked.kind else [])]
    params = changed(assignments)
    kept = KeptSkill(KEPT, _digest(params, asked.days, asked.every))
    for kind in asked.world:
        world = params.simulator.model_copy(update={"world": kind})
        of_world = params.model_copy(update={"simulator": world})
        for edge in asked.edge:
            for seed in range(1, asked.worlds + 1):
                measure = partial(one_world, edge, seed, of_world, asked.days, asked.every)
                kept.once({"world": kind, "edge": edge, "seed": seed}, measure)
    recordings, refused = [], {}
    for path in [*asked.recorded, *(files(asked.recordings) if asked.recordings else [])]:
        try:
            about = {"recorded": path.name, "sha256": sha256_path(path), "horizons": params.forecast.horizon_bars}
            about |= {"without": sorted(asked.without)}
            kept.once(about, partial(one_recording, path, params, assignments, asked.map, asked.without))
            recordings.append(about)
        except (DataError, ParameterError, OSError, RuntimeError) as error:
            refused[path.name] = str(error)
    line = summary(kept.rows, asked.edge, asked.worlds, recordings)
    print(json.dumps(line | {"refused": refused}))


class KeptSkill:
    """Finished measurements of one set of parameters and code, one line of JSON each."""

    def __init__(self, path: Path, digest: str) -> None:
        self._path, self._digest = path, digest
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        self.rows = [row for row in map(_row, lines) if row.get("digest") == digest]

    def once(self, about: Row, measure: Any) -> None:
        """Measure and append, unless it was."""
        if any(about.items() <= row.items() for row in self.rows):
            return
        began = time.perf_counter()
        row = {"digest": self._digest, **about, **measure(), "seconds": round(time.perf_counter() - began, 1)}
        self.rows.append(row)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(row) + "\n")
        print(json.dumps({key: value for key, value in row.items() if key != "digest"}), flush=True)


def _row(line: str) -> Row:
    """A line that an interruption cut short counts as none."""
    try:
        row: Row = json.loads(line)
    except json.JSONDecodeError:
        return {}
    return row


def _digest(params: Params, days: int, every: int) -> str:
    sections = {"simulator", "slices", "features", "forecast", "conformal", "policy", "sizing", "risk", "execution"}
    digest = hashlib.sha256(f"{days} {every} {params.model_dump_json(include=sections)}".encode())
    for source in SOURCES:
        path = ROOT / source
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def one_world(edge: float, seed: int, params: Params, days: int, every: int = 1) -> Row:
    """Skill of the forecaster, of the parts under its network and of the limit on each n-th bar, and what the threshold
    rule earns on them."""
    from pipelines.forecast import candidate  # noqa: PLC0415 - TensorFlow is loaded by those who train

    made = skill_world(seed, edge, params, days)
    rows, horizon = made.rows, params.forecast.horizon_bars
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "forecaster"
        name = f"skill-{params.simulator.world}-{edge:g}-{seed}-{days}"
        report = candidate.make(rows, params, folder, name, {})
        candidate.checkpoint_of(params, name).clear()
        predictor = Predictor(folder)
        positions = judged(rows, predictor.lookback, horizon)[::every]
        states = rows.states(predictor.filter)
        windows = rows.windows(predictor.lookback, states)
        means = {name: one.forecast_many(windows, positions).mean for name, one in _paths(predictor).items()}
        means["limit"] = made.limit(horizon)[positions]
        row = _skills(rows, positions, means) | {"training_s": report["training_s"]}
        return row | (_trading(edge, seed, params, predictor) if edge == 1.0 else {})


def _paths(predictor: Predictor) -> dict[str, Predictor]:
    return {"whole": predictor, "base": predictor.without_network(), "filter": predictor.filter_alone()}


def _skills(rows: Rows, positions: IntArray, means: dict[str, Any]) -> Row:
    errors = {name: Errors.of(rows, positions, mean, POOLED) for name, mean in means.items()}
    row: Row = {f"{name}_skill": round(one.skill, 6) for name, one in errors.items()}
    row["whole_interval"] = [round(value, 6) for value in errors["whole"].interval()]
    for name, one, other in (("network_adds", "whole", "base"), ("linear_adds", "base", "filter")):
        gain = errors[one].skill - errors[other].skill
        row[name] = [round(value, 6) for value in (gain, *errors[one].interval(errors[other]))]
    for name, mean in means.items():
        alone = {str(bars): Errors.of(rows, positions, mean, slice(bars - 1, bars)).skill for bars in SHOWN}
        row[f"{name}_by_horizon"] = {bars: round(value, 6) for bars, value in alone.items()}
    return row


def _trading(edge: float, seed: int, params: Params, predictor: Predictor) -> Row:
    """P&L of the threshold rule in another world, on these forecasts and on the Kalman limit there."""
    earned = {}
    for name, forecaster in (("rule_pusd", predictor), ("rule_on_limit_pusd", None)):
        contest = Contest.of(
            world(seed + 500, edge, CONTEST_EVENTS, params.execution, forecaster, kind=params.simulator.world), params
        )
        earned[name] = contest.pnl(contest.rule("threshold"))
    return earned


def summary(rows: Sequence[Row], edges: Sequence[float], worlds: int, recordings: Sequence[Row]) -> Row:
    """The figures that the module's docstring names; null where nothing was measured."""
    asked = [row for row in rows if row.get("edge") in edges and row["seed"] <= worlds]
    default = [row for row in asked if row["world"] == "reversion"]
    by_edge = {edge: [row for row in default if row["edge"] == edge] for edge in edges}
    flat = [row for row in asked if row["edge"] > 0.0]
    none = by_edge.get(0.0)
    asked_for = [row for about in recordings for row in rows if about.items() <= row.items()]
    found = {row["recorded"]: row["ratio"] for row in asked_for}
    return {
        "benchmark": "skill",
        "worlds": worlds,
        "share_edge_1": share(by_edge.get(1.0, []), "whole_skill", "limit_skill"),
        "share_edge_05": share(by_edge.get(0.5, []), "whole_skill", "limit_skill"),
        "trading_share_edge_1": share(by_edge.get(1.0, []), "rule_pusd", "rule_on_limit_pusd"),
        "network_adds": {
            f"{row['world']}, edge {row['edge']:g}, seed {row['seed']}": row["network_adds"] for row in flat
        },
        "recorded": {
            name: {bars: one for bars, one in ratio.items() if int(bars) in SHOWN or bars == worst(ratio)[0]}
            for name, ratio in found.items()
        },
        "recorded_worst": {
            name: {"horizon": int(worst(ratio)[0]), "upper": worst(ratio)[1]} for name, ratio in found.items()
        },
        "recorded_shape": {row["recorded"]: row["shape"] for row in asked_for},
        "recorded_adds": {row["recorded"]: row["adds"] for row in asked_for if row.get("adds")},
        "edge_0_false": sum(row["whole_interval"][0] > 0.0 for row in none) if none else None,
    }


def share(rows: Sequence[Row], part: str, whole: str, samples: int = 2_000) -> list[float] | None:
    """Sum of one figure over the sum of another, with a 95 % interval over worlds: [value, low, high]."""
    if not rows:
        return None
    values = np.array([[row[part], row[whole]] for row in rows])
    picks = np.random.default_rng(0).integers(0, len(values), (samples, len(values)))
    drawn = values[picks].sum(axis=1)
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], (0.025, 0.975))
    total = values.sum(axis=0)
    return [round(float(value), 4) for value in (total[0] / total[1], low, high)]


if __name__ == "__main__":
    main()
