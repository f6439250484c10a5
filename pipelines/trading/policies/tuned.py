"""The tuned rule: the threshold rule whose bars depend on places taken, spread, price, time left and confidence.

Its numbers come from a search over training markets (`replay.policy_search`): `tuned.json` says which, on what, and
what they earned there and on events that the search did not see.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pipelines.core.artifacts import read_json
from pipelines.core.domain import Direction, Position
from pipelines.core.errors import ArtifactError
from pipelines.core.sections import NonNegativeFloat, PositiveInt
from pipelines.features import spec
from pipelines.trading import kernel, tuned_rule
from pipelines.trading.observation import DAY_S
from pipelines.trading.policies.base import (
    BAR_LENGTH,
    CASH,
    DeclaredPolicy,
    Inputs,
    Observation,
    PolicyParameters,
    Target,
    given_by,
    held_direction,
)
from pipelines.trading.threshold_rule import MOVE_STEPS, expected_units

CASH_AT = len(spec.MARKET_OBS) + spec.PORTFOLIO_OBS.index("cash")


class Tuned(DeclaredPolicy):
    """Enters when the move exceeds a number of round trips that grows or falls with what else is known, with all or
    half of the cap; leaves when the move points against the position, or after a time."""

    kind = "tuned"
    candidate = True
    compared = False  # the backtest adds it where a search has left its numbers
    rank = 22
    reads_observation = True
    files = ("tuned.json",)

    class Parameters(PolicyParameters):
        """Section `policy.tuned`; the numbers of the rule are those of `tuned.json`."""

        impact_share: NonNegativeFloat = given_by("execution.impact_share")
        """Share of the spread that a fill moves the price."""
        bar_length_s: PositiveInt = given_by(BAR_LENGTH)
        """Seconds per bar."""

    def __init__(self, parameters: Parameters, numbers: tuple[float, ...]) -> None:
        super().__init__(parameters)
        self.numbers = numbers
        self._impact = parameters.impact_share

    @classmethod
    def make(cls, values: Mapping[str, Any], folder: Path | None = None) -> Self:
        """The rule with the numbers of a folder's `tuned.json`.

        Raises:
            ArtifactError: if the folder does not hold them, or they are not those of this version.
        """
        parameters = cls.Parameters.model_validate(values)
        path = None if folder is None else folder / cls.files[0]
        if path is None or not path.is_file():
            raise ArtifactError(f"policy {cls.kind} needs {cls.files[0]} in {folder}; run the agent stage")
        found = read_json(path).get("numbers", {})
        if set(found) != set(tuned_rule.NAMES):
            raise ArtifactError(
                f"{path} holds the numbers {', '.join(found) or 'of nothing'}; this version needs"
                f" {', '.join(tuned_rule.NAMES)}: run the agent stage again"
            )
        return cls(parameters, tuple(float(found[name]) for name in tuned_rule.NAMES))

    def target(self, inputs: Inputs, position: Position | None, observation: Observation | None) -> Target:
        """The direction of a move that is worth it; a position is kept while the rule says so."""
        if observation is None:
            raise ArtifactError("the tuned rule was asked without an observation; decide() has to compute it")
        bar, fee, forecast, quote = inputs.bar, inputs.market.fee, inputs.forecast, inputs.quote
        mid, spread = bar.mid_units, quote.spread_units
        used = 1.0 - float(observation[CASH_AT])
        move = expected_units(forecast.move_from_next(MOVE_STEPS), mid)
        cost = kernel.round_trip_units(spread, mid, self._impact, fee.rate, fee.exponent)
        if position is not None:
            held, held_s = held_direction(position), bar.ts_s - position.opened_s
            kept = tuned_rule.stays(self.numbers, move, cost, used, held, held_s)
            return Target(held, 1.0) if kept else CASH
        near = expected_units(forecast.move_from_next(tuned_rule.NEAR_STEPS), mid)
        end = inputs.market.end_s
        left = float(DAY_S if end is None else end - bar.ts_s)
        confidence = forecast.confidence
        direction, fraction = tuned_rule.enters(self.numbers, move, near, cost, used, spread, mid, left, confidence)
        return Target(Direction(direction), fraction) if direction else CASH
