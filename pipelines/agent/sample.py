"""Markets for an environment that is made without arguments: the agent slice when there is one, else a random walk."""

import numpy as np

from pipelines.core.domain import FeeSchedule, FloatArray, Market
from pipelines.core.money import PRICE_SCALE
from pipelines.core.params import Params, load
from pipelines.core.products import FEATURES, FORECAST_TABLE
from pipelines.features import compute
from pipelines.features.scale import Scaler
from pipelines.features.spec import SCALED
from pipelines.replay import market_history
from pipelines.replay.lanes import Field, field, parameters
from pipelines.replay.market_history import History, touches
from pipelines.trading.observation import MarketScaler
from pipelines.trading.sizing import SizingTable

EVEN = SizingTable(0.6, 0.05, 0.04, 0, 0)
"""A sizing table that allows entries, for markets on which nothing was measured."""

START_S = 1_767_225_600
BARS = 600


def shipped() -> tuple[Field, FloatArray]:
    """Data and limits of the environment: of the agent slice in data/, or of four random walks."""
    params = load()
    impact, block = params.execution.impact_share, params.agent.forecast_block
    if FORECAST_TABLE.is_file():
        scaler = MarketScaler.read(FEATURES / "scaler.json")
        past, length_s = market_history.read("agent", params.execution), market_history.bar_length_s()
    else:
        past, length_s = [walk(seed, params) for seed in range(4)], params.bars.length_s
        raw = np.concatenate([np.column_stack((one.features, one.sentiment)) for one in past])
        scaler = MarketScaler(Scaler.fit(raw, SCALED, params.features.winsor_sd))
    return field(past, scaler, impact, forecast_block=block), parameters(params, EVEN, length_s)


def walk(seed: int, params: Params) -> History:
    """A market that moves at random, with forecasts that know a part of the next moves."""
    rng = np.random.default_rng(seed)
    mid = np.clip(5_000 + 50 * rng.integers(-1, 2, BARS).cumsum(), 500, 9_500).astype(np.int64)
    ts_s = START_S + params.bars.length_s * np.arange(BARS, dtype=np.int64)
    zeros = np.zeros(BARS, dtype=np.int64)
    bid, ask = touches(ts_s, mid, zeros, 100, params.execution.model_spread * PRICE_SCALE)
    end = int(ts_s[-1]) + params.bars.length_s
    market = Market(
        market_id=f"0x{seed:064x}",
        event_id=f"walk-{seed}",
        question="?",
        token_yes="1",  # noqa: S106 - a token id
        token_no="2",  # noqa: S106 - a token id
        tick_units=100,
        min_size_micro=5_000_000,
        fee=FeeSchedule(0.05),
        start_s=START_S,
        end_s=end,
        topic="",
    )
    odds = np.log(mid / (10_000 - mid))
    horizon = params.forecast.horizon_bars
    moves = [np.append(odds[step:], np.full(step, odds[-1])) - odds for step in range(1, horizon + 1)]
    mean = 0.5 * np.stack(moves, axis=1) + rng.normal(0.0, 0.05, (BARS, horizon))
    features = compute.batch(ts_s, mid, zeros, end)
    none = np.zeros(BARS)
    return History(
        market, ts_s, mid, bid, ask, zeros, zeros, features, none, mean, mean - 0.2, mean + 0.2, np.full(BARS, 0.8)
    )
