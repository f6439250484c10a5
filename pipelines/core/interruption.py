"""Work that may be told to stop: SIGTERM as a request, and the checkpoints of what was stopped."""

import shutil
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

CHECKPOINT_KEPT_S = 7 * 86_400
"""Wall seconds after which a checkpoint that nobody came back to is removed."""


class StopRequest:
    """Whether this process was told to stop (a machine that is taken away, a shutdown)."""

    def __init__(self) -> None:
        self.seen = False

    def remember(self, _number: int, _frame: FrameType | None) -> None:
        """The signal's handler."""
        self.seen = True


@contextmanager
def on_sigterm() -> Iterator[StopRequest]:
    """Within the block a SIGTERM is remembered instead of ending the process: in the main thread, which alone hears
    signals; a worker of a scheduler works in another."""
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = signal.signal(signal.SIGTERM, request.remember)
    try:
        yield request
    finally:
        signal.signal(signal.SIGTERM, before)


def prune_checkpoints(folder: Path, current: Path) -> None:
    """Remove what nobody came back to for a week, files and folders; `current` stays whatever its age."""
    for other in folder.glob("*"):
        if other == current or other.stat().st_mtime >= time.time() - CHECKPOINT_KEPT_S:
            continue
        if other.is_dir():
            shutil.rmtree(other)
        else:
            other.unlink()
