"""Limits that no policy can pass. Every refusal has a name; exits are never refused by a cap."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from pipelines.core.domain import Market, Position
from pipelines.core.money import SHARE_GRID
from pipelines.core.sections import RiskParams
from pipelines.trading import kernel


class Reason(StrEnum):
    """Why an entry, or a sale that cannot be made, was refused."""

    CONFIDENCE = "confidence"
    POSITION_CAP = "position_cap"
    EXPOSURE_CAP = "exposure_cap"
    MAX_MARKETS = "max_markets"
    RELATED_MARKETS = "related_markets"
    DAILY_LOSS = "daily_loss"
    DRAWDOWN = "drawdown"
    KILL_SWITCH = "kill_switch"
    PAUSED = "paused"
    CLOSE_ASKED = "close_asked"
    PRICE_BOUNDS = "price_bounds"
    BELOW_MINIMUM = "below_minimum"
    STALE_QUOTE = "stale_quote"
    NO_BID = "no_bid"
    THIN_BOOK = "thin_book"
    DUST = "dust"
    ORDER_BREAKER = "order_breaker"
    NO_CASH = "no_cash"
    KELLY_NOT_POSITIVE = "kelly_not_positive"
    MARKET_ENDING = "market_ending"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A named refusal with the numbers behind it, for people."""

    reason: Reason
    detail: str


STOP_REASONS = ("", "stop_loss", "take_profit", "trailing_stop")
"""Names of the results of `stop_code`."""


def stop_code(
    entry_units: int,
    peak_units: int,
    now_units: int,
    floor_units: int,
    stop_loss: float,
    take_profit: float,
    trailing_stop: float,
) -> int:
    """Which stop closes a position, as an index into STOP_REASONS; 0 is none.

    All prices are mids of the token that is held. Each percentage is of the entry mid and at least `floor_units`
    (see `stop_floor`), so that a stop is never inside the noise of one quote. A fraction of 0 turns a stop off.
    """
    gain = now_units - entry_units
    if stop_loss > 0.0 and -gain > max(stop_loss * entry_units, floor_units):
        return 1
    if take_profit > 0.0 and gain > max(take_profit * entry_units, floor_units):
        return 2
    # Only a gain is trailed: below the entry the stop loss decides alone.
    if trailing_stop > 0.0 and gain > 0 and peak_units - now_units > max(trailing_stop * entry_units, floor_units):
        return 3
    return 0


def stop_floor(
    spread_units: int,
    tick_units: int,
    cost_units: float,
    cost_multiple: float,
    deviation_units: int,
    deviations: float,
) -> int:
    """Smallest distance of a stop: the spread and two ticks, `cost_multiple` round trips, and `deviations` predicted
    standard deviations of the price (`predicted_variance`).

    A stop inside the cost of the round trip sells every winner at a loss: see docs/decisions/0004-stops.md.

    >>> stop_floor(200, 100, cost_units=250.0, cost_multiple=2.0, deviation_units=300, deviations=0.0)
    500
    >>> stop_floor(200, 100, cost_units=250.0, cost_multiple=2.0, deviation_units=300, deviations=2.0)
    600
    """
    return max(spread_units + 2 * tick_units, int(cost_multiple * cost_units), int(deviations * deviation_units))


def loss_refusal(equity_micro: int, day_start_micro: int, peak_micro: int, risk: RiskParams) -> Refusal | None:
    """Refusal by the loss of the market day or the drawdown from the peak."""
    # Equity and not realised P&L: a loss that is not sold yet is a loss.
    if equity_micro <= day_start_micro * (1.0 - risk.daily_loss_fraction):
        lost = 1.0 - equity_micro / day_start_micro
        return Refusal(Reason.DAILY_LOSS, f"{lost:.2%} lost today, the limit is {risk.daily_loss_fraction:.2%}")
    if equity_micro <= peak_micro * (1.0 - risk.max_drawdown_fraction):
        down = 1.0 - equity_micro / peak_micro
        return Refusal(Reason.DRAWDOWN, f"{down:.2%} below the peak, the limit is {risk.max_drawdown_fraction:.2%}")
    return None


def crowd_refusal(
    market: Market,
    positions: Mapping[str, Position],
    open_buys: Mapping[str, int],
    markets: Mapping[str, Market],
    risk: RiskParams,
) -> Refusal | None:
    """Refusal by the number of markets held (without dust) or being bought, in all and of one event or topic."""
    # A working buy counts as held: it may fill before the next bar.
    held = {one for one, position in positions.items() if not is_dust(position, markets.get(one))} | open_buys.keys()
    if len(held) >= risk.max_markets:
        return Refusal(Reason.MAX_MARKETS, f"{len(held)} markets are held, the limit is {risk.max_markets}")
    related = sum(_related(market, markets[other]) for other in held if other in markets)
    if related >= risk.max_related_markets:
        detail = f"{related} markets of event or topic {market.topic or market.event_id} are held"
        return Refusal(Reason.RELATED_MARKETS, f"{detail}, the limit is {risk.max_related_markets}")
    return None


def is_dust(position: Position, market: Market | None) -> bool:
    """Whether a position is smaller than the venue's smallest order: it cannot be sold, and takes no place."""
    # A venue may list no minimum; less than a hundredth of a share is no order all the same.
    return market is not None and kernel.sellable_micro(position.shares_micro) < max(market.min_size_micro, SHARE_GRID)


def _related(one: Market, other: Market) -> bool:
    return one.event_id == other.event_id or (bool(one.topic) and one.topic == other.topic)


def exposure_micro(positions: Mapping[str, Position], open_buys: Mapping[str, int]) -> int:
    """What is at stake in all markets: the cost of positions and of working buys."""
    return sum(position.cost_micro for position in positions.values()) + sum(open_buys.values())


def reserve_micro(market: Market, shares_micro: int, limit_units: int) -> int:
    """pUSD that a working buy may still cost in a market (`kernel.reserve_micro`)."""
    return kernel.reserve_micro(shares_micro, limit_units, market.fee.rate, market.fee.exponent)
