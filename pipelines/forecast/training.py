"""Training of one network: windows drawn at random from the fit slice, one-cycle Adam, a checkpoint per epoch."""

import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FrameType
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from pipelines.core import log
from pipelines.core.domain import FloatArray
from pipelines.core.params import ForecastParams
from pipelines.forecast.checkpoint import Checkpoint
from pipelines.forecast.losses import MeanAndQuantiles, OneCycle
from pipelines.forecast.networks import build
from pipelines.forecast.windows import IntArray, drawn

Batch = tuple[NDArray[np.float32], NDArray[np.float32]]

STOPPED_STATUS = 75
"""Exit status of a training that was told to stop and can be resumed (EX_TEMPFAIL)."""

REPORT_S = 2.0


@dataclass(frozen=True)
class Lesson:
    """What a network learns from: eligible positions, and a function from positions to (input, scaled target)."""

    positions: IntArray
    batch: Callable[[IntArray], Batch]
    inputs: int


def train(lesson: Lesson, params: ForecastParams, strategy: Any, checkpoint: Checkpoint) -> Any:
    """The trained network.

    A SIGTERM ends the process with status 75 after the step in hand; the next call goes on from the last epoch.
    """
    keras.utils.set_random_seed(params.seed)
    steps = -(-params.windows // params.batch_size)
    with strategy.scope():
        model = build(params.kind, params.lookback_bars, lesson.inputs, params.horizon_bars, params.dropout)
        optimizer = keras.optimizers.Adam(OneCycle(params.learning_rate, steps * params.epochs), global_clipnorm=1.0)
        loss = MeanAndQuantiles(_clip(lesson, params.seed), params.mean_weight)
        model.compile(optimizer=optimizer, loss=loss, jit_compile=False)
        optimizer.build(model.trainable_variables)
    progress = _Progress(params, steps, checkpoint)
    with progress.listening():
        for epoch in range(checkpoint.restore(model), params.epochs):
            progress.epoch = epoch
            model.fit(
                _epoch(lesson, params, epoch), steps_per_epoch=steps, verbose=0, shuffle=False, callbacks=[progress]
            )
            checkpoint.save(model, epoch + 1)
    return model


def _clip(lesson: Lesson, seed: int) -> list[float]:
    sample = lesson.batch(drawn(lesson.positions, min(len(lesson.positions), 10_000), (seed, 1)))[1]
    return [max(float(bound), 1e-3) for bound in np.quantile(np.abs(sample), 0.998, axis=0)]


def _epoch(lesson: Lesson, params: ForecastParams, epoch: int) -> Any:
    """Batches of one epoch; the draw depends on seed and epoch alone, so a resumed training sees the same windows."""
    steps = -(-params.windows // params.batch_size)
    order = drawn(lesson.positions, steps * params.batch_size, (params.seed, 2, epoch))

    def batches() -> Iterator[Batch]:
        for step in range(steps):
            yield lesson.batch(order[step * params.batch_size : (step + 1) * params.batch_size])

    shapes = (
        tf.TensorSpec((params.batch_size, params.lookback_bars, lesson.inputs), tf.float32),
        tf.TensorSpec((params.batch_size, params.horizon_bars), tf.float32),
    )
    data = tf.data.Dataset.from_generator(batches, output_signature=shapes).prefetch(2)
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return data.with_options(options)


class _Progress(keras.callbacks.Callback):  # type: ignore[misc]
    """Says every two seconds how far the training is, and ends it between two steps when asked to."""

    def __init__(self, params: ForecastParams, steps: int, checkpoint: Checkpoint) -> None:
        super().__init__()
        self.settings, self.steps, self.checkpoint = params, steps, checkpoint
        self.epoch = 0
        self.stop = False
        self._told = time.monotonic()
        self._since: tuple[float, int] | None = None

    def listening(self) -> "_Termination":
        """While this is entered, SIGTERM is a request to stop."""
        return _Termination(self)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Report, or stop."""
        if self.stop:
            log.get("forecast").warning("stopped", epochs_kept=self.epoch, resume="run the same command again")
            sys.exit(STOPPED_STATUS)
        now = time.monotonic()
        done = self.epoch * self.steps + batch + 1
        self._since = self._since or (now, done)
        if now - self._told >= REPORT_S:
            self._told = now
            rate = (done - self._since[1]) * self.settings.batch_size / max(now - self._since[0], 1e-9)
            log.get("forecast").info(
                "training",
                kind=self.settings.kind,
                step=f"{done}/{self.steps * self.settings.epochs}",
                loss=round(float(logs["loss"]), 4),
                windows_per_s=round(rate),
            )


class _Termination:
    def __init__(self, progress: _Progress) -> None:
        self._progress = progress
        self._before: Any = None

    def __enter__(self) -> None:
        self._before = signal.signal(signal.SIGTERM, self._ask)

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGTERM, self._before)

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self._progress.stop = True


def scaled_target(moves: FloatArray, volatility: FloatArray) -> NDArray[np.float32]:
    """Change of log-odds over volatility x sqrt(h): moves (n, H), volatility (n,) -> (n, H)."""
    steps = np.sqrt(np.arange(1, moves.shape[1] + 1))
    return (moves / (volatility[:, None] * steps)).astype(np.float32)
