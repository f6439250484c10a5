"""The stages of an order of the bot as it is: decided, signed, answered by the exchange."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipelines.core.orders import OrderIntent, OrderType, PlaceResult, SignedOrder
from pipelines.trading import latency

STAGES = ("close_to_decision", "decision_to_signed", "signed_to_answer")


@dataclass(frozen=True, slots=True)
class Stages:
    """Milliseconds of one order. The second has the bar's journal and the orders before it in it, the third is less
    the hold of its market where it took."""

    close_to_decision: float
    decision_to_signed: float
    signed_to_answer: float

    @property
    def total(self) -> float:
        """From the end of the bar to the answer: with the grace for its last messages."""
        return latency.GRACE_S * 1e3 + self.close_to_decision + self.decision_to_signed + self.signed_to_answer


class StagedGateway:
    """A gateway whose orders are timed; all else is the gateway's own. `turn_at` and `took_ms` are set by who decides:
    when the bar closed (seconds of `time.perf_counter`) and what its decisions took."""

    def __init__(self, gateway: Any, markets: Any) -> None:
        self._gateway, self._markets = gateway, markets
        self.turn_at, self.took_ms = 0.0, 0.0
        self._signed: dict[str, float] = {}
        self.stages: list[Stages] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._gateway, name)

    def prepare(self, intent: OrderIntent) -> SignedOrder:
        """Sign."""
        signed: SignedOrder = self._gateway.prepare(intent)
        self._signed[signed.order_id] = time.perf_counter()
        return signed

    def place(self, signed: SignedOrder) -> PlaceResult:
        """Send, and hear back."""
        result: PlaceResult = self._gateway.place(signed)
        answered, signed_at = time.perf_counter(), self._signed.pop(signed.order_id)
        intent = signed.intent
        market = self._markets.get(intent.market_id)
        held_ms = market.taker_delay_ms if market is not None and intent.order_type is OrderType.FAK else 0
        signed_ms = (signed_at - self.turn_at) * 1e3 - self.took_ms
        way_ms = (answered - signed_at) * 1e3 - held_ms
        self.stages.append(Stages(self.took_ms, signed_ms, max(way_ms, 0.0)))
        return result


def document(stages: Sequence[Stages], network_ms: float) -> dict[str, Any]:
    """Each stage at p50 and p95, and `latency_ms` in the form of `execution.latency_ms` with `network_ms` added, which
    a loopback does not have."""
    shown = {
        name: {f"p{at}": round(float(np.percentile([getattr(one, name) for one in stages], at)), 1) for at in (50, 95)}
        for name in STAGES
        if stages
    }
    deciles = latency.deciles_ms(one.total + network_ms for one in stages)
    return {
        "order_stages_ms": shown,
        "latency_ms": {"orders": len(stages), "network_ms": network_ms, "deciles": [round(one, 1) for one in deciles]},
    }
