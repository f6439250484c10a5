"""Faults that happen once: changes of a market, and payments to or from accounts."""

from collections.abc import Callable
from dataclasses import replace

from pipelines.core.errors import ParameterError
from pipelines.core.money import MICRO
from simulator.engine.markets import LiveMarket
from simulator.faults.catalog import Fault
from simulator.venue.venue import Venue

NEW_RULES = "The rules were clarified: only the official announcement counts."


def change_market(venue: Venue, market: LiveMarket, fault: Fault) -> None:
    """Change a market as the fault says.

    Raises:
        ParameterError: if a number is out of range.
    """
    _CHANGES[fault.kind](venue, market, fault)


def _tick(venue: Venue, market: LiveMarket, fault: Fault) -> None:
    units = _ranged(fault, "tick_units", 10, 1, 1000)
    venue.change_tick(market, int(units), said=fault.kind != "tick_missed")
    market.tick_pinned = True
    venue.market_maker.refresh(market)


def _close(venue: Venue, market: LiveMarket, fault: Fault) -> None:
    venue.close_market(market.listing.market_id)


def _fee(venue: Venue, market: LiveMarket, fault: Fault) -> None:
    fee = replace(market.listing.fee, rate=_ranged(fault, "rate", 0.1, 0, 1))
    market.listing = replace(market.listing, fee=fee)


def _min_size(venue: Venue, market: LiveMarket, fault: Fault) -> None:
    shares = _ranged(fault, "shares", 15, 0.01, 1e6)
    market.listing = replace(market.listing, min_size_micro=round(shares * 100) * MICRO // 100)


def _end(venue: Venue, market: LiveMarket, fault: Fault) -> None:
    market.shown_end_s = market.listing.end_s + round(_ranged(fault, "minutes", -60, -1e7, 1e7) * 60)


def _no_end(venue: Venue, market: LiveMarket, fault: Fault) -> None:
    market.shown_end_s = None


def _rules(venue: Venue, market: LiveMarket, fault: Fault) -> None:
    market.rules = NEW_RULES


_CHANGES: dict[str, Callable[[Venue, LiveMarket, Fault], None]] = {
    "tick_change": _tick,
    "tick_missed": _tick,
    "close_market": _close,
    "fee_change": _fee,
    "min_size_change": _min_size,
    "end_change": _end,
    "no_end": _no_end,
    "rules_change": _rules,
}

CASH_MOVES = ("reward", "rebate", "deposit", "withdrawal")


def move_cash(venue: Venue, fault: Fault) -> None:
    """Pay every outside account, or withdraw from it, as the fault says.

    Raises:
        ParameterError: if the amount is out of range.
    """
    micro = int(_ranged(fault, "micro", MICRO, 1, 10**12))
    for account in [a for a in venue.exchange.accounts.values() if not a.internal]:
        if fault.kind == "withdrawal":
            if account.cash_micro >= micro:
                venue.withdraw(account, micro)
        elif fault.kind == "deposit":
            venue.deposit(account, micro)
        else:
            kind = "TAKER_REBATE" if fault.number("taker", 0) else "MAKER_REBATE"
            venue.pay(account, "REWARD" if fault.kind == "reward" else kind, micro)


def _ranged(fault: Fault, name: str, default: float, low: float, high: float) -> float:
    value = fault.number(name, default)
    if not low <= value <= high:
        raise ParameterError(f"{name} was {value:g}; give {low:g} to {high:g}")
    return value
