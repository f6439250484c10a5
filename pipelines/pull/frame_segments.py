"""Lines of the recorder on their way to the disk, in segments of ten minutes.

    var/landing/frames/<start of a segment, wall ms>.jsonl                the segment that is being written
    var/landing/frames/day=YYYY-MM-DD/<start>.jsonl.gz                    closed segments
    var/landing/reference/day=YYYY-MM-DD/<start>.parquet                  their reference prices, as the pull reads them

A line has the time at which it was handed in: writing, bringing to the disk and compressing happen elsewhere, so that
they delay no frame. The first line of a segment names its process and its number in that process (`segments.Continuity`
reads them): a segment of another process does not continue the books of the one before.
"""

import errno
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from io import FileIO
from pathlib import Path
from subprocess import Popen
from typing import Any, Final
from uuid import uuid4

import msgspec

from pipelines.core import log
from pipelines.core.errors import ArtifactError
from pipelines.pull import closing
from pipelines.reference.segments import SEGMENT_S

FLUSH_S: Final = 0.5
"""Lines reach the disk within this time: a process that is killed loses no more."""

_log = log.get("record")


class Segments:
    """Lines into the open segment, and closed segments into their place. `now_ms` is the wall clock; `by_message` says
    that the venue has a clock of its own (the simulator): a price was known at the time that its message says.

    What a killed process left is closed first.

    Raises:
        ArtifactError: by `write`, `flush` and `end`, once the disk takes no more; the segment ends with a whole line.
    """

    def __init__(
        self,
        landing: Path,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        *,
        by_message: bool = False,
    ) -> None:
        self._landing = landing
        self._by_message = by_message
        self._frames = landing / "frames"
        self._frames.mkdir(parents=True, exist_ok=True)
        self._now_ms = now_ms
        self._process, self._number = uuid4().hex, 0
        self._began_ms: int | None = None
        self._last_start_ms = 0
        self._waiting: deque[tuple[int, bytes]] = deque()
        """Start of the segment and line, in the order of arrival."""
        self._disk = threading.Lock()
        self._wake = threading.Event()
        self._writer: threading.Thread | None = None
        self._file: FileIO | None = None
        self._open_ms = self._size = 0
        self._closers: list[Popen[bytes]] = []
        self._failure: ArtifactError | None = None
        self._close_left()

    def write(self, source: str, **content: Any) -> None:
        """Append a line; it reaches the disk within FLUSH_S."""
        if self._failure is not None:
            raise self._failure
        now_ms = self._now_ms()
        row = {"recv_ms": now_ms, "source": source, **content}
        if self._began_ms is None or now_ms - self._began_ms >= SEGMENT_S * 1_000:
            self._began_ms = self._last_start_ms = self._free_start(now_ms)
            self._number += 1
            row |= {"process": self._process, "segment": self._number}
        self._waiting.append((self._began_ms, msgspec.json.encode(row) + b"\n"))
        if self._writer is None:
            self._writer = threading.Thread(target=self._keep_flushing, name="segments", daemon=True)
            self._writer.start()
        if not self._wake.is_set():
            self._wake.set()

    def flush(self) -> None:
        """Bring every line to the disk."""
        with self._disk:
            if self._failure is None:
                try:
                    self._drain()
                except OSError as error:
                    self._failure = self._refusal(error)
        if self._failure is not None:
            raise self._failure

    def end(self) -> None:
        """Close all segments and put them into their place; the next line begins a new one."""
        try:
            self.flush()
        finally:
            with self._disk:
                self._shut()
            self._began_ms = None
        for one in self._closers:
            one.wait()
        self._closers.clear()
        self._close_left()

    def _free_start(self, now_ms: int) -> int:
        """The start of a new segment: a name that no segment has, after those of this process."""
        start_ms = max(now_ms, self._last_start_ms + 1)
        while self._path(start_ms).exists() or next(self._frames.glob(f"day=*/{start_ms}.jsonl.gz"), None):
            start_ms += 1
        return start_ms

    def _path(self, start_ms: int) -> Path:
        return self._frames / f"{start_ms}.jsonl"

    def _keep_flushing(self) -> None:
        while self._failure is None:
            self._wake.wait()
            self._wake.clear()
            try:
                self.flush()
            except ArtifactError as error:
                _log.error("recording stops", error=str(error))
            time.sleep(FLUSH_S)

    def _drain(self) -> None:
        taken: list[bytes] = []
        for _ in range(len(self._waiting)):
            start_ms, line = self._waiting.popleft()
            if self._file is None or start_ms != self._open_ms:
                self._append(b"".join(taken))
                taken.clear()
                self._begin(start_ms)
            taken.append(line)
        self._append(b"".join(taken))

    def _append(self, content: bytes) -> None:
        """Whole lines onto the disk, or nothing of them."""
        if self._file is None or not content:
            return
        try:
            left = memoryview(content)
            while left:
                left = left[self._file.write(left) :]
            os.fsync(self._file.fileno())
            if os.fstat(self._file.fileno()).st_nlink == 0:
                raise OSError(errno.EBUSY, "another recorder that began here has taken it over")
        except OSError:
            self._file.truncate(self._size)
            raise
        self._size += len(content)

    def _begin(self, start_ms: int) -> None:
        self._shut()
        self._file, self._open_ms, self._size = FileIO(self._path(start_ms), "ab"), start_ms, 0
        left = [path for path in sorted(self._frames.glob("*.jsonl")) if path != self._path(start_ms)]
        self._closers = [one for one in self._closers if one.poll() is None]
        if left:
            try:
                self._closers.append(closing.started(left, self._landing, by_message=self._by_message))
            except OSError as error:
                _log.warning("segments stay open until the next one begins", error=str(error))

    def _shut(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _close_left(self) -> None:
        for left in sorted(self._frames.glob("*.jsonl")):
            closing.close(left, self._landing, by_message=self._by_message)

    def _refusal(self, error: OSError) -> ArtifactError:
        return ArtifactError(
            f"could not write {self._path(self._open_ms)}: {error.strerror}; what was recorded before is kept, and the"
            " time until the next start is a gap. Make room, give write access or stop the other recorder, then start"
            " this one again"
        )
