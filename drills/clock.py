"""The virtual clock. While it is installed, every function of `time` reads it, also in libraries."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

EPOCH_S = 1_767_225_600.0
"""Wall time at which every world begins: 2026-01-01T00:00Z."""

NAMES = ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "sleep")

REAL = {name: getattr(time, name) for name in NAMES}
"""The machine's own functions, for what measures a drill."""


class Clock:
    """Seconds since the world began. It moves when the event loop has nothing left to do before the next timer."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pause: Callable[[float], None] = self.move
        """What `time.sleep` does."""

    def move(self, seconds: float) -> None:
        """Let time pass."""
        self.now += max(0.0, seconds)

    @property
    def wall_s(self) -> float:
        """Unix seconds."""
        return EPOCH_S + self.now


def _pausing(clock: Clock) -> Callable[[float], None]:
    """`time.sleep`, which calls what `clock.pause` is at that moment."""

    def sleep(seconds: float) -> None:
        clock.pause(seconds)

    return sleep


@contextmanager
def installed(clock: Clock) -> Iterator[None]:
    """Make the functions of `time` read a clock. Code that imported such a function before still reads the machine's
    clock.

    `time_ns` never gives the same number twice, because the journal orders its bookings by it.
    """
    last = 0

    def time_ns() -> int:
        nonlocal last
        last = max(last + 1, int(clock.wall_s * 1e9))
        return last

    readers: dict[str, Callable[..., Any]] = {
        "time": lambda: clock.wall_s,
        "time_ns": time_ns,
        "monotonic": lambda: clock.now,
        "monotonic_ns": lambda: int(clock.now * 1e9),
        "perf_counter": lambda: clock.now,
        "perf_counter_ns": lambda: int(clock.now * 1e9),
        "sleep": _pausing(clock),
    }
    before = {name: getattr(time, name) for name in NAMES}
    for name, reader in readers.items():
        setattr(time, name, reader)
    try:
        yield
    finally:
        for name, reader in before.items():
            setattr(time, name, reader)
