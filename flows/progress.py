"""What a person sees while flows run: a line when a step begins, its own lines beneath, the seconds when it ends."""

import re
import sys

_NOISE = re.compile(
    r"^(> |Running stage|Updating lock file|Stage '.*' didn't change|Use `dvc push`|To track the changes|\s*git add|"
    r"Data and pipelines are up to date|To enable auto staging|\s*dvc config core\.autostage|WARNING: All log|"
    r"I0000|W0000|E0000|\s*$)"
)


def begin(step: str) -> None:
    """Announce a step."""
    _print(f"  ▸ {step}")


def detail(step: str, line: str) -> None:
    """One line of a step's own output; the noise of tools is left to the log."""
    if not _NOISE.match(line):
        _print(f"      {line}"[:160])
    elif line.startswith("Stage '") and "didn't change" in line:
        _print(f"      {step} is up to date, reused")


def end(step: str, seconds: float) -> None:
    """The step is done."""
    _print(f"    {step} took {seconds:.1f} s")


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
