"""Where TensorFlow trains: every GPU it sees, or logical CPUs of one thread each (faster than threads in an op)."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from pipelines.core import log

FLOAT, MIXED = "float32", "mixed_float16"
TENSOR_CORES = (7, 0)
"""Compute capability from which NVIDIA's GPUs have them (Volta)."""
FEEDING_THREADS = 2
"""Threads more than one per replica: with fewer, the input pipeline and the replicas wait for each other for ever."""


DRIVER = Path("/proc/driver/nvidia/version")
"""Is there where a driver of NVIDIA is loaded."""

_log = log.get("forecast")


def idle_gpu(found: int, driver: Path = DRIVER) -> str:
    """What to do about a GPU that TensorFlow does not use; empty where it uses one, or this machine has none."""
    if found or not driver.exists():
        return ""
    return (
        "this machine has an NVIDIA driver and TensorFlow finds no GPU: run `GPU=1 make install`; training on the CPU"
    )


def precision(*, mixed: bool) -> str:
    """The Keras policy of a training: `mixed_float16` where it is wanted and every GPU has tensor cores, else
    `float32`; a CPU computes float16 more slowly, and less exactly."""
    return MIXED if mixed and tensor_cores() else FLOAT


def tensor_cores() -> bool:
    """Whether TensorFlow trains on GPUs that have tensor cores, all of them."""
    gpus = tf.config.list_physical_devices("GPU")
    found = [tf.config.experimental.get_device_details(gpu).get("compute_capability", (0, 0)) for gpu in gpus]
    return bool(found) and all(capability >= TENSOR_CORES for capability in found)


@contextmanager
def computing(policy: str) -> Iterator[None]:
    """Layers that are made inside compute by a Keras policy; their weights are float32 in each."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


@cache
def strategy(replicas: int) -> Any:
    """Distribution strategy; the first call must come before anything else touches TensorFlow's devices."""
    gpus = tf.config.list_physical_devices("GPU")
    if said := idle_gpu(len(gpus)):
        _log.warning(said)
    if gpus:
        _log.info("training on GPUs", number=len(gpus))
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


def trained_on(replicas: int) -> str:
    """The devices of `strategy`, for the report: the names of the GPUs, or the CPU with its replicas."""
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        names = [tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name) for gpu in gpus]
        return f"GPU: {', '.join(names)}"
    return f"CPU, {replicas} replica{'' if replicas == 1 else 's'}"
