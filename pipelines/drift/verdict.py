"""The decision: drift, stable, or too little to say. Every number that it rests on is in the document."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

import numpy as np
import pandas as pd

from pipelines.core.domain import FloatArray
from pipelines.core.sections import DriftParams
from pipelines.drift.effects import Calibration, Histogram, MarketSkill, excess_bound, loss_bound, quiet_windows
from pipelines.drift.reference import COMPARED
from pipelines.drift.refit import Refit
from pipelines.drift.residuals import BRIER, FORECASTS, RESIDUALS

SHOWN_ONLY: Final = frozenset(
    {"price", "ma_7", "ma_30", "hour", "day_of_week", "time_to_resolution"}
)  # fmt: skip
"""Levels and calendar: which markets are open and what the clock says. They always move, and the forecaster reads
prices relative to the window's own; they are reported and decide nothing."""

DRIFT, STABLE, TOO_LITTLE = "drift", "stable", "too_little"


def judge(reference: pd.DataFrame, recent: pd.DataFrame, length_s: int, params: DriftParams) -> dict[str, Any]:
    """Verdict, reasons, and the evidence by column and by residual."""
    sample = {"bars": len(recent), "markets": int(recent["market_id"].nunique())}
    document: dict[str, Any] = {
        "sample": sample | {"needed_bars": params.min_bars, "needed_markets": params.min_markets},
        "reference": {"bars": len(reference), "markets": int(reference["market_id"].nunique())},
    }
    if sample["bars"] < params.min_bars or sample["markets"] < params.min_markets:
        counted = f"{sample['bars']} bars of {sample['markets']} markets"
        reason = f"{counted}; {params.min_bars} bars of {params.min_markets} markets are needed"
        empty: dict[str, Any] = {name: {} for name in ("columns", "skill", "refit", "brier")}
        return document | {"verdict": TOO_LITTLE, "reasons": [reason]} | empty
    columns = _columns(reference, recent, length_s, params)
    skill = _skill(reference, recent, params)
    refitted = _refit(recent, params)
    brier = _brier(reference, recent, params)
    reasons = [
        f"{name} moved: PSI {found['psi']:.2f}, at most {found['quiet_psi']:.2f} in quiet windows of the training"
        f" (limit {found['limit']:.2f})"
        for name, found in columns.items()
        if found["drifted"]
    ] + [*skill["reasons"], *refitted["reasons"], *brier["reasons"]]
    verdict = DRIFT if reasons else STABLE
    return document | {
        "verdict": verdict,
        "reasons": reasons or ["no column moved, no skill was lost, and a filter of the recent bars finds no more"],
        "columns": columns,
        "skill": {key: value for key, value in skill.items() if key != "reasons"},
        "refit": {key: value for key, value in refitted.items() if key != "reasons"},
        "brier": {key: value for key, value in brier.items() if key != "reasons"},
    }


def _columns(
    reference: pd.DataFrame, recent: pd.DataFrame, length_s: int, params: DriftParams
) -> dict[str, dict[str, Any]]:
    masks = quiet_windows(reference["ts_s"].to_numpy(np.int64), params.window_bars * length_s)
    quiet = [part for part in (reference[mask] for mask in masks) if part["market_id"].nunique() >= params.min_markets]
    fit = reference[reference["slice"] == "fit"]
    found = {}
    for group, names, base in (
        ("feature", COMPARED, fit),
        ("prediction", FORECASTS, reference),
        ("residual", RESIDUALS, reference),
    ):
        for name in names:
            known, now = _finite(base[name]), _finite(recent[name])
            if len(known) >= params.min_bars and len(now) >= params.min_bars:
                calm = [_finite(part[name]) for part in quiet if len(_finite(part[name])) > 0.5 * len(part)]
                found[name] = {"group": group, **_column(name, known, now, calm, params)}
    return found


def _finite(column: "pd.Series[Any]") -> FloatArray:
    """Values of a column that are there: neither missing nor infinite."""
    values = column.to_numpy(np.float64)
    finite: FloatArray = values[np.isfinite(values)]
    return finite


