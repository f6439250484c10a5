"""Paired losses of champion and shadow as bars go by: a forecast is scored when its horizon has passed."""

from collections import deque
from typing import Any

import numpy as np

from pipelines.core.money import PRICE_SCALE
from pipelines.features.scale import price_after
from pipelines.inference.e_process import EProcess, score
from serving.loaded_model import Turn


class PairedLosses:
    """Evidence for both directions at one horizon, in price units, all markets of a bar together."""

    def __init__(self, horizon: int, length_s: int) -> None:
        self._horizon = horizon
        self._length = length_s
        self._waiting: deque[tuple[int, dict[str, tuple[float, float]]]] = deque(maxlen=horizon + 1)
        self.better, self.worse = EProcess(horizon), EProcess(horizon)

    def add(self, champion: Turn, shadow: Turn) -> None:
        """Score what is due at this bar on the mids of now, then remember what both expect."""
        mids = {one.market.market_id: one.bar.mid_units / PRICE_SCALE for one in champion.inputs if one.warm}
        while self._waiting and self._waiting[0][0] <= champion.ts_s:
            due_s, expected = self._waiting.popleft()
            if due_s == champion.ts_s:
                self._score(due_s, expected, mids)
        theirs = {one.market.market_id: one for one in shadow.inputs if one.warm}
        made = {
            one.market.market_id: (self._price(one), self._price(theirs[one.market.market_id]))
            for one in champion.inputs
            if one.warm and one.market.market_id in theirs
        }
        self._waiting.append((champion.ts_s + self._horizon * self._length, made))

    def _price(self, one: Any) -> float:
        change = one.forecast.mean[self._horizon - 1 : self._horizon]
        return float(price_after(np.array([one.bar.mid_units]), change)[0])

    def _score(self, due_s: int, expected: dict[str, tuple[float, float]], mids: dict[str, float]) -> None:
        pairs = [(made, mids[key]) for key, made in expected.items() if key in mids]
        champions = sum((mid - made[0]) ** 2 for made, mid in pairs)
        shadows = sum((mid - made[1]) ** 2 for made, mid in pairs)
        if pairs:
            bar = due_s // self._length
            self.better.add(bar, score(champions, shadows))
            self.worse.add(bar, score(shadows, champions))

    def document(self) -> dict[str, Any]:
        """For JSON; `restore` reads it."""
        return {"better": self.better.document(), "worse": self.worse.document()}

    def restore(self, document: dict[str, Any]) -> None:
        """Continue with saved evidence; evidence of another horizon is dropped."""
        better, worse = EProcess.parse(document["better"]), EProcess.parse(document["worse"])
        if better.lag == worse.lag == self._horizon:
            self.better, self.worse = better, worse
