"""Heartbeats: the venue cancels our resting orders when it gets none for some seconds.

The event loop that also decides sends them, so a bot that hangs stops sending, like one that was killed.
The requests have their own thread, because a slow answer to an order must not delay them.
"""

import asyncio
import math
import time
from collections.abc import Callable
from typing import Protocol

from pipelines.core import log
from pipelines.core.errors import VenueError, VenueForbidden
from serving import metrics
from serving.dashboard.status import Status
from serving.threads import Threads

EVERY_S = 5.0
"""Wall seconds between two heartbeats, as the venue's documentation says."""

SILENCE_S = 10.0
"""Wall seconds without a heartbeat after which the venue cancels every order of the API key."""

AGAIN_S = 1.0
"""Wall seconds until a heartbeat that was not accepted is sent again."""

_log = log.get("heartbeat")


class HeartbeatGateway(Protocol):
    """An account that sends heartbeats. The call blocks and raises `VenueError`."""

    def heartbeat(self) -> None:
        """Send a heartbeat."""
        ...


class Heartbeat:
    """Sends heartbeats for one account. `learn` reads the account again, in the venue's thread, after orders were
    cancelled."""

    def __init__(
        self,
        gateway: HeartbeatGateway,
        learn: Callable[[], object],
        status: Status,
        threads: Threads,
        every_s: float = EVERY_S,
        silence_s: float = SILENCE_S,
    ) -> None:
        self._gateway = gateway
        self._learn = learn
        self._status = status
        self._threads = threads
        self._every_s = every_s
        self._silence_s = silence_s
        self._last_s = -math.inf

    @property
    def accepted_lately(self) -> bool:
        """Whether heartbeats work: the venue accepted one so recently that it would cancel our orders if we stopped
        now."""
        return time.monotonic() - self._last_s < self._silence_s

    async def run(self) -> None:
        """Send heartbeats until cancelled. A missing answer sets an alarm, and the next try comes sooner.

        Raises:
            VenueForbidden: if the venue blocks this region or account.
        """
        while True:
            accepted = await self._beat()
            await asyncio.sleep(self._every_s if accepted else min(AGAIN_S, self._every_s))

    async def _beat(self) -> bool:
        sent_s = time.monotonic()
        try:
            await self._threads.in_heartbeat_thread(self._gateway.heartbeat)
        except VenueForbidden:
            raise
        except VenueError as error:
            self._complain(str(error))
            return False
        silent = math.isfinite(self._last_s) and sent_s - self._last_s >= self._silence_s
        self._last_s = sent_s
        self._status.clear_alarm("heartbeat")
        if silent:
            await self._after_silence()
        return True

    def _complain(self, why: str) -> None:
        metrics.API_ERRORS.labels("heartbeat").inc()
        state = (
            "nothing is bought"
            if not self.accepted_lately
            else f"orders live for {self._silence_s:g} s after the last one"
        )
        self._status.alarm("heartbeat", f"the venue did not accept a heartbeat ({state}): {why}")
        _log.error("heartbeat not accepted", error=why, heard=self.accepted_lately)

    async def _after_silence(self) -> None:
        """Read the account again: the venue may have cancelled resting orders, which the books would otherwise wait
        for."""
        _log.warning(
            "heartbeats are accepted again; the venue may have cancelled resting orders", silence_s=self._silence_s
        )
        try:
            await self._threads.in_account_thread(self._learn)
        except VenueForbidden:
            raise
        except VenueError as error:
            _log.warning("the next bar reads the orders again", error=str(error))