def _column(
    name: str, known: FloatArray, now: FloatArray, calm: Sequence[FloatArray], params: DriftParams
) -> dict[str, Any]:
    bins = Histogram.of(known)
    quiet_psi = max((bins.psi(values) for values in calm), default=0.0)
    limit = max(params.min_psi, params.quiet_multiple * quiet_psi)
    psi = bins.psi(now)
    # A column that never varied in training (no headlines were known then) was learned from by no model.
    varied = float(known.max() - known.min()) > 0.0
    decides = name not in SHOWN_ONLY and varied and len(calm) >= params.min_quiet_windows
    return {
        "psi": psi,
        "quiet_psi": quiet_psi,
        "quiet_windows": len(calm),
        "limit": limit,
        "decides": decides,
        "drifted": bool(decides and psi > limit),
    }


def _skill(reference: pd.DataFrame, recent: pd.DataFrame, params: DriftParams) -> dict[str, Any]:
    before, after = MarketSkill.of(reference), MarketSkill.of(recent)
    bound = loss_bound(before, after, params.confidence_level)
    reasons = []
    lost = after.markets >= params.min_markets and bound > 0.0
    lost = bool(lost and after.value < (1.0 - params.skill_loss) * before.value)
    if lost:
        reasons.append(
            f"the forecast lost its skill: squared error against persistence {before.value:+.1%} in training,"
            f" {after.value:+.1%} now over {after.markets} markets (a loss of at least {bound:.1%} with"
            f" {params.confidence_level:.1%} confidence)"
        )
    if before.coverage - after.coverage > params.coverage_loss:
        reasons.append(
            f"the intervals no longer hold: {after.coverage:.1%} of moves inside, {before.coverage:.1%} in training"
        )
    return {
        "horizon_bars": params.horizon_bars,
        "before": asdict(before),
        "after": asdict(after),
        "lost": lost,
        "loss": before.value - after.value,
        "loss_lower_bound": bound if np.isfinite(bound) else None,
        "reasons": reasons,
    }


def _refit(recent: pd.DataFrame, params: DriftParams) -> dict[str, Any]:
    """Whether the bundle lies behind a filter that was fitted on the recent bars; no figures where none was fitted."""
    found = Refit.of(recent, params.confidence_level)
    if found is None:
        return {"reasons": []}
    best, lead = max(found.bundle, found.filter), min(found.lead_over_bundle, found.lead_over_filter)
    behind = lead > 0.0 and best < params.refit_share * found.refit
    behind &= found.refit - max(best, 0.0) > params.refit_lead
    reason = (
        f"a filter that was fitted on the recent bars finds more: {found.refit:.1%} of the squared moves of"
        f" {found.events} events that it was not fitted on, the bundle {found.bundle:.1%}, its filter alone"
        f" {found.filter:.1%} (a lead of at least {lead:.1%} with"
        f" {params.confidence_level:.1%} confidence)"
    )
    return {**asdict(found), "behind": behind, "reasons": [reason] if behind else []}


def _brier(reference: pd.DataFrame, recent: pd.DataFrame, params: DriftParams) -> dict[str, Any]:
    """Expected against realised Brier score; empty where the reference was kept by a version that did not have it."""
    if not set(BRIER) <= set(reference.columns):
        return {"reasons": []}
    before, after = Calibration.of(reference), Calibration.of(recent)
    bound = excess_bound(before, after, params.confidence_level)
    reasons = []
    if bound > 0.0 and after.excess - before.excess > params.brier_excess:
        reasons.append(
            f"the probabilities no longer hold: the Brier score is {after.realised:.4f} where {after.expected:.4f} was"
            f" expected, {after.excess:+.1%}, {before.excess:+.1%} in training, over {after.events} events (a growth of"
            f" at least {bound:.1%} with {params.confidence_level:.1%} confidence)"
        )
    return {
        "before": asdict(before),
        "after": asdict(after),
        "growth": after.excess - before.excess,
        "growth_lower_bound": bound if np.isfinite(bound) else None,
        "reasons": reasons,
    }
