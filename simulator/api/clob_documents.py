"""Markets as the CLOB shows them: compact, full and simplified."""

from typing import Any

from pipelines.core.domain import Outcome
from pipelines.core.money import MICRO, PRICE_SCALE
from simulator.api import formats
from simulator.engine.markets import LiveMarket, MarketState
from simulator.venue.incentives import MAX_SPREAD_UNITS, MIN_SIZE_MICRO

LEGACY_BASE_FEE = 1000
PUSD = "0xC011a7E12a19f7B1f670d46F03B03f3342E82DFB"
REWARDS_MAX_SPREAD, REWARDS_MIN_SIZE = MAX_SPREAD_UNITS / 100, MIN_SIZE_MICRO // MICRO
"""Largest spread in cents and smallest size in shares that earn rewards."""


def sides(market: LiveMarket, outcome: Outcome) -> tuple[int, int]:
    """Best bid and ask of an outcome's token in price units; 0 and 10,000 for a missing side."""
    bid, ask = market.book.top(outcome)
    return (0 if bid is None else bid), (PRICE_SCALE if ask is None else ask)


def compact(market: LiveMarket, *, delays_takers: bool) -> dict[str, Any]:
    """The document of GET /clob-markets/{condition}, with short keys."""
    listing = market.listing
    document: dict[str, Any] = {
        "c": listing.market_id,
        "v": market.version,
        "t": [{"t": market.token(outcome), "o": market.label(outcome)} for outcome in Outcome],
        "mts": formats.number(market.tick_units),
        "mos": formats.whole(listing.min_size_micro),
        "mbf": LEGACY_BASE_FEE,
        "tbf": LEGACY_BASE_FEE,
        "ao": market.state is MarketState.OPEN,
        "aot": formats.iso(listing.start_s),
        "sd": int(market.delay_s),
        "itode": delays_takers,
        "cbos": False,
        "ibce": False,
        "rfqe": False,
        "oas": 0,
        "r": {"mi": REWARDS_MIN_SIZE, "ma": REWARDS_MAX_SPREAD, "moas": 0},
    }
    if listing.neg_risk:
        document["nr"] = True
    if listing.fee.rate:
        document["fd"] = {"r": listing.fee.rate, "e": listing.fee.exponent, "to": True}
    return document


def full(market: LiveMarket) -> dict[str, Any]:
    """The document of GET /markets/{condition}, with the keys of the venue."""
    listing = market.listing
    is_open = market.state is MarketState.OPEN
    return {
        "enable_order_book": is_open,
        "active": True,
        "closed": not is_open,
        "archived": False,
        "accepting_orders": is_open,
        "accepting_order_timestamp": formats.iso(listing.start_s),
        "minimum_order_size": formats.whole(listing.min_size_micro),
        "minimum_tick_size": formats.number(market.tick_units),
        "condition_id": listing.market_id,
        "question_id": question_id(market),
        "question": listing.question,
        "description": rules(market),
        "market_slug": listing.slug,
        "end_date_iso": None if market.shown_end_s is None else formats.iso(market.shown_end_s),
        "game_start_time": None,
        "seconds_delay": int(market.delay_s),
        "fpmm": "",
        "maker_base_fee": LEGACY_BASE_FEE,
        "taker_base_fee": LEGACY_BASE_FEE,
        "notifications_enabled": True,
        "neg_risk": listing.neg_risk,
        "neg_risk_market_id": question_id(market) if listing.neg_risk else "",
        "neg_risk_request_id": "",
        "icon": "",
        "image": "",
        "rewards": {"rates": _rates(market), "min_size": REWARDS_MIN_SIZE, "max_spread": REWARDS_MAX_SPREAD},
        "is_50_50_outcome": market.payout_yes_micro == MICRO // 2,
        "tokens": [_token_row(market, outcome) for outcome in Outcome],
        "tags": [listing.category],
    }


def rules(market: LiveMarket) -> str:
    """Text of a market's rules."""
    return market.rules or market.listing.description or f"Simulated market. {market.listing.question}"


def _rates(market: LiveMarket) -> list[dict[str, Any]] | None:
    if not market.rewards_micro:
        return None
    return [{"asset_address": PUSD, "rewards_daily_rate": market.rewards_micro / MICRO}]


def question_id(market: LiveMarket) -> str:
    """A question id, made from the market's id."""
    return "0x" + market.listing.market_id[:1:-1]


def _token_row(market: LiveMarket, outcome: Outcome) -> dict[str, Any]:
    over = market.payout_yes_micro is not None
    bid, ask = sides(market, outcome)
    value = market.payout_micro(outcome) / MICRO if over else (bid + ask) / 2 / PRICE_SCALE
    return {
        "token_id": market.token(outcome),
        "outcome": market.label(outcome),
        "price": value,
        "winner": over and market.payout_micro(outcome) == MICRO,
    }


def simplified(market: LiveMarket) -> dict[str, Any]:
    """The short form of a market in lists."""
    long = full(market)
    keys = ("condition_id", "rewards", "tokens", "active", "closed", "archived", "accepting_orders")
    return {key: long[key] for key in keys}
