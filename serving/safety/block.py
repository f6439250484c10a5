"""Handles answers with status 403: a short refusal of the venue's proxy, or a block of this region or account.

Buying stops with the first one and begins again when none has come for a while. Reads and exits are tried again at
longer intervals. A block that lasts ends trading; nothing works around it.
"""

import time
from collections.abc import Callable

from pipelines.core import log
from pipelines.core.errors import VenueForbidden
from serving import metrics
from serving.dashboard.status import Status

QUIET_S = 30.0
"""Wall seconds without a 403 after which the block counts as over."""

LASTS_S = 600.0
"""Trading ends when 403s went on for so many wall seconds without a pause of `QUIET_S`."""

RETRY_S = 10.0
"""Wall seconds before a part that met a 403 is tried again."""

_log = log.get("block")


class Block:
    """The 403s of all parts of the bot."""

    def __init__(self, status: Status, clock: Callable[[], float] | None = None) -> None:
        self._status = status
        self._clock = clock or time.monotonic
        self._first = self._last = float("-inf")

    @property
    def active(self) -> bool:
        """Whether there was a 403 in the last `QUIET_S`. Then nothing is bought, and the service is not ready."""
        return self._clock() - self._last < QUIET_S

    def show(self) -> None:
        """Bring alarm and metric up to date."""
        metrics.FORBIDDEN.set(int(self.active))
        if not self.active:
            self._status.clear_alarm("forbidden")

    def seen(self, error: VenueForbidden) -> bool:
        """Record a 403. Returns whether the block has lasted so long that trading ends."""
        now = self._clock()
        if now - self._last >= QUIET_S:
            self._first = now
        self._last = now
        lasted = now - self._first
        metrics.API_ERRORS.labels("forbidden").inc()
        self._status.alarm("forbidden", f"nothing is bought, 403 for {lasted:.0f} s: {error}")
        _log.error("the venue forbids", for_s=round(lasted, 1), error=str(error))
        return lasted >= LASTS_S
