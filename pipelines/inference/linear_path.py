"""The linear path under a network: a ridge regression in price units on the market context, as numpy runs it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipelines.core.domain import FloatArray
from pipelines.core.errors import ArtifactError
from pipelines.features.ladder import LADDER
from pipelines.features.market_context import CONTEXT, LAGGED, PRICES
from pipelines.features.order_flow import ORDER_FLOW
from pipelines.features.reference_gap import REFERENCE
from pipelines.features.scale import price_after
from pipelines.features.state_space import STATES

LAGS: Final = 6
"""Bars of the moves that the path reads; a shorter window repeats its first."""
LIMIT: Final = 20.0
"""Inputs count at most so many standard deviations: a bad print of ten times the usual move comes back whole."""

SEEN: Final = (*STATES, *CONTEXT)
"""Columns of every bar in addition to its features: what the filter leaves, and the market context."""

_PRICES = [len(STATES) + CONTEXT.index(name) for name in PRICES]
BOOK: Final = tuple(PRICES.index(name) for name in ("spread", "lean_spread", "micro_gap"))
"""Columns of `design` that tell of the book."""
_LAGGED = [len(STATES) + CONTEXT.index(name) for name in LAGGED]
PLACED: Final = (*(name for name in LADDER if name != "excess"), *REFERENCE)
"""What is read of the place among brackets and of a reference price. The excess is not: on recorded Bitcoin ranges it
added nothing and made the errors of single events larger (docs/results/skill.md)."""
_PLACED = [len(STATES) + CONTEXT.index(name) for name in PLACED]
_FLOW = [len(STATES) + CONTEXT.index(name) for name in ORDER_FLOW]
INPUTS: Final = (
    *PRICES, *(f"{name}_{lag}_before" for lag in range(1, LAGS) for name in LAGGED), *PLACED, *ORDER_FLOW
)  # fmt: skip
"""Columns of `design`. New ones come last: a path that was fitted before weighs the first ones alone."""
BEFORE_ORDER_FLOW: Final = len(INPUTS) - len(ORDER_FLOW)
BEFORE_LADDER: Final = BEFORE_ORDER_FLOW - len(PLACED)
LOWEST, HIGHEST = 0.001, 0.999


def design(seen: FloatArray) -> FloatArray:
    """What the path weighs, (n, len(INPUTS)): the prices of the market context at the last bar of windows
    (n, L, len(SEEN)), its last moves, the place among the brackets of the event, the gap to the fair value, and
    the order flow."""
    bars = seen.shape[1] - 1 - np.minimum(np.arange(1, LAGS), seen.shape[1] - 1)
    lags = seen[:, bars][..., _LAGGED].reshape(len(seen), -1)
    return np.concatenate((seen[:, -1, _PRICES], lags, seen[:, -1, _PLACED], seen[:, -1, _FLOW]), axis=1)


@dataclass(frozen=True)
class LinearPath:
    """Weights (k, H) of the first k inputs, which are divided by `scale` (k,) and bounded by LIMIT: a change of price
    per horizon."""

    scale: FloatArray
    weights: FloatArray

    @property
    def reads_order_flow(self) -> bool:
        """Whether it weighs order-flow features. The live process makes them only then."""
        return len(self.scale) > BEFORE_ORDER_FLOW

    def forecast(self, inputs: FloatArray) -> FloatArray:
        """Change of price that the path adds to the filter's forecast, (n, len(INPUTS)) -> (n, H)."""
        bounded = np.clip(inputs[:, : len(self.scale)] / self.scale, -LIMIT, LIMIT)
        made: FloatArray = bounded @ self.weights
        return made

    def document(self) -> dict[str, Any]:
        """What `parse` reads back, for JSON."""
        names = list(INPUTS[: len(self.scale)])
        return {"inputs": names, "scale": self.scale.tolist(), "weights": self.weights.tolist()}

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> "LinearPath":
        """The path that `document` described. One that names no inputs weighs those before the ladder.

        Raises:
            ArtifactError: if it was fitted on inputs that this program does not make.
        """
        names = tuple(document.get("inputs", INPUTS[:BEFORE_LADDER]))
        if names != INPUTS[: len(names)] or len(names) != len(document["scale"]):
            unknown = next((name for name in names if name not in INPUTS), "inputs in another order")
            raise ArtifactError(
                f"the linear path of the forecaster weighs {len(document['scale'])} inputs, {unknown} among them, which"
                " this program does not make; train again with `python -m pipelines forecast`"
            )
        return cls(np.asarray(document["scale"], dtype=np.float64), np.asarray(document["weights"], dtype=np.float64))


def joined(mid_units: NDArray[np.integer[Any]], filtered: FloatArray, linear: FloatArray) -> FloatArray:
    """The filter's change of log-odds and the linear path's change of price as one change of log-odds, (n, H).

    `mid_units` (n,) are the prices now. Where the linear path adds nothing the filter's change comes back to the bit.
    """
    price = price_after(mid_units[:, None], filtered)
    moved = np.clip(price + linear, LOWEST, HIGHEST)
    added = np.log(moved / (1.0 - moved)) - np.log(price / (1.0 - price))
    return filtered + np.where(linear == 0.0, 0.0, added)
