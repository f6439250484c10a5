"""What a person sees while flows run: a line when a step begins, its own lines beneath, the seconds when it ends."""

import json
import re
import sys

_NOISE = re.compile(
    r"^(> |Running stage|Updating lock file|Generating lock file|Use `dvc push`|To track the changes|\s*git add|"
    r"Data and pipelines are up to date|To enable auto staging|\s*dvc config core\.autostage|WARNING: All log|"
    r"[IWE]0000 |\s*$)"
)
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


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
