"""A sealed bundle made in milliseconds: a forecaster that expects the price to come back to its 30-bar mean."""

import time
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from pipelines.core.artifacts import read_json, write_json
from pipelines.features import scale, spec
from pipelines.inference import verdict
from pipelines.inference.bundle import seal
from pipelines.inference.calibration import Confidence, Conformal
from pipelines.inference.inputs import SENTIMENT_INPUTS, InputScaler, inputs_of
from pipelines.trading.sizing import SizingTable

LOOKBACK, HORIZON = 60, 24


def make(
    folder: Path,
    *,
    pull: float = 1.2,
    length_s: int = 60,
    kind: str = "threshold",
    mood: float | None = None,
    source: str = "simulated",
    lookback: int = LOOKBACK,
) -> str:
    """Write and seal a bundle; its hash. `pull` is the expected return to the mean in standard deviations, `mood` what
    a full sentiment adds for a forecaster that reads it, `source` where its training data came from, and
    `lookback` the bars of its windows."""
    folder.mkdir(parents=True, exist_ok=True)
    _network(folder / "forecaster.onnx", pull, mood, lookback)
    write_json(
        folder / "meta.json",
        {
            "kind": "tiny",
            "lookback": lookback,
            "horizon": HORIZON,
            "feature_version": spec.FEATURE_VERSION,
            "sentiment": mood is not None,
        },
    )
    count = len(inputs_of(None))
    write_json(folder / "scaler.json", InputScaler(np.zeros(count), np.ones(count), 8.0).document())
    write_json(
        folder / "conformal.json",
        Conformal(0.9, np.full(HORIZON, 0.1), np.ones(HORIZON), np.ones(HORIZON), np.zeros(HORIZON)).document(),
    )
    table = Confidence(np.full(HORIZON - 1, 6.0), np.full(HORIZON - 1, 3.0))
    write_json(folder / "confidence.json", table.document())
    names = tuple(feature.name for feature in spec.SCALED)
    scaler = scale.Scaler(
        names, tuple(f.transform for f in spec.SCALED), np.zeros(len(names)), np.ones(len(names)), 8.0
    )
    write_json(folder / "observation.json", scaler.document())
    SizingTable(0.65, 0.03, 0.02, 500, 20).write(folder / "sizing.json")
    write_json(folder / "card.json", {"made": "by a test"})
    params = {"cost_multiple": 1.0, "max_hold_bars": 60, "impact_share": 0.15, "bar_length_s": length_s}
    return seal(
        folder,
        {
            "created_s": 1_767_225_600,
            "source": source,
            "bar_length_s": length_s,
            "lookback_bars": lookback,
            "horizon_bars": HORIZON,
            "feature_version": spec.FEATURE_VERSION,
            "features": list(spec.FEATURE_NAMES),
            "forecast_kind": "tiny",
            "policy": {"kind": kind, "params": params if kind == "threshold" else {}},
        },
    )


def approve(folder: Path, *, said: str = "promote", valid_days: float = 30.0, now_s: float | None = None) -> Path:
    """Put a verdict of the gate into a bundle's folder, as an installed bundle has it; its path."""
    manifest = read_json(folder / "manifest.json")
    path = folder / verdict.VERDICT
    verdict.write(
        path,
        verdict=said,
        bundle=manifest["hash"],
        source=manifest["source"],
        evidence={"reasons": ["because"], "evidence": {"skill": 0.02}},
        as_of_s=int(time.time()),
        valid_days=valid_days,
        now_s=now_s,
    )
    return path


def promote(folder: Path, var: Path) -> str:
    """Approve a sealed bundle and make it the champion of a machine whose files are in `var`; its hash.

    The folder is moved to where the installed champions are.
    """
    approve(folder)
    manifest = read_json(folder / "manifest.json")
    made, source = str(manifest["hash"]), str(manifest["source"])
    inside = var / "bento" / "bentos" / "oddsmith" / made[:12] / "src" / "bundle"
    inside.parent.mkdir(parents=True, exist_ok=True)
    folder.rename(inside)
    record = {"hash": made, "bento_tag": f"oddsmith:{made[:12]}", "mlflow_version": "1", "source": source}
    write_json(var / "champion.json", record)
    return made


def _network(path: Path, pull: float, mood: float | None, lookback: int) -> None:
    """(n, L, 26 or 28) -> (n, H, 4): every output is `pull` times the last standardised ma_30 and `mood` times the
    sentiment, the band one sd around it."""
    column = inputs_of(None).index("ma_30")
    width = len(inputs_of(None)) + (0 if mood is None else SENTIMENT_INPUTS)
    weight = np.zeros((width, HORIZON * 4), dtype=np.float32)
    weight[len(inputs_of(None)) : len(inputs_of(None)) + 1] = mood or 0.0
    weight[column] = np.repeat(pull * np.sqrt(np.arange(1, HORIZON + 1) / HORIZON), 4)
    bias = np.tile(np.array([0.0, -1.6, 0.0, 1.6], dtype=np.float32), HORIZON)
    constants = [
        numpy_helper.from_array(weight, "weight"),
        numpy_helper.from_array(bias, "bias"),
        numpy_helper.from_array(np.array(-1, dtype=np.int64), "last"),
        numpy_helper.from_array(np.array([-1, HORIZON, 4], dtype=np.int64), "shape"),
    ]
    nodes = [
        helper.make_node("Gather", ["windows", "last"], ["now"], axis=1),
        helper.make_node("Gemm", ["now", "weight", "bias"], ["flat"]),
        helper.make_node("Reshape", ["flat", "shape"], ["forecast"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("windows", TensorProto.FLOAT, ["n", lookback, width])],
        [helper.make_tensor_value_info("forecast", TensorProto.FLOAT, ["n", HORIZON, 4])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save(model, path)
