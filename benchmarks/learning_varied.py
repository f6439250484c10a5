"""Domain randomisation: the data on which an agent learns that is to trade other markets too.

Worlds of every generator, with other edges, spreads, fees and impact, and recordings with the forecasts that a night
would have made on them; over these, sets of latencies, impact and fill models, of which each episode draws one.
"""

import contextlib
import itertools
import os
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np

from benchmarks import kept_rows, stage_runs
from benchmarks.learning_worlds import DECIDES, KEPT, LENGTH_S, both_parts, digest, kept, tapes
from pipelines.core.domain import FloatArray
from pipelines.core.money import PRICE_SCALE
from pipelines.core.params import Params
from pipelines.core.products import FEATURES
from pipelines.replay import market_history
from pipelines.replay.account import tape_of
from pipelines.replay.lanes import parameters
from pipelines.replay.market_history import IntArray
from pipelines.replay.policy_search import Trained
from pipelines.replay.signals import sizing_table
from pipelines.trading import compiled, kernel
from pipelines.trading.compiled_account import ROUND_TRIP
from pipelines.trading.observation import LEAST_COST, MarketScaler
from simulator.markets.price_model import World

EDGES = (1.0, 0.5, 0.0)
"""Share of a price error that reverts, one for each world in turn."""
MOST = 2.0
"""Spreads, fees and impact are multiplied by a number between 1 / MOST and MOST."""
RECORDINGS = ("btc_range_daily_1min.parquet", "mlb_2026_top_of_book.parquet")
"""Recordings with bars of a minute, in the folder `prices` of ODDSMITH_RECORDINGS."""
SOURCES = (
    *DECIDES, "benchmarks/learning_varied.py", "pipelines/pull", "pipelines/rows", "pipelines/featurize",
    "pipelines/forecast", "params.yaml",
)  # fmt: skip
"""Code and parameters that decide the tapes of recordings."""
SLICES = ("agent", "selection")
"""Of a recording: after those that its forecaster was made of."""
RESTS_BARS = 5
"""How long an order waits where it rests."""
FORECAST_INPUTS = slice(15, 18)
"""Inputs of an observation that are moves in round trips."""


def varied(seeds: Sequence[int], params: Params) -> list[Trained]:
    """Both parts of worlds that differ in their generator, in how much can be earned, and in spreads, fees and impact,
    and the later slices of the recordings that are there."""
    kinds = itertools.cycle(itertools.product(get_args(World), EDGES))
    made = []
    for seed, (kind, edge) in zip(seeds, kinds, strict=False):
        multiple, spreads = MOST ** np.random.default_rng(seed).uniform(-1.0, 1.0, 2)
        both = both_parts([tapes(seed, edge, params, kind=kind)], params)
        made += [dearer(one, float(multiple), float(spreads)) for one in both]
    return made + [one for path in recordings() for one in recorded(path, params)]


def recordings() -> list[Path]:
    """The files of RECORDINGS that are in ODDSMITH_RECORDINGS; empty without them."""
    folder = Path(os.environ.get("ODDSMITH_RECORDINGS", "")) / "prices"
    return [folder / name for name in RECORDINGS if (folder / name).is_file()]


def recorded(path: Path, params: Params) -> list[Trained]:
    """The slices of a recording that a night's agent learns and is chosen on, with the forecasts of that night.

    Raises:
        RuntimeError: with the last line of a stage that refuses the recording.
    """
    name = f"{path.stem}-{kept_rows.digest(SOURCES)}-{digest(params)}.pkl"
    return kept(KEPT / name, lambda: _recorded(path, params))


def _recorded(path: Path, params: Params) -> list[Trained]:
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        stage_runs.pull_recording(folder, path, [])
        for stage in ("validate", "featurize", "forecast"):
            stage_runs.run(folder, stage)
        with contextlib.chdir(folder):
            slices = [market_history.read(name, params.execution) for name in SLICES]
            scaler = MarketScaler.read(FEATURES / "scaler.json")
    table = sizing_table(slices[0], params)
    numbers = parameters(params, table, LENGTH_S)
    return [Trained(tape_of(one, scaler, params, forecast_block=True), numbers) for one in slices]


def costs(pars: Sequence[FloatArray]) -> FloatArray:
    """Sets of costs around those of some worlds: one or two bars of latency, half to twice the impact, entries that
    take, and entries that rest and are filled by each fill model."""
    sets = []
    for par in pars:
        for latency, impact in ((1, 1.0), (2, 1.0), (1, 2.0), (1, 0.5)):
            one = par.copy()
            one[compiled.LATENCY] = latency
            one[compiled.IMPACT] *= impact
            sets.append(one)
        for latency, queue in ((1, "pessimistic"), (2, "neutral"), (1, "optimistic"), (2, "evidence")):
            one = par.copy()
            one[[compiled.RESTS, compiled.ORDER_TTL, compiled.LATENCY]] = 1.0, RESTS_BARS, latency
            one[[compiled.AHEAD_SHARE, compiled.EVIDENCE]] = kernel.ahead_share(queue), queue == "evidence"
            sets.append(one)
    return np.array(sets)


def dearer(one: Trained, multiple: float, spreads: float = 1.0) -> Trained:
    """The same tape with `multiple` times the fees and impact, and spreads times `spreads`; forecasts in round trips
    follow."""
    field, par = one.tape.field, one.par.copy()
    rows = field.bars[:, compiled.MARKET]
    bars = _wider(field.bars, field.markets[rows, compiled.TICK], spreads)
    fees = field.fees.copy()
    fees[:, compiled.RATE] *= multiple
    par[compiled.IMPACT] *= multiple
    spread, mid = (bars[:, compiled.ASK] - bars[:, compiled.BID]).astype(float), bars[:, compiled.MID].astype(float)
    signals, inputs = one.tape.signals.copy(), field.inputs.copy()
    before = signals[:, ROUND_TRIP].copy()
    signals[:, ROUND_TRIP] = kernel.round_trip_units(
        spread, mid, par[compiled.IMPACT], fees[rows, compiled.RATE], fees[rows, compiled.EXPONENT]
    )
    ratio = np.maximum(before, LEAST_COST) / np.maximum(signals[:, ROUND_TRIP], LEAST_COST)
    inputs[:, FORECAST_INPUTS] *= ratio[:, None]
    return Trained(replace(one.tape, field=replace(field, bars=bars, fees=fees, inputs=inputs), signals=signals), par)


def _wider(bars: IntArray, ticks: IntArray, multiple: float) -> IntArray:
    """Bars whose two-sided books have spreads so many times as wide, on the grid of their ticks and at least one."""
    made = bars.copy()
    bid, ask = bars[:, compiled.BID], bars[:, compiled.ASK]
    spread, both = ask - bid, (bid > 0) & (ask < PRICE_SCALE)
    steps = np.rint((multiple - 1.0) * spread / (2 * ticks)).astype(np.int64)
    steps = np.maximum(steps, -((spread - ticks) // (2 * ticks)))
    made[:, compiled.BID] = np.where(both, np.maximum(bid - steps * ticks, ticks), bid)
    made[:, compiled.ASK] = np.where(both, np.minimum(ask + steps * ticks, PRICE_SCALE - ticks), ask)
    return made
