"""Where TensorFlow trains: every GPU it sees, or logical CPUs of one thread each (faster than threads in an op)."""

from functools import cache
from typing import Any

import tensorflow as tf

FEEDING_THREADS = 2
"""Threads more than one per replica: with fewer, the input pipeline and the replicas wait for each other for ever."""


@cache
def strategy(replicas: int) -> Any:
    """Distribution strategy; the first call must come before anything else touches TensorFlow's devices."""
    if tf.config.list_physical_devices("GPU"):
        return tf.distribute.MirroredStrategy()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(replicas + FEEDING_THREADS)
    if replicas == 1:
        return tf.distribute.get_strategy()
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * replicas)
    return tf.distribute.MirroredStrategy(
        [f"CPU:{i}" for i in range(replicas)], cross_device_ops=tf.distribute.ReductionToOneDevice()
    )
