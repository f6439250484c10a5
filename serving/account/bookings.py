"""Bookings that no trade of the venue makes: a fill taken back, booked again, or shares adopted."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from pipelines.core.domain import Fill, FillState, Side
from pipelines.core.money import notional_micro

Key = tuple[str, str]
"""(fill id, order id): what a fill is booked under, once."""

_OWN = re.compile(r"(void|redo)\d*/(.+)")


def key_of(fill: Fill) -> Key:
    """What a fill is booked under."""
    return fill.fill_id, fill.order_id


def original(fill_id: str) -> tuple[str, str]:
    """("void" or "redo", the id of the trade's fill); ("", the id itself) for the fill of a trade."""
    found = _OWN.fullmatch(fill_id)
    return (found[1], found[2]) if found else ("", fill_id)


def reversal(fill: Fill, times: int = 0) -> Fill:
    """The booking that takes a fill back: shares, cash and fee to the base unit, with an id of its own."""
    side = Side.SELL if fill.side is Side.BUY else Side.BUY
    return replace(fill, fill_id=f"void{times or ''}/{fill.fill_id}", side=side, fee_micro=-fill.fee_micro)


def again(fill: Fill, times: int) -> Fill:
    """The booking of a fill that was taken back and did happen after all."""
    return replace(fill, fill_id=f"redo{times or ''}/{fill.fill_id}")


def in_kind(fill: Fill, shares_micro: int) -> Fill:
    """The booking of shares that came from outside, found when `fill` sold them, at its price."""
    return replace(
        fill,
        fill_id=f"adopted/{fill.fill_id}",
        order_id="adopted",
        side=Side.BUY,
        shares_micro=shares_micro,
        fee_micro=0,
        state=FillState.CONFIRMED,
    )


def exactly(fill: Fill, cash_micro: int) -> Fill:
    """A fill that moves cash by so much to the base unit: what its price cannot express is its fee."""
    notional = notional_micro(fill.shares_micro, fill.price_units)
    fee = -cash_micro - notional if fill.side is Side.BUY else notional - cash_micro
    return replace(fill, fee_micro=fee)


class Undone:
    """How often each fill was taken back and booked again."""

    def __init__(self, keys: Iterable[Key] = ()) -> None:
        self._counts: Counter[tuple[str, Key]] = Counter()
        for fill_id, order_id in keys:
            self.count(fill_id, order_id)

    def count(self, fill_id: str, order_id: str) -> None:
        """A booking was made."""
        kind, name = original(fill_id)
        if kind:
            self._counts[kind, (name, order_id)] += 1

    def times(self, kind: str, key: Key) -> int:
        """How often a fill was taken back ("void") or booked again ("redo")."""
        return self._counts[kind, key]

    def now(self, key: Key) -> bool:
        """Whether a fill is taken back now."""
        return self._counts["void", key] > self._counts["redo", key]
