"""Policies: one file each behind one interface. `load` makes one from its kind and parameters."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pipelines.core.errors import ArtifactError
from pipelines.trading.policies.base import CASH, Policy, Target
from pipelines.trading.policies.buy_and_hold import BuyAndHold
from pipelines.trading.policies.cash import Cash
from pipelines.trading.policies.ensemble import Ensemble
from pipelines.trading.policies.kelly import Kelly
from pipelines.trading.policies.random_matched import RandomMatched
from pipelines.trading.policies.spike_fading import SpikeFading
from pipelines.trading.policies.temporal_arbitrage import TemporalArbitrage
from pipelines.trading.policies.threshold import Threshold

__all__ = ["CASH", "KINDS", "Policy", "Target", "load"]

KINDS: Mapping[str, Callable[..., Policy]] = {
    "cash": Cash,
    "buy_and_hold": BuyAndHold,
    "random_matched": RandomMatched,
    "threshold": Threshold,
    "kelly": Kelly,
    "ensemble": Ensemble,
    "spike_fading": SpikeFading,
    "temporal_arbitrage": TemporalArbitrage,
}

LEARNED = ("ppo", "dqn", "sac")


def load(kind: str, params: Mapping[str, Any], folder: Path | None = None) -> Policy:
    """A policy from its kind and parameters; a learned one reads `policy.onnx` in `folder`.

    Raises:
        ArtifactError: naming the kind and what is known, or the file that is missing.
    """
    if kind in KINDS:
        return KINDS[kind](**params)
    if kind not in LEARNED:
        raise ArtifactError(f"unknown policy kind {kind!r}; known are {', '.join((*KINDS, *LEARNED))}")
    if folder is None or not (folder / "policy.onnx").is_file():
        raise ArtifactError(f"policy {kind} needs policy.onnx in {folder}; run the agent stage")
    from pipelines.trading.policies.learned import Learned  # noqa: PLC0415 - onnxruntime only where it is needed

    return Learned(folder / "policy.onnx", kind=kind, **params)
