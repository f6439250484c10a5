"""Faults of the sources of reference prices: what they say is wrong, or they say nothing and stay open."""

from collections.abc import Callable
from typing import Final, Protocol

from simulator.faults.catalog import Fault

JUMP: Final = 0.0019
"""Share by which a price is wrong unless the fault says otherwise: near two standard deviations of five minutes."""
FOREIGN: Final = 0.1
"""The wrong asset's price where the socket has only one: this share of its own."""


Say = Callable[[str, str, float], float | None]
"""The price to send instead of that of a topic and a pair; None: nothing is sent."""


class TopicCheck(Protocol):
    """The first fault of a kind that is on for a topic and strikes now."""

    def __call__(self, *kinds: str, topic: str) -> Fault | None:
        """None if no fault strikes."""
        ...


class ReferenceFaults:
    """Changes to the prices of the socket of reference prices and of the exchange's stream while faults are on. Times
    stay as they are."""

    def __init__(self, active: list[Fault], strikes: TopicCheck) -> None:
        self._active = active
        self._strikes = strikes
        self._said: dict[tuple[str, str], float] = {}
        self._true: dict[tuple[str, str], float] = {}

    def say(self, topic: str, pair: str, value: float) -> float | None:
        """The price to send instead of that of a topic and a pair; None: nothing is sent."""
        key = (topic, pair)
        self._true[key] = value
        if self._active and self._strikes("reference_silent", topic=topic):
            return None
        self._said[key] = self._changed(key, value) if self._active else value
        return self._said[key]

    def _changed(self, key: tuple[str, str], value: float) -> float:
        if self._strikes("reference_frozen", topic=key[0]):
            return self._said.get(key, value)
        if self._strikes("reference_wrong_asset", topic=key[0]):
            others = (price for (topic, symbol), price in self._true.items() if topic == key[0] and symbol != key[1])
            return next(others, FOREIGN * value)
        jump = self._strikes("reference_jump", topic=key[0])
        return value * (1.0 + jump.number("share", JUMP)) if jump else value
