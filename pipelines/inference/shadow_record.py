"""Which bundle decides in shadow on this machine, and what was seen of it.

`var/challenger.json` names it and is written by the flows alone; `var/shadow.json` is what the live service measured,
and is written by the service alone. Both are replaced by rename.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.core.artifacts import read_json
from pipelines.core.errors import ArtifactError
from pipelines.core.sections import ShadowParams

CHALLENGER, PREDECESSOR = "challenger", "predecessor"
WAIT, PROMOTE, DISMISS, ROLLBACK, KEEP = "wait", "promote", "dismiss", "rollback", "keep"


def challenger_file(var: Path) -> Path:
    """Where the bundle in shadow is named."""
    return var / "challenger.json"


def seen_file(var: Path) -> Path:
    """Where the service writes what it measured."""
    return var / "shadow.json"


def challenger(var: Path) -> dict[str, Any] | None:
    """hash, role (challenger or predecessor), bento_tag, mlflow_version, source, since; None when nothing is in shadow.

    Raises:
        ArtifactError: if the file is no such record.
    """
    path = challenger_file(var)
    if not path.exists():
        return None
    record = read_json(path)
    if not isinstance(record, dict) or record.get("role") not in (CHALLENGER, PREDECESSOR) or not record.get("hash"):
        raise ArtifactError(f"{path} names no bundle in shadow; delete it, the next promotion writes it again")
    return record


def seen(var: Path) -> dict[str, Any] | None:
    """What the service measured last; None before the first bar in shadow, or where the file is not whole."""
    try:
        return dict(read_json(seen_file(var)))
    except (ArtifactError, TypeError, ValueError):
        return None


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of champion and shadow after some bars."""

    role: str
    bars: int
    e_better: float
    """Evidence that the shadow forecasts better than the champion."""
    e_worse: float
    """Evidence that it forecasts worse."""
    champion_drawdown: float
    shadow_drawdown: float
    error_rate: float
    """Share of the champion's orders that were refused or lost."""


def advice(found: Seen, params: ShadowParams) -> tuple[str, str]:
    """What should happen to the bundle in shadow, and why."""
    enough = found.bars >= params.min_bars
    told = f"after {found.bars:,} bars"
    if found.role == CHALLENGER:
        if enough and found.e_better >= params.e_value:
            return PROMOTE, f"it forecasts better than the champion (e-value {found.e_better:.1f} {told})"
        if found.e_worse >= params.e_value or found.bars >= params.max_bars:
            return DISMISS, f"it is not better than the champion (e-value {found.e_better:.2f} {told})"
        return WAIT, f"e-value {found.e_better:.2f} of {params.e_value:g}, {found.bars:,} of {params.min_bars:,} bars"
    behind = found.champion_drawdown - found.shadow_drawdown
    if enough and found.e_better >= params.e_value:
        return ROLLBACK, f"its predecessor forecasts better (e-value {found.e_better:.1f} {told})"
    if enough and found.error_rate > params.max_error_rate:
        return ROLLBACK, f"{found.error_rate:.0%} of its orders were refused or lost {told}"
    if found.champion_drawdown > params.max_drawdown and behind > 0.0:
        return ROLLBACK, (
            f"it fell {found.champion_drawdown:.1%} from its peak, its predecessor on paper {found.shadow_drawdown:.1%}"
        )
    if found.bars >= params.max_bars:
        return KEEP, f"it did not fall behind its predecessor {told}"
    return WAIT, f"e-value {found.e_better:.2f} of {params.e_value:g} {told}"
