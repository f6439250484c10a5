"""Sends messages to every receiver: `Messenger` in a long-running process, `tell` in a command or a flow."""

import json
import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from pipelines.core import log, params
from pipelines.core.errors import OddsmithError, SettingError
from pipelines.core.sections import MessagesParams
from pipelines.core.settings import Settings
from pipelines.messages import receivers
from pipelines.messages.message import Kind, Message
from pipelines.messages.receivers import Receiver

MOST_REMEMBERED: Final = 1_000
"""How many keys of recent messages are remembered."""

_log = log.get("messages")


class Messenger:
    """Sends messages to all receivers; without receivers it does nothing. Safe to call from any thread.

    `page_url` is the address of the dashboard that links begin with. A `key` is sent once within
    `repeat_after_s`; the next message with it says how often it happened meanwhile.
    """

    def __init__(self, told: Sequence[Receiver] = (), page_url: str = "", repeat_after_s: float = 3_600.0) -> None:
        self.receivers = tuple(told)
        self._page_url = page_url.rstrip("/")
        self._repeat_after_s = repeat_after_s
        self._mutex = threading.Lock()
        self._told: dict[str, tuple[float, int]] = {}
        """Key -> (monotonic time when it was told, how often it happened since)."""

    @classmethod
    def of(
        cls, settings: Settings, params: MessagesParams, counted: Callable[[str, str, int], None] = lambda *_: None
    ) -> "Messenger":
        """The messenger that the settings ask for.

        Raises:
            SettingError: naming an address of ODDSMITH_MESSAGES that cannot be used by its number.
        """
        opened = receivers.opened(_addresses(settings), params, counted)
        return cls(opened, settings.page, params.repeat_after_min * 60.0)

    def say(self, kind: Kind, text: str, *, page: str = "/", key: str = "") -> None:
        """Queue a message for every receiver. It is sent by other threads; this call never waits and never raises.

        `page` is the path of the page that explains it. Two messages with one `key` are the same event; an empty key
        is like no other.
        """
        if not self.receivers:
            return
        times = self._times(f"{kind}/{key}") if key else 1
        if not times:
            return
        link = f"{self._page_url}{page}" if self._page_url and page else ""
        message = Message(kind, text, datetime.now(UTC), link, times)
        for receiver in self.receivers:
            receiver.put(message)

    def _times(self, key: str) -> int:
        """How often an event has happened since its last message; 0 when it is too early for another one."""
        now = time.monotonic()
        with self._mutex:
            at, count = self._told.get(key, (-self._repeat_after_s, 0))
            if now - at < self._repeat_after_s:
                self._told[key] = (at, count + 1)
                return 0
            self._told.pop(key, None)
            self._told[key] = (now, 0)
            while len(self._told) > MOST_REMEMBERED:
                self._told.pop(next(iter(self._told)))
            return count + 1

    def close(self, limit_s: float = 15.0) -> bool:
        """Send all waiting messages, to all receivers at once. Returns whether each was delivered or given up in
        time."""
        deadline = time.monotonic() + limit_s
        for receiver in self.receivers:
            receiver.close(0.0)
        return all(receiver.close(max(0.0, deadline - time.monotonic())) for receiver in self.receivers)


def tell(kind: Kind, text: str, *, page: str = "/", settings: Settings | None = None, limit_s: float = 15.0) -> bool:
    """Send one message from a command or a flow, and wait. Returns whether every receiver was reached in time.

    It never raises: a message that cannot be sent is logged, and the work that it reports goes on.
    """
    try:
        messenger = Messenger.of(settings or Settings(), params.load().messages)
        messenger.say(kind, text, page=page)
        return messenger.close(limit_s)
    except OddsmithError as error:
        _log.error("a message was not sent", kind=kind.value, error=str(error))
        return False


def check(settings: Settings) -> list[str]:
    """Names of the receivers that the settings ask for; nothing is sent.

    Raises:
        SettingError: as `Messenger.of`.
    """
    return [name for name, _, _ in receivers.targets(_addresses(settings))]


def test(settings: Settings, params: MessagesParams) -> dict[str, bool]:
    """Send a test message to every receiver now: name -> whether it was taken.

    Raises:
        SettingError: as `Messenger.of`.
    """
    message = Message(Kind.TEST, "messages of this machine arrive here", datetime.now(UTC), settings.page)
    return {one.name: one.send_now(message) for one in receivers.opened(_addresses(settings), params)}


def report(settings: Settings, params: MessagesParams, *, as_json: bool) -> int:
    """Send a test message to every receiver and print which of them took it; the exit status.

    Raises:
        SettingError: as `Messenger.of`, and where there is no receiver.
    """
    taken = test(settings, params)
    if not taken:
        raise SettingError(
            "ODDSMITH_MESSAGES was empty, so there is no receiver; set it to apprise addresses, such as ntfys://ntfy.sh/TOPIC"
        )
    if as_json:
        sys.stdout.write(json.dumps({"receivers": taken, "ok": all(taken.values())}) + "\n")
    else:
        sys.stdout.writelines(f"{'ok  ' if ok else 'FAIL'}  {name}\n" for name, ok in taken.items())
    return 0 if all(taken.values()) else 1


def _addresses(settings: Settings) -> str:
    return settings.messages.get_secret_value() if settings.messages else ""
