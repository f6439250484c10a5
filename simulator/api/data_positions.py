"""Positions as the Data API shows them."""

from typing import Any

from pipelines.core.domain import Outcome
from pipelines.core.money import MICRO, PRICE_SCALE
from simulator.api import formats
from simulator.api.data_base import FIRST_EVENT
from simulator.engine.markets import LiveMarket, MarketState
from simulator.venue.activity import Holding
from simulator.venue.venue import Venue


def positions_of(venue: Venue, address: str) -> list[dict[str, Any]]:
    """All holdings of an account, past ones included."""
    held = venue.activity.holdings.get(address, {})
    return [position(venue, address, token, holding) for token, holding in held.items()]


def position(venue: Venue, address: str, token_id: str, held: Holding) -> dict[str, Any]:
    """One account's holding of one token, with cost and profit; fees are no part of the average price."""
    market = venue.exchange.by_token[token_id]
    outcome = market.outcome(token_id)
    shares = venue.exchange.accounts[address].shares(token_id)
    value_units = _mark(market, outcome)
    entered = held.cost_micro / held.bought_micro if held.bought_micro else 0.0
    out = held.sold_micro + held.redeemed_micro
    realized = held.proceeds_micro + held.paid_micro - entered * out
    unrealized = shares * value_units / PRICE_SCALE - entered * shares
    cost = entered * shares
    other = market.token(outcome.other)
    resolved = market.state is MarketState.RESOLVED
    return {
        "proxy_wallet": address.lower(),
        "token_id": token_id,
        "condition_id": market.listing.market_id,
        "current_size": shares / MICRO,
        "avg_price": entered,
        "entry_cost_usdc": held.cost_micro / MICRO,
        "entry_fees_usdc": held.fees_micro / MICRO,
        "total_cost_usdc": (held.cost_micro + held.fees_micro) / MICRO,
        "current_price": value_units / PRICE_SCALE,
        "current_value": shares * value_units / PRICE_SCALE / MICRO,
        "total_size": held.bought_micro / MICRO,
        "realized_pnl": realized / MICRO,
        "unrealized_pnl": unrealized / MICRO,
        "total_pnl": (realized + unrealized) / MICRO,
        "percent_pnl": 100 * unrealized / cost if cost else 0.0,
        "percent_realized_pnl": 100 * realized / held.cost_micro if held.cost_micro else 0.0,
        "status": ("REDEEMABLE" if resolved else "OPEN") if shares else "CLOSED",
        "redeemable": resolved and shares > 0,
        "mergeable": shares > 0 and venue.exchange.accounts[address].shares(other) > 0,
        "negative_risk": market.listing.neg_risk,
        "archived": False,
        "outcome": market.label(outcome),
        "opposite_outcome": market.label(outcome.other),
        "outcome_index": 0 if outcome is Outcome.YES else 1,
        "opposite_token_id": other,
        "event_id": FIRST_EVENT + venue.event_positions[market.listing.event_id],
        "event_slug": market.listing.event_id,
        "icon": "",
        "verified": False,
        "name": "",
        "profile_image": "",
        "title": market.listing.question,
        "slug": market.listing.slug,
        "end_date": "" if market.shown_end_s is None else formats.iso(market.shown_end_s)[:10],
        "last_event_at": held.last_s,
        "first_entry_at": held.first_s,
    }


def _mark(market: LiveMarket, outcome: Outcome) -> int:
    if market.payout_yes_micro is not None:
        return market.payout_micro(outcome) // 100
    bid, ask = market.book.top(outcome)
    return ((bid or 0) + (PRICE_SCALE if ask is None else ask)) // 2
