"""The page for people: an Evidently report of recent bars against the training window."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipelines.core.artifacts import write_bytes
from pipelines.drift.reference import COMPARED
from pipelines.drift.residuals import FORECASTS, RESIDUALS
from pipelines.features.scale import signed_log
from pipelines.features.spec import SCALED

SHOWN_BARS = 8_000


def write(path: Path, reference: pd.DataFrame, recent: pd.DataFrame) -> dict[str, Any]:
    """Write the report as one HTML file; per column Evidently's method, distance, limit and its own opinion.

    Evidently takes every bar as an independent draw; its opinion is shown beside the decision and does not make it.
    """
    os.environ.setdefault("DO_NOT_TRACK", "1")
    from evidently import DataDefinition, Dataset, Report  # noqa: PLC0415 - four seconds, and only here
    from evidently.presets import DataDriftPreset  # noqa: PLC0415

    names = [n for n in (*COMPARED, *FORECASTS, *RESIDUALS) if recent[n].notna().any() and reference[n].notna().any()]
    definition = DataDefinition(numerical_columns=names)
    now, before = (
        Dataset.from_pandas(_drawn(frame, names), data_definition=definition) for frame in (recent, reference)
    )
    snapshot = Report([DataDriftPreset(columns=names)]).run(now, before)
    write_bytes(path, snapshot.get_html_str(as_iframe=False).encode())
    return _opinions(snapshot.dict()["metrics"])


def _drawn(frame: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """At most `SHOWN_BARS` rows, volumes on a signed logarithmic scale, missing values of a column redrawn."""
    rows = frame if len(frame) <= SHOWN_BARS else frame.iloc[:: -(-len(frame) // SHOWN_BARS)]
    logged = {feature.name for feature in SCALED if feature.transform == "signed_log"}
    shown = rows[names].astype(np.float64)
    return shown.assign(**{n: signed_log(shown[n].to_numpy()) for n in names if n in logged}).reset_index(drop=True)


def _opinions(metrics: list[dict[str, Any]]) -> dict[str, Any]:
    columns = {
        metric["config"]["column"]: {
            "method": metric["config"]["method"],
            "distance": float(metric["value"]),
            "limit": metric["config"]["threshold"],
            "drifted": bool(float(metric["value"]) > metric["config"]["threshold"]),
        }
        for metric in metrics
        if metric["config"]["type"].endswith(":ValueDrift")
    }
    share = next(m["value"]["share"] for m in metrics if m["config"]["type"].endswith(":DriftedColumnsCount"))
    return {"drifted_share": float(share), "columns": columns}
