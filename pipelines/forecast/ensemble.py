"""A forecaster of several: each member is trained by its own kind, the weights by recent performance (`hedge`)."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, compose, helper, numpy_helper

from pipelines.core.domain import FloatArray
from pipelines.core.errors import ArtifactError, DataError
from pipelines.core.sections import ForecastParams
from pipelines.forecast import hedge, kinds
from pipelines.forecast.checkpoint import Checkpoint
from pipelines.forecast.forecaster import Forecaster, TrainingData
from pipelines.forecast.linear import IR_VERSION
from pipelines.forecast.training_windows import IntArray, at_most, known_quantile
from pipelines.inference.predictor import batches

BASE = "base"
"""The member that leaves the forecast of filter and linear path as it is."""
RECENT_SHARE = 0.2
"""Latest part of the fit slice, by time, on which the weights are learned."""
RECENT_WINDOWS = 12_000
LEAST_ROUNDS = 10
PARITY_WINDOWS = 64
TOLERANCE = 1e-5

Output = NDArray[np.float32]


def ensemble(meaning: str, members: Sequence[str]) -> Forecaster:
    """A forecaster whose forecast is the weighted mean of its members' (names of kinds, or BASE)."""

    def learn(data: TrainingData, params: ForecastParams, checkpoint: Checkpoint, folder: Path) -> dict[str, Any]:
        earlier, recent = split(data, params.horizon_bars)
        networks, reports = {}, {}
        with tempfile.TemporaryDirectory() as work:
            for name in members:
                if name == BASE:
                    continue
                train, place = kinds.find(name).train, Path(work) / name
                assert train is not None, "a member has a network"
                place.mkdir()
                reports[name] = train(earlier, params.model_copy(update={"kind": name}), checkpoint.part(name), place)
                networks[name] = onnx.load(place / "forecaster.onnx")
        weights = weigh(list(members), networks, data, recent, params)
        shares = dict(zip(members, weights.weights.tolist(), strict=True))
        write(networks, shares, folder / "forecaster.onnx")
        check(networks, shares, folder / "forecaster.onnx", data.batch(recent[:PARITY_WINDOWS])[0])
        return {
            "members": reports,
            "weights": {name: round(share, 4) for name, share in shares.items()},
            "rounds": weights.rounds,
            "regret_bound": round(weights.bound, 4),
        }

    return Forecaster(meaning=meaning, train=learn)


def split(data: TrainingData, horizon: int) -> tuple[TrainingData, IntArray]:
    """What members learn from, and the later positions that their weights are learned on.

    Between them lie `horizon` bars: no target of the earlier part reaches into the later one.

    Raises:
        DataError: if the fit slice is too short for both.
    """
    ts_s = data.ts_s(data.positions)
    cut = np.quantile(ts_s, 1.0 - RECENT_SHARE)
    moments = np.unique(ts_s)
    bar_s = int(np.min(np.diff(moments))) if len(moments) > 1 else 0
    earlier, recent = data.positions[ts_s < cut - horizon * bar_s], data.positions[ts_s >= cut]
    if len(earlier) == 0 or len(np.unique(data.ts_s(recent))) < LEAST_ROUNDS:
        raise DataError(
            f"the fit slice has {len(moments)} different bar times: too few to train the members of an ensemble and to"
            " weigh them on later ones; pull a longer history or choose another forecast.kind"
        )
    return replace(data, positions=earlier), recent


def weigh(
    members: list[str],
    networks: dict[str, onnx.ModelProto],
    data: TrainingData,
    recent: IntArray,
    params: ForecastParams,
) -> hedge.Hedge:
    """The weights after every bar of the recent positions, one round per bar time, all horizons together."""
    chosen = np.unique(at_most(recent, RECENT_WINDOWS, (params.seed, 9)))
    outputs, targets = _forecasts(members, networks, data, chosen, params.horizon_bars)
    clip = known_quantile(np.abs(targets), 0.998)
    return hedge.learned(len(members), rounds(outputs, np.clip(targets, -clip, clip), data.ts_s(chosen)))


