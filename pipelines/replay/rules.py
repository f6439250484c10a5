"""Rules of a strategy from parameters: the same costs for all, and the same limits for all but the baselines."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from pipelines.core.params import Params
from pipelines.decide import Rules
from pipelines.trading import policies
from pipelines.trading.observation import MarketScaler
from pipelines.trading.sizing import SizingTable

UNSTOPPED = {
    "stop_loss": 0.0,
    "take_profit": 0.0,
    "trailing_stop": 0.0,
    "daily_loss_fraction": 1.0,
    "max_drawdown_fraction": 1.0,
}


def policy_params(kind: str, params: Params, length_s: int) -> dict[str, Any]:
    """Parameters that a policy kind is loaded with, all from params.yaml; stored in the bundle with the kind."""
    return policies.parameters(policies.find(kind, params), params, length_s)


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
    found = policies.find(kind, params)
    chosen = policies.parameters(found, params, length_s) if given is None else given
    return around(policies.made(found, chosen, folder), params, table, scaler, length_s)


def around(
    policy: policies.DeclaredPolicy, params: Params, table: SizingTable, scaler: MarketScaler | None, length_s: int
) -> Rules:
    """The sizing, limits and costs of params.yaml around a policy; a baseline has no stops and no loss limits."""
    return Rules(
        policy,
        table,
        scaler,
        params.risk.model_copy(update=UNSTOPPED) if policy.baseline else params.risk,
        params.sizing,
        params.execution,
        params.policy,
        length_s,
        params.forecast.horizon_bars,
    )


def with_policy(rules: Rules, policy: policies.Policy) -> Rules:
    """The same limits around another policy."""
    return replace(rules, policy=policy)
