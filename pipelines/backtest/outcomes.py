"""The forecast of outcomes against the market price: Brier and log score on the later events of the slice.

What is scored was learned on the earlier half of the events (`outcome_fit`), whether the systematic bot keeps it or
not. Gains are the price's loss less the forecast's, so above 0 is better; bounds are one-sided, over whole events and
over the gate's periods of equal weight. Outcomes whose resolution was disputed are told apart: a price that was right
may be wrong about the oracle.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipelines.backtest import outcome_fit
from pipelines.backtest.outcome_fit import Learned
from pipelines.backtest.outcome_rows import OutcomeRows, brier, gain, log_score
from pipelines.core.params import Params
from pipelines.replay import rules
from pipelines.replay.market_history import History
from pipelines.trading.outcome_odds import Weights

DAY_S = 86_400
LOSSES = {"brier": brier, "log_score": log_score}
PRICE = Weights()


def document(histories: Sequence[History], params: Params, length_s: int) -> dict[str, Any]:
    """Scores for reports/backtest.json; empty where no market of the later half is resolved."""
    start = Weights.of(rules.policy_params("systematic", params, length_s))
    found = outcome_fit.learn(OutcomeRows.of(histories), start, params.gate)
    rows = found.later
    if not rows.histories:
        return {}
    waits = [(one.market.end_s - one.ts_s[0]) / DAY_S for one in rows.histories if one.market.end_s is not None]
    return {
        "enough_events": found.enough,
        "taken": [one.name for one in found.steps],
        "kept": [one.name for one in found.steps if one.kept],
        "calibration": found.kept._asdict(),
        "learned": found.taken._asdict(),
        "level": params.gate.confidence_level,
        "events": len(set(rows.events)),
        "markets": len(rows.histories),
        "brier_of_price": _price(rows, "brier"),
        "log_score_of_price": _price(rows, "log_score"),
        "mean_wait_days": float(np.mean(waits)) if waits else None,
        "capital_cost_per_share_at_half": _capital(params, length_s, waits),
        **gains(rows, PRICE, found.taken, params),
        "inputs": _inputs(found, params),
        "disputes": _disputes(rows, found.taken, params),
    }


def _price(rows: OutcomeRows, name: str) -> float:
    return float(rows.by_market(LOSSES[name](rows.log_odds(PRICE), rows.paid)).mean())


def gains(rows: OutcomeRows, before: Weights, after: Weights, params: Params) -> dict[str, Any]:
    """Gain in both scores, paired by market, with its bounds."""
    first, then = rows.log_odds(before), rows.log_odds(after)
    return {
        name: gain(rows, loss(first, rows.paid), loss(then, rows.paid), params.gate).document()
        for name, loss in LOSSES.items()
    }


def _inputs(found: Learned, params: Params) -> dict[str, Any]:
    """By input: the share of bars that have it, whether it was taken and kept, and its own contribution on the later
    half: all inputs against all others, both fitted on the earlier half. Without enough events none is measured."""
    shares = outcome_fit.known_shares(found.earlier)
    there = [name for name, share in shares.items() if share > 0.0]
    whole = outcome_fit.fit(found.earlier, there, found.start)
    kept = {one.name: one.kept for one in found.steps}
    made: dict[str, Any] = {}
    for name, share in shares.items():
        row: dict[str, Any] = {"share": share, "taken": name in kept, "kept": kept.get(name, False)}
        if found.enough and name in there:
            without = outcome_fit.fit(found.earlier, [one for one in there if one != name], found.start)
            row |= gains(found.later, without, whole, params)
        made[name] = row
    return made


def _disputes(rows: OutcomeRows, after: Weights, params: Params) -> dict[str, Any]:
    """Disputed markets: their number and share, the Brier score of the price on them, and the gains on all others."""
    which = np.array([one.disputed for one in rows.histories], dtype=bool)
    without = gains(rows.part(~which), PRICE, after, params) if which.any() and not which.all() else {}
    return {
        "markets": int(which.sum()),
        "share": float(which.mean()),
        "brier_of_price": _price(rows.part(which), "brier") if which.any() else None,
        "without": without,
    }


def _capital(params: Params, length_s: int, waits: Sequence[float]) -> float:
    """What the money of a share at 0.50 costs until it is paid, at the systematic bot's rate."""
    rate = float(rules.policy_params("systematic", params, length_s)["capital_cost"])
    return 0.5 * rate * (float(np.mean(waits)) if waits else 0.0) / 365.0
