"""Heartbeats: once an API key has sent one, its orders are cancelled when no further heartbeat arrives in time."""

from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import uuid4

TIMEOUT_S = 10.0
"""Wall seconds after the last heartbeat of a key until its orders are cancelled."""

SWEEP_S = 5.0
"""Wall seconds between two checks, as on the venue: a cancel may come this much after the timeout."""


@dataclass(slots=True)
class Heartbeat:
    """The last accepted heartbeat of a key."""

    heartbeat_id: str
    at_s: float


@dataclass(slots=True)
class Heartbeats:
    """Last heartbeats by API key. A key that never sent one is not watched."""

    cancel: Callable[[str], None]
    _beats: dict[str, Heartbeat] = field(default_factory=dict)
    _swept_s: float = 0.0

    def accept(self, key: str, heartbeat_id: str, wall_s: float) -> tuple[bool, str]:
        """Take a heartbeat. Returns whether it was accepted, and the id to send next.

        A wrong id is refused, does not restart the timer, and is answered with the expected id.
        """
        known = self._beats.get(key)
        # The first heartbeat has no id to repeat, so any id is accepted.
        if known is not None and heartbeat_id != known.heartbeat_id:
            return False, known.heartbeat_id
        fresh = Heartbeat(str(uuid4()), wall_s)
        self._beats[key] = fresh
        return True, fresh.heartbeat_id

    def refresh(self, key: str, wall_s: float) -> None:
        """Take a heartbeat of the form without ids."""
        known = self._beats.get(key)
        self._beats[key] = Heartbeat(known.heartbeat_id if known else str(uuid4()), wall_s)

    def sweep(self, wall_s: float) -> None:
        """Cancel the orders of keys whose last heartbeat is older than `TIMEOUT_S`; does nothing within `SWEEP_S`."""
        if wall_s - self._swept_s < SWEEP_S:
            return
        self._swept_s = wall_s
        for key in [k for k, beat in self._beats.items() if wall_s - beat.at_s > TIMEOUT_S]:
            del self._beats[key]
            self.cancel(key)
