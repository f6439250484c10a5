"""Every measured attempt, pass or fail, as one line of var/trials.jsonl: what selection bias is computed from."""

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

TRIALS = Path("var/trials.jsonl")


def append(stage: str, settings: Mapping[str, Any], measured: Mapping[str, Any], path: Path = TRIALS) -> None:
    """Append one line; a line is written in one call, so that two processes do not mix theirs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    row = {"stage": stage, "wall_s": round(time.time(), 3), "settings": dict(settings), "measured": dict(measured)}
    line = json.dumps(row, sort_keys=True) + "\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)
