"""The policy that a bundle holds: with its parameters and, where it comes from outside the program, with its code."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipelines.core.artifacts import write_bytes
from pipelines.core.errors import ArtifactError, StrategyError
from pipelines.trading.policies import registry, strategy_files
from pipelines.trading.policies.base import DeclaredPolicy

STRATEGY = "strategy.py"


def seal(kind: type[DeclaredPolicy], values: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """What is written of a policy: kind, parameters and, of a strategy, its code (strategy.py in `folder`) by hash."""
    section: dict[str, Any] = {"kind": kind.kind, "params": dict(values)}
    content = strategy_files.content_of(kind)
    if content is None:
        return section
    write_bytes(folder / STRATEGY, content)
    return section | {"strategy": {"file": STRATEGY, "sha256": hashlib.sha256(content).hexdigest()}}


def class_of(section: Mapping[str, Any], folder: Path) -> type[DeclaredPolicy]:
    """The class of a sealed policy; the working folder is not looked at.

    Raises:
        ArtifactError: if its code is missing, is not what was sealed or cannot be loaded here, or if nobody declares
            the kind.
    """
    kind, sealed = str(section["kind"]), section.get("strategy")
    if sealed is None:
        if kind not in registry.builtin():
            raise registry.unknown(kind, registry.builtin())
        return registry.builtin()[kind]
    path = folder / STRATEGY
    if not path.is_file():
        raise ArtifactError(f"{path} is missing: the code of policy {kind}; run the backtest and package again")
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != sealed["sha256"]:
        raise ArtifactError(
            f"{path} is not the code of policy {kind} that was sealed; run the backtest and package again"
        )
    try:
        declared = registry.declared(strategy_files.load(content, path))
    except StrategyError as error:
        raise ArtifactError(f"policy {kind} of the bundle cannot be loaded here: {error}") from error
    for one in declared:
        if one.kind == kind:
            return one
    raise ArtifactError(f"{path} declares no policy {kind}; run the backtest and package again")


def of_bundle(section: Mapping[str, Any], folder: Path) -> DeclaredPolicy:
    """The policy of a bundle's manifest, ready to decide; `folder` is the opened bundle.

    Raises:
        ArtifactError: as `class_of`, or if a parameter or a file does not fit.
    """
    kind = class_of(section, folder)
    extras = {name: field.json_schema_extra for name, field in kind.Parameters.model_fields.items()}
    older = {name: one["before"] for name, one in extras.items() if isinstance(one, dict) and "before" in one}
    return registry.made(kind, older | section.get("params", {}), folder)