def rounds(outputs: FloatArray, targets: FloatArray, ts_s: IntArray) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Forecasts (n, H, K) and outcomes (n, H) as rounds in the order of time: (m, K) and (m,) of each bar time."""
    order = np.argsort(ts_s, kind="stable")
    edges = np.flatnonzero(np.diff(ts_s[order])) + 1
    for part in np.split(order, edges):
        moved = targets[part].ravel()
        known = np.isfinite(moved)
        if known.any():
            yield outputs[part].reshape(-1, outputs.shape[-1])[known], moved[known]


def _forecasts(
    members: list[str], networks: dict[str, onnx.ModelProto], data: TrainingData, positions: IntArray, horizon: int
) -> tuple[FloatArray, FloatArray]:
    """Means of the members (n, H, K) and the scaled targets (n, H)."""
    sessions = {name: _session(one) for name, one in networks.items()}
    outputs, targets = [], []
    for part in batches(len(positions), 1_000):
        windows, moves = data.batch(positions[part])
        nothing = np.zeros((len(windows), horizon))
        made = {name: one.run(None, {one.get_inputs()[0].name: windows})[0][..., 0] for name, one in sessions.items()}
        outputs.append(np.stack([made.get(name, nothing) for name in members], axis=-1).astype(np.float64))
        targets.append(moves.astype(np.float64))
    return np.concatenate(outputs), np.concatenate(targets)


def write(networks: dict[str, onnx.ModelProto], weights: dict[str, float], path: Path) -> None:
    """Write one network: the weighted sum of the members' outputs; one without a network counts as zero."""
    parts = {name: _prefixed(one, f"{name}/") for name, one in networks.items()}
    nodes, values, terms = [], [], []
    opsets: dict[str, int] = {}
    for name, one in parts.items():
        graph, into, out = one.graph, one.graph.input[0].name, one.graph.output[0].name
        nodes += [helper.make_node("Identity", ["windows"], [into]), *graph.node]
        values += [
            *graph.initializer,
            numpy_helper.from_array(np.array(weights[name], dtype=np.float32), f"{name}/weight"),
        ]
        nodes.append(helper.make_node("Mul", [out, f"{name}/weight"], [f"{name}/weighted"]))
        terms.append(f"{name}/weighted")
        for opset in one.opset_import:
            opsets[opset.domain] = max(opsets.get(opset.domain, 0), opset.version)
    nodes.append(helper.make_node("Sum", terms, ["forecast"]))
    first = next(iter(parts.values())).graph
    shapes = [[d.dim_value or "n" for d in one.type.tensor_type.shape.dim] for one in (first.input[0], first.output[0])]
    inputs, outputs = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", *shape[1:]])
        for name, shape in zip(("windows", "forecast"), shapes, strict=True)
    )
    graph = helper.make_graph(nodes, "ensemble", [inputs], [outputs], values)
    imports = [helper.make_opsetid(domain, version) for domain, version in opsets.items()]
    ir_version = max(IR_VERSION, *(one.ir_version for one in parts.values()))
    onnx.save(helper.make_model(graph, opset_imports=imports, ir_version=ir_version), path)


def check(networks: dict[str, onnx.ModelProto], weights: dict[str, float], path: Path, windows: Output) -> None:
    """Prove that the written network gives the weighted sum of its members.

    Raises:
        ArtifactError: if an output differs by 1e-5 or more.
    """
    run = {name: _session(one) for name, one in {**networks, "": onnx.load(path)}.items()}
    outputs = {name: one.run(None, {one.get_inputs()[0].name: windows})[0] for name, one in run.items()}
    wanted = sum(weights[name] * outputs[name] for name in networks)
    difference = float(np.max(np.abs(outputs[""] - wanted)))
    if not difference < TOLERANCE:
        raise ArtifactError(
            f"the ensemble's network differs from the weighted sum of its members by {difference:.2e}; {TOLERANCE:g} is"
            " allowed. Report it: the members need operators of different versions of ONNX"
        )


def _session(network: onnx.ModelProto) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(network.SerializeToString(), providers=["CPUExecutionProvider"])


def _prefixed(network: onnx.ModelProto, prefix: str) -> onnx.ModelProto:
    return compose.add_prefix(network, prefix)
