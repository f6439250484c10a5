"""Training state of an agent, so that a training that was killed or told to stop goes on where it was."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipelines.agent.judge import KeepBest
from pipelines.agent.mean_weights import MeanWeights
from pipelines.agent.plain_state import is_plain, packed, unpacked
from pipelines.agent.vector import MarketVecEnv
from pipelines.core.artifacts import write_bytes
from pipelines.core.errors import DataError
from pipelines.core.interruption import prune_checkpoints


@dataclass(frozen=True)
class Checkpoint:
    """One file, replaced by rename; its name carries the hash of everything that decides the training.

    It holds the parameters, the optimizers and the counters of the learner, its replay buffer, the environment, the
    judge and the random states, as arrays and JSON: a training that went on gives the very weights of one that was
    never stopped, and a file that comes from another machine cannot run code here.
    """

    path: Path

    @classmethod
    def of(cls, folder: Path, key: str) -> "Checkpoint":
        """The checkpoint of a training with this key; those that nobody came back to for a week are removed."""
        path = folder / f"{key}.npz"
        prune_checkpoints(folder, path)
        return cls(path)

    def save(self, learner: Any, env: MarketVecEnv, judge: KeepBest, mean: MeanWeights) -> None:
        """Keep everything that the next update depends on."""
        buffer = getattr(learner, "replay_buffer", None)
        state = {
            "learner": _learner_state(learner),
            "buffer": None if buffer is None else _buffer_state(buffer),
            "env": env.snapshot(),
            "judge": judge.snapshot(),
            "mean": mean.snapshot(),
            "actions": learner.action_space.np_random.bit_generator.state,
            "numpy": np.random.get_state(),
            "torch": torch.get_rng_state(),
        }
        write_bytes(self.path, packed(state))

    def restore(
        self, untrained: Callable[[], Any], env: MarketVecEnv, judge: KeepBest, mean: MeanWeights
    ) -> Any | None:
        """A fresh learner with what was kept, and environment, judge, mean weights and random states put back; None
        without a file.

        Raises:
            DataError: if the file is not the state of such a training.
        """
        if not self.path.is_file():
            return None
        state = unpacked(self.path.read_bytes())
        learner = untrained()
        try:
            _restore_learner(learner, state["learner"])
            if state["buffer"] is not None:
                _restore_buffer(learner.replay_buffer, state["buffer"])
            env.restore(state["env"])
            judge.restore(state["judge"])
            mean.restore(state["mean"])
            learner.action_space.np_random.bit_generator.state = state["actions"]
            np.random.set_state(state["numpy"])
            torch.set_rng_state(state["torch"])
        except (KeyError, ValueError, TypeError, AttributeError, RuntimeError) as error:
            raise DataError(
                f"{self.path} is the state of another training ({error!r}); delete it to begin this one anew"
            ) from error
        return learner

    def clear(self) -> None:
        """Forget: the training is finished and its product is written."""
        self.path.unlink(missing_ok=True)


def _learner_state(learner: Any) -> dict[str, Any]:
    """What SB3 would save of a learner, without what its parameters decide: they are the same in a fresh one."""
    _, variables = learner._get_torch_save_params()
    left_out = {*learner._excluded_save_params(), *variables}
    plain = {name: value for name, value in vars(learner).items() if name not in left_out and is_plain(value)}
    return {
        "plain": plain,
        "parameters": learner.get_parameters(),
        "variables": {name: getattr(learner, name).data for name in variables},
    }


def _restore_learner(learner: Any, state: dict[str, Any]) -> None:
    learner.set_parameters(state["parameters"], exact_match=True, device="cpu")
    for name, value in state["variables"].items():
        getattr(learner, name).data.copy_(value)
    unknown = state["plain"].keys() - vars(learner).keys()
    if unknown:
        raise KeyError(f"no such attributes: {sorted(unknown)}")
    vars(learner).update(state["plain"])


def _buffer_state(buffer: Any) -> dict[str, Any]:
    """The rows of a replay buffer that were written, and where the next one goes."""
    written = buffer.buffer_size if buffer.full else buffer.pos
    arrays = {name: value[:written] for name, value in vars(buffer).items() if isinstance(value, np.ndarray)}
    return {"pos": buffer.pos, "full": buffer.full, "rows": arrays}


def _restore_buffer(buffer: Any, state: dict[str, Any]) -> None:
    for name, rows in state["rows"].items():
        getattr(buffer, name)[: len(rows)] = rows
    buffer.pos, buffer.full = state["pos"], state["full"]
