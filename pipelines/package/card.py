"""The model card: what a bundle was made from and what was measured, for people and for the dashboard."""

import re
from pathlib import Path
from typing import Any

from pipelines.core.artifacts import read_json
from pipelines.core.params import Params

TOOK = re.compile(r"(.*_)?seconds|.*_per_s|training_s|filter_s")
"""Names of what a stage took."""


def card(params: Params, window: Any, reports: Path) -> dict[str, Any]:
    """Data window, parameters that shaped the models, and the metrics of the stages that have run: without what these
    took, or a night that is repeated would make another bundle of the same models."""
    document = params.model_dump(by_alias=True)
    return {
        "window": window,
        "params": {name: document[name] for name in ("bars", "slices", "features", "forecast", "conformal", "agent")},
        "metrics": {
            name: _without_times(read_json(reports / f"{name}.json"))
            for name in ("forecast", "agent", "backtest")
            if (reports / f"{name}.json").is_file()
        },
        "notes": [
            "Metrics are of slices that come after the data the models were fitted on.",
            "Trading figures are after spread, impact and fees, on the selection slice that chose the policy.",
        ],
    }


def _without_times(found: Any) -> Any:
    """A report without its durations and speeds."""
    if isinstance(found, dict):
        return {name: _without_times(value) for name, value in found.items() if not TOOK.fullmatch(name)}
    return [_without_times(value) for value in found] if isinstance(found, list) else found
