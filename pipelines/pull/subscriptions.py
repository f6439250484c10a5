"""Which markets a recorder is subscribed to: each from its listing until a while after its end.

A market has ended when it takes no orders any more or the venue names its payout. It stays for LATE_S after its payout
is known, for late trades and the message of the resolution, and for GRACE_S where no payout comes. What has ended is
dropped, so that weeks of five-minute windows need no more than an hour of them.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from pipelines.core.domain import Market

LATE_S: Final = 60.0
GRACE_S: Final = 3_600.0


class Change(NamedTuple):
    """What a look at the listing changes."""

    joined: list[Market]
    left: list[tuple[Market, int | None]]
    """Each with the base units that a YES share paid; None where the venue has not said."""


@dataclass
class _State:
    market: Market
    ended_s: float | None = None
    paid_s: float | None = None
    payout: int | None = None


class Subscriptions:
    """The markets of a recorder. `now_s` is a clock that only runs forward."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._states: dict[str, _State] = {}
        self._left: set[str] = set()
        """Markets that left and are still listed: they do not join again."""
        self._told: set[str] = set()
        """Markets of which a message said that they are resolved: a reason to ask the venue."""

    def tokens(self) -> list[str]:
        """YES tokens of all markets that are subscribed to."""
        return [one.market.token_yes for one in self._states.values()]

    def assets(self) -> set[str]:
        """Assets that followed markets settle on."""
        return {one.market.settlement.symbol for one in self._states.values() if one.market.settlement is not None}

    def see(self, frame: Mapping[str, Any]) -> None:
        """Take notice of a message of the market channel."""
        if frame.get("event_type") == "market_resolved" and (name := str(frame.get("market"))) in self._states:
            self._told.add(name)

    def unlisted(self, listed: Iterable[Market]) -> list[str]:
        """Ids of followed markets that a listing does not show: ended, or less traded than others."""
        names = {one.market_id for one in listed}
        return [name for name in self._states if name not in names]

    def to_ask(self, is_open: Collection[str]) -> list[str]:
        """Ids of followed markets whose payout is asked for, those that take no orders or were told to be resolved."""
        return [
            name
            for name, one in self._states.items()
            if one.paid_s is None and (name not in is_open or name in self._told)
        ]

    def look(self, listed: Sequence[Market], is_open: Collection[str], payouts: Mapping[str, int]) -> Change:
        """Take up a listing. `is_open` has the ids of all markets that take orders, `payouts` what the venue says of
        those of `to_ask`."""
        now_s = self._now_s()
        for name, one in self._states.items():
            if name in payouts:
                one.paid_s, one.payout = now_s, payouts[name]
            if name in is_open and one.paid_s is None:
                one.ended_s = None
            elif one.ended_s is None:
                one.ended_s = now_s
        left = [one for one in self._states.values() if _is_over(one, now_s)]
        for one in left:
            del self._states[one.market.market_id]
        names = {one.market_id for one in listed}
        self._left = {name for name in self._left | {one.market.market_id for one in left} if name in names}
        self._told &= self._states.keys()
        joined = [one for one in listed if one.market_id not in self._states and one.market_id not in self._left]
        self._states |= {one.market_id: _State(one) for one in joined}
        return Change(joined, [(one.market, one.payout) for one in left])


def _is_over(one: _State, now_s: float) -> bool:
    if one.ended_s is None:
        return False
    return now_s - one.ended_s >= GRACE_S or (one.paid_s is not None and now_s - one.paid_s >= LATE_S)
