"""How long an order is on its way: drawn from measured stages, and the venue's own hold of orders that take.

One distribution for backtest, gate, parity and paper trading: `execution.latency_ms`, the deciles of what passes
between the end of a bar and the venue's answer. `python -m benchmarks.turn_latency` measures it with the bot on a local
exchange, `oddsmith parity` on the bot's own journal; `oddsmith params latency` writes what they report.
"""

import math
from collections.abc import Iterable, Sequence
from hashlib import blake2b

from pipelines.core.domain import Market
from pipelines.core.orders import OrderIntent

GRACE_S = 0.1
"""Wall seconds that a bar which has ended waits for its last messages. Its decisions see the book of its end, so the
wait is a part of every latency. Unit: seconds."""
DECILES = 11
"""Of the least, the nine between, and the largest."""


def deciles_ms(values: Iterable[float]) -> list[float]:
    """The distribution of measured latencies in ms; empty where there are none."""
    ordered = sorted(values)
    if not ordered:
        return []
    places = (k * (len(ordered) - 1) / (DECILES - 1) for k in range(DECILES))
    return [round(_between(ordered, place), 3) for place in places]


def drawn_s(deciles: Sequence[float], intent: OrderIntent) -> float:
    """Seconds until the venue has an order. The order itself is the draw: the same one takes as long in every replay,
    and nothing that comes later changes it."""
    when = f"{intent.ts_s}+{intent.after_ms}" if intent.after_ms else f"{intent.ts_s}"
    text = f"{intent.market_id} {when} {intent.outcome} {intent.side}"
    drawn = int.from_bytes(blake2b(text.encode(), digest_size=8).digest()) / 2.0**64
    return _between(deciles, drawn * (len(deciles) - 1)) / 1_000.0


def arrival_s(deciles: Sequence[float], intent: OrderIntent, market: Market) -> float:
    """Seconds from the decision until an order meets the book: what is drawn and, for one that takes, the hold of its
    market."""
    held_ms = 0 if intent.post_only else market.taker_delay_ms
    return drawn_s(deciles, intent) + held_ms / 1_000.0


def bars_until(arrives_s: float, length_s: int, least: int) -> int:
    """Bars from the decision to the first close at or after the arrival, at least `least`: the book that is seen then
    is the first that the order can have met.

    >>> bars_until(0.4, 60, 1), bars_until(1.2, 1, 1), bars_until(0.4, 1, 2)
    (1, 2, 2)
    """
    return max(least, math.ceil(arrives_s / length_s))


def _between(ordered: Sequence[float], place: float) -> float:
    low = min(int(place), len(ordered) - 1)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)
