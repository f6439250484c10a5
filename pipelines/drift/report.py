"""The page for people: an Evidently report of recent bars against the training window."""

import os
import re
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any, Final

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
        empty = f"<!doctype html><html lang=en><head>{_META}</head><body><p>No column can be compared.</p></body>"
        write_bytes(path, empty.encode())
        return {"drifted_share": None, "columns": {}, "left_out": left_out}
    definition = DataDefinition(numerical_columns=names)
    now, before = (
        Dataset.from_pandas(_drawn(frame, names), data_definition=definition) for frame in (recent, reference)
    )
    snapshot = Report([DataDriftPreset(columns=names)]).run(now, before)
    write_bytes(path, snapshot.get_html_str(as_iframe=False).encode())
    return _opinions(snapshot.dict()["metrics"]) | {"left_out": left_out}


def head(path: Path, document: Mapping[str, Any]) -> None:
    """Put our own verdict with its reasons and figures on top of the page; a page of these alone where there is none
    of this comparison, so that an older one is not taken for it."""
    shown = document["evidently"] is not None and path.is_file()
    empty = f"<!doctype html><html lang=en><head>{_META}</head><body></body></html>"
    html = path.read_text(encoding="utf-8") if shown else empty
    opened = re.search(r"<body[^>]*>", html)
    place = opened.end() if opened else 0
    write_bytes(path, (html[:place] + verdict_html(document) + html[place:]).encode())


def verdict_html(document: Mapping[str, Any]) -> str:
    """The verdict as a section of HTML: what was decided, why, and how far each column moved against its limit."""
    word = {"drift": "Drift", "stable": "No drift", "too_little": "Too little data to say"}[document["verdict"]]
    reasons = "".join(f"<li>{escape(str(reason))}</li>" for reason in document["reasons"])
    columns = sorted(document.get("columns", {}).items(), key=lambda pair: (not pair[1]["drifted"], -pair[1]["psi"]))
    rows = "".join(
        f"<tr><td>{escape(name)}<td>{one['psi']:.3f}<td>{one['limit']:.3f}"
        f"<td>{'moved' if one['drifted'] else 'as before' if one['decides'] else 'shown only'}</tr>"
        for name, one in columns
    )
    heads = "<tr><th>column<th>PSI<th>limit<th></tr>"
    table = f"<details><summary>Every column</summary><table>{heads}{rows}</table></details>" if rows else ""
    sample = document["sample"]
    about = (
        f"Our verdict on {sample['bars']:,} recent bars of {sample['markets']} markets. It decides; what Evidently says"
        " below takes every bar as an independent draw, and decides nothing."
    )
    return (
        f"<style>{_STYLE}</style><section class=verdict-of-ours><h1>{word}</h1><p>{about}</p><ul>{reasons}</ul>"
        f"{_refit_html(document.get('refit', {}))}{table}"
        "</section>"
    )


def _refit_html(refit: Mapping[str, Any]) -> str:
    """A paragraph that compares the bundle with the filter fitted on the recent bars; empty where none was fitted."""
    if not refit:
        return ""
    return (
        f"<p>Of the squared moves of {refit['events']} recent events the bundle finds {refit['bundle']:.1%}, its"
        f" filter alone {refit['filter']:.1%}, and a filter fitted on the other half of them {refit['refit']:.1%}.</p>"
    )


_META: Final = "<meta charset=utf-8><meta name=color-scheme content='light dark'><title>Drift</title>"
_STYLE: Final = (
    ".verdict-of-ours{font:15px/1.5 system-ui,sans-serif;max-width:1100px;margin:24px auto;padding:16px 24px;"
    "border:1px solid #94a3b8;border-radius:12px;background:#fff;color:#0f172a}"
    ".verdict-of-ours h1{margin:0;font-size:26px}"
    ".verdict-of-ours td,.verdict-of-ours th{padding:3px 14px 3px 0;text-align:left}"
)


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
