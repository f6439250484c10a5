"""The forecast of outcomes against the market price: Brier and log score on the later events of the slice.

What the systematic bot would believe (`learned`) is fitted on the earlier half of the events and scored on the later
half. Gains are price less forecast, so above 0 is better; bounds are one-sided, over whole events and over whole days.
Outcomes whose resolution was disputed are told apart: a price that was right may be wrong about the oracle.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pipelines.backtest import learned
from pipelines.core.domain import FloatArray
from pipelines.core.money import MICRO
from pipelines.core.params import Params
from pipelines.replay import rules
from pipelines.replay.market_history import History

DAY_S = 86_400
LEVEL = 0.95
SAMPLES = 1_000
NAMES = ("intercept", "slope", "reference_weight")


def document(histories: Sequence[History], params: Params, length_s: int) -> dict[str, Any]:
    """Scores for reports/backtest.json; empty where no market of the later half is resolved."""
    known = learned.given("systematic", histories, params, length_s) or {}
    values = np.array([known[name] for name in NAMES])
    _, later = learned.halves(histories)
    rows = [(one, *learned.outcomes([one])) for one in later if one.payout_micro in (0, MICRO)]
    if not rows:
        return {}
    gains = {"brier": _by_market(rows, values, brier), "log_score": _by_market(rows, values, log_score)}
    waits = [(one.market.end_s - one.ts_s[0]) / DAY_S for one, *_ in rows if one.market.end_s is not None]
    return {
        "calibration": dict(zip(NAMES, values.tolist(), strict=True)),
        "markets": len(rows),
        "brier_of_price": float(np.mean([brier(odds[:, 0], paid).mean() for _, odds, paid in rows])),
        "mean_wait_days": float(np.mean(waits)) if waits else None,
        "capital_cost_per_share_at_half": _capital(params, length_s, waits),
        **{name: _bounded(rows, one) for name, one in gains.items()},
        "disputes": _disputes(rows, gains),
    }


def _disputes(rows: Sequence[Any], gains: Mapping[str, FloatArray]) -> dict[str, Any]:
    """Disputed markets: their number and share, the Brier score of the price on them, and the gains on all others."""
    which = np.array([one.disputed for one, *_ in rows])
    errors = np.array([brier(odds[:, 0], paid).mean() for _, odds, paid in rows])
    others = [row for row, disputed in zip(rows, which, strict=True) if not disputed]
    without = {name: _bounded(others, one[~which]) for name, one in gains.items()} if which.any() and others else {}
    return {
        "markets": int(which.sum()),
        "share": float(which.mean()),
        "brier_of_price": float(errors[which].mean()) if which.any() else None,
        "without": without,
    }


def brier(logits: FloatArray, paid: FloatArray) -> FloatArray:
    """Squared error of the probability, per row."""
    made: FloatArray = (1.0 / (1.0 + np.exp(-logits)) - paid) ** 2
    return made


def log_score(logits: FloatArray, paid: FloatArray) -> FloatArray:
    """Minus the log of the probability of what came, per row."""
    made: FloatArray = np.logaddexp(0.0, logits) - paid * logits
    return made


def _by_market(rows: Sequence[Any], values: FloatArray, loss: Any) -> FloatArray:
    return np.array(
        [float((loss(odds[:, 0], paid) - loss(learned.score(odds, values), paid)).mean()) for _, odds, paid in rows]
    )


def _bounded(rows: Sequence[Any], gains: FloatArray) -> dict[str, float]:
    events = [one.market.event_id for one, *_ in rows]
    days = [int(one.ts_s[-1]) // DAY_S for one, *_ in rows]
    return {
        "gain": float(gains.mean()),
        "lower_by_event": _lower(gains, events),
        "lower_by_day": _lower(gains, days),
    }


def _lower(gains: FloatArray, clusters: Sequence[Any]) -> float:
    """One-sided bound of the mean by a bootstrap over whole clusters."""
    names = sorted(set(clusters))
    place = np.array([names.index(one) for one in clusters])
    sums = np.column_stack([np.bincount(place, gains), np.bincount(place)])
    if len(names) < 2:
        return float("-inf")
    drawn = sums[np.random.default_rng(0).integers(0, len(names), (SAMPLES, len(names)))].sum(axis=1)
    return float(np.quantile(drawn[:, 0] / drawn[:, 1], 1.0 - LEVEL))


def _capital(params: Params, length_s: int, waits: Sequence[float]) -> float:
    """What the money of a share at 0.50 costs until it is paid, at the systematic bot's rate."""
    rate = float(rules.policy_params("systematic", params, length_s)["capital_cost"])
    return 0.5 * rate * (float(np.mean(waits)) if waits else 0.0) / 365.0
