"""External probabilities of markets that the venue lists: a CSV file that somebody appends to, read by pull and bot.

    market_id,known_s,probability
    0x5f...,1767225600,0.62

`known_s` is the market time (UTC s) from which the probability of YES counts. A last line without its end is read when
it is whole; rows that cannot be read are left out and counted.
"""

import asyncio
import csv
import math
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from pipelines.core.errors import DataError
from pipelines.reference.external import EXTERNAL
from pipelines.reference.prices import Price, Silence

FILE: Final = "external.csv"
"""Name in the landing zone."""
COLUMNS: Final = ("market_id", "known_s", "probability")
LOOK_S: Final = 5.0
"""Wall seconds between two looks whether the file has changed."""


def read(path: Path) -> tuple[list[Price], int]:
    """The probabilities of a file in the order in which they became known, and how many rows were left out; nothing
    where there is no file.

    Raises:
        DataError: if a column is missing or the file cannot be read as text.
    """
    try:
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path} cannot be read as text ({error}); write a CSV file with {', '.join(COLUMNS)}"
        ) from None
    whole = text[: text.rfind("\n") + 1].splitlines()
    if not whole:
        return [], 0
    rows = csv.DictReader(whole)
    if missing := [name for name in COLUMNS if name not in (rows.fieldnames or ())]:
        raise DataError(f"{path} lacks {', '.join(missing)}; its first line has to name {', '.join(COLUMNS)}")
    made = [_price(row) for row in rows]
    found = sorted((one for one in made if one is not None), key=lambda one: one.known_ms)
    return found, len(made) - len(found)


def _price(row: dict[str, str]) -> Price | None:
    try:
        known_s, value = float(row["known_s"]), float(row["probability"])
    except (TypeError, ValueError):
        return None
    if not (row["market_id"] and 0.0 <= value <= 1.0 and math.isfinite(known_s) and 0.0 < known_s < 1e11):
        return None
    at_ms = int(1_000 * known_s)
    return Price(row["market_id"], EXTERNAL, at_ms, at_ms, value)


class StatedFile:
    """A source of what is appended to such a file. `look_s` is the time between two looks."""

    def __init__(self, path: Path, look_s: float = LOOK_S) -> None:
        self._path, self._look_s = path, look_s

    async def prices(self) -> AsyncIterator[Price | Silence]:
        """Every probability once, as it is found; `Silence` with the reason where the file cannot be read."""
        seen, given = (0, 0), set[Price]()
        while True:
            state = await asyncio.to_thread(_state, self._path)
            if state != seen:
                seen = state
                try:
                    found, _ = await asyncio.to_thread(read, self._path)
                except DataError as error:
                    yield Silence(EXTERNAL, str(error))
                    found = []
                fresh = [one for one in found if one not in given]
                given.update(fresh)
                for one in fresh:
                    yield one
            await asyncio.sleep(self._look_s)


def _state(path: Path) -> tuple[int, int]:
    """Time of change and size of a file; zeros where there is none."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size
