"""A message to a person: its kind, level, text, and the page that it links to."""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Final


class Level(IntEnum):
    """How urgent a message is."""

    INFO = 1
    """It waits for the digest."""
    WARNING = 2
    """It is sent at once, except in the quiet hours."""
    CRITICAL = 3
    """It is sent at once, also in the quiet hours."""


class Kind(StrEnum):
    """What happened."""

    START = "start"
    STOP = "stop"
    FILL = "fill"
    EXIT = "stop loss"
    SETTLED = "settled"
    LIMIT = "limit reached"
    KILL = "kill switch"
    LEDGER = "ledger difference"
    TROUBLE = "trouble"
    NOTICE = "notice"
    MODEL = "model"
    VERDICT = "gate verdict"
    PROMOTION = "promotion"
    ROLLBACK = "rollback"
    NIGHT = "night"
    NIGHT_FAILED = "night failed"
    NIGHT_MISSING = "night missing"
    DRIFT = "drift"
    DEATH = "no sign of life"
    CHANGE = "change by a person"
    TEST = "test"


LEVELS: Final[dict[Kind, Level]] = {
    Kind.START: Level.INFO,
    Kind.STOP: Level.INFO,
    Kind.FILL: Level.INFO,
    Kind.EXIT: Level.WARNING,
    Kind.SETTLED: Level.INFO,
    Kind.LIMIT: Level.WARNING,
    Kind.KILL: Level.CRITICAL,
    Kind.LEDGER: Level.CRITICAL,
    Kind.TROUBLE: Level.WARNING,
    Kind.NOTICE: Level.INFO,
    Kind.MODEL: Level.INFO,
    Kind.VERDICT: Level.INFO,
    Kind.PROMOTION: Level.INFO,
    Kind.ROLLBACK: Level.WARNING,
    Kind.NIGHT: Level.INFO,
    Kind.NIGHT_FAILED: Level.CRITICAL,
    Kind.NIGHT_MISSING: Level.CRITICAL,
    Kind.DRIFT: Level.WARNING,
    Kind.DEATH: Level.CRITICAL,
    Kind.CHANGE: Level.WARNING,
    Kind.TEST: Level.CRITICAL,
}

PER_TRADE: Final = frozenset({Kind.FILL, Kind.EXIT, Kind.SETTLED})
"""Kinds that come once per trade. Where there is no room for all messages of a level, these are left out first."""

LONGEST: Final = 900
"""Most characters of one message; a longer text is cut and ends with a note. With time, kind and link it stays within
the 1,024 that PagerDuty takes."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message. `link` is a whole URL, or empty; `times` is how often the event happened that this message
    reports."""

    kind: Kind
    text: str
    at: datetime
    link: str = ""
    times: int = 1

    @property
    def level(self) -> Level:
        """How urgent it is."""
        return LEVELS[self.kind]

    @property
    def rank(self) -> tuple[Level, bool]:
        """What it comes before where there is no room for all: the level, then whether it comes only once."""
        return self.level, self.kind not in PER_TRADE

    def line(self) -> str:
        """The message with its time, as a line (or two, with the link)."""
        words = self.text if len(self.text) <= LONGEST else self.text[:LONGEST] + " ... (cut)"
        again = f" ({self.times} times)" if self.times > 1 else ""
        link = f"\n{self.link}" if self.link else ""
        return f"{self.at:%H:%M} {self.kind}: {words}{again}{link}"
