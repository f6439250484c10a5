"""A training that was stopped goes on: the state that is kept, the signal that asks for it, the exit status."""

import io
import os
import pickle
import signal
import subprocess
import sys
import time
from collections import deque
from pathlib import Path

import numpy as np
import pytest
import torch

from pipelines.agent import training
from pipelines.agent.checkpoint import Checkpoint
from pipelines.agent.plain_state import packed, unpacked
from pipelines.core.errors import DataError, Stopped
from pipelines.core.interruption import CHECKPOINT_KEPT_S

sys.path.insert(0, str(Path(__file__).parents[1] / "replay"))
from test_replay_identity import PARAMS, TABLE, history, scaler


def learned(checkpoint=None, learner="ppo", timesteps=384):
    """Weights and measurements of a small training on four random markets."""
    agent = PARAMS.agent.model_copy(update={"learner": learner, "imitation_epochs": 1})
    params = PARAMS.model_copy(update={"agent": agent})
    rollout = {"n_steps": 16} if learner.startswith("ppo") else {"buffer_size": 400}
    params = params.with_learner(timesteps=timesteps, n_envs=4, batch_size=64, **rollout)
    learner, measured = training.train([history(k) for k in range(4)], params, TABLE, scaler(), 60, checkpoint)
    return learner.policy.state_dict(), measured


@pytest.mark.slow
@pytest.mark.parametrize(
    "learner",
    [
        "ppo_entries",
        "dqn",
        pytest.param("qrdqn", marks=pytest.mark.nightly),
        pytest.param("sac", marks=pytest.mark.nightly),
    ],
)
def test_a_training_that_went_on_ends_where_one_that_was_never_stopped_ends(tmp_path, monkeypatch, learner):
    """Stopped half way by SIGTERM and started again, PPO, DQN, QR-DQN and SAC give the very weights and curve."""
    whole, expected = learned(learner=learner)
    checkpoint = Checkpoint.of(tmp_path, "key")
    judge = training.KeepBest.judge

    def asked_after_half(self, policy, steps, **named):
        judge(self, policy, steps, **named)
        if steps >= 192:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patched:
        patched.setattr(training.KeepBest, "judge", asked_after_half)
        with pytest.raises(Stopped, match="of 384 steps"):
            learned(checkpoint, learner=learner)
    again, measured = learned(checkpoint, learner=learner)
    assert 0 < measured["resumed_at"] < 384
    assert [path.name for path in tmp_path.iterdir()] == ["key.npz"]
    assert measured["held_out_curve"] == expected["held_out_curve"]
    assert all(torch.equal(whole[name], again[name]) for name in whole)
    checkpoint.clear()
    assert not list(tmp_path.iterdir())


def test_without_a_checkpoint_a_signal_is_not_caught():
    """A benchmark that trains without keeping anything dies of SIGTERM like any process."""
    learned(timesteps=128)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_old_checkpoints_go_and_recent_ones_stay(tmp_path):
    """What nobody came back to for a week is removed when another training begins."""
    for name, age in (("old", CHECKPOINT_KEPT_S + 60), ("recent", 60)):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (time.time() - age, time.time() - age))
    Checkpoint.of(tmp_path, "key")
    assert [path.name for path in tmp_path.iterdir()] == ["recent"]


def test_plain_state_comes_back_bit_for_bit():
    """Dicts with numbers as keys, tuples, bounded deques, infinities, large integers, arrays and tensors return."""
    tree = {
        "optimizer": {0: {"step": torch.tensor(3.0), "exp_avg": torch.randn(4, 3)}},
        "groups": [{"betas": (0.9, 0.999), "lr": 0.1 + 0.2, "params": [0]}],
        "seen": deque([{"r": -1.5, "l": 3}], maxlen=100),
        "numpy": np.random.get_state(),
        "generator": np.random.default_rng(1).bit_generator.state,
        "best": float("-inf"),
        "none": None,
        "flags": np.array([True, False]),
    }
    again = unpacked(packed(tree))
    assert torch.equal(again["optimizer"][0]["exp_avg"], tree["optimizer"][0]["exp_avg"])
    assert again["groups"] == tree["groups"]
    assert (again["seen"], again["seen"].maxlen) == (tree["seen"], 100)
    assert (again["generator"], again["best"], again["none"]) == (tree["generator"], float("-inf"), None)
    np.testing.assert_array_equal(again["numpy"][1], tree["numpy"][1])
    assert (again["numpy"][0], again["numpy"][2:]) == (tree["numpy"][0], tree["numpy"][2:])
    assert again["flags"].dtype == np.bool_


class Bomb:
    """What a pickle could do when it is read."""

    def __reduce__(self):
        return os.mkdir, ("ran",)


def _npz(**members):
    content = io.BytesIO()
    np.savez(content, **members)
    return content.getvalue()


def _compressed():
    content = io.BytesIO()
    np.savez_compressed(content, tree=np.zeros(10**6, np.uint8))
    return content.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        pickle.dumps(Bomb()),
        _npz(tree=np.array([Bomb()], dtype=object)),
        _npz(tree=np.frombuffer(b'{"array": "a0"}', np.uint8), a0=np.array([Bomb()], dtype=object)),
        _npz(tree=np.frombuffer(b'{"array": "a0"}', np.uint8)),
        _npz(tree=np.frombuffer(b'{"code": "import os"}', np.uint8)),
        _npz(a0=np.zeros(3)),
        _compressed(),
        packed({"a": 1})[:-30],
        b"",
    ],
    ids=["pickle", "pickled tree", "pickled array", "no array", "other kind", "no tree", "compressed", "cut", "empty"],
)
def test_a_foreign_state_is_refused_and_runs_nothing(tmp_path, monkeypatch, content):
    """A pickle, pickled or compressed members and a broken file are errors that say what to do; nothing is run."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="delete"):
        unpacked(content)
    assert not Path("ran").exists()


STAGE = """
import sys
sys.path.insert(0, {engine!r})
from pathlib import Path
from pipelines import __main__
from pipelines.agent import stage
from pipelines.agent.checkpoint import Checkpoint
from test_agent_checkpoint import learned
stage.run = lambda: learned(Checkpoint(Path("kept.npz")), timesteps=10**5)
sys.exit(__main__.main(["agent"]))
"""


@pytest.mark.slow
def test_the_command_ends_with_75_and_its_state(tmp_path):
    """On SIGTERM the stage says what it kept and ends with the status that means: run me again."""
    here = Path(__file__).parent
    environment = {**os.environ, "PYTHONPATH": f"{os.environ['PYTHONPATH']}:{here}"}
    script = STAGE.format(engine=str(here.parent / "replay"))
    (tmp_path / "params.yaml").write_text(Path("params.yaml").read_text())
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        lines = []
        for line in process.stderr:
            lines.append(line)
            if "held-out events" in line:
                process.terminate()
    assert process.returncode == 75, lines
    assert "the same command goes on" in lines[-1]
    assert (tmp_path / "kept.npz").is_file()
