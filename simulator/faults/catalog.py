"""Every fault by name, what it does, and the numbers it takes."""

from dataclasses import dataclass, field
from typing import Any

from pipelines.core.errors import ParameterError

KINDS: dict[str, str] = {
    "restart": "425 on order routes for for_s, then post-only mode for post_only_s (120)",
    "post_only": "503 post_only_mode for orders that are not post-only",
    "cancel_only": "503 for new orders; cancels work",
    "disabled": "503 on all order routes (short: 1 for the shorter of the two documented texts)",
    "rate_limit": "429 with Retry-After and Poly-RateLimit headers (retry_after_s: 1)",
    "order_timeout": "500 `order timed out` before the book",
    "engine_error": "500 with one of the engine's other texts; with placed: 1 the order is on the book all the same",
    "match_delayed": "400 `order match delayed due to market conditions` for crossing orders",
    "crossing_refused": "400 `order {id} crosses the book` for crossing orders",
    "lost_answer": "orders are processed, the answer never comes (hold_s: 10)",
    "late_answer": "orders are processed at once, the answer comes delay_s (1) later",
    "slow": "every answer is delayed by delay_s (1)",
    "forbidden": "403 HTML page of a proxy on POST and DELETE",
    "geoblock": "403 JSON of a regional block on POST and DELETE",
    "ws_freeze": "sockets stay open and answer PING, but carry nothing",
    "ws_drop": "sockets are closed",
    "ws_duplicate": "every message is sent twice",
    "ws_reorder": "messages of a frame are shuffled, and every other frame is held back behind the next",
    "stale_balance": "balances stay as they were until /balance-allowance/update",
    "settlement_fails": "trades go MATCHED, RETRYING, FAILED and are undone",
    "settlement_retries": "trades go MATCHED, RETRYING, MINED, CONFIRMED",
    "clock_skew": "the venue's wall clock is wrong by skew_s (30)",
    "tick_change": "once: the tick of `market` becomes tick_units (10)",
    "close_market": "once: `market` stops taking orders, resting ones are cancelled",
    "sports_delay": "crossing orders of `market` (all when absent) wait delay_s (1) with status delayed",
}

ONCE = ("tick_change", "close_market")

NUMBERS = (
    "for_s",
    "post_only_s",
    "retry_after_s",
    "hold_s",
    "delay_s",
    "skew_s",
    "probability",
    "tick_units",
    "count",
    "short",
    "placed",
)


@dataclass(slots=True, eq=False)
class Fault:
    """One fault that is on. `until_s` is wall time; `left` counts how often it still strikes, -1 without limit."""

    name: str
    kind: str
    until_s: float = float("inf")
    probability: float = 1.0
    left: int = -1
    market: str = ""
    options: dict[str, float] = field(default_factory=dict)

    def number(self, name: str, default: float) -> float:
        """A numeric option."""
        return self.options.get(name, default)


def parse(document: Any, name: str, wall_s: float) -> Fault:
    """A fault from JSON such as {"fault": "slow", "delay_s": 2, "for_s": 60}.

    Raises:
        ParameterError: naming the key, the value received and what is allowed.
    """
    if not isinstance(document, dict) or document.get("fault") not in KINDS:
        received = document.get("fault") if isinstance(document, dict) else document
        raise ParameterError(f"fault was {received!r}; choose one of {', '.join(KINDS)}")
    options: dict[str, float] = {}
    for key, value in document.items():
        if key in ("fault", "market", "at_s"):
            continue
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if key not in NUMBERS or not is_number or not -1e9 < value < 1e9:
            raise ParameterError(f"{key} was {value!r}; a fault takes the numbers {', '.join(NUMBERS)}")
        options[key] = float(value)
    market = document.get("market", "")
    if not isinstance(market, str):
        raise ParameterError(f"market was {market!r}; give a condition id")
    lasting = options.get("for_s")
    return Fault(
        name=name,
        kind=document["fault"],
        until_s=wall_s + lasting if lasting is not None else float("inf"),
        probability=options.get("probability", 1.0),
        left=int(options.get("count", -1)),
        market=market.lower(),
        options=options,
    )
