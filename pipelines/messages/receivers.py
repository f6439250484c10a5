"""Receivers: one per address of ODDSMITH_MESSAGES, each with its own thread, so that a slow one delays no other.

An address is a secret (tokens and passwords are part of it). No text of ours, no log line and no metric holds one: a
receiver is known by its number and its scheme, such as `2 tgram`.
"""

import difflib
import logging
import re
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

from pipelines.core import log
from pipelines.core.errors import SettingError
from pipelines.core.sections import MessagesParams
from pipelines.messages.message import Level, Message
from pipelines.messages.outbox import Outbox, Timing, notification

RETRY_AFTER_S: Final = (2.0, 10.0, 60.0)
"""Wall seconds before each new try of a notification that failed; after the last try it is given up."""

LOOK_EVERY_S: Final = 1.0
"""Wall seconds between two checks of the queue."""

PAGE_LENGTH: Final = 1_024
"""Characters of a summary that PagerDuty's Events API v2 takes; it refuses longer ones, and apprise knows no limit."""

_log = log.get("messages")


class Receiver:
    """One address. `put` returns at once; a daemon thread sends.

    `counted` is called with the receiver's name, `sent`, `failed` or `dropped`, and how many messages that were.
    """

    def __init__(
        self,
        name: str,
        target: Any,
        outbox: Outbox,
        counted: Callable[[str, str, int], None],
        retry_after_s: tuple[float, ...] = RETRY_AFTER_S,
    ) -> None:
        self.name = name
        self._target = target
        self._outbox = outbox
        self._counted = counted
        self._retry_after_s = retry_after_s
        self._mutex = threading.Lock()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"messages {name}", daemon=True)
        self._thread.start()

    def put(self, message: Message) -> None:
        """Queue a message; it is sent when it is due."""
        with self._mutex:
            dropped = self._outbox.dropped
            if self._outbox.put(message):
                self._wake.set()
            dropped = self._outbox.dropped - dropped
        if dropped:
            self._counted(self.name, "dropped", dropped)

    def close(self, limit_s: float) -> bool:
        """Send all waiting messages, also in quiet hours. Returns whether that was done within the limit."""
        self._closing.set()
        self._wake.set()
        self._thread.join(limit_s)
        return not self._thread.is_alive()

    def send_now(self, message: Message) -> bool:
        """Send one message once, in the caller's thread. Returns whether the receiver accepted it."""
        return self._attempt([message])

    def _run(self) -> None:
        while True:
            closing = self._closing.is_set()
            with self._mutex:
                batch = self._outbox.take(datetime.now(UTC), everything=closing)
            if batch:
                self._send(batch)
            elif closing:
                return
            else:
                self._wake.wait(LOOK_EVERY_S if len(self._outbox) else None)
                self._wake.clear()

    def _send(self, batch: list[Message]) -> None:
        for wait_s in (*self._retry_after_s, 0.0):
            if self._attempt(batch):
                self._counted(self.name, "sent", len(batch))
                return
            if not wait_s or self._closing.wait(wait_s):
                break
        self._counted(self.name, "failed", len(batch))
        _log.error("a receiver did not accept messages", receiver=self.name, messages=len(batch))

    def _attempt(self, batch: list[Message]) -> bool:
        title, text = notification(batch)
        level = max(one.level for one in batch)
        kind = {Level.INFO: "info", Level.WARNING: "warning", Level.CRITICAL: "failure"}[level]
        try:
            return bool(self._target.notify(body=text, title=title, notify_type=kind))
        except Exception as error:
            # The text of the plugin's exception may contain the address, so it is not logged.
            _log.error("a receiver failed", receiver=self.name, error=type(error).__name__)
            return False


def opened(
    addresses: str, params: MessagesParams, counted: Callable[[str, str, int], None] = lambda *_: None
) -> list[Receiver]:
    """A receiver for each address, in order.

    Raises:
        SettingError: naming the number and scheme of an address that apprise does not know, never the address.
    """
    timing, default = Timing.of(params), Level[params.least_level.upper()]
    return [
        Receiver(name, target, Outbox(timing, level or default), counted) for name, level, target in targets(addresses)
    ]


def targets(addresses: str) -> Iterator[tuple[str, Level | None, Any]]:
    """(name, least level or None, apprise object) of each address. No thread is started and nothing is sent.

    Raises:
        SettingError: as `opened`.
    """
    if not addresses.split():
        return
    import apprise  # noqa: PLC0415 - loading takes 0.16 s, which a process without receivers does not need

    logging.getLogger("apprise").addFilter(_nothing)  # its log lines contain whole addresses
    for number, text in enumerate(addresses.split(), 1):
        found = re.fullmatch(r"(?:(info|warning|critical)=)?(.+)", text)
        assert found is not None
        level = Level[found[1].upper()] if found[1] else None
        scheme, separator, _ = found[2].partition("://")
        target = apprise.Apprise()
        if not separator or not target.add(found[2]):
            raise SettingError(_refusal(number, scheme if separator else ""))
        _fit(target)
        yield f"{number} {scheme.lower()}", level, target


def _fit(target: Any) -> None:
    """Keep to the length that a service takes, which apprise leaves to the sender: a longer message goes in parts, and
    PagerDuty gets the first part, because each part would page somebody."""
    for plugin in target:
        pages = plugin.secure_protocol == "pagerduty"
        plugin.body_maxlen = min(plugin.body_maxlen, PAGE_LENGTH) if pages else plugin.body_maxlen
        plugin.overflow_mode = "truncate" if pages else "split"


def _nothing(_record: logging.LogRecord) -> bool:
    return False


def _refusal(number: int, scheme: str) -> str:
    from apprise import Apprise  # noqa: PLC0415 - as above

    known = sorted({one for entry in Apprise().details()["schemas"] for one in _schemes(entry)})
    if not scheme:
        return f"address {number} of ODDSMITH_MESSAGES has no scheme; write it as SCHEME://..., such as tgram://..."
    if scheme.lower() in known:
        return (
            f"address {number} of ODDSMITH_MESSAGES ({scheme}://...) is incomplete; https://appriseit.com/services "
            "lists what it needs"
        )
    near = difflib.get_close_matches(scheme.lower(), known, n=1)
    hint = f"did you mean {near[0]}://?" if near else "https://appriseit.com/services lists all that there are"
    shown = scheme if re.fullmatch(r"[\w.+-]{1,20}", scheme) else "not shown"
    return f"the scheme of address {number} of ODDSMITH_MESSAGES was {shown!r}; {hint}"


def _schemes(entry: dict[str, Any]) -> list[str]:
    return [str(one) for name in ("protocols", "secure_protocols") for one in entry.get(name) or ()]
