"""The venue's dead man's switch: our orders live while we beat, and are cancelled by the venue when we fall silent.

Beats are timed by the event loop that takes the turns, so a bot that hangs falls silent as one that was killed does.
They have a thread of their own: a slow answer to an order must not hold them up.
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
"""Wall seconds between two beats, as the venue asks."""

SILENCE_S = 10.0
"""Wall seconds without a beat after which the venue cancels every order of the API key."""

AGAIN_S = 1.0
"""Wall seconds after which a beat that was not accepted is sent again."""

_log = log.get("heartbeat")


class HeartbeatGateway(Protocol):
    """An account with such a switch. The call blocks and raises `VenueError`."""

    def heartbeat(self) -> None:
        """Tell the venue that we live."""
        ...


class Heartbeat:
    """Beats for one account. `learn` reads the account anew, in the venue's thread, after orders were cancelled."""

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
        """Whether the venue accepted a beat so lately that it would cancel our orders if we were killed now."""
        return time.monotonic() - self._last_s < self._silence_s

    async def run(self) -> None:
        """Beat until cancelled; an answer that is missing is an alarm, and the next try comes sooner.

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
        """The venue may have cancelled what rested: learn it, so that the books do not wait for dead orders."""
        _log.warning("heard again after silence; the venue may have cancelled what rested", silence_s=self._silence_s)
        try:
            await self._threads.in_account_thread(self._learn)
        except VenueForbidden:
            raise
        except VenueError as error:
            _log.warning("the next bar reads the orders again", error=str(error))
