"""What `test_model_start` runs in a process of its own: `start_script.py FOLDER PARAMS`."""

import os
import sys
from pathlib import Path

import numpy as np
from forecaster_script import observation, reverting_rows, small

from pipelines.core.params import read
from pipelines.forecast import candidate, devices, training
from pipelines.inference.start_point import WEIGHTS, StartPoint

os.chdir(sys.argv[1])
params = small(read(Path(sys.argv[2])), kind="mlp", filter=False, windows=512, epochs=1, replicas=1)
rows = reverting_rows()
firsts: list[float] = []
after = training._Progress.after


def noted(self, epoch, number, loss):
    """Keep the loss of the first step."""
    if (epoch, number) == (0, 0):
        firsts.append(loss)
    after(self, epoch, number, loss)


training._Progress.after = noted


def made(name, start=None, **changes):
    """Report and weights of one training."""
    chosen = params.model_copy(update={"forecast": params.forecast.model_copy(update=changes)})
    folder = Path(name)
    report = candidate.make(rows, chosen, folder, name, observation(rows), start=start)
    return report, dict(np.load(folder / WEIGHTS))


def same(one, other):
    """Whether two sets of weights are equal to the bit."""
    return one.keys() == other.keys() and all(one[name].tobytes() == other[name].tobytes() for name in one)


report, scratch = made("scratch")
assert (report["warm_start"], report["precision"]) == (None, "float32")
assert report["device"].startswith(("CPU", "GPU")) and report["windows_per_s"] > 0.0
weights = [scratch[f"v{k}"] for k in range(len(scratch))]
report, warm = made("warm", StartPoint("c" * 64, None, weights, None))
assert report["warm_start"] == "c" * 64
assert not same(scratch, warm)
assert firsts[1] < firsts[0], firsts
print("begins from the champion")
_, other = made("other", StartPoint("c" * 64, None, weights[:-1], None))
assert same(scratch, other)
print("another form begins from scratch")
report, wanted = made("wanted", mixed_precision=True)
assert report["precision"] == "float32"
assert same(scratch, wanted)
print("a CPU computes the same bytes")
devices.tensor_cores = lambda: True
report, mixed = made("mixed", mixed_precision=True)
assert report["precision"] == "mixed_float16"
assert {value.dtype for value in mixed.values()} == {np.dtype(np.float32)}
assert not same(scratch, mixed)
assert max(np.abs(mixed[name] - scratch[name]).max() for name in mixed) < 0.05
assert report["onnx_parity"] < 1e-5
print("mixed precision trains")
