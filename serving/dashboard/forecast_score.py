"""How right the forecasts were: each is judged when its horizon has passed, on moves that happened."""

from collections import deque
from dataclasses import dataclass

import numpy as np

from pipelines.core.domain import Forecast
from pipelines.features.scale import price_after

JUDGED = 2_000
"""Newest judged forecasts that the figures are made of."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    due_s: int
    first_s: int
    move: float
    price: float


class ForecastScore:
    """Hit rate of the direction from t+1 to t+H, and mean absolute error of the price at t+H."""

    def __init__(self, length_s: int, horizon: int) -> None:
        self._length = length_s
        self._horizon = horizon
        self._waiting: dict[str, deque[_Waiting]] = {}
        self._first: dict[str, dict[int, int]] = {}
        self._hits: deque[bool] = deque(maxlen=JUDGED)
        self._errors: deque[float] = deque(maxlen=JUDGED)

    def add(self, market_id: str, ts_s: int, mid_units: int, forecast: Forecast) -> None:
        """Judge what is due at this bar, then remember the new forecast."""

        self._judge(market_id, ts_s, mid_units)
        price = float(price_after(np.array([mid_units]), forecast.mean[self._horizon - 1 : self._horizon])[0])
        move = forecast.move_from_next(self._horizon - 1)
        queue = self._waiting.setdefault(market_id, deque())
        queue.append(_Waiting(ts_s + self._horizon * self._length, ts_s + self._length, move, price))

    def _judge(self, market_id: str, ts_s: int, mid_units: int) -> None:
        mids = self._first.setdefault(market_id, {})
        mids[ts_s] = mid_units
        queue = self._waiting.get(market_id, deque())
        while queue and queue[0].due_s <= ts_s:
            waiting = queue.popleft()
            first = mids.pop(waiting.first_s, None)
            if waiting.due_s == ts_s and first is not None:
                self._errors.append(abs(waiting.price - mid_units / 10_000))
                if mid_units != first and waiting.move != 0.0:
                    self._hits.append((mid_units > first) == (waiting.move > 0.0))

    def forget(self, market_id: str) -> None:
        """Drop a market that has left."""
        self._waiting.pop(market_id, None)
        self._first.pop(market_id, None)

    @property
    def moves(self) -> int:
        """Moves that the accuracy is measured on."""
        return len(self._hits)

    @property
    def accuracy(self) -> float | None:
        """Share of moves whose direction was right; None before the first."""
        return sum(self._hits) / len(self._hits) if self._hits else None

    @property
    def error(self) -> float | None:
        """Mean absolute error of the price; None before the first."""
        return sum(self._errors) / len(self._errors) if self._errors else None
