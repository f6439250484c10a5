"""Probes that rest at the touch of a recorded book, looked at every few seconds, and what trades and cancels did."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.fill_cases import Queue, Resting, queue
from benchmarks.queue_changes import ASKS, BIDS, Change, Kind, Recorded
from pipelines.core.domain import Quote
from pipelines.core.money import MICRO, PRICE_SCALE

PROBE_S = 20
"""Between two probes, and how long one rests."""
EDGE_UNITS = 500
"""Nearer to 0 and 1 no probe is placed, nor where the spread is wider than WIDEST_UNITS."""
WIDEST_UNITS = 1_000
LATER_S = 60
SILENT_MS = 600_000
"""A market without a message for so long is not recorded then."""


@dataclass(frozen=True)
class QueueLook:
    """One interval between two looks at a probe whose limit the other touch has not come to."""

    queue: Queue
    resting: Resting
    filled: bool
    """Whether trades came through its queue."""
    worth_units: int
    """Mid of what it buys LATER_S after the second look, less its limit: what a fill was worth then."""


@dataclass(frozen=True)
class Vanished:
    """One decrease of the size at the touch, by trade or by cancel, as a share of the size displayed before."""

    traded: bool
    share: float


def vanished(market: Recorded) -> list[Vanished]:
    """Falls at the touch of either side, sizes as parts of what the touch showed."""
    found, at, quote = [], 0, None
    for change in market.changes:
        while at < len(market.touches) and market.touches[at].ms < change.ms:
            quote, at = market.touches[at].quote, at + 1
        if quote is None or change.kind is Kind.PLACED:
            continue
        sides = ((quote.bid_units, quote.bid_size_micro), (quote.ask_units, quote.ask_size_micro))
        units, shown = sides[change.side]
        if change.units == units and shown > 0:
            found.append(Vanished(change.kind is Kind.TRADED, min(change.shares * MICRO / shown, 1.0)))
    return found


def trade_share(found: Sequence[Vanished]) -> float:
    """Part of what vanished at the touch that was traded."""
    total = sum(one.share for one in found)
    return sum(one.share for one in found if one.traded) / total if total else 0.0


def looks(market: Recorded, look_s: int, share: float) -> Iterator[QueueLook]:
    """Looks at the probes of a market; `share` is the trade share that moves the model's queue."""
    times = [one.ms for one in market.touches]
    changed = [one.ms for one in market.changes]
    if not times:
        return
    for start in range(times[0] + 1_000, times[-1] - PROBE_S * 1_000, PROBE_S * 1_000):
        place = bisect_right(times, start)
        if times[place] - times[place - 1] > SILENT_MS:
            continue
        for side in (BIDS, ASKS):
            yield from _probe(market, times, changed, start, side, look_s, share)


def _probe(
    market: Recorded, times: list[int], changed: list[int], start: int, side: int, look_s: int, share: float
) -> Iterator[QueueLook]:
    before = _from(market.touches[bisect_right(times, start) - 1].quote, side)
    wide = before.spread_units > WIDEST_UNITS
    if not before.two_sided or wide or not EDGE_UNITS < before.bid_units < PRICE_SCALE - EDGE_UNITS:
        return
    limit, ahead, row = before.bid_units, before.bid_size_micro, bisect_right(changed, start)
    truth = _Truth(side, limit if side == BIDS else PRICE_SCALE - limit, ahead / MICRO, ahead / MICRO)
    for until in range(start + look_s * 1_000, start + PROBE_S * 1_000 + 1, look_s * 1_000):
        while row < len(changed) and changed[row] <= until and not truth.ended:
            truth.see(market.changes[row])
            row += 1
        after = _from(market.touches[bisect_right(times, until) - 1].quote, side)
        if after.ask_units <= limit or truth.came or not after.two_sided:
            return
        distances, sizes = _sides(limit, before, after)
        waiting = queue(distances, sizes, ahead, float(look_s))
        if waiting is not None:
            seen = _resting(before, after, limit, ahead, float(look_s), market.tick_units)
            later = _from(market.touches[bisect_right(times, until + LATER_S * 1_000) - 1].quote, side)
            yield QueueLook(waiting, seen, truth.filled, later.mid_units - limit)
            ahead = waiting.left_micro(share)
        if truth.filled:
            return
        before = after


def _from(quote: Quote, side: int) -> Quote:
    """The book seen by who buys: an offer of YES is a bid for NO."""
    if side == BIDS:
        return quote
    sizes = (quote.ask_size_micro, quote.bid_size_micro)
    return Quote(PRICE_SCALE - quote.ask_units, PRICE_SCALE - quote.bid_units, *sizes)


def _sides(limit: int, before: Quote, after: Quote) -> tuple[tuple[int, int], tuple[int, int]]:
    return (before.bid_units - limit, after.bid_units - limit), (before.bid_size_micro, after.bid_size_micro)


def _resting(before: Quote, after: Quote, limit: int, ahead: int, seconds: float, tick: int) -> Resting:
    return Resting(
        before_units=before.ask_units - limit,
        after_units=after.ask_units - limit,
        seconds=seconds,
        ahead_micro=ahead,
        spread_units=before.spread_units,
        tick_units=tick,
        own_micro=before.bid_size_micro,
        other_micro=before.ask_size_micro,
        move_units=before.mid_units - after.mid_units,
        left_s=float("inf"),
    )


@dataclass
class _Truth:
    """The recorded queue of a probe that rests at `units` of a side: shares ahead, and whether trades filled it."""

    side: int
    units: int
    ahead: float
    shown: float
    filled: bool = False
    came: bool = False
    """Whether the other side showed shares at its limit or better."""

    @property
    def ended(self) -> bool:
        return self.filled or self.came

    def see(self, one: Change) -> None:
        """Take a change."""
        worse = (self.units - one.units) * (1 if self.side == BIDS else -1)
        if one.side != self.side:
            self.came = one.kind is Kind.PLACED and worse >= 0
        elif one.kind is Kind.TRADED and worse > 0:
            self.filled = True
        elif worse == 0:
            self._level(one)

    def _level(self, one: Change) -> None:
        if one.kind is Kind.PLACED:
            self.shown += one.shares
            return
        if one.kind is Kind.TRADED:
            self.filled = one.shares > self.ahead + 1e-6
            self.ahead -= one.shares
        elif self.shown > 0.0:
            self.ahead -= one.shares * self.ahead / self.shown
        self.shown = max(self.shown - one.shares, 0.0)
        self.ahead = min(max(self.ahead, 0.0), self.shown)
