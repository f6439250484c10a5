"""Training state after each epoch, so that a killed training goes on where it was."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.core.artifacts import write_bytes
from pipelines.core.interruption import prune_checkpoints


@dataclass(frozen=True)
class Checkpoint:
    """One file, replaced by rename; its name carries the hash of everything that decides the training."""

    path: Path

    @classmethod
    def of(cls, folder: Path, key: str) -> "Checkpoint":
        """The checkpoint of a training with this key; those that nobody came back to for a week are removed."""
        path = folder / f"{key}.npz"
        prune_checkpoints(folder, path)
        return cls(path)

    def part(self, name: str) -> "Checkpoint":
        """The checkpoint of one of several trainings that make a forecaster; `clear` of the whole forgets it too."""
        return Checkpoint(self.path.with_name(f"{self.path.stem}-{name}.npz"))

    def save(self, model: Any, losses: Sequence[float]) -> None:
        """Keep weights and optimizer state after so many epochs, with the mean training loss of each."""
        arrays: dict[str, Any] = {f"v{i}": np.asarray(variable) for i, variable in enumerate(_variables(model))}
        buffer = io.BytesIO()
        np.savez(buffer, **arrays, losses=np.array(losses, dtype=np.float64))
        write_bytes(self.path, buffer.getvalue())

    def restore(self, model: Any) -> list[float]:
        """Put back what was kept; the mean training loss of each finished epoch, none without a checkpoint (one of an
        older program, which kept no losses, is none)."""
        if not self.path.is_file():
            return []
        with np.load(self.path) as kept:
            if "losses" not in kept:
                return []
            for i, variable in enumerate(_variables(model)):
                variable.assign(kept[f"v{i}"])
            return [float(loss) for loss in kept["losses"]]

    def curve(self) -> list[dict[str, float]]:
        """`step` (epoch, from 1) and `loss` of each finished epoch."""
        if not self.path.is_file():
            return []
        with np.load(self.path) as kept:
            return [{"step": float(number), "loss": float(loss)} for number, loss in enumerate(kept["losses"], 1)]

    def clear(self) -> None:
        """Forget: the training is finished and its product is written."""
        self.path.unlink(missing_ok=True)
        for part in self.path.parent.glob(f"{self.path.stem}-*.npz"):
            part.unlink(missing_ok=True)


def _variables(model: Any) -> list[Any]:
    return [*model.variables, *model.optimizer.variables]
