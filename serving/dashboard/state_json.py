"""The picture of the bot that the dashboard, the runner and people read: plain JSON, amounts in pUSD and shares."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pipelines import reasons
from pipelines.core.domain import Fill, Forecast, Market, Outcome, Position, Quote
from pipelines.core.money import MICRO, PRICE_SCALE
from pipelines.decide import Decision
from pipelines.features.scale import price_after
from pipelines.inference.verdict import Verdict
from pipelines.trading.ledger import round_trips
from serving.account.accounting import Accounting
from serving.account.journal import OrderRow


def account(accounting: Accounting, address: str) -> dict[str, Any]:
    """Money, limits used, and closed trades."""
    equity, day_start, peak, first = (
        accounting.equity_micro,
        accounting.day_start_micro,
        accounting.peak_micro,
        accounting.first_micro,
    )
    wins = [trip.pnl > 0 for trip in round_trips(accounting.closed, accounting.positions)]
    return {
        "address": address,
        "cash": accounting.cash_micro / MICRO,
        "equity": equity / MICRO,
        "initial": first / MICRO,
        "pnl": (equity - first) / MICRO,
        "daily_pnl": (equity - day_start) / MICRO,
        "daily_fraction": equity / day_start - 1.0 if day_start else 0.0,
        "drawdown": max(0.0, 1.0 - equity / peak) if peak else 0.0,
        "fees": accounting.fees_micro / MICRO,
        "income": {kind: micro / MICRO for kind, micro in sorted(accounting.income_micro.items())},
        "redeemable": sorted(accounting.redeemable),
        "closed_trades": len(wins),
        "win_rate": sum(wins) / len(wins) if wins else None,
    }


def position(held: Position, market: Market, yes_mid_units: int) -> dict[str, Any]:
    """A position at the mid of its token."""
    yes = held.outcome is Outcome.YES
    mid = yes_mid_units if yes else PRICE_SCALE - yes_mid_units
    value = held.shares_micro * mid // PRICE_SCALE
    pnl = (value - held.cost_micro) / MICRO
    return {
        "market_id": held.market_id,
        "question": market.question,
        "outcome": held.outcome.value,
        "shares": held.shares_micro / MICRO,
        "entry": held.cost_micro / held.shares_micro if held.shares_micro else None,
        "mid": mid / PRICE_SCALE,
        "value": value / MICRO,
        "pnl": pnl,
        "pnl_fraction": pnl * MICRO / held.cost_micro if held.cost_micro else 0.0,
        "opened_s": held.opened_s,
        "end_s": market.end_s,
        "tick": market.tick_units / PRICE_SCALE,
    }


def order(row: OrderRow, market: Market | None) -> dict[str, Any]:
    """A working order."""
    return {
        "order_id": row.order_id,
        "market_id": row.market_id,
        "question": market.question if market else row.market_id,
        "side": row.side.value,
        "outcome": row.outcome.value,
        "price": row.price_units / PRICE_SCALE,
        "shares": row.shares_micro / MICRO,
        "filled": row.filled_micro / MICRO,
        "state": row.state.value.replace("_", " "),
        "tick": market.tick_units / PRICE_SCALE if market else 0.01,
    }


def fill(one: Fill, market: Market | None) -> dict[str, Any]:
    """A trade of ours."""
    return {
        "market_id": one.market_id,
        "ts_s": one.ts_s,
        "question": market.question if market else one.market_id,
        "side": one.side.value,
        "outcome": one.outcome.value,
        "price": one.price_units / PRICE_SCALE,
        "shares": one.shares_micro / MICRO,
        "fee": one.fee_micro / MICRO,
        "tick": market.tick_units / PRICE_SCALE if market else 0.01,
    }


def decision(made: Decision, market: Market, armed: bool, why: str = "") -> dict[str, Any]:
    """A decision with its reason; `why` is the reason of one that neither orders nor was refused."""
    refusal = made.refusal
    return {
        "ts_s": made.ts_s,
        "market_id": made.market_id,
        "question": market.question,
        "action": made.wish,
        "acting": made.intent is not None,
        "armed": armed,
        "refusal": refusal.reason.value if refusal else None,
        "detail": refusal.detail if refusal else reasons.orders(made) or why,
        "confidence": made.confidence,
    }


def market(
    listed: Market,
    quote: Quote,
    mid_units: int,
    forecast: Forecast | None,
    made: Decision | None,
    armed: bool,
    why: str = "",
) -> dict[str, Any]:
    """A followed market: quote, expected move from the next bar to the horizon with its interval, decision."""
    row: dict[str, Any] = {
        "market_id": listed.market_id,
        "question": listed.question,
        "end_s": listed.end_s,
        "tick": listed.tick_units / PRICE_SCALE,
        "bid": quote.bid_units / PRICE_SCALE,
        "ask": quote.ask_units / PRICE_SCALE,
        "mid": mid_units / PRICE_SCALE,
    }
    if forecast is not None:
        row |= _moves(mid_units, forecast) | {"confidence": forecast.confidence}
    if made is not None:
        row |= {key: value for key, value in decision(made, listed, armed, why).items() if key not in row}
    return row


def _moves(mid_units: int, forecast: Forecast) -> dict[str, float]:
    mids = np.full(4, mid_units)
    ends = np.array([forecast.mean[0], forecast.mean[-1], forecast.lower[-1], forecast.upper[-1]])
    first, mean, lower, upper = (100.0 * price_after(mids, ends)).tolist()
    now = mid_units / 100.0
    return {"move_cents": mean - first, "lower_cents": lower - now, "upper_cents": upper - now}


def verdict(given: Verdict | None) -> dict[str, Any] | None:
    """The verdict that came with the bundle, and until when it counts."""
    if given is None:
        return None
    return {
        "verdict": given.verdict,
        "source": given.source,
        "judged_at_s": given.judged_at_s,
        "expires_s": given.expires_s,
        "evidence": given.evidence_sha256,
    }


def orders_total(counts: Mapping[str, int], refused: Mapping[str, int]) -> dict[str, Any]:
    """Orders since the account was first seen: sent, with a fill, refused by the venue, unknown; our own refusals."""
    states = {name: n for name, n in counts.items() if name != "matched"}
    return {
        "placed": sum(states.values()),
        "matched": counts.get("matched", 0),
        "rejected": states.get("rejected", 0),
        "unknown": states.get("unknown", 0),
        "cancelled": states.get("cancelled", 0),
        "refused": dict(refused),
    }


def equity_points(points: Sequence[tuple[int, int]]) -> list[tuple[int, float]]:
    """(market time, pUSD), strictly ascending in time."""
    newest: dict[int, float] = {}
    for ts_s, micro in points:
        newest[ts_s] = micro / MICRO
    return sorted(newest.items())
