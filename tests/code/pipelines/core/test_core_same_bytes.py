"""A stage that is run again writes the same bytes: dates, addresses and the numbers of constants are gone."""

import json
import zipfile

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from pipelines.core import same_bytes


def keras_file(path, *, address, saved):
    """What Keras writes: a config with an address for each shared object, and the date."""
    policy = {"shared_object_id": address}
    members = {
        "metadata.json": json.dumps({"keras_version": "3", "date_saved": saved}),
        "config.json": json.dumps(
            {"layers": [{"dtype": policy}, {"dtype": policy}, {"shared_object_id": address + 8}]}
        ),
        "model.weights.h5": "weights",
    }
    with zipfile.ZipFile(path, "w") as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


def test_a_network_of_keras_has_no_date_and_no_address(tmp_path):
    """Objects that were shared stay shared, others stay apart."""
    files = [
        keras_file(tmp_path / "one.keras", address=139667877200144, saved="2026-11-29@15:17:05"),
        keras_file(tmp_path / "other.keras", address=11, saved="2026-11-30@01:00:00"),
    ]
    for file in files:
        same_bytes.of_keras(file)
    assert files[0].read_bytes() == files[1].read_bytes()
    with zipfile.ZipFile(files[0]) as made:
        shared = json.loads(made.read("config.json"))["layers"]
        assert [made.read("model.weights.h5"), shared[2]] == [b"weights", {"shared_object_id": 1}]
    assert [one["dtype"]["shared_object_id"] for one in shared[:2]] == [0, 0]


def test_a_learner_is_described_without_addresses_and_times(tmp_path):
    """What says what the learner was has no address and not when it began; its networks are as they were."""
    for name, address in (("one", 0x7F01), ("other", 0x7F02)):
        with zipfile.ZipFile(tmp_path / name, "w") as file:
            file.writestr(
                zipfile.ZipInfo("data", (2026, 11, address % 9 + 1, 0, 0, 0)),
                f'{{"f": "<function f at {address:#x}>", "start_time": {10**18 + address}, "seed": 1}}',
            )
            file.writestr("policy.pth", "weights")
        same_bytes.of_learner(tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()
    with zipfile.ZipFile(tmp_path / "one") as made:
        assert [made.read(name) for name in ("data", "policy.pth")] == [
            b'{"f": "<function f>", "start_time": 0, "seed": 1}',
            b"weights",
        ]


def onnx_file(path, first, second, *, swapped):
    """(x @ a + b) * (x @ a - b) with names that a process has chosen, nodes and constants in one order or the other."""
    constants = [
        numpy_helper.from_array(np.eye(2, dtype=np.float32) * 3, first),
        numpy_helper.from_array(np.ones(2, np.float32), second),
    ]
    both = [helper.make_node(kind, [f"m{first}", second], [f"{kind}{first}"], kind + first) for kind in ("Add", "Sub")]
    nodes = [
        helper.make_node("MatMul", ["x", first], [f"m{first}"]),
        *(both[::-1] if swapped else both),
        helper.make_node("Mul", [f"Add{first}", f"Sub{first}"], ["y"]),
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [f"unk_{first}", 2]) for name in "xy"]
    said = f"converted from inference_{first}"
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], constants[::-1] if swapped else constants, said)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), path)
    return path


@pytest.mark.parametrize("swapped", [False, True])
def test_a_network_is_named_by_the_order_of_its_use(tmp_path, swapped):
    """However the converter named and ordered nodes, constants and free dimensions, and whatever it says of its source,
    the bytes are the same, and so is what the network says."""
    file = onnx_file(tmp_path / "one.onnx", "dense/shape__38", "flat/shape__39", swapped=swapped)
    other = onnx_file(tmp_path / "other.onnx", "dense/shape__39", "flat/shape__38", swapped=not swapped)
    for path in (file, other):
        same_bytes.of_onnx(path)
    assert file.read_bytes() == other.read_bytes()
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    assert session.run(None, {"x": np.ones((1, 2), np.float32)})[0].tolist() == [[8.0, 8.0]]
