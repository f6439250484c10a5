"""Reports faults of the feed once a second: silence, missing bars, messages that could not be read."""

import time
from collections import deque

from pipelines.core.errors import VenueError, VenueForbidden
from serving import metrics
from serving.dashboard.status import Status
from serving.market.feed import Feed
from serving.safety.block import Block

SILENT_S = 10.0
"""Wall seconds without a message of the stream after which it is an alarm."""

UNREAD_FOR_S = 60.0
"""Wall seconds for which an unreadable message is shown."""

UNREAD_IS_NORMAL = 1.0
"""Unreadable messages for each followed market within that time up to which they are a notice: their books are fetched
anew, and a person has nothing to do. More of them mean that the venue writes its messages in another way: an alarm."""


class FeedWatch:
    """Turns the state of a feed into alarms and metrics."""

    def __init__(self, feed: Feed, status: Status, block: Block) -> None:
        self._feed = feed
        self._status = status
        self._block = block
        self._counted = (0, 0)
        self._unread: deque[tuple[float, int]] = deque()
        self._last: VenueError | None = None

    def look(self) -> None:
        """Set the alarms of present faults, and clear the others.

        Raises:
            VenueForbidden: if a block of the stream's REST reads has lasted.
        """
        feed, stream = self._feed, self._feed.stream
        metrics.FEED_AGE.set(feed.age_s)
        metrics.BAR_AGE.set(feed.bar_age_s)
        silent, late = feed.age_s > SILENT_S and bool(feed.followed), feed.late
        self._say("feed", silent, f"no market message for {feed.age_s:.0f} s; books come over REST meanwhile")
        self._say(
            "bars", late, f"no bar has closed for {feed.bar_age_s:.0f} s: nothing is decided, stops are not watched"
        )
        self._count()
        self._say_unread()
        self._say("books", stream.rest_error is not None, f"no books over REST: {stream.rest_error}")
        self._look_for_403(stream.rest_error)
        self._block.show()

    def _look_for_403(self, error: VenueError | None) -> None:
        """Count a 403 once: the stream keeps its error until the next read over REST, which may be much later."""
        if error is self._last:
            return
        self._last = error
        if isinstance(error, VenueForbidden) and self._block.seen(error):
            raise error

    def _count(self) -> None:
        unread, now = self._feed.stream.unread, time.monotonic()
        new = unread.messages - self._counted[0]
        metrics.MESSAGES_UNREAD.inc(new)
        metrics.STAMPS_REFUSED.inc(unread.stamps - self._counted[1])
        self._counted = (unread.messages, unread.stamps)
        if new:
            self._unread.append((now, new))
        while self._unread and now - self._unread[0][0] >= UNREAD_FOR_S:
            self._unread.popleft()

    def _say_unread(self) -> None:
        unread, lately = self._feed.stream.unread, sum(new for _, new in self._unread)
        text = f"{unread.messages} messages could not be used ({unread.stamps} for their time), last: {unread.reason}"
        many = lately > max(1.0, UNREAD_IS_NORMAL * len(self._feed.followed))
        self._say("messages", many, f"{lately} messages of the last minute: {text}")
        if lately and not many:
            self._status.notice("messages", f"{text}; their books were fetched anew")
        else:
            self._status.clear_notice("messages")

    def _say(self, kind: str, wrong: bool, text: str) -> None:
        if wrong:
            self._status.alarm(kind, text)
        else:
            self._status.clear_alarm(kind)
