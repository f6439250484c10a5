"""Every measured attempt, pass or fail, as one line of var/trials.jsonl: what selection bias is computed from."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipelines.core.artifacts import append_lines, read_json
from pipelines.core.products import WINDOW

TRIALS = Path("var/trials.jsonl")


def append(stage: str, settings: Mapping[str, Any], measured: Mapping[str, Any], path: Path = TRIALS) -> None:
    """Append one line, with the market time at which the data of the present window ends."""
    end_s = read_json(WINDOW).get("as_of_s") if WINDOW.is_file() else None
    row = {"stage": stage, "wall_s": round(time.time(), 3), "data_end_s": end_s}
    row |= {"settings": dict(settings), "measured": dict(measured)}
    append_lines(path, json.dumps(row, sort_keys=True) + "\n")
