"""Checkpoints of a training."""

import os

import numpy as np

from pipelines.core.interruption import CHECKPOINT_KEPT_S
from pipelines.forecast.checkpoint import Checkpoint


class _Variable:
    def __init__(self, value):
        self.value = np.asarray(value, dtype=np.float32)

    def __array__(self, dtype=None, copy=None):
        return self.value

    def assign(self, value):
        self.value = np.array(value)


class _Model:
    def __init__(self, *values):
        self.variables = [_Variable(value) for value in values]
        self.optimizer = type("Optimizer", (), {"variables": [_Variable(7.0)]})()


def test_what_was_kept_comes_back(tmp_path):
    """Weights and optimizer state return with the loss of each finished epoch; cleared, training starts anew."""
    checkpoint = Checkpoint.of(tmp_path, "key")
    assert checkpoint.restore(_Model([1.0])) == checkpoint.curve() == []
    checkpoint.save(_Model([1.0, 2.0], [[3.0]]), [0.5, 0.25])
    fresh = _Model([0.0, 0.0], [[0.0]])
    fresh.optimizer.variables[0].assign(0.0)
    assert checkpoint.restore(fresh) == [0.5, 0.25]
    assert checkpoint.curve() == [{"step": 1.0, "loss": 0.5}, {"step": 2.0, "loss": 0.25}]
    assert fresh.variables[0].value.tolist() == [1.0, 2.0]
    assert float(fresh.optimizer.variables[0].value) == 7.0
    checkpoint.clear()
    assert checkpoint.restore(fresh) == []


def test_a_checkpoint_of_an_older_program_is_none(tmp_path):
    """A file that kept no losses cannot say how far it was: the training starts anew."""
    np.savez(tmp_path / "key.npz", v0=np.array([1.0]), epoch=np.array(3))
    model = _Model([0.0])
    assert Checkpoint.of(tmp_path, "key").restore(model) == []
    assert model.variables[0].value.tolist() == [0.0]


def test_another_training_has_its_own_and_old_ones_go(tmp_path):
    """The key separates trainings; a checkpoint that nobody came back to for a week is removed."""
    Checkpoint.of(tmp_path, "old").save(_Model([1.0]), [1.0])
    Checkpoint.of(tmp_path, "recent").save(_Model([2.0]), [1.0])
    past = (tmp_path / "old.npz").stat().st_mtime - CHECKPOINT_KEPT_S - 60
    os.utime(tmp_path / "old.npz", (past, past))
    assert Checkpoint.of(tmp_path, "new").restore(_Model([0.0])) == []
    assert sorted(path.name for path in tmp_path.glob("*.npz")) == ["recent.npz"]
