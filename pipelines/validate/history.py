"""Figures of this pull against those of the last nights: what moved far is a warning, and stops nothing."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np

from pipelines.core.artifacts import append_lines

FILE: Final = "validation.jsonl"
"""In var: the figures of every pull that was validated."""
NIGHTS: Final = 28
"""Pulls that a figure is compared with."""
FEWEST: Final = 5
"""Fewer earlier pulls are no yardstick."""
LEAST_SHARE: Final = 0.01
"""A deviation is at least this share of the median: figures that hardly vary would warn at every step."""


def earlier(path: Path, source: str) -> list[dict[str, float]]:
    """Figures of the last pulls of a source, oldest first; lines that a crash cut off are left out."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    found = []
    for line in lines:
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and row.get("source") == source:
            found.append({name: float(value) for name, value in row["figures"].items()})
    return found[-NIGHTS:]


def warnings(now: Mapping[str, float], before: list[dict[str, float]], limit: float) -> list[str]:
    """A sentence for each figure that lies further than `limit` median absolute deviations from its median."""
    said = []
    for name, value in now.items():
        known = np.array([row[name] for row in before if name in row])
        if len(known) < FEWEST:
            continue
        middle = float(np.median(known))
        spread = max(float(np.median(np.abs(known - middle))), LEAST_SHARE * abs(middle), 1e-9)
        if abs(value - middle) > limit * spread:
            said.append(
                f"{name} is {value:g}; the last {len(known)} pulls had {middle:g} "
                f"({abs(value - middle) / spread:.0f} deviations, {limit:g} are usual)"
            )
    return said


def append(path: Path, source: str, as_of_s: int, figures: Mapping[str, float]) -> None:
    """Keep the figures of a pull; the same pull again changes nothing."""
    line = json.dumps({"source": source, "as_of_s": as_of_s, "figures": dict(figures)}, sort_keys=True) + "\n"
    if path.is_file() and line in path.read_text(encoding="utf-8", errors="replace"):
        return
    append_lines(path, line)
