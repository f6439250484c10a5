"""Training state after each epoch, so that a killed training goes on where it was."""

import io
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

    def save(self, model: Any, epoch: int) -> None:
        """Keep weights and optimizer state after `epoch` epochs."""
        arrays: dict[str, Any] = {f"v{i}": np.asarray(variable) for i, variable in enumerate(_variables(model))}
        buffer = io.BytesIO()
        np.savez(buffer, **arrays, epoch=np.array(epoch))
        write_bytes(self.path, buffer.getvalue())

    def restore(self, model: Any) -> int:
        """Put back what was kept; the number of finished epochs, 0 without a checkpoint."""
        if not self.path.is_file():
            return 0
        with np.load(self.path) as kept:
            for i, variable in enumerate(_variables(model)):
                variable.assign(kept[f"v{i}"])
            return int(kept["epoch"])

    def clear(self) -> None:
        """Forget: the training is finished and its product is written."""
        self.path.unlink(missing_ok=True)
        for part in self.path.parent.glob(f"{self.path.stem}-*.npz"):
            part.unlink(missing_ok=True)


def _variables(model: Any) -> list[Any]:
    return [*model.variables, *model.optimizer.variables]
