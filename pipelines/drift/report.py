"""The page for people: an Evidently report of recent bars against the training window."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipelines.core import log
from pipelines.core.artifacts import write_bytes
from pipelines.drift.reference import COMPARED
from pipelines.drift.residuals import FORECASTS, RESIDUALS
from pipelines.features.scale import signed_log
from pipelines.features.spec import SCALED

SHOWN_BARS = 8_000


def write(path: Path, reference: pd.DataFrame, recent: pd.DataFrame) -> dict[str, Any]:
    """Write the report as one HTML file; per column Evidently's method, distance, limit and its own opinion, and the
    columns that were left out: `infinite` where a value is, `absent` where a side has none.

    Evidently takes every bar as an independent draw; its opinion is shown with the decision and does not make it.
    """
    os.environ.setdefault("DO_NOT_TRACK", "1")
    from evidently import DataDefinition, Dataset, Report  # noqa: PLC0415 - four seconds, and only here
    from evidently.presets import DataDriftPreset  # noqa: PLC0415

    names, left_out = _comparable(recent, reference)
    if not names:
        write_bytes(path, b"<!doctype html><meta charset=utf-8><title>Drift</title><p>No column can be compared.\n")
        return {"drifted_share": None, "columns": {}, "left_out": left_out}
    definition = DataDefinition(numerical_columns=names)
    now, before = (
        Dataset.from_pandas(_drawn(frame, names), data_definition=definition) for frame in (recent, reference)
    )
    snapshot = Report([DataDriftPreset(columns=names)]).run(now, before)
    write_bytes(path, snapshot.get_html_str(as_iframe=False).encode())
    return _opinions(snapshot.dict()["metrics"]) | {"left_out": left_out}


def _comparable(recent: pd.DataFrame, reference: pd.DataFrame) -> tuple[list[str], dict[str, str]]:
    """Columns that can be compared, and the others with the reason."""
    left_out = {}
    for name in (*COMPARED, *FORECASTS, *RESIDUALS):
        sides = [frame[name].to_numpy(np.float64) for frame in (recent, reference)]
        if any(np.isinf(side).any() for side in sides):
            left_out[name] = "infinite"
        elif any(np.isnan(side).all() for side in sides):
            left_out[name] = "absent"
    for name, reason in left_out.items():
        log.get("drift").warning("column left out of the report", column=name, reason=reason)
    return [name for name in (*COMPARED, *FORECASTS, *RESIDUALS) if name not in left_out], left_out


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
