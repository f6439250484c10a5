"""A sealed bundle as MLflow loads it: `mlflow.pyfunc.load_model("models:/oddsmith@champion")`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.core.domain import FloatArray
from pipelines.features.scale import price_after
from pipelines.inference.bundle import Bundle

LIBRARIES = ("msgspec", "numpy", "onnxruntime", "pydantic", "pyyaml", "structlog")
"""What the code of a bundle's forecast imports."""


class LoadableBundle:
    """The forecaster of a bundle, every byte of which was verified."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self._predictor = bundle.predictor()

    def predict(self, model_input: Mapping[str, Any], params: Mapping[str, Any] | None = None) -> dict[str, FloatArray]:
        """Forecasts of n windows of `lookback` bars.

        Args:
            model_input: `features` (n, L, k) in the order of the manifest, `mid_units` (n, L) in units of 0.0001; for
                forecasters that read them `sentiment` (n, L) and `states` (n, L, s).
            params: none are understood.

        Returns:
            `mean`, `lower` and `upper` (n, H) as prices in [0, 1] at 1 to H bars, and `confidence` (n,).
        """
        given = {name: np.asarray(value) for name, value in model_input.items() if value is not None}
        mid = given["mid_units"].astype(np.int64)
        made = self._predictor.forecast_batch(
            given["features"].astype(np.float64), mid, given.get("sentiment"), given.get("states")
        )
        now = mid[:, -1:]
        prices = {name: price_after(now, getattr(made, name)) for name in ("mean", "lower", "upper")}
        return prices | {"confidence": made.confidence}


def _load_pyfunc(data_path: str) -> LoadableBundle:
    """What MLflow calls with the folder of the bundle."""
    return LoadableBundle(Bundle.open(Path(data_path)))
