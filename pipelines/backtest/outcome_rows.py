"""Bars of resolved markets as rows for the forecast of outcomes: what was seen, and what a YES share paid."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.core.domain import FloatArray
from pipelines.core.money import MICRO
from pipelines.core.sections import GateParams
from pipelines.replay.bounds import mean_bound, total_bound
from pipelines.replay.market_history import History, IntArray
from pipelines.trading import outcome_odds
from pipelines.trading.outcome_odds import Seen, Weights

PER_MARKET = 16
"""Bars of a market that are looked at, spread over its life: they share one outcome."""


@dataclass(frozen=True)
class OutcomeRows:
    """Bars of resolved markets, (n,) each, by market. Every market weighs the same, however many bars it has."""

    histories: tuple[History, ...]
    """The markets with an outcome of 0 or 1 and a price inside (0, 1)."""
    market: IntArray
    """Place of a row's market among them."""
    seen: Seen
    paid: FloatArray
    """1 where the market paid YES, else 0."""

    @classmethod
    def of(cls, histories: Sequence[History]) -> "OutcomeRows":
        """The rows of histories; markets without an outcome, or that paid half, have none."""
        kept: list[History] = []
        places, rows, paid = list[int](), list[Seen](), list[float]()
        for one in histories:
            found = _seen(one) if one.payout_micro in (0, MICRO) else []
            if found:
                places += [len(kept)] * len(found)
                rows += found
                paid += [float(one.payout_micro == MICRO)] * len(found)
                kept.append(one)
        columns = np.array(rows, dtype=np.float64).reshape(-1, len(Seen._fields)).T
        return cls(tuple(kept), np.array(places, dtype=np.int64), Seen(*columns), np.array(paid))

    def part(self, markets: NDArray[np.bool_]) -> "OutcomeRows":
        """The rows of some markets, given as a mask over them."""
        rows = markets[self.market]
        place = np.cumsum(markets) - 1
        kept = tuple(one for one, there in zip(self.histories, markets.tolist(), strict=True) if there)
        seen = Seen(*(column[rows] for column in self.seen))
        return replace(self, histories=kept, market=place[self.market[rows]], seen=seen, paid=self.paid[rows])

    @cached_property
    def events(self) -> list[str]:
        """Event of each market."""
        return [one.market.event_id for one in self.histories]

    @cached_property
    def categories(self) -> NDArray[np.str_]:
        """Category of each market."""
        return np.array([outcome_odds.category(one.market.topic) for one in self.histories], dtype=np.str_)

    @cached_property
    def weight(self) -> FloatArray:
        """Weight of each row: 1 over the rows of its market."""
        made: FloatArray = 1.0 / np.bincount(self.market)[self.market]
        return made

    def by_market(self, values: FloatArray) -> FloatArray:
        """Mean of the values of each market's rows, (markets,)."""
        return np.bincount(self.market, values * self.weight, len(self.histories)).astype(np.float64)

    def of_category(self, known: Any) -> FloatArray:
        """What a mapping by category says of each row; 0 for other categories."""
        by_market = np.array([known.get(name, 0.0) for name in self.categories.tolist()], dtype=np.float64)
        made: FloatArray = by_market[self.market]
        return made

    def log_odds(self, weights: Weights) -> FloatArray:
        """Log-odds of YES of every row, to the bit those that the policy decides with."""
        parts = (self.of_category(part) for part in (weights.category_offsets, weights.category_slopes))
        made: FloatArray = outcome_odds.log_odds(self.seen, weights, *parts)
        return made


def _seen(history: History) -> list[Seen]:
    """What was known at some bars before the last one."""
    last = len(history) - 2
    if last < 0:
        return []
    rows = np.unique(np.linspace(0, last, min(PER_MARKET, last + 1)).astype(np.int64))
    absent = np.full(len(rows), np.nan)
    fair = absent if history.fair is None else history.fair[rows, 0]
    external = absent if history.external is None else history.external[rows]
    columns = (history.mid_units[rows], history.ts_s[rows], history.sentiment[rows], fair, external)
    bars = zip(*(column.tolist() for column in columns), strict=True)
    end_s = history.market.end_s
    made = (outcome_odds.seen(mid, ts, end_s, tone, implied, stated) for mid, ts, tone, implied, stated in bars)
    return [one for one in made if one is not None]


def brier(logits: FloatArray, paid: FloatArray) -> FloatArray:
    """Squared error of the probability, per row."""
    made: FloatArray = (0.5 * (1.0 + np.tanh(0.5 * logits)) - paid) ** 2
    return made


def log_score(logits: FloatArray, paid: FloatArray) -> FloatArray:
    """Minus the log of the probability of what came, per row."""
    made: FloatArray = np.logaddexp(0.0, logits) - paid * logits
    return made


@dataclass(frozen=True)
class Gain:
    """Mean over markets of a loss before less one after, with one-sided bounds under both kinds of inference."""

    value: float
    lower_by_event: float
    upper_by_event: float
    lower_by_period: float
    upper_by_period: float

    @property
    def is_sure(self) -> bool:
        """Whether both lower bounds lie above 0."""
        return min(self.lower_by_event, self.lower_by_period) > 0.0

    def document(self) -> dict[str, float | None]:
        """For the report; None where there are too few events or periods for a bound."""
        names = {name: float(value) + 0.0 if np.isfinite(value) else None for name, value in vars(self).items()}
        return {"gain": names.pop("value"), **names}


def gain(rows: OutcomeRows, before: FloatArray, after: FloatArray, gate: GateParams) -> Gain:
    """The gain from losses of rows before and after, (n,) each.

    By event: bootstrap over whole events. By period: the gate's equal parts of the time, each with the mean of the
    markets that ended in it, all with one weight (Ibragimov and Mueller, as for the skill of forecasts).
    """
    by_market = rows.by_market(before - after)
    _, event = np.unique(rows.events, return_inverse=True)
    sums = np.bincount(event, by_market).astype(np.float64)
    ends = np.array([int(one.ts_s[-1]) for one in rows.histories])
    period = (ends - ends.min()) * gate.periods // (ends.max() - ends.min() + 1)
    counts = np.bincount(period)
    means = (np.bincount(period, by_market) / np.maximum(counts, 1))[counts > 0]
    level, markets = gate.confidence_level, len(by_market)
    by_event = [
        sign * total_bound((sign * sums).tolist(), level=level, samples=gate.bootstrap_samples) / markets
        for sign in (1, -1)
    ]
    by_period = [sign * mean_bound(sign * means, level) for sign in (1, -1)]
    return Gain(float(by_market.mean()), by_event[0], by_event[1], by_period[0], by_period[1])
