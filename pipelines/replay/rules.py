"""Rules of a strategy from parameters: the same costs for all, and the same limits for all but the baselines."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from pipelines.core.params import Params
from pipelines.decide import Rules
from pipelines.trading import policies
from pipelines.trading.observation import MarketScaler
from pipelines.trading.sizing import SizingTable

BASELINES = ("buy_and_hold", "random_matched")
"""What others are compared with: without stops and loss limits, which would make of them something else."""
UNSTOPPED = {
    "stop_loss": 0.0,
    "take_profit": 0.0,
    "trailing_stop": 0.0,
    "daily_loss_fraction": 1.0,
    "max_drawdown_fraction": 1.0,
}


def policy_params(kind: str, params: Params, length_s: int) -> dict[str, Any]:
    """Parameters that a policy kind is loaded with, all from params.yaml; stored in the bundle beside the kind."""
    hold = {
        "max_hold_bars": params.policy.max_hold_bars,
        "impact_share": params.execution.impact_share,
        "bar_length_s": length_s,
    }
    if kind == "threshold":
        return {"cost_multiple": params.policy.cost_multiple, **hold}
    if kind == "ensemble":
        rule = params.policy
        weights = {
            "forecast_weight": rule.ensemble_forecast_weight,
            "sentiment_weight": rule.ensemble_sentiment_weight,
            "reversion_weight": rule.ensemble_reversion_weight,
            "sentiment_log_odds": rule.ensemble_sentiment_log_odds,
        }
        return {**weights, "cost_multiple": rule.cost_multiple, **hold}
    if kind == "spike_fading":
        rule = params.policy
        spike = {"reversion": rule.spike_reversion, "quiet_sentiment": rule.spike_quiet_sentiment}
        return {**spike, "cost_multiple": rule.cost_multiple, **hold}
    if kind == "temporal_arbitrage":
        return {"cost_multiple": params.policy.cost_multiple, "impact_share": params.execution.impact_share}
    if kind == "kelly":
        cap = params.sizing.max_position_fraction
        return {"bound_share": params.policy.kelly_bound_share, "cap_fraction": cap, **hold}
    return {}


def make(
    kind: str,
    params: Params,
    table: SizingTable,
    scaler: MarketScaler | None,
    length_s: int,
    folder: Path | None = None,
    given: dict[str, Any] | None = None,
) -> Rules:
    """Rules around a policy of a kind; `given` replaces the policy's parameters from params.yaml."""
    chosen = policy_params(kind, params, length_s) if given is None else given
    return Rules(
        policies.load(kind, chosen, folder),
        table,
        scaler,
        params.risk.model_copy(update=UNSTOPPED) if kind in BASELINES else params.risk,
        params.sizing,
        params.execution,
        params.policy,
        length_s,
        params.forecast.horizon_bars,
    )


def with_policy(rules: Rules, policy: policies.Policy) -> Rules:
    """The same limits around another policy."""
    return replace(rules, policy=policy)
