"""Rows of the venue that could not be used: counted by reason, and kept as they came, so that a person can look."""

from collections import Counter
from dataclasses import dataclass
from typing import Final

MOST: Final = 10_000
"""Rows of a reading that are kept; all are counted."""
MOST_CHARACTERS: Final = 4_000


@dataclass(frozen=True, slots=True)
class OddRow:
    """A row as it came: where from, what it is about, why it was left out, and its text."""

    route: str
    about: str
    reason: str
    text: str


class OddRows(Counter[str]):
    """Counts by reason, as a counter; the rows themselves, and how many rows were read in all."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[OddRow] = []
        self.read = 0

    def keep(self, route: str, about: str, reason: str, raw: bytes | str) -> None:
        """Keep a row that was counted; a text of more than MOST_CHARACTERS is cut."""
        if len(self.rows) < MOST:
            text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw
            self.rows.append(OddRow(route, about, reason, text[:MOST_CHARACTERS]))
