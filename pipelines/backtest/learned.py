"""Parameters that a backtest learns on its slice: the weights of the ensemble, the outcome forecast of the systematic
bot.

Both are fitted on the earlier half of the events and kept only where they do better on the later half; else the values
of params.yaml stay. What is kept is sealed with the policy, and the gate judges it on a slice that it has not seen.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipelines.backtest import outcome_fit
from pipelines.backtest.outcome_rows import OutcomeRows
from pipelines.core.domain import FloatArray
from pipelines.core.money import PRICE_SCALE
from pipelines.core.params import Params
from pipelines.features.spec import FEATURE_NAMES
from pipelines.replay import rules
from pipelines.replay.market_history import History
from pipelines.trading.outcome_odds import Weights
from pipelines.trading.threshold_rule import MOVE_STEPS, expected_units

PER_MARKET = 40
"""Bars of a market that are looked at, spread over its life: bars of one market say much the same."""
FEWEST = 200
"""With fewer rows in a half nothing is learned."""


WEIGHTS = ("forecast_weight", "sentiment_weight", "reversion_weight", "reference_weight", "imbalance_weight")
"""Of the ensemble's estimates."""
LEARNED = {"ensemble": WEIGHTS, "systematic": Weights._fields}
"""Parameters of a kind that a backtest learns; all others are those of params.yaml."""


def given(kind: str, histories: Sequence[History], params: Params, length_s: int) -> dict[str, Any] | None:
    """All parameters of a policy with the learned ones in place; None where it learns nothing."""
    if kind not in LEARNED:
        return None
    known = rules.policy_params(kind, params, length_s)
    learn = _ensemble if kind == "ensemble" else _systematic
    return known | learn(histories, known, params)


def halves(histories: Sequence[History]) -> tuple[list[History], list[History]]:
    """Histories of the earlier and of the later events, events whole."""
    ends = {one.market.event_id: int(one.ts_s[-1]) for one in histories}
    order = sorted(ends, key=lambda event: (ends[event], event))
    early = set(order[: len(order) // 2])
    first = [one for one in histories if one.market.event_id in early]
    return first, [one for one in histories if one.market.event_id not in early]


def _rows(count: int, last: int) -> Any:
    return np.unique(np.linspace(0, max(last - 1, 0), min(count, max(last, 1))).astype(np.int64))


def opinions(history: History, rows: Any, sentiment_log_odds: float) -> FloatArray:
    """The ensemble's five estimates of the coming move at some bars, in price units, (rows, len(WEIGHTS)): by forecast,
    sentiment, reversion, reference price and imbalance."""
    mid = history.mid_units[rows].astype(np.float64)
    last = history.mean.shape[1] - 1
    forecast = history.mean[rows, min(MOVE_STEPS, last)] - history.mean[rows, 0]
    average = history.features[rows, FEATURE_NAMES.index("ma_30")] * PRICE_SCALE
    fair = np.full(len(mid), np.nan) if history.fair is None else history.fair[rows, 0]
    reference = np.where(np.isfinite(fair), fair * PRICE_SCALE - mid, 0.0)
    columns = (
        expected_units(forecast, mid),
        expected_units(sentiment_log_odds * history.sentiment[rows], mid),
        average - mid,
        reference,
        history.micro_gap[rows] * PRICE_SCALE,
    )
    return np.column_stack([np.asarray(column, dtype=np.float64) for column in columns])


def _ensemble(histories: Sequence[History], known: dict[str, Any], _params: Params) -> dict[str, Any]:
    """Weights in [0, 1] by least squares on the moves that came. An opinion that the slice never held (no sizes, no
    reference price) says nothing of its weight, which stays as it was."""
    from scipy.optimize import lsq_linear  # noqa: PLC0415 - slow to import

    first, later = (_moves(part, known["sentiment_log_odds"]) for part in halves(histories))
    if len(first[1]) < FEWEST or len(later[1]) < FEWEST:
        return {}
    before, held = np.array([known[name] for name in WEIGHTS]), first[0].any(axis=0)
    found = before.copy()
    found[held] = lsq_linear(first[0][:, held], first[1], bounds=(0.0, 1.0)).x
    errors = [float(np.mean((later[1] - later[0] @ weights) ** 2)) for weights in (before, found)]
    return dict(zip(WEIGHTS, map(float, found), strict=True)) if errors[1] < errors[0] else {}


def _moves(histories: Sequence[History], sentiment_log_odds: float) -> tuple[FloatArray, FloatArray]:
    """Opinions and the move of the mid from the next bar on, over `MOVE_STEPS` bars."""
    inputs, moves = [np.empty((0, len(WEIGHTS)))], [np.empty(0)]
    for one in histories:
        rows = _rows(PER_MARKET, len(one) - MOVE_STEPS - 1) if len(one) > MOVE_STEPS + 1 else np.empty(0, np.int64)
        inputs.append(opinions(one, rows, sentiment_log_odds))
        moves.append((one.mid_units[rows + MOVE_STEPS + 1] - one.mid_units[rows + 1]).astype(np.float64))
    return np.concatenate(inputs), np.concatenate(moves)


def _systematic(histories: Sequence[History], known: dict[str, Any], params: Params) -> dict[str, Any]:
    """Weights of the forecast of outcomes (`outcome_fit`)."""
    found = outcome_fit.learn(OutcomeRows.of(histories), Weights.of(known), params.gate).kept
    return found._asdict()
