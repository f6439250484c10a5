"""The queue of one receiver, and when its messages are due: levels, quiet hours, digest. Pure: callers pass the
time."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from pipelines.core.sections import MessagesParams
from pipelines.messages.message import Level, Message

MOST_WAITING: Final = 500
"""Most messages that wait for one receiver. Beyond it the oldest of the lowest rank are dropped and counted."""

MOST_LINES: Final = 30
"""Most messages that one notification contains in full; it gives the number of the others."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Rules for the time of sending."""

    digest: timedelta
    quiet: tuple[time, time] | None
    zone: ZoneInfo

    @classmethod
    def of(cls, params: MessagesParams) -> "Timing":
        """The timing that params.yaml asks for."""
        quiet = None
        if params.quiet_hours:
            first, _, last = params.quiet_hours.partition("-")
            quiet = (time.fromisoformat(first), time.fromisoformat(last))
        return cls(timedelta(minutes=params.digest_min), quiet, ZoneInfo(params.timezone))

    def is_quiet(self, now: datetime) -> bool:
        """Whether a moment lies in the quiet hours, which may span midnight."""
        if self.quiet is None:
            return False
        (first, last), at = self.quiet, now.astimezone(self.zone).time()
        return first <= at < last if first <= last else at >= first or at < last


class Outbox:
    """Messages for one receiver that takes `least` and above, oldest first."""

    def __init__(self, timing: Timing, least: Level) -> None:
        self._timing = timing
        self._least = least
        self._waiting: deque[Message] = deque()
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, message: Message) -> bool:
        """Queue a message. Returns whether it is urgent enough for this receiver."""
        if message.level < self._least:
            return False
        self._waiting.append(message)
        if len(self._waiting) > MOST_WAITING:
            self._waiting.remove(min(self._waiting, key=lambda one: (one.rank, one.at)))
            self.dropped += 1
        return True

    def take(self, now: datetime, *, everything: bool = False) -> list[Message]:
        """Remove and return the messages that are due now, for one notification. `everything` is for the end of the
        process."""
        if everything:
            due = list(self._waiting)
        else:
            due = [one for one in self._waiting if self._is_due(one, now)]
            if any(one.level is Level.INFO for one in due):
                due = [one for one in self._waiting if one in due or one.level is Level.INFO]
        for one in due:
            self._waiting.remove(one)
        return due

    def _is_due(self, message: Message, now: datetime) -> bool:
        if message.level is Level.CRITICAL:
            return True
        if self._timing.is_quiet(now):
            return False
        return message.level is Level.WARNING or now - message.at >= self._timing.digest


def notification(messages: Sequence[Message]) -> tuple[str, str]:
    """Title and text of one notification."""
    if len(messages) == 1:
        title = f"oddsmith: {messages[0].kind}"
    else:
        urgent = sum(one.level is not Level.INFO for one in messages)
        title = f"oddsmith: {len(messages)} messages" + (f", {urgent} urgent" if urgent else "")
    shown = sorted(messages, key=lambda one: (one.rank, -one.at.timestamp()), reverse=True)[:MOST_LINES]
    lines = [one.line() for one in sorted(shown, key=lambda one: one.at)]
    more = len(messages) - len(shown)
    return title, "\n".join([*lines, *([f"and {more} more"] if more else [])])
