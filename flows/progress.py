"""What a person sees while flows run: a line when a step begins, its own lines beneath, the seconds when it ends."""

import json
import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_NOISE = re.compile(
    r"^(> |Running stage|Updating lock file|Generating lock file|Use `dvc push`|To track the changes|\s*git add|"
    r"Data and pipelines are up to date|To enable auto staging|\s*dvc config core\.autostage|WARNING: All log|"
    r"[IWE]0000 |.*FutureWarning|  if not hasattr|\s*$)"
)
_SILENCE_S = 2.0
_REPEAT_S = 10.0
_UNCHANGED = re.compile(r"^Stage '.*' didn't change")
_HIDDEN = {"part", "event", "level", "timestamp"}


def begin(step: str) -> None:
    """Announce a step."""
    _print(f"  ▸ {step}")


def detail(step: str, line: str) -> None:
    """One line of a step's own output; the noise of tools is left to the log."""
    if _UNCHANGED.match(line):
        _print(f"      {step} is up to date, reused")
    elif not _NOISE.match(line):
        _print(f"      {readable(line)}"[:170])


def end(step: str, seconds: float) -> None:
    """The step is done."""
    _print(f"    {step} took {seconds:.1f} s")


def readable(line: str) -> str:
    """A JSON log line as words, `event · name value · ...`; any other line as it is."""
    try:
        record = json.loads(line)
    except ValueError:
        return line
    if not isinstance(record, dict) or "event" not in record:
        return line
    values = [f"{name} {_short(value)}" for name, value in record.items() if name not in _HIDDEN]
    return " · ".join([str(record["event"]), *values])


def _short(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_short(inner)}" for name, inner in value.items())
    return str(value)


@contextmanager
def alive(step: str) -> Iterator[None]:
    """While this is entered, a silence of two seconds is filled: on a terminal a line that counts, else one now and
    then."""
    done = threading.Event()
    thread = threading.Thread(target=_count, args=(step, done), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _count(step: str, done: threading.Event) -> None:
    started = time.monotonic()
    on_terminal = sys.stdout.isatty()
    told = started
    while not done.wait(0.5):
        now = time.monotonic()
        silent = now - max(_last_line[0], told if not on_terminal else started)
        if silent < (_SILENCE_S if on_terminal else _REPEAT_S):
            continue
        told = now
        text = f"      … {step}, {now - started:.0f} s so far"
        sys.stdout.write(f"\r{text}\x1b[K\r" if on_terminal else f"{text}\n")
        sys.stdout.flush()


_last_line = [0.0]
"""When the last line was printed, monotonic seconds."""


def _print(text: str) -> None:
    _last_line[0] = time.monotonic()
    if sys.stdout.isatty():
        text = f"\x1b[K{text}"
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
