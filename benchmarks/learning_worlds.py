"""Synthetic worlds as compiled tapes: what `benchmarks.learning` trains, chooses and tests on, kept between runs.

A world's earlier part decides its sizing table and its standardisation; the later part is judged. Only flat arrays are
kept (about 25 MB a world), under a name that changes with the code and the parameters that decide them.
"""

import hashlib
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from benchmarks import kept_rows
from benchmarks.evaluate import EVENTS
from benchmarks.worlds import world
from pipelines.core.domain import FloatArray
from pipelines.core.params import Params
from pipelines.inference.predictor import Predictor
from pipelines.replay.account import AccountTape
from pipelines.replay.lanes import field, parameters
from pipelines.replay.market_history import History, IntArray
from pipelines.replay.policy_search import Trained
from pipelines.replay.signals import signals, sizing_table
from pipelines.trading import policies
from pipelines.trading.observation import MarketScaler
from pipelines.trading.policies.kelly import Kelly, share
from pipelines.trading.sizing import SizingTable
from simulator.markets.price_model import World

LENGTH_S = 60
KEPT = Path("var/benchmarks/learning-worlds")
DECIDES = (
    "benchmarks/worlds.py", "benchmarks/learning_worlds.py", "simulator/markets", "pipelines/features",
    "pipelines/replay/lanes.py", "pipelines/replay/signals.py", "pipelines/replay/market_history.py",
    "pipelines/replay/account.py", "pipelines/trading/observation.py", "pipelines/trading/predicted_variance.py",
    "pipelines/news/decay.py",
)  # fmt: skip


Made = TypeVar("Made")


@dataclass(frozen=True)
class Tapes:
    """Both parts of a world, and the sizing table that the earlier one earned."""

    earlier: AccountTape
    later: AccountTape
    table: SizingTable
    kelly: tuple[IntArray, FloatArray]
    """What Kelly wants of each row of the later part without a position: direction and share of the cap."""

    def trained(self, params: Params, part: str, table: SizingTable | None = None) -> Trained:
        """A part with the limits of params.yaml around it, its markets in the order of `execution.turn`."""
        par: FloatArray = parameters(params, table or self.table, LENGTH_S)
        tape: AccountTape = getattr(self, part)
        return Trained(tape.ranked() if params.execution.turn == "move" else tape, par)


def tapes(
    seed: int,
    edge: float,
    params: Params,
    predictor: tuple[str, Predictor] | None = None,
    believed: float | None = None,
    kind: World = "reversion",
) -> Tapes:
    """A world, built or as it was kept. `predictor` is a forecaster with the name that tells it from others."""
    forecasts = predictor[0] if predictor else "kalman"
    foreign = "" if kind == "reversion" else f"-{kind}"
    name = f"{seed}-{edge:g}{foreign}-{believed}-{forecasts}-{digest(params)}.pkl"

    def make() -> Tapes:
        made = world(seed, edge, EVENTS, params.execution, predictor[1] if predictor else None, believed, kind)
        parts = _tape(made.earlier, made.scaler, params), _tape(made.later, made.scaler, params)
        return Tapes(*parts, sizing_table(made.earlier, params), _kelly(made.later, params))

    return kept(KEPT / name, make)


def kept(path: Path, make: Callable[[], Made]) -> Made:
    """What was kept under a path; else what `make` gives, kept from now on."""
    if path.is_file():
        found: Made = pickle.loads(path.read_bytes())
        return found
    made = make()
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_bytes(pickle.dumps(made))
    part.rename(path)
    return made


def both_parts(worlds: Sequence[Tapes], params: Params) -> list[Trained]:
    """Earlier and later parts of some worlds."""
    return [one.trained(params, part) for one in worlds for part in ("earlier", "later")]


def _tape(histories: Sequence[History], scaler: MarketScaler, params: Params) -> AccountTape:
    impact = params.execution.impact_share
    return AccountTape.of(histories, field(histories, scaler, impact, forecast_block=True), impact)


def _kelly(histories: Sequence[History], params: Params) -> tuple[IntArray, FloatArray]:
    given = Kelly.Parameters.model_validate(policies.parameters(Kelly, params, LENGTH_S))
    directions = [np.zeros(len(one), dtype=np.int64) for one in histories]
    shares = [np.zeros(len(one)) for one in histories]
    for history, direction, fraction in zip(histories, directions, shares, strict=True):
        seen = signals(history, given.impact_share)
        for row in np.flatnonzero(np.abs(seen.move_units) > seen.cost_units).tolist():
            move, cost = float(seen.move_units[row]), float(seen.cost_units[row])
            mean, lower, upper = (float(ends[row, -1]) for ends in (history.mean, history.lower, history.upper))
            side, mid = 1 if move > 0.0 else -1, int(history.mid_units[row])
            numbers = (given.bound_share, given.cap_fraction)
            fraction[row] = share(abs(move), cost, side, mean, lower, upper, mid, *numbers)
            direction[row] = side if fraction[row] > 0.0 else 0
    return np.concatenate(directions), np.concatenate(shares)


def digest(params: Params) -> str:
    """Of the code and the parameters that decide the tapes of worlds."""
    settings = params.model_dump_json(include={"execution", "policy", "forecast"})
    return f"{kept_rows.digest(DECIDES)}-{hashlib.sha256(settings.encode()).hexdigest()[:8]}"
