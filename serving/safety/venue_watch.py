"""Checks the preconditions of trading before the first order and every hour; while one fails, nothing is bought.

What is held can be sold all the time: a changed clock, contract or region must not trap a position.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final

from pipelines.core import log
from pipelines.core.errors import VenueError, VenueForbidden
from pipelines.core.settings import Settings
from serving import metrics
from serving.dashboard.status import Status
from serving.safety import preconditions
from serving.safety.preconditions import Failed

EVERY_S: Final = 3_600.0
"""Wall seconds between two rounds of checks when all passed."""

AGAIN_S: Final = 30.0
"""Wall seconds until the next round when a check failed or was not answered."""

UNANSWERED: Final = 10
"""So many times in a row without an answer, and a check that once passed counts as failed."""

_log = log.get("watch")

NOT_YET: Final = "the checks before the first order are not finished"


class VenueWatch:
    """Runs the checks. `reduce_only` says why nothing may be bought; it is empty while all checks pass."""

    def __init__(
        self,
        settings: Settings,
        status: Status,
        checks: Sequence[tuple[str, Callable[[Settings], Awaitable[str]]]] = preconditions.CHECKS,
        every_s: float = EVERY_S,
        again_s: float = AGAIN_S,
    ) -> None:
        self._settings = settings
        self._status = status
        self._checks = checks
        self._every_s = every_s
        self._again_s = again_s
        self._next_s = -math.inf
        self._found: dict[str, str] = {}
        self._silent: dict[str, int] = {}
        self.reduce_only = NOT_YET

    async def run(self, account: Any) -> None:
        """Run the checks when they are due, until cancelled. A new session continues with the last results."""
        while True:
            await asyncio.sleep(max(0.0, self._next_s - time.monotonic()))
            await self.examine(account)

    async def examine(self, account: Any) -> None:
        """Run every check once. One without an answer keeps its last result for a while (`UNANSWERED`), and counts as
        failed until its first answer: a short silence is no news, a route that is gone for good tells nothing more."""
        asked: dict[str, Callable[[], Awaitable[str]]]
        asked = {name: partial(check, self._settings) for name, check in self._checks}
        asked["allowances"] = partial(preconditions.allowances, account)
        silent: dict[str, int] = {}
        for name, check in asked.items():
            try:
                _log.info("checked", check=name, says=await check())
                self._found[name] = ""
            except VenueForbidden as error:
                self._found[name] = str(error)
            except VenueError as error:
                silent[name] = self._silent.get(name, 0) + 1
                if name not in self._found or silent[name] >= UNANSWERED:
                    self._found[name] = f"not answered {silent[name]} times in a row: {error}"
            except Failed as failure:
                self._found[name] = str(failure)
            except (ValueError, TypeError) as error:
                self._found[name] = f"the answer cannot be read: {error}"
        self._silent = silent
        off = [f"{name}: {why}" for name, why in self._found.items() if why]
        self._show("; ".join(off))
        self._next_s = time.monotonic() + (self._again_s if off or silent else self._every_s)

    def _show(self, why: str) -> None:
        if why and why != self.reduce_only:
            _log.error("REDUCE ONLY: nothing is bought, what is held may be sold", why=why)
        self.reduce_only = why
        metrics.REDUCE_ONLY.set(int(bool(why)))
        if why:
            self._status.alarm("watch", f"REDUCE ONLY, nothing is bought: {why}")
        else:
            self._status.clear_alarm("watch")
