"""Many independent one-market accounts side by side: the data of the environment and its compiled step."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.core.domain import FloatArray
from pipelines.core.params import Params
from pipelines.replay.market_history import History, IntArray, references
from pipelines.replay.signals import signals
from pipelines.trading import compiled, kernel, observation
from pipelines.trading.observation import MarketScaler
from pipelines.trading.policies.base import DEAD_ZONE
from pipelines.trading.policies.learned import ACTIONS
from pipelines.trading.predicted_variance import predicted_units_each
from pipelines.trading.sizing import SizingTable
from pipelines.trading.threshold_rule import Rule

DIRECTION_OF = np.array([int(target.direction) for target in ACTIONS], dtype=np.int64)
FRACTION_OF = np.array([target.fraction for target in ACTIONS])


def decoded(actions: NDArray[Any]) -> tuple[IntArray, FloatArray]:
    """Directions and shares of the cap of actions: integers of Discrete(9), or floats in [-1, 1] of the Box variant."""
    if np.issubdtype(actions.dtype, np.integer):
        return DIRECTION_OF[actions], FRACTION_OF[actions]
    values = np.clip(actions.reshape(len(actions)).astype(np.float64), -1.0, 1.0)
    directions = np.where(np.abs(values) > DEAD_ZONE, np.sign(values), 0.0).astype(np.int64)
    return directions, np.abs(values)


@dataclass(frozen=True)
class Field:
    """Bars of many markets as flat arrays; market m owns the rows first[m] .. last[m]."""

    bars: IntArray
    inputs: NDArray[np.float32]
    confidences: FloatArray
    markets: IntArray
    fees: FloatArray
    first: IntArray
    last: IntArray
    resolved: NDArray[np.bool_]
    """Whether market m was resolved at its row last[m]: what is held there is marked at its payout."""
    bounds: tuple[NDArray[np.float32], NDArray[np.float32]]
    """Smallest and largest value of each input of an observation."""

    @property
    def observation_size(self) -> int:
        """20, or 27 with the forecast block."""
        return int(self.inputs.shape[1]) + 5


def field(histories: Sequence[History], scaler: MarketScaler, impact_share: float, *, forecast_block: bool) -> Field:
    """Flat arrays of histories; without the forecast block the observation has 20 inputs."""
    bars, inputs = [], []
    for number, history in enumerate(histories):
        end = history.market.end_s
        left = np.full(len(history), observation.DAY_S) if end is None else end - history.ts_s
        columns = (history.marks_units, history.bid_units, history.ask_units, left, history.ts_s)
        number_of = np.full(len(history), number)
        sizes = np.zeros((len(history), 2), dtype=np.int64) if history.sizes_micro is None else history.sizes_micro
        deviation = predicted_units_each(history.lower, history.upper, history.mid_units)
        about = (number_of, history.volume_micro, *references(history), sizes, deviation)
        bars.append(np.column_stack((*columns, *about)))
        blocks = [scaler.market(history.features, history.sentiment)]
        if forecast_block:
            forecasts = (history.mean, history.lower, history.upper, history.confidence)
            cost = signals(history, impact_share).cost_units
            blocks.append(observation.forecast_blocks(*forecasts, history.mid_units, cost))
        inputs.append(np.concatenate(blocks, axis=1).astype(np.float32))
    lengths = np.array([len(history) for history in histories])
    last = np.cumsum(lengths) - 1
    markets = [(history.market.tick_units, history.market.min_size_micro) for history in histories]
    fees = [(history.market.fee.rate, history.market.fee.exponent) for history in histories]
    return Field(
        np.concatenate(bars).astype(np.int64),
        np.ascontiguousarray(np.concatenate(inputs)),
        np.concatenate([history.confidence for history in histories]),
        np.array(markets, dtype=np.int64),
        np.array(fees, dtype=np.float64),
        last - lengths + 1,
        last,
        np.array([history.payout_micro is not None for history in histories]),
        observation.bounds(scaler.limit, forecast_block=forecast_block),
    )


def parameters(params: Params, table: SizingTable, length_s: int, *, uses_forecast: bool = True) -> FloatArray:
    """The vector of limits and costs that the compiled step reads; the same numbers that `decide` is given."""
    execution, risk = params.execution, params.risk
    kelly_free = not uses_forecast
    return np.array(
        [
            execution.latency_bars,
            execution.order_ttl_bars,
            execution.band_ticks,
            execution.impact_share,
            execution.model_depth_shares * 1_000_000,
            params.forecast.horizon_bars,
            length_s,
            risk.stop_loss,
            risk.take_profit,
            risk.trailing_stop,
            params.sizing.max_position_fraction,
            risk.max_position_fraction,
            1e9 if kelly_free else params.sizing.kelly_fraction,
            1.0 if kelly_free else table.kelly,
            0.0 if kelly_free else risk.min_confidence,
            params.policy.min_price,
            risk.max_exposure_fraction,
            risk.daily_loss_fraction,
            risk.max_drawdown_fraction,
            risk.stop_cost_multiple,
            execution.entry == "rest",
            kernel.ahead_share(execution.queue),
            risk.exit_band,
            risk.exit_ladder_s,
            risk.exit_ladder_steps,
            risk.max_markets,
            risk.max_related_markets,
            execution.redemption_s,
            risk.stop_deviations,
            params.sizing.max_deviation_fraction,
            execution.queue == "evidence",
            execution.fill_adverse_units,
            execution.fill_trade_share,
            *execution.fill_weights,
            *execution.fill_queue_weights,
        ],
        dtype=np.float64,
    )


class Lanes:
    """N accounts, each in one market at one row. `step` decides, advances a bar, fills, marks and observes."""

    def __init__(self, field: Field, par: FloatArray, count: int, cash_micro: int) -> None:
        self.field = field
        self.par = par
        self.cash_micro = cash_micro
        self.state = np.zeros((count, compiled.LANE_COLUMNS), dtype=np.int64)
        self.observations = np.zeros((count, field.observation_size), dtype=np.float32)
        self.rewards = np.zeros(count)
        self.dones = np.zeros(count, dtype=np.bool_)

    def vary(self, which: IntArray, rng: np.random.Generator) -> None:
        """Draw what differs between episodes that are about to be placed; here nothing does."""

    def drawn(self) -> list[NDArray[Any]]:
        """What `vary` drew."""
        return []

    def place(self, which: IntArray, first: IntArray, last: IntArray) -> None:
        """Fresh accounts for the lanes `which` at the rows `first`; their episodes end at the rows `last`."""
        state = self.state
        state[which] = 0
        state[which, compiled.ROW], state[which, compiled.LAST] = first, last
        for column in (compiled.CASH, compiled.EQUITY, compiled.DAY_START, compiled.TOP):
            state[which, column] = self.cash_micro
        state[which, compiled.DAY] = -1
        field = self.field
        compiled.start(state, field.bars, field.inputs, self.observations, which)

    def resolved(self, lane: int) -> bool:
        """Whether a lane's market has been resolved at its present row."""
        row = self.state[lane, compiled.ROW]
        market = self.field.bars[row, compiled.MARKET]
        return bool(self.field.resolved[market] and row == self.field.last[market])

    def step(self, directions: IntArray, fractions: FloatArray) -> None:
        """One bar for every lane; results are in `observations`, `rewards` (pUSD) and `dones`."""
        field = self.field
        compiled.step(
            self.state,
            directions,
            fractions,
            field.bars,
            field.inputs,
            field.confidences,
            field.markets,
            field.fees,
            self.par,
            self.observations,
            self.rewards,
            self.dones,
        )


def screen(
    field: Field, par: FloatArray, moves: FloatArray, costs: FloatArray, rule: Rule, cash_micro: int
) -> IntArray:
    """Equity in base units after every row under the threshold rule, each market on an account of its own, in one
    compiled call; what a market earned is its last row less `cash_micro`."""
    lanes = np.zeros((len(field.first), compiled.LANE_COLUMNS), dtype=np.int64)
    lanes[:, compiled.ROW], lanes[:, compiled.LAST], lanes[:, compiled.DAY] = field.first, field.last, -1
    for column in (compiled.CASH, compiled.EQUITY, compiled.DAY_START, compiled.TOP):
        lanes[:, column] = cash_micro
    data = (field.bars, field.confidences, field.markets, field.fees)
    equity = np.empty(len(field.bars), dtype=np.int64)
    compiled.screen(lanes, moves, costs, *rule, *data, par, equity)
    return equity
