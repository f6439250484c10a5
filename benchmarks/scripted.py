"""Our engine on given quotes with given decisions: what another program's example did, done here."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.contest import BOTTOMLESS
from pipelines.agent.env import MarketEnv
from pipelines.core.domain import Direction, FeeSchedule, FloatArray, Market, Position
from pipelines.core.money import CENT, FEE_GRID, MICRO, PRICE_SCALE, SHARE_GRID
from pipelines.core.params import Params, read
from pipelines.decide import Rules
from pipelines.features.scale import Scaler
from pipelines.features.spec import MARKET_OBS, SCALED
from pipelines.replay.lanes import field, parameters
from pipelines.replay.loop import replay, tape
from pipelines.replay.market_history import History, IntArray
from pipelines.trading.observation import MarketScaler
from pipelines.trading.policies.base import Inputs, Observation, Target
from pipelines.trading.sizing import NO_SIGNALS

REPEAT = 3
"""Bars for each quote: an order fills one bar after its decision, and a reversal opens one bar after it has closed."""

LENGTH_S = 60
FREE = FeeSchedule(0.0)
HUGE = 10**12 * MICRO
"""An account whose equity no trade moves, so that every order of a fixed size has that size."""


@dataclass(frozen=True)
class ScriptedQuotes:
    """A path in units of 1e-4, all columns (n,): mid, touch, and what is to be held from each quote on (-1, 0, 1)."""

    mid: IntArray
    bid: IntArray
    ask: IntArray
    wanted: IntArray
    fee: FeeSchedule = FREE

    def history(self) -> History:
        """Every quote for REPEAT bars, without forecasts."""
        mid, bid, ask = (np.repeat(column, REPEAT) for column in (self.mid, self.bid, self.ask))
        count = len(mid)
        ts_s, zeros, none = LENGTH_S * np.arange(count), np.zeros(count, dtype=np.int64), np.zeros(count)
        market = Market(
            market_id="0x0",
            event_id="e",
            question="?",
            token_yes="1",
            token_no="2",
            tick_units=1,
            min_size_micro=SHARE_GRID,
            fee=self.fee,
            start_s=None,
            end_s=None,
            topic="",
        )
        features, forecast = np.zeros((count, len(MARKET_OBS))), np.zeros((count, 24))
        return History(
            market, ts_s, mid, bid, ask, zeros, ask - bid, features, none, forecast, forecast, forecast, none + 1.0
        )


@dataclass(frozen=True)
class Scripted:
    """Holds what is wanted: everything that the account has, or `shares` of it."""

    wanted: IntArray
    shares: float | None = None
    kind = "scripted"
    uses_forecast = False
    reads_observation = False

    def target(self, inputs: Inputs, position: Position | None, observation: Observation | None) -> Target:
        """The direction of the bar's quote. A fixed size is asked for as its share of HUGE."""
        direction = Direction(int(self.wanted[inputs.bar.ts_s // LENGTH_S // REPEAT]))
        if self.shares is None:
            return Target(direction, 1.0)
        price = inputs.quote.ask_units if direction > 0 else PRICE_SCALE - inputs.quote.bid_units
        # An entry keeps one base unit a share, a step of the fee and two cents (kernel.shares_for); half a grid step of
        # shares keeps the size from falling.
        micro = (self.shares * MICRO + SHARE_GRID / 2) * (price / PRICE_SCALE + 1 / MICRO) + FEE_GRID + 2 * CENT
        return Target(direction, micro / HUGE)


def unlimited(params: Params) -> Params:
    """The same parameters with no limit that one market could meet, and orders that take any size at the touch."""
    risk = {"stop_loss": 0.0, "take_profit": 0.0, "trailing_stop": 0.0, "min_confidence": 0.5}
    whole = ("daily_loss_fraction", "max_drawdown_fraction", "max_position_fraction", "max_exposure_fraction")
    execution = {"latency_bars": 1, "order_ttl_bars": 1, "band_ticks": 0, "impact_share": 0.0, "entry": "take"}
    changed = {
        "risk": params.risk.model_copy(update=risk | dict.fromkeys(whole, 1.0)),
        "sizing": params.sizing.model_copy(update={"max_position_fraction": 1.0, "kelly_fraction": 1.0}),
        "policy": params.policy.model_copy(update={"min_price": 0.0}),
        "execution": params.execution.model_copy(update=execution | {"model_depth_shares": BOTTOMLESS}),
    }
    return params.model_copy(update=changed)


def replayed(quotes: ScriptedQuotes, cash_micro: int, shares: float | None = None) -> FloatArray:
    """What was gained until after each quote in pUSD, marked to mid: the event-driven replay through `decide`."""
    params = unlimited(read(Path("params.yaml")))
    policy = Scripted(quotes.wanted, shares)
    limits = (params.risk, params.sizing, params.execution, params.policy)
    rules = Rules(policy, NO_SIGNALS, None, *limits, LENGTH_S, params.forecast.horizon_bars)
    result = replay(tape([quotes.history()], None, BOTTOMLESS), rules, cash_micro)
    return (np.array(result.equity_micro[REPEAT - 1 :: REPEAT]) - cash_micro) / MICRO


def stepped(quotes: ScriptedQuotes, cash_micro: int) -> FloatArray:
    """The same of the environment (its continuous variant), everything that the account has in each position."""
    params = unlimited(read(Path("params.yaml")))
    scaler = MarketScaler(Scaler.fit(np.zeros((2, len(SCALED))), SCALED, 8.0))
    flat = field([quotes.history()], scaler, 0.0, forecast_block=False)
    par = parameters(params, NO_SIGNALS, LENGTH_S, uses_forecast=False)
    actions = np.repeat(quotes.wanted, REPEAT).astype(np.float64)
    env = MarketEnv(flat, par, cash_micro, episode=(0, len(actions) - 1), continuous=True)
    env.reset(seed=0)
    equity = [env.equity_micro]
    for action in actions[:-1]:
        env.step(action[None])
        equity.append(env.equity_micro)
    return (np.array(equity[REPEAT - 1 :: REPEAT]) - cash_micro) / MICRO
