"""Command drift: landing zone and a bundle -> reports/drift.json and reports/drift.html. No DVC stage: it reads the
records of the running system."""

from pathlib import Path

import numpy as np

from pipelines.core import log
from pipelines.core.artifacts import write_json
from pipelines.core.params import load
from pipelines.core.products import report_json, report_page
from pipelines.core.sections import DriftParams
from pipelines.core.settings import Settings
from pipelines.drift import recent, reference, report, verdict
from pipelines.inference.bundle import Bundle
from pipelines.inference.predictor import Predictor

REPORT = report_json("drift")
PAGE = report_page("drift")


def remember(folder: Path) -> Path:
    """Keep the training window of a bundle for later comparisons, while data/ still holds it; the file written.

    Raises:
        ArtifactError: if data/ belongs to another bundle.
    """
    bundle = Bundle.open(folder)
    store = Settings().var / "drift"
    predictor = bundle.predictor()
    reference.obtain(store, bundle.hash, predictor.lookback, _params(predictor))
    return reference.path_of(store, bundle.hash)


def run(folder: Path, landing: Path | None = None) -> None:
    """Compare the landing zone's newest bars with the training window of a bundle.

    Raises:
        ArtifactError: if the bundle or its training window is not there.
        DataError: if the landing zone holds no bars.
    """
    bundle = Bundle.open(folder)
    predictor = bundle.predictor()
    params = _params(predictor)
    before = reference.obtain(Settings().var / "drift", bundle.hash, predictor.lookback, params)
    now = recent.window(landing or Settings().var / "landing", predictor, params)
    length_s = int(bundle.manifest["bar_length_s"])
    document = verdict.judge(before, now, length_s, params)
    document |= {
        "bundle": bundle.hash,
        "start_s": int(now["ts_s"].min()) if len(now) else None,
        "as_of_s": int(now["ts_s"].max()) if len(now) else None,
        "evidently": report.write(PAGE, before, now) if len(now) >= params.min_bars else None,
    }
    report.head(PAGE, document)
    write_json(REPORT, _plain(document))
    log.get("drift").info(document["verdict"], reasons="; ".join(document["reasons"]))


def _params(predictor: Predictor) -> DriftParams:
    """The parameters, the horizon no longer than that of the forecaster."""
    params = load().drift
    return params.model_copy(update={"horizon_bars": min(params.horizon_bars, predictor.horizon)})


def _plain(value: object) -> object:
    """Values that JSON has: infinities and missing numbers become null."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
