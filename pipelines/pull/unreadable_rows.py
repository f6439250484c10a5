"""Rows of listing, prices and trades that could not be read, beside the quarantine of the landing zone.

    var/landing/quarantine/venue.jsonl    as_of_s, route, about, reason, text: the rows of the last run that had some

The venue is asked again by every run, so a row that a later version can read comes back by itself.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from pipelines.core.artifacts import write_bytes
from pipelines.core.errors import DataError
from pipelines.venue.odd_rows import OddRow

FILE: Final = "quarantine/venue.jsonl"
FEW: Final = 20
"""So many rows that cannot be read stop nothing, whatever their share."""


def write(landing: Path, rows: Sequence[OddRow], as_of_s: int) -> None:
    """Replace the file whole; without rows it stays as it is."""
    if not rows:
        return
    lines = [json.dumps({"as_of_s": as_of_s, **asdict(one)}, ensure_ascii=False) for one in rows]
    (landing / FILE).parent.mkdir(parents=True, exist_ok=True)
    write_bytes(landing / FILE, ("\n".join(lines) + "\n").encode())


def require_few(what: str, odd: Sequence[OddRow], unreadable: int, read: int, most_share: float, landing: Path) -> None:
    """Stop where so many rows cannot be read that the venue has changed their form.

    Raises:
        DataError: with the counts, the first reason and where the rows are.
    """
    if unreadable <= max(FEW, most_share * read):
        return
    first = next((f"; the first: {one.about}: {one.reason}" for one in odd), "")
    raise DataError(
        f"{unreadable:,} of {read:,} rows of the venue's {what} cannot be read, {most_share:.0%} are allowed"
        f" (validate.max_quarantined_share){first}. The venue may have changed their form: the rows are in"
        f" {landing / FILE}"
    )
