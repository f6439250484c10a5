"""Training state of an agent, so that a training that was killed or told to stop goes on where it was."""

import pickle
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipelines.agent.judge import KeepBest
from pipelines.agent.vector import MarketVecEnv
from pipelines.core.artifacts import replaced_folder
from pipelines.core.interruption import prune_checkpoints

LEARNER, BUFFER, AROUND = "learner.zip", "replay.pkl", "around.pkl"


@dataclass(frozen=True)
class Checkpoint:
    """One folder, replaced by rename; its name carries the hash of everything that decides the training.

    The learner is kept in SB3's own format. With the environment and the random states a training that went
    on gives the very weights of one that was never stopped. The files are pickles: only for one's own machine and
    bucket.
    """

    path: Path

    @classmethod
    def of(cls, folder: Path, key: str) -> "Checkpoint":
        """The checkpoint of a training with this key; those that nobody came back to for a week are removed."""
        prune_checkpoints(folder, folder / key)
        return cls(folder / key)

    def save(self, learner: Any, env: MarketVecEnv, judge: KeepBest) -> None:
        """Keep everything that the next update depends on."""
        around = {
            "torch": torch.get_rng_state(),
            "numpy": np.random.get_state(),
            "actions": learner.action_space,
            "env": env.snapshot(),
            "judge": judge.snapshot(),
        }
        with replaced_folder(self.path) as folder:
            learner.save(folder / LEARNER)
            if getattr(learner, "replay_buffer", None) is not None:
                learner.save_replay_buffer(folder / BUFFER)
            (folder / AROUND).write_bytes(pickle.dumps(around))

    def restore(self, kind: type[Any], env: MarketVecEnv, judge: KeepBest) -> Any | None:
        """The learner as it was kept, with environment, judge and random states put back; None without a checkpoint."""
        if not (self.path / AROUND).is_file():
            return None
        learner = kind.load(self.path / LEARNER, env=env, device="cpu", force_reset=False)
        if (self.path / BUFFER).is_file():
            learner.load_replay_buffer(self.path / BUFFER, truncate_last_traj=False)
        around = pickle.loads((self.path / AROUND).read_bytes())  # noqa: S301 - written by `save` on this machine
        env.restore(around["env"])
        judge.restore(around["judge"])
        learner.action_space = around["actions"]
        torch.set_rng_state(around["torch"])
        np.random.set_state(around["numpy"])
        return learner

    def clear(self) -> None:
        """Forget: the training is finished and its product is written."""
        shutil.rmtree(self.path, ignore_errors=True)
