"""Loss and learning rate of the forecaster."""

import math
from typing import Any

import keras
import tensorflow as tf

from pipelines.forecast.networks import QUANTILES


class MeanAndQuantiles(keras.losses.Loss):  # type: ignore[misc]
    """Squared error of the mean on a clipped target, weighted, plus the pinball loss of the quantiles.

    The mean head carries the skill (half of the bars do not move, so the median is zero); clipping the target at its
    99.8 % quantile per horizon keeps single jumps from deciding a step.
    """

    def __init__(self, clip: list[float], mean_weight: float) -> None:
        super().__init__(name="mean_and_quantiles")
        self.clip = tf.constant(clip, dtype=tf.float32)
        self.weight = mean_weight

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Loss per sample: y_true (n, H) scaled change, NaN where it is missing, y_pred (n, H, 4)."""
        # The move of a market that has ended by then is missing (NaN): no error, and no gradient.
        known = tf.math.is_finite(y_true)
        target = tf.where(known, y_true, 0.0)
        clipped = tf.clip_by_value(target, -self.clip, self.clip)
        squared = tf.reduce_mean(tf.square(tf.where(known, clipped - y_pred[..., 0], 0.0)), axis=-1)
        pinball = [
            tf.reduce_mean(tf.maximum(q * error, (q - 1.0) * error), axis=-1)
            for q, error in ((q, tf.where(known, target - y_pred[..., i + 1], 0.0)) for i, q in enumerate(QUANTILES))
        ]
        return self.weight * squared + tf.add_n(pinball)


class OneCycle(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """Linear rise to the peak in the first quarter of the steps, then a cosine down to a hundredth."""

    def __init__(self, peak: float, steps: int) -> None:
        self.peak = peak
        self.steps = steps

    def __call__(self, step: Any) -> Any:
        """Learning rate at a step."""
        done = tf.cast(step, tf.float32) / float(max(self.steps, 1))
        rise = 0.1 + 0.9 * done / 0.25
        fall = 0.01 + 0.99 * 0.5 * (1.0 + tf.cos(math.pi * tf.clip_by_value((done - 0.25) / 0.75, 0.0, 1.0)))
        return self.peak * tf.where(done < 0.25, rise, fall)
