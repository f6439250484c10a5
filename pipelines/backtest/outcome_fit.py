"""The forecast of outcomes, learned: which inputs are taken, and how much each weighs.

On the earlier half of the events inputs are taken one after the other, each time the one that lowers the log loss of
events left out the most; what they weigh is a logistic regression that is drawn to params.yaml. In that order they are
tested on the later half. Each has to gain surely over those before it, whether events or periods are what is
independent; the first that does not ends the test, and it and those after it are dropped. The order is fixed before
the later half is looked at, so prices that are right keep an input at most as often as the level of the bounds allows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np

from pipelines.backtest.outcome_rows import Gain, OutcomeRows, gain, log_score
from pipelines.core.domain import FloatArray
from pipelines.core.sections import GateParams
from pipelines.trading import outcome_odds
from pipelines.trading.outcome_odds import Weights

FEWEST_EVENTS = 20
"""With fewer events in a half nothing is learned."""
FEWEST_IN_CATEGORY = 5
"""A category with fewer markets has no offset of its own."""
FOLDS = 4
STEPS = 40
LARGEST_STEP = 0.5
CLOSE = 1e-6

INPUTS: Final = {
    "calibration": ("intercept", "slope"),
    "time": ("slope_time",),
    "category": ("category_offsets", "category_slopes"),
    "sentiment": ("sentiment_weight",),
    "reference": ("reference_weight",),
    "external": ("external_weight",),
}
"""What the forecast may learn from, and the weights that each input frees."""
RIDGE: Final = {
    "intercept": 1.0, "slope": 1.0, "slope_time": 4.0, "category_offsets": 4.0, "category_slopes": 4.0,
    "sentiment_weight": 0.25, "reference_weight": 1.0, "external_weight": 1.0,
}  # fmt: skip
"""How strongly each weight is drawn to its value in params.yaml: 1 over its variance in log-odds."""
REFINES: Final = ("time", "category")
"""Inputs that can also say what one calibration for all says."""
SHARES: Final = ("reference_weight", "external_weight")

Name = tuple[str, str]
"""A weight: its field, and the category where it has one."""


def halves(rows: OutcomeRows) -> tuple[OutcomeRows, OutcomeRows]:
    """The rows of the earlier and of the later events, by when they ended; events whole."""
    ends: dict[str, int] = {}
    for one, event in zip(rows.histories, rows.events, strict=True):
        ends[event] = max(ends.get(event, 0), int(one.ts_s[-1]))
    order = sorted(ends, key=lambda event: (ends[event], event))
    early = set(order[: len(order) // 2])
    first = np.array([event in early for event in rows.events], dtype=bool)
    return rows.part(first), rows.part(~first)


def known_shares(rows: OutcomeRows) -> dict[str, float]:
    """Share of the rows in which each input is known."""
    seen, markets = rows.seen, rows.market
    if len(markets) == 0:
        return dict.fromkeys(INPUTS, 0.0)
    known = [one.market.end_s is not None for one in rows.histories]
    several = len(set(rows.categories.tolist())) > 1
    big = np.isin(rows.categories, _large(rows)) & several
    return {
        "calibration": 1.0,
        "time": float(np.mean(np.array(known)[markets])),
        "category": float(np.mean(big[markets])),
        "sentiment": float(np.mean(seen.sentiment != 0.0)),
        "reference": float(np.mean(seen.has_reference)),
        "external": float(np.mean(seen.has_external)),
    }


def _large(rows: OutcomeRows) -> list[str]:
    names, counts = np.unique(rows.categories, return_counts=True)
    return [name for name, count in zip(names.tolist(), counts.tolist(), strict=True) if count >= FEWEST_IN_CATEGORY]


def _free(rows: OutcomeRows, inputs: Sequence[str]) -> list[Name]:
    """The weights that some inputs free."""
    fields = dict.fromkeys(field for one in inputs for field in INPUTS[one])
    large = _large(rows) if "category" in inputs else []
    return [(field, name) for field in fields for name in (large if field.startswith("category") else [""])]


def _value(weights: Weights, name: Name) -> float:
    field, category = name
    value = getattr(weights, field)
    return float(value.get(category, 0.0) if category else value)


def _replaced(start: Weights, names: Sequence[Name], values: FloatArray) -> Weights:
    changed: dict[str, Any] = {}
    for (field, category), value in zip(names, values.tolist(), strict=True):
        if category:
            changed.setdefault(field, dict(getattr(start, field)))[category] = value
        else:
            changed[field] = value
    return start._replace(**changed)


def _design(rows: OutcomeRows, weights: Weights, names: Sequence[Name]) -> tuple[FloatArray, FloatArray]:
    """Log-odds of the rows, (n,), and what they change by with each weight, (n, weights)."""
    seen = rows.seen
    offset, slope = (rows.of_category(part) for part in (weights.category_offsets, weights.category_slopes))
    mine = outcome_odds.own(seen, weights, offset, slope)
    rest = 1.0 - weights.reference_weight * seen.has_reference - weights.external_weight * seen.has_external
    columns = {
        "intercept": rest,
        "slope": rest * seen.price,
        "slope_time": rest * seen.time * seen.price,
        "sentiment_weight": rest * seen.sentiment,
        "reference_weight": seen.has_reference * (seen.reference - mine),
        "external_weight": seen.has_external * (seen.external - mine),
        "category_offsets": rest,
        "category_slopes": rest * seen.price,
    }
    own = [
        columns[field] * ((rows.categories == category)[rows.market] if category else 1.0) for field, category in names
    ]
    return outcome_odds.log_odds(seen, weights, offset, slope), np.column_stack(own)


def fit(rows: OutcomeRows, inputs: Sequence[str], start: Weights) -> Weights:
    """The weights that some inputs free, by penalised logistic regression (Gauss-Newton); the others as at the start.
    Shares stay in [0, 1], and both together at most 1."""
    names = _free(rows, inputs)
    if not names or len(rows.paid) == 0:
        return start
    before = np.array([_value(start, name) for name in names])
    pull = np.array([RIDGE[field] for field, _ in names])
    share = np.array([field in SHARES for field, _ in names])
    values = before.copy()
    for _ in range(STEPS):
        odds, design = _design(rows, _replaced(start, names, values), names)
        chance = 0.5 * (1.0 + np.tanh(0.5 * odds))
        slope = design.T @ (rows.weight * (rows.paid - chance)) - pull * (values - before)
        curve = (design * (rows.weight * chance * (1.0 - chance))[:, None]).T @ design + np.diag(pull)
        # A share at its bound that wants to go further is left out, or the others would move to make room for it.
        held = share & (((values <= 0.0) & (slope < 0.0)) | ((values >= 1.0) & (slope > 0.0)))
        step = np.zeros(len(values))
        step[~held] = np.linalg.solve(curve[np.ix_(~held, ~held)], slope[~held])
        moved = values + np.clip(step, -LARGEST_STEP, LARGEST_STEP)
        moved[share] = np.clip(moved[share], 0.0, 1.0)
        moved[share] /= max(float(moved[share].sum()), 1.0)
        done = float(np.abs(moved - values).max()) < CLOSE
        values = moved
        if done:
            break
    return _replaced(start, names, values)


def forward(rows: OutcomeRows, start: Weights) -> list[str]:
    """Inputs in the order in which each lowers the log loss of events left out the most, as long as one lowers it."""
    _, event = np.unique(rows.events, return_inverse=True)
    ends = np.zeros(event.max() + 1)
    np.maximum.at(ends, event, [one.ts_s[-1] for one in rows.histories])
    block = np.argsort(np.argsort(ends, kind="stable"))[event] * FOLDS // len(ends)
    parts = [(rows.part(block != fold), rows.part(block == fold)) for fold in range(FOLDS)]

    def losses(inputs: Sequence[str]) -> FloatArray:
        """Log loss of every market, each from a fit without its block of events."""
        return np.concatenate([_losses(held, fit(known, inputs, start)) for known, held in parts])

    left = [name for name, share in known_shares(rows).items() if share > 0.0]
    chosen, best = list[str](), losses([])
    while left:
        tried = {name: losses([*chosen, name]) for name in left}
        name = _simpler(min(tried, key=lambda one: float(tried[one].mean())), tried)
        if tried[name].mean() >= best.mean():
            break
        best = tried[name]
        chosen.append(name)
        left.remove(name)
    return chosen


def _simpler(name: str, tried: Mapping[str, FloatArray]) -> str:
    """The calibration of all where that of a part is no better by one standard error (Breiman's rule)."""
    if name not in REFINES or "calibration" not in tried:
        return name
    worse = tried["calibration"] - tried[name]
    return "calibration" if worse.mean() <= worse.std(ddof=1) / np.sqrt(len(worse)) else name


def _losses(rows: OutcomeRows, weights: Weights) -> FloatArray:
    return rows.by_market(log_score(rows.log_odds(weights), rows.paid))


@dataclass(frozen=True)
class Step:
    """An input that was taken, the weights with it, and its gain in log score over those before it, later half."""

    name: str
    weights: Weights
    gain: Gain
    kept: bool


@dataclass(frozen=True)
class Learned:
    """What the earlier half taught, and how it did on the later half."""

    start: Weights
    """As in params.yaml."""
    earlier: OutcomeRows
    later: OutcomeRows
    steps: tuple[Step, ...]

    @property
    def taken(self) -> Weights:
        """Weights of all inputs that the earlier half chose, whether they held on the later half or not."""
        return self.steps[-1].weights if self.steps else self.start

    @property
    def kept(self) -> Weights:
        """Weights of the inputs that held on the later half."""
        held = [one.weights for one in self.steps if one.kept]
        return held[-1] if held else self.start

    @cached_property
    def enough(self) -> bool:
        """Whether both halves have enough events to learn and to test."""
        return _enough(self.earlier) and len(set(self.later.events)) >= FEWEST_EVENTS


def _enough(rows: OutcomeRows) -> bool:
    return len(set(rows.events)) >= FEWEST_EVENTS and len(np.unique(rows.paid)) == 2


def learn(rows: OutcomeRows, start: Weights, gate: GateParams) -> Learned:
    """Choose inputs and weights on the earlier half, and test them on the later one."""
    earlier, later = halves(rows)
    found = Learned(start, earlier, later, ())
    if not found.enough:
        return found
    steps, chosen, before, holds = list[Step](), list[str](), start, True
    for name in forward(earlier, start):
        chosen.append(name)
        weights = fit(earlier, chosen, start)
        losses = [log_score(later.log_odds(one), later.paid) for one in (before, weights)]
        gained = gain(later, losses[0], losses[1], gate)
        holds = holds and gained.is_sure
        steps.append(Step(name, weights, gained, holds))
        before = weights
    return Learned(start, earlier, later, tuple(steps))
