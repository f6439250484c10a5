"""The ensemble and its trees: one network of several, weighted by what they were worth on bars that none has seen."""

import numpy as np
import onnxruntime
import pytest

from pipelines.core.errors import ArtifactError, DataError
from pipelines.core.params import load
from pipelines.forecast import ensemble, linear, trees
from pipelines.forecast.checkpoint import Checkpoint
from pipelines.forecast.forecaster import Forecaster, TrainingData
from pipelines.forecast.kinds import find as shipped

LOOKBACK, HORIZON, INPUTS = 8, 6, 3


def _data(bars=3_000, flips_at=1.0):
    """Input 0 of the last bar foretells the move, linearly; its sign turns at a share of the time."""

    def batch(positions):
        rng = np.random.default_rng(0)
        table = rng.normal(size=(bars + LOOKBACK, INPUTS)).astype(np.float32)
        noise = rng.normal(size=(bars + LOOKBACK, HORIZON)).astype(np.float32)
        windows = table[positions[:, None] + np.arange(1, LOOKBACK + 1)]
        sign = np.where(positions < flips_at * bars, 1.0, -1.0)
        target = 0.5 * sign[:, None] * windows[:, -1, :1] + noise[positions]
        return windows, target.astype(np.float32)

    return TrainingData(np.arange(bars), batch, LOOKBACK, INPUTS, lambda positions: 60 * positions)


def _params():
    changed = {"lookback_bars": LOOKBACK, "horizon_bars": HORIZON}
    return load().forecast.model_copy(update=changed)


def _line(data, params, checkpoint, folder):
    """Least squares of the scaled move on the last bar."""
    windows, target = data.batch(data.positions)
    weights = np.linalg.lstsq(windows[:, -1].astype(np.float64), target.astype(np.float64), rcond=None)[0]
    linear.write(weights[None], np.zeros(HORIZON), LOOKBACK, folder / "forecaster.onnx")
    return {}


def find(kind):
    """A linear member next to the shipped kinds."""
    return Forecaster(meaning="a line", train=_line) if kind == "line" else shipped(kind)


@pytest.fixture(autouse=True)
def _line_is_known(monkeypatch):
    monkeypatch.setattr(ensemble.kinds, "find", find)


def _run(path, windows):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: windows})[0]


def _made(tmp_path, members, data):
    made = ensemble.ensemble("test", members)
    report = made.train(data, _params(), Checkpoint(tmp_path / "c.npz"), tmp_path)
    return report, _run(tmp_path / "forecaster.onnx", data.batch(np.arange(500))[0])


@pytest.mark.nightly
def test_the_network_is_the_weighted_sum_of_its_members(tmp_path):
    """The one file gives weight by weight what the members give, the base as a member nothing; on a linear relation
    the linear member has the most weight."""
    data = _data()
    report, output = _made(tmp_path, ("base", "line", "boosting"), data)
    earlier, _ = ensemble.split(data, HORIZON)
    parts = {}
    for name in ("line", "boosting"):
        (tmp_path / name).mkdir()
        find(name).train(earlier, _params(), Checkpoint(tmp_path / "d.npz"), tmp_path / name)
        parts[name] = _run(tmp_path / name / "forecaster.onnx", data.batch(np.arange(500))[0])
    weights = report["weights"]
    expected = weights["line"] * parts["line"] + weights["boosting"] * parts["boosting"]
    assert np.allclose(output, expected, atol=5e-4)  # the report rounds to four digits
    assert sum(weights.values()) == pytest.approx(1.0, abs=1e-3)
    assert weights["line"] > 0.5
    assert output.shape == (500, HORIZON, 4)


def test_members_that_are_wrong_lately_lose_their_weight(tmp_path):
    """Where the relation turns with the latest part of the fit slice, the base alone gets nearly all of the weight,
    although the members were right for four fifths of the time."""
    report, output = _made(tmp_path, ("base", "line"), _data(flips_at=0.8))
    assert report["weights"]["base"] > 0.8
    assert np.abs(output).max() < 0.5


def test_weights_are_learned_on_bars_that_no_member_saw():
    """Between the last bar of training and the first of the weights lies the horizon; together they are the fit slice
    but for that gap. Too few bars for both are refused."""
    data = _data(bars=1_000)
    earlier, recent = ensemble.split(data, HORIZON)
    assert earlier.positions.max() + HORIZON < recent.min()
    assert len(earlier.positions) + len(recent) + HORIZON >= 1_000
    assert len(recent) == pytest.approx(200, abs=2)
    with pytest.raises(DataError, match="too few"):
        ensemble.split(_data(bars=30), HORIZON)


def test_a_network_that_is_not_the_sum_is_refused(tmp_path):
    """Weights other than those in the file are noticed."""
    import onnx

    data = _data()
    find("line").train(data, _params(), Checkpoint(tmp_path / "c.npz"), tmp_path)
    networks = {"line": onnx.load(tmp_path / "forecaster.onnx")}
    ensemble.write(networks, {"line": 0.5}, tmp_path / "both.onnx")
    windows = data.batch(np.arange(10))[0]
    ensemble.check(networks, {"line": 0.5}, tmp_path / "both.onnx", windows)
    with pytest.raises(ArtifactError, match="differs from the weighted sum"):
        ensemble.check(networks, {"line": 0.6}, tmp_path / "both.onnx", windows)


@pytest.mark.nightly
def test_the_trees_say_the_same_as_scikit_learn(tmp_path):
    """The ONNX file gives scikit-learn's prediction at the fitted horizons, also on a threshold, and between them the
    straight line."""
    data = _data()
    made = trees.fit(data, _params())
    trees.write(made, (LOOKBACK, INPUTS, HORIZON), tmp_path / "trees.onnx")
    windows = data.batch(np.arange(400))[0]
    node = made[0].trees[0][0]
    windows[0, -1, int(node["feature_idx"])] = np.float32(node["num_threshold"])
    output = _run(tmp_path / "trees.onnx", windows)
    assert [one.horizon for one in made] == [1, 2, 5, 6]
    for one in made:
        wanted = one.base + sum(_walk(tree, windows[:, -1].astype(np.float64)) for tree in one.trees)
        assert np.allclose(output[:, one.horizon - 1, 0], wanted, atol=1e-4)
    assert np.allclose(output[:, 3], output[:, 1] + 2 / 3 * (output[:, 4] - output[:, 1]), atol=1e-5)


def _walk(tree, rows):
    """scikit-learn's own rule: left where the value is not above the threshold."""
    values = np.empty(len(rows))
    for index, row in enumerate(rows):
        node = tree[0]
        while not node["is_leaf"]:
            below = row[int(node["feature_idx"])] <= node["num_threshold"]
            node = tree[int(node["left"] if below else node["right"])]
        values[index] = node["value"]
    return values
