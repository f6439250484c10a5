"""What a training saw: its curves, for the report, for MLflow and for TensorBoard."""

import time
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.logger import KVWriter, Logger

SHOWN = {
    "rollout/ep_rew_mean": "reward",
    "train/entropy_loss": "entropy",
    "train/value_loss": "value_error",
    "train/critic_loss": "value_error",
    "train/loss": "loss",
    "train/explained_variance": "explained_variance",
    "train/approx_kl": "approx_kl",
    "train/ent_coef": "entropy_weight",
    "train/learning_rate": "learning_rate",
}
"""SB3's names and ours."""
JUDGED = ("held_out/", "exits/")
"""How the judge's figures begin: what a policy earned on held-out events, and why its positions ended."""
MOST = 200
"""Rows of a curve; of a longer one every second is left out."""


class Curves(KVWriter):
    """Keeps what SB3 logs, one row per update: the step, SB3's figures of SHOWN and those of the judge."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []

    def write(self, key_values: dict[str, Any], key_excluded: dict[str, tuple[str, ...]], step: int = 0) -> None:
        """One row."""
        known = {ours: float(key_values[name]) for name, ours in SHOWN.items() if name in key_values}
        if "entropy" in known:
            known["entropy"] = -known["entropy"]
        held_out = {name: float(value) for name, value in key_values.items() if name.startswith(JUDGED)}
        self.rows.append({"step": float(step), **known, **held_out})

    def close(self) -> None:
        """Nothing to release."""

    def thinned(self) -> list[dict[str, float]]:
        """At most MOST rows, those with a judgement among them all."""
        stride = -(-len(self.rows) // MOST)
        judged = [any(name.startswith(JUDGED) for name in row) for row in self.rows]
        return [row for at, row in enumerate(self.rows) if judged[at] or at % stride == 0]


class Events(KVWriter):
    """TensorBoard's event files, written at once; SB3's own writer would load TensorFlow into the process of torch, and
    one with a thread would tell of a full disk in that thread and at the end of the process."""

    def __init__(self, folder: Path) -> None:
        from tensorboardX.event_file_writer import EventsWriter  # noqa: PLC0415 - only where event files are written

        self._writer = EventsWriter(str(folder / "events"))

    def write(self, key_values: dict[str, Any], key_excluded: dict[str, tuple[str, ...]], step: int = 0) -> None:
        """One point of each curve."""
        from tensorboardX.proto.event_pb2 import Event  # noqa: PLC0415
        from tensorboardX.summary import scalar  # noqa: PLC0415

        for name, value in key_values.items():
            if isinstance(value, (int, float, np.number)):
                summary = scalar(name, float(value))
                self._writer.write_event(Event(wall_time=time.time(), step=step, summary=summary))
        self._writer.flush()

    def close(self) -> None:
        """Close the file."""
        self._writer.close()


def logger(curves: Curves, folder: Path | None) -> Logger:
    """A logger that keeps the curves and, where a folder is given, writes TensorBoard's event files there."""
    writers: list[KVWriter] = [curves]
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        writers.append(Events(folder))
    return Logger(None, writers)
