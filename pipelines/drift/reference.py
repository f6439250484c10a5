"""What the world looked like in training: bars of a bundle's training window with its out-of-sample forecasts.

Made when a bundle is promoted, kept under the bundle's hash: later nights replace data/, and the champion must go on
being compared with what it was trained on. The gate slice is left out: it is read by the gate alone.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from pipelines.core.artifacts import read_json, write_bytes
from pipelines.core.errors import ArtifactError
from pipelines.core.products import BUNDLE, FEATURES, FORECAST_TABLE
from pipelines.core.sections import DriftParams
from pipelines.drift.residuals import Made, Series, judged
from pipelines.features.spec import FEATURE_NAMES

FORECASTS = FORECAST_TABLE
WORKSPACE_BUNDLE = BUNDLE
SLICES = ("fit", "calibration", "agent", "selection")

COMPARED = (*FEATURE_NAMES, "sentiment")
"""Columns that every bar has."""


def path_of(folder: Path, bundle_hash: str) -> Path:
    """Where the reference of a bundle is kept."""
    return folder / f"reference-{bundle_hash[:12]}.parquet"


def obtain(folder: Path, bundle_hash: str, lookback: int, params: DriftParams) -> pd.DataFrame:
    """The reference of a bundle; made now if the products in data/ are those that it was trained on.

    Raises:
        ArtifactError: if it was never made and its training window is gone.
    """
    path = path_of(folder, bundle_hash)
    if path.is_file():
        return pd.read_parquet(path)
    present = read_json(WORKSPACE_BUNDLE / "manifest.json")["hash"]
    if present != bundle_hash:
        raise ArtifactError(
            f"{path} does not exist and models/bundle is {present[:12]}, so the training window of {bundle_hash[:12]}"
            " is gone; the next promotion writes a reference again"
        )
    made = training(lookback, params)
    save(path, made)
    return made


def save(path: Path, frame: pd.DataFrame) -> None:
    """Write a reference by rename."""
    write_bytes(path, frame.to_parquet(index=False, compression="zstd"))


def training(lookback: int, params: DriftParams) -> pd.DataFrame:
    """Up to `reference_bars` bars with a full lookback: market_id, event_id, ts_s, slice, features and forecasts."""
    table = pq.read_table(FEATURES / "features.parquet").to_pandas()
    length_s = int(read_json(FEATURES / "slices.json")["length_s"])
    table = table.merge(_forecasts(params.horizon_bars), on=["market_id", "ts_s"], how="left")
    table = table.sort_values(["market_id", "ts_s"], ignore_index=True)
    series = Series.of(
        table["market_id"].to_numpy(object),
        table["ts_s"].to_numpy(np.int64),
        table["mid_units"].to_numpy(np.int64),
        length_s,
    )
    made = Made(*(table[name].to_numpy(np.float64) for name in ("mean", "lower", "upper", "stated")))
    bars = table[["market_id", "event_id", "ts_s", "slice", *COMPARED]]
    frame: pd.DataFrame = pd.concat([bars, judged(series, made, params.horizon_bars)], axis=1)
    frame = frame[frame["slice"].isin(SLICES).to_numpy() & (series.place >= lookback - 1)]
    step = -(-len(frame) // params.reference_bars)
    return frame.iloc[::step].astype(dict.fromkeys(frame.columns[4:], np.float32)).reset_index(drop=True)


def _forecasts(horizon: int) -> pd.DataFrame:
    table = pq.read_table(FORECASTS)
    kept: dict[str, object] = {name: table[name].to_pandas() for name in ("market_id", "ts_s")}
    for name in ("mean", "lower", "upper"):
        lists = table[name].combine_chunks()
        kept[name] = np.asarray(lists.flatten()).reshape(len(lists), -1)[:, horizon - 1]
    return pd.DataFrame(kept | {"stated": table["confidence"].to_pandas()})
