"""What the trades of one strategy were worth: calibration of its confidence, and where its money went."""

from typing import Any

import numpy as np

from pipelines.core.money import MICRO, PRICE_SCALE
from pipelines.engine.metrics import pnl_by_market
from pipelines.engine.replay import Result, Tape
from pipelines.trading.policies.base import Inputs

GROUPS = 5
FEWEST = 5
"""Round trips in a group of the calibration: with fewer a share says nothing."""

Known = dict[tuple[str, int], Inputs]


def document(result: Result, tape: Tape, delay_s: int) -> dict[str, Any]:
    """Calibration, costs and P&L by market, for JSON; fills come `delay_s` after their decision."""
    known = {(one.market.market_id, ts_s): one for ts_s, bars in tape.steps for one in bars}
    by_market = {name: round(pnl, 6) for name, pnl in pnl_by_market(result).items()}
    return {
        "calibration": calibration(result, known, delay_s),
        "costs_pusd": costs(result, known),
        "pnl_by_market_pusd": dict(sorted(by_market.items(), key=lambda item: item[1])),
    }


def calibration(result: Result, known: Known, delay_s: int) -> list[dict[str, float]]:
    """Round trips in groups of rising confidence: how sure the forecast was, and how often the price went its way (mid
    to mid from the entry to the exit) and how often the trip paid after costs. Unpriced moments are left out."""
    rows = [row for row in (_trip(trip, known, delay_s) for trip in _trips(result)) if row is not None]
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


def _trips(result: Result) -> list[tuple[str, str, int, int, float]]:
    """(market, outcome, opened, closed, P&L) of each closed position; the parts of one exit are added up."""
    merged: dict[tuple[str, str, int], tuple[int, float]] = {}
    for part in result.closed:
        key = (part.market_id, part.outcome.value, part.opened_s)
        closed, pnl = merged.get(key, (part.closed_s, 0.0))
        merged[key] = (max(closed, part.closed_s), pnl + float(part.pnl))
    return [(*key, closed, pnl) for key, (closed, pnl) in merged.items()]


def _trip(trip: tuple[str, str, int, int, float], known: Known, delay_s: int) -> tuple[float, float, float] | None:
    market, outcome, opened, closed, pnl = trip
    decided, entry, left = (known.get((market, ts_s)) for ts_s in (opened - delay_s, opened, closed))
    if decided is None or entry is None or left is None:
        return None
    moved = (left.bar.mid_units - entry.bar.mid_units) * (1 if outcome == "YES" else -1)
    return decided.forecast.confidence, float(moved > 0), float(pnl > 0.0)


def costs(result: Result, known: Known) -> dict[str, float]:
    """P&L as it would have been at the mid of every fill, what spread and impact took of it, the fees, and the rest."""
    crossed = 0
    for fill in result.fills:
        mid = known[fill.market_id, fill.ts_s].bar.mid_units
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
