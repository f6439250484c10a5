"""The model card: what a bundle was made from and what was measured, for people and for the dashboard."""

from pathlib import Path
from typing import Any

from pipelines.core.artifacts import read_json
from pipelines.core.params import Params


def card(params: Params, window: Any, reports: Path) -> dict[str, Any]:
    """Data window, parameters that shaped the models, and the metrics of the stages that have run."""
    document = params.model_dump(by_alias=True)
    return {
        "window": window,
        "params": {name: document[name] for name in ("bars", "slices", "features", "forecast", "conformal", "agent")},
        "metrics": {
            name: read_json(reports / f"{name}.json")
            for name in ("forecast", "agent", "backtest")
            if (reports / f"{name}.json").is_file()
        },
        "notes": [
            "Metrics are of slices that come after the data the models were fitted on.",
            "Trading figures are after spread, impact and fees, on the selection slice that chose the policy.",
        ],
    }
