"""What the trades of one strategy were worth: calibration of its confidence, and where its money went."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipelines.core.money import MICRO, PRICE_SCALE
from pipelines.replay.loop import Result
from pipelines.replay.market_history import History
from pipelines.replay.performance import pnl_by_market
from pipelines.trading.ledger import Closed, round_trips

GROUPS = 5
FEWEST = 5
"""Round trips in a group of the calibration: with fewer a share says nothing."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One bar of one market: the mid at which it traded, in price units, and the confidence of the forecast."""

    mid_units: int
    confidence: float


Known = dict[tuple[str, int], Moment]


def document(result: Result, histories: Sequence[History], delay_s: int) -> dict[str, Any]:
    """Calibration, costs and P&L by market, for JSON; fills come `delay_s` after their decision."""
    known = moments(histories)
    by_market = {name: round(pnl, 6) for name, pnl in pnl_by_market(result).items()}
    return {
        "calibration": calibration(result, known, delay_s),
        "costs_pusd": costs(result, known),
        "pnl_by_market_pusd": dict(sorted(by_market.items(), key=lambda item: item[1])),
    }


def moments(histories: Sequence[History]) -> Known:
    """(market id, market time) -> what the bar says. The tape's bars would not do: the last one of a resolved market
    carries the payout there, at which a position is valued and nothing trades."""
    return {
        (one.market.market_id, ts_s): Moment(mid, confidence)
        for one in histories
        for ts_s, mid, confidence in zip(
            one.ts_s.tolist(), one.mid_units.tolist(), one.confidence.tolist(), strict=True
        )
    }


def calibration(result: Result, known: Known, delay_s: int) -> list[dict[str, float]]:
    """Round trips in groups of rising confidence: how sure the forecast was, and how often the price went its way (mid
    to mid from the entry to the exit) and how often the trip paid after costs. Unpriced moments are left out."""
    trips = round_trips(result.closed, result.held)
    rows = [row for row in (_trip(trip, known, delay_s) for trip in trips) if row is not None]
    rows.sort()
    count = min(GROUPS, len(rows) // FEWEST)
    groups = np.array_split(np.array(rows).reshape(-1, 3), count) if count else []
    return [
        {
            "trips": len(group),
            "confidence": float(group[:, 0].mean()),
            "right": float(group[:, 1].mean()),
            "paid": float(group[:, 2].mean()),
        }
        for group in groups
    ]


def _trip(trip: Closed, known: Known, delay_s: int) -> tuple[float, float, float] | None:
    moments = (trip.opened_s - delay_s, trip.opened_s, trip.closed_s)
    decided, entry, left = (known.get((trip.market_id, ts_s)) for ts_s in moments)
    if decided is None or entry is None or left is None:
        return None
    moved = (left.mid_units - entry.mid_units) * (1 if trip.outcome == "YES" else -1)
    return decided.confidence, float(moved > 0), float(trip.pnl > 0)


def costs(result: Result, known: Known) -> dict[str, float]:
    """P&L as it would have been at the mid of every fill's bar, what spread and impact took of it, the fees, and the
    rest, in pUSD."""
    crossed = 0
    for fill in result.fills:
        mid = known[fill.market_id, fill.ts_s].mid_units
        token = mid if fill.outcome == "YES" else PRICE_SCALE - mid
        away = fill.price_units - token if fill.side == "BUY" else token - fill.price_units
        crossed += away * fill.shares_micro // PRICE_SCALE
    net = sum(pnl_by_market(result).values())
    spread, fees = crossed / MICRO, result.fees_micro / MICRO
    return {
        "at_mid": round(net + spread + fees, 6),
        "spread_and_impact": round(spread, 6),
        "fees": round(fees, 6),
        "net": round(net, 6),
    }
