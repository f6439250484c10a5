"""The model of the bot in a world: a forecast that always shows an edge, and a policy that goes by the clock.

It enters, holds for some bars, leaves, and enters the other way, so that every few bars an order is sent. All the
rest (limits, sizes, stops, exits at the end of a market, the kill switch) is the `decide` that trades.
"""

from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import numpy as np

from drills.markets import STEP_S
from pipelines.core.domain import Direction, Outcome, Position, Side
from pipelines.core.params import Params
from pipelines.core.settings import Settings
from pipelines.decide import Rules
from pipelines.features.state_space import StateSpace
from pipelines.inference.predictor import Forecasts
from pipelines.trading.policies import CASH, Inputs, Quotes, Target, held_direction
from pipelines.trading.policies.base import Observation
from pipelines.trading.sizing import SizingTable
from serving.champion import Champion
from serving.dashboard.status import Status
from serving.loaded_model import LoadedModel
from serving.model_watch import ModelWatch
from serving.threads import Threads

LOOKBACK: Final = 3
HORIZON: Final = 4
HELD_BARS, CYCLE_BARS = 4, 6
"""Bars for which a position is wanted, and bars between two entries."""

BUNDLE: Final = "d" * 64


class ClockPolicy:
    """Wants a position for `HELD_BARS` of every `CYCLE_BARS`; the market and the cycle decide its side."""

    kind = "clock"
    uses_forecast = True
    reads_observation = False

    def target(self, inputs: Inputs, position: Position | None, observation: Observation | None) -> Target:
        """What to hold now."""
        bar = inputs.bar.ts_s // STEP_S
        market = int(inputs.market.market_id[-4:], 16)
        cycle, phase = divmod(bar + market % CYCLE_BARS, CYCLE_BARS)
        if phase >= HELD_BARS:
            return CASH
        drawn = blake2b(f"{market} {cycle}".encode(), digest_size=2).digest()
        side = Direction.LONG if drawn[0] % 2 else Direction.SHORT
        return Target(side, (0.25, 0.5, 1.0)[drawn[1] % 3])


class MakerPolicy(ClockPolicy):
    """Quotes both sides of a market for as long, then leaves. It takes a quote back while the book leans against it."""

    kind = "maker"
    uses_forecast = False
    rests = makes = True

    def target(self, inputs: Inputs, position: Position | None, observation: Observation | None) -> Target:
        """Both sides, or nothing."""
        wanted = super().target(inputs, position, observation)
        if wanted.direction is Direction.FLAT:
            return CASH
        return Target(wanted.direction if position is None else held_direction(position), 0.5, Quotes.BOTH)

    def keeps(self, inputs: Inputs, outcome: Outcome, side: Side) -> bool:
        """Whether the book does not lean far against a quote."""
        bids = (outcome is Outcome.YES) == (side is Side.BUY)
        shown = (inputs.quote.bid_size_micro, inputs.quote.ask_size_micro)
        own, other = shown if bids else shown[::-1]
        return own * 4 >= other


POLICIES: Final = {"clock": ClockPolicy, "maker": MakerPolicy}


class ScriptedPredictor:
    """Forecasts a small rise with high confidence; nothing is computed."""

    kind = "scripted"
    lookback = LOOKBACK
    horizon = HORIZON
    filter: StateSpace | None = None
    reads_order_flow = False

    def forecast_batch(self, features: Any, mids: Any, sentiment: Any = None, states: Any = None) -> Forecasts:
        """The same forecast for every window."""
        mean = np.full((len(features), HORIZON), 0.05)
        return Forecasts(mean, mean - 0.1, mean + 0.1, np.full(len(features), 0.9))


class ScriptedBundle:
    """The fields of a bundle that dashboard and journal read."""

    hash = BUNDLE
    manifest: dict[str, Any] = {"forecast_kind": "scripted", "created_s": 0}  # noqa: RUF012 - never changed


class ScriptedModelWatch(ModelWatch):
    """Gives this model from the start, armed, instead of watching for a champion. `policy` is a key of POLICIES."""

    def __init__(
        self, settings: Settings, params: Params, threads: Threads, status: Status, *, policy: str = "clock"
    ) -> None:
        super().__init__(settings, params, threads, status)
        rules = Rules(
            policy=POLICIES[policy](),
            table=SizingTable(0.6, 0.05, 0.05, 1_000, 10),
            scaler=None,
            risk=params.risk,
            sizing=params.sizing,
            execution=params.execution,
            rule=params.policy,
            bar_length_s=params.bars.length_s,
            horizon_bars=HORIZON,
        )
        champion = Champion(Path("scripted"), BUNDLE, True, "", sells=True)
        model: Any = LoadedModel(champion, ScriptedBundle(), ScriptedPredictor(), rules)  # type: ignore[arg-type]
        self.model = model
        status.show_model(model)

    async def refresh(self) -> bool:
        """Nothing changes."""
        return False
