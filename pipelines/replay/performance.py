"""Figures of a replay: P&L after costs, Sharpe by day and by bar, drawdown, trades. Annualised for 365 open days."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pipelines.core.domain import FloatArray, Market
from pipelines.core.money import MICRO
from pipelines.replay.loop import DAY_S, Result
from pipelines.trading.ledger import round_trips

YEAR_S = 365 * DAY_S


@dataclass(frozen=True)
class Figures:
    """One strategy's row. Money in pUSD, returns and drawdown as fractions of the initial cash or the peak."""

    pnl_pusd: float
    return_fraction: float
    sharpe_day: float | None
    sharpe_bar: float | None
    max_drawdown: float
    round_trips: int
    win_rate: float | None
    mean_trade_pusd: float | None
    fees_pusd: float
    turnover_pusd: float
    mean_exposure: float
    mean_hold_bars: float | None
    orders: int
    fills: int
    refusals: dict[str, int]
    rebates_pusd: float = 0.0
    rewards_pusd: float = 0.0
    """What the venue paid for orders that rested; it is in the P&L."""

    def document(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def figures(result: Result, cash_micro: int, length_s: int) -> Figures:
    """Every figure of a replay that began with `cash_micro`."""
    equity = np.asarray(result.equity_micro, dtype=np.float64) / MICRO
    cash = cash_micro / MICRO
    pnls = trade_pnls(result)
    holds = [(trade.closed_s - trade.opened_s) / length_s for trade in result.closed]
    turnover = sum(fill.shares_micro * fill.price_units / 1e10 for fill in result.fills)
    return Figures(
        pnl_pusd=round(float(equity[-1] - cash), 6),
        return_fraction=float(equity[-1] / cash - 1.0),
        sharpe_day=sharpe(daily(result, cash), 365.0),
        sharpe_bar=sharpe(np.diff(equity, prepend=cash), YEAR_S / length_s),
        max_drawdown=drawdown(equity),
        round_trips=len(pnls),
        win_rate=float(np.mean(pnls > 0.0)) if len(pnls) else None,
        mean_trade_pusd=float(pnls.mean()) if len(pnls) else None,
        fees_pusd=result.fees_micro / MICRO,
        turnover_pusd=turnover,
        mean_exposure=float(np.mean(np.asarray(result.at_stake_micro) / np.asarray(result.equity_micro))),
        mean_hold_bars=float(np.mean(holds)) if holds else None,
        orders=result.orders,
        fills=len(result.fills),
        refusals=dict(sorted(result.refusals.items())),
        rebates_pusd=_paid(result, "rebates"),
        rewards_pusd=_paid(result, "rewards"),
    )


def _paid(result: Result, kind: str) -> float:
    return sum(result.income_micro.get(kind, {}).values()) / MICRO


def trade_pnls(result: Result) -> FloatArray:
    """P&L after costs of each closed position, in pUSD; a position that is sold in part only does not count."""
    return np.array([float(trip.pnl) for trip in round_trips(result.closed, result.held)])


def daily(result: Result, cash: float) -> FloatArray:
    """Change of equity per UTC day of market time, in pUSD; the first and last day may be parts."""
    days = np.asarray(result.ts_s) // DAY_S
    last = np.append(np.flatnonzero(np.diff(days)), len(days) - 1)
    ends = np.asarray(result.equity_micro, dtype=np.float64)[last] / MICRO
    changes: FloatArray = np.diff(ends, prepend=cash)
    return changes


def sharpe(changes: FloatArray, per_year: float) -> float | None:
    """Mean over standard deviation, annualised; None with fewer than three values or no variation."""
    if len(changes) < 3 or float(np.std(changes, ddof=1)) < 1e-12:
        return None
    return float(np.mean(changes) / np.std(changes, ddof=1) * np.sqrt(per_year))


def drawdown(equity: FloatArray) -> float:
    """Largest fall from a peak, as a positive fraction of the peak."""
    peak = np.maximum.accumulate(equity)
    return float(np.max(1.0 - equity / peak))


def pnl_by_event(result: Result, markets: Mapping[str, Market]) -> dict[str, float]:
    """Event id -> P&L after costs in pUSD; events of `markets` without a trade count as 0."""
    totals = dict.fromkeys((market.event_id for market in markets.values()), 0.0)
    for market_id, pnl in pnl_by_market(result).items():
        totals[markets[market_id].event_id] += pnl
    return totals


def pnl_by_market(result: Result) -> dict[str, float]:
    """Market id -> P&L after costs in pUSD, open positions marked to mid."""
    totals: dict[str, float] = {key: value / MICRO for key, value in result.open_pnl_micro.items()}
    for trade in result.closed:
        totals[trade.market_id] = totals.get(trade.market_id, 0.0) + float(trade.pnl)
    for paid in result.income_micro.values():
        for market_id, micro in paid.items():
            totals[market_id] = totals.get(market_id, 0.0) + micro / MICRO
    return totals
