"""Training of one network: windows drawn at random from the fit slice, one-cycle Adam, a checkpoint per epoch."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from pipelines.core import log
from pipelines.core.errors import Stopped
from pipelines.core.interruption import StopRequest, on_sigterm
from pipelines.core.sections import ForecastParams
from pipelines.forecast.checkpoint import Checkpoint
from pipelines.forecast.devices import FLOAT, MIXED, computing, precision
from pipelines.forecast.forecaster import Batch, TrainingData
from pipelines.forecast.losses import MeanAndQuantiles, OneCycle
from pipelines.forecast.networks import Build
from pipelines.forecast.training_windows import at_most, drawn, known_quantile
from pipelines.inference.predictor import batches

REPORT_S = 2.0
CLIP_WINDOWS = 12_000


def train(
    network: Build, data: TrainingData, params: ForecastParams, strategy: Any, checkpoint: Checkpoint
) -> tuple[Any, float | None]:
    """The trained network, and how many windows it learned from in a second of wall time, the first step (in which
    TensorFlow compiles) left out; None where this call had fewer than two steps to do.

    Raises:
        Stopped: after the step in hand, if a SIGTERM came; the next call goes on from the last epoch.
    """
    steps = -(-params.windows // params.batch_size)
    clip = target_clip(data, params.seed)
    loss = MeanAndQuantiles([float(bound) for bound in clip], params.mean_weight)
    mixed = precision(mixed=params.mixed_precision) == MIXED
    with computing(MIXED if mixed else FLOAT), strategy.scope():
        shape = (data.bars, data.inputs, params.horizon_bars)
        model = network(*shape, params.dropout, seed=params.seed)
        begin(model, data)
        optimizer = keras.optimizers.Adam(OneCycle(params.learning_rate, steps * params.epochs), global_clipnorm=1.0)
        model.optimizer = keras.optimizers.LossScaleOptimizer(optimizer) if mixed else optimizer
        model.optimizer.build(model.trainable_variables)
    step = _step(model, loss, strategy, mixed=mixed)
    with on_sigterm() as asked:
        progress = _Progress(params, steps, asked)
        losses = checkpoint.restore(model)
        for epoch in range(len(losses), params.epochs):
            total = 0.0
            for number, batch in enumerate(_epoch(data, params, epoch)):
                made = step(batch)
                progress.after(epoch, number, made)
                total += made
            losses.append(total / steps)
            checkpoint.save(model, losses)
    return model, progress.windows_per_s


def begin(model: Any, data: TrainingData) -> bool:
    """Take the champion's weights where they fit this network; whether they did."""
    own = [weight.shape for weight in model.get_weights()]
    if data.start is None:
        return False
    if own != [weight.shape for weight in data.start]:
        log.get("forecast").warning("the champion's network has another form: this one begins from scratch")
        return False
    model.set_weights(list(data.start))
    return True


def target_clip(data: TrainingData, seed: int) -> Any:
    """The 99.8 % quantile of |target| per horizon, (H,), of windows drawn with a seed: single jumps decide no step."""
    chosen = at_most(data.positions, CLIP_WINDOWS, (seed, 1))
    target = np.concatenate([data.batch(chosen[part])[1] for part in batches(len(chosen), 4_000)])
    return np.maximum(known_quantile(np.abs(target), 0.998), 1e-3)


def _epoch(data: TrainingData, params: ForecastParams, epoch: int) -> Iterator[Batch]:
    """Batches of one epoch, the next one made while one is learned from.

    The draw depends on seed and epoch alone, so a resumed training sees the same windows.
    """
    steps = -(-params.windows // params.batch_size)
    order = drawn(data.positions, steps * params.batch_size, (params.seed, 2, epoch)).reshape(steps, -1)
    with ThreadPoolExecutor(max_workers=1) as pool:
        coming = pool.submit(data.batch, order[0])
        for following in range(1, steps + 1):
            batch = coming.result()
            if following < steps:
                coming = pool.submit(data.batch, order[following])
            yield batch


def _step(model: Any, loss: MeanAndQuantiles, strategy: Any, *, mixed: bool) -> Callable[[Batch], float]:
    """One gradient step on a batch that the replicas share; its mean loss before the step.

    A plain step instead of `fit`: the distributed input pipeline of `fit` stalled for minutes on two threads.
    """
    replicas = strategy.num_replicas_in_sync

    @tf.function(jit_compile=False, reduce_retracing=True)  # type: ignore[untyped-decorator]
    def together(inputs: Any, targets: Any, size: Any) -> Any:
        def alone(x: Any, y: Any) -> Any:
            with tf.GradientTape() as tape:
                value = tf.reduce_sum(loss.call(y, tf.cast(model(x, training=True), tf.float32))) / size
                # float16 loses small gradients: they are multiplied, and `apply` divides them again.
                scaled = model.optimizer.scale_loss(value) if mixed else value
            model.optimizer.apply(tape.gradient(scaled, model.trainable_variables), model.trainable_variables)
            return value

        return strategy.reduce("SUM", strategy.run(alone, args=(inputs, targets)), axis=None)

    def shared(values: NDArray[np.float32]) -> Any:
        parts = [tf.constant(values[i::replicas]) for i in range(replicas)]
        if replicas == 1:
            return parts[0]
        return strategy.experimental_distribute_values_from_function(
            lambda context: parts[context.replica_id_in_sync_group]
        )

    def step(batch: Batch) -> float:
        inputs, targets = batch
        return float(together(shared(inputs), shared(targets), tf.constant(float(len(inputs)))))

    return step


class _Progress:
    """Says every two seconds how far the training is, and ends it between two steps when asked to."""

    def __init__(self, params: ForecastParams, steps: int, asked: StopRequest) -> None:
        self._params, self._steps, self._asked = params, steps, asked
        self._told = time.monotonic()
        self._first: tuple[float, int] | None = None
        self._loss: float | None = None
        self.windows_per_s: float | None = None

    def after(self, epoch: int, number: int, loss: float) -> None:
        """Take note of a step and report.

        Raises:
            Stopped: if the process was told to stop.
        """
        if self._asked.seen:
            kept = f"{epoch} of {self._params.epochs} epochs"
            raise Stopped(f"told to stop; {kept} are kept, the same command goes on")
        self._loss = loss if self._loss is None else 0.95 * self._loss + 0.05 * loss
        now, done = time.monotonic(), epoch * self._steps + number + 1
        self._first = self._first or (now, done)
        if done > self._first[1]:
            learned = (done - self._first[1]) * self._params.batch_size
            self.windows_per_s = round(learned / max(now - self._first[0], 1e-9), 1)
        if now - self._told < REPORT_S:
            return
        self._told = now
        log.get("forecast").info(
            "training",
            kind=self._params.kind,
            step=f"{done}/{self._steps * self._params.epochs}",
            loss=round(self._loss, 4),
            windows_per_s=round(self.windows_per_s or 0.0),
        )
