"""What a 403 means: an edge page for seconds, or a block of this region or account.

Buying stops with the first one and begins again when none has come for a while. Reads and exits are tried again,
slowly. A block that lasts ends trading; nothing evades it.
"""

import time
from collections.abc import Callable

from pipelines.core import log
from pipelines.core.errors import VenueForbidden
from serving import metrics
from serving.dashboard.status import Status

QUIET_S = 30.0
"""Wall seconds without a 403 after which the venue is open to us again."""

LASTS_S = 600.0
"""Wall seconds of 403s, never `QUIET_S` apart, after which trading ends."""

RETRY_S = 10.0
"""Wall seconds before a part that met a 403 is tried again."""

_log = log.get("block")


class Block:
    """The 403s of now, of all parts together."""

    def __init__(self, status: Status, clock: Callable[[], float] | None = None) -> None:
        self._status = status
        self._clock = clock or time.monotonic
        self._first = self._last = float("-inf")

    @property
    def active(self) -> bool:
        """Whether a 403 came lately: nothing is bought, and the service is not ready."""
        return self._clock() - self._last < QUIET_S

    def show(self) -> None:
        """Bring alarm and metric up to date."""
        metrics.FORBIDDEN.set(int(self.active))
        if not self.active:
            self._status.clear_alarm("forbidden")

    def seen(self, error: VenueForbidden) -> bool:
        """Take note of a 403; whether the block has lasted so long that trading ends."""
        now = self._clock()
        if now - self._last >= QUIET_S:
            self._first = now
        self._last = now
        lasted = now - self._first
        metrics.API_ERRORS.labels("forbidden").inc()
        self._status.alarm("forbidden", f"nothing is bought, 403 for {lasted:.0f} s: {error}")
        _log.error("the venue forbids", for_s=round(lasted, 1), error=str(error))
        return lasted >= LASTS_S
