"""What a person sees while the stack starts and stops: plain lines that also read well in a log file."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

_REPEAT_S = 5.0


class Screen:
    """Lines on standard output, with the seconds since the start."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, soft_wrap=True)
        self._started = time.monotonic()
        self._last_wait = 0.0

    def say(self, text: str, style: str = "") -> None:
        """A line of its own."""
        self._console.print(text, style=style or None, markup=False)

    def event(self, text: str, style: str = "") -> None:
        """Something happened: the line carries the seconds since the start."""
        self.say(f"[{time.monotonic() - self._started:6.1f} s] {text}", style)

    def waiting(self, name: str, waited_s: float) -> None:
        """Say every few seconds that a part is still starting."""
        if waited_s - self._last_wait >= _REPEAT_S or waited_s < self._last_wait:
            self._last_wait = waited_s
            if waited_s > 1.0:
                self.event(f"… {name} is starting, {waited_s:.0f} s so far", "dim")

    @contextmanager
    def timed(self, name: str, seconds: dict[str, float]) -> Iterator[None]:
        """Record how long a step took."""
        started = time.monotonic()
        try:
            yield
        finally:
            seconds[name] = round(time.monotonic() - started, 1)
