"""Stage forecast: data/features -> models/forecaster, data/forecasts, reports/forecast.json."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.core import log, lookback
from pipelines.core.artifacts import read_json, replaced_folder, sha256_path, write_json
from pipelines.core.errors import DataError
from pipelines.core.params import load
from pipelines.core.products import FEATURES, FORECASTER, FORECASTS, report_json
from pipelines.forecast.accuracy import added, measure
from pipelines.forecast.training_windows import BATCH_ROWS, IntArray, Rows
from pipelines.inference import start_point
from pipelines.inference.predictor import Forecasts, Predictor, Windows, batches

REPORT = report_json("forecast")

FORECAST_SLICES = ("agent", "selection", "gate")
SCHEMA = pa.schema(
    [
        ("market_id", pa.string()),
        ("ts_s", pa.int64()),
        ("slice", pa.string()),
        *((name, pa.list_(pa.float32())) for name in ("mean", "lower", "upper")),
        ("confidence", pa.float32()),
    ]
)
"""Of forecasts.parquet."""


def run() -> None:
    """Train, calibrate, export and forecast; the report's figures are out of sample and not of the gate slice."""
    from pipelines.forecast import candidate  # noqa: PLC0415 - TensorFlow is loaded by those who train

    params = lookback.decided(load(), FEATURES)
    rows = Rows.read(FEATURES)
    data_hash = sha256_path(FEATURES)
    start = start_point.read() if params.forecast.warm_start else None
    if start is not None:  # a training that was interrupted goes on only from what it began with
        data_hash = f"{data_hash}-{start.bundle}"
    report = candidate.make(rows, params, FORECASTER, data_hash, read_json(FEATURES / "scaler.json"), start=start)
    predictor = Predictor(FORECASTER)
    windows = rows.windows(predictor.lookback, rows.states(predictor.filter))
    write_forecasts(rows, predictor, windows, FORECASTS)
    judged = judged_at(rows, "selection", predictor.lookback, lookback.ahead_of(params.forecast))
    whole, part = (one.forecast_many(windows, judged) for one in (predictor, predictor.without_network()))
    report["selection"] = measure(rows, judged, whole)
    report["network_adds"] = added(rows, judged, whole.mean, part.mean)
    write_json(REPORT, report)
    candidate.checkpoint_of(params, data_hash).clear()
    log.get("forecast").info("selection slice", skill=report["selection"]["skill_price"])


def judged_at(rows: Rows, slice_name: str, lookback_bars: int, ahead: int) -> IntArray:
    """Bars of a slice at which forecasts are measured: those with a full lookback, `ahead` bars after them and a price
    in [0.02, 0.98].

    Raises:
        DataError: if there are no such bars.
    """
    positions = rows.lively(rows.positions(slice_name, lookback_bars, ahead))
    if len(positions) == 0:
        raise DataError(f"slice {slice_name} has no bar to measure a forecast at; pull a longer history")
    return positions


def write_forecasts(rows: Rows, predictor: Predictor, windows: Windows, folder: Path) -> None:
    """forecasts.parquet: every bar of the agent, selection and gate slices that has a full lookback; BATCH_ROWS of them
    are in memory at a time."""
    found = [rows.positions(name, predictor.lookback) for name in FORECAST_SLICES]
    positions = np.sort(np.concatenate(found))
    with (
        replaced_folder(folder) as partial,
        pq.ParquetWriter(partial / "forecasts.parquet", SCHEMA, compression="zstd") as file,
    ):
        for part in batches(len(positions), BATCH_ROWS):
            chosen = positions[part]
            file.write_table(table(rows, chosen, predictor.forecast_many(windows, chosen)))


def table(rows: Rows, positions: IntArray, made: Forecasts) -> pa.Table:
    """The rows of forecasts.parquet, sorted by market and time; log-odds, float32."""

    def lists(values: Any) -> pa.Array:
        flat = pa.array(values.astype(np.float32).ravel())
        return pa.FixedSizeListArray.from_arrays(flat, values.shape[1]).cast(pa.list_(pa.float32()))

    return pa.table(
        {
            "market_id": rows.market_id[positions],
            "ts_s": rows.ts_s[positions],
            "slice": rows.slice_name[positions],
            "mean": lists(made.mean),
            "lower": lists(made.lower),
            "upper": lists(made.upper),
            "confidence": made.confidence.astype(np.float32),
        },
        SCHEMA,
    )
