"""Faults of the socket of reference prices: it goes on sending, and what it says is wrong."""

from typing import Any, Final, Protocol

from simulator.faults.catalog import Fault

JUMP: Final = 0.0019
"""Share by which a price is wrong unless the fault says otherwise: near two standard deviations of five minutes."""
FOREIGN: Final = 0.1
"""The wrong asset's price where the socket has only one: this share of its own."""


class TopicCheck(Protocol):
    """The first fault of a kind that is on for a topic and strikes now."""

    def __call__(self, *kinds: str, topic: str) -> Fault | None:
        """None if no fault strikes."""
        ...


class ReferenceFaults:
    """Changes to the updates of the socket of reference prices while faults are on. Times stay as they are."""

    def __init__(self, active: list[Fault], strikes: TopicCheck) -> None:
        self._active = active
        self._strikes = strikes
        self._said: dict[tuple[str, str], float] = {}
        self._true: dict[tuple[str, str], float] = {}

    def update(self, message: dict[str, Any]) -> dict[str, Any]:
        """The message to send instead of an update."""
        topic, payload = message["topic"], message["payload"]
        key, value = (topic, payload["symbol"]), float(payload["value"])
        self._true[key] = value
        said = self._changed(key, value) if self._active else value
        self._said[key] = said
        if said == value:
            return message
        return {**message, "payload": {**payload, "value": said, "full_accuracy_value": repr(said)}}

    def _changed(self, key: tuple[str, str], value: float) -> float:
        if self._strikes("reference_frozen", topic=key[0]):
            return self._said.get(key, value)
        if self._strikes("reference_wrong_asset", topic=key[0]):
            others = (price for (topic, symbol), price in self._true.items() if topic == key[0] and symbol != key[1])
            return next(others, FOREIGN * value)
        jump = self._strikes("reference_jump", topic=key[0])
        return value * (1.0 + jump.number("share", JUMP)) if jump else value
