"""Why a decision was taken, in words, derived from what `decide` saw: nothing of it has to be journaled."""

from pipelines.core.domain import Direction, Position
from pipelines.core.money import MICRO, PRICE_SCALE
from pipelines.decide import Decision, Inputs, Rules
from pipelines.trading import kernel
from pipelines.trading.policies.base import Weighed
from pipelines.trading.threshold_rule import MOVE_STEPS, expected_units


def reason(inputs: Inputs, position: Position | None, made: Decision, rules: Rules | None) -> str:
    """One line for people: what was ordered, what refused it, or what was expected and would have had to be exceeded.

    `position` is what was held in this market when the bar closed. `rules` are None where the bundle that decided is
    not at hand: what it would have had to exceed is left out then.
    """
    if made.refusal is not None:
        return made.refusal.detail
    if made.intent is not None:
        return orders(made)
    if made.action == "wait":
        return "an order is still working here: nothing new is decided until it is settled"
    if not inputs.warm:
        return "its window is not warm yet: only stops, the end of the market and the kill switch are watched"
    if rules is None:
        move = expected_units(inputs.forecast.move_from_next(MOVE_STEPS), inputs.bar.mid_units)
        return f"{'kept' if position is not None else 'held'} by an earlier bundle: expected {_cents(float(move))} ¢"
    return _hold(weighed(inputs, position, rules), position is not None, made)


def weighed(inputs: Inputs, position: Position | None, rules: Rules) -> Weighed:
    """The move that is expected and the one that a decision has to exceed, in price units of 0.0001.

    A policy that weighs in its own way says so (`DeclaredPolicy.weighs`); for the others it is the forecast's move and
    one round trip.
    """
    own = getattr(rules.policy, "weighs", None)
    found: Weighed | None = own(inputs, position) if own is not None else None
    if found is not None:
        return found
    fee, mid = inputs.market.fee, inputs.bar.mid_units
    move = expected_units(inputs.forecast.move_from_next(MOVE_STEPS), mid)
    spread, share = inputs.quote.spread_units, rules.execution.impact_share
    cost = kernel.round_trip_units(spread, mid, share, fee.rate, fee.exponent)
    return Weighed(float(move), float(cost), "one round trip; the policy decides by more than these", False)


def orders(made: Decision) -> str:
    """What a decision orders, in words; empty where it orders nothing."""
    said = [
        f"{one.side.value.lower()} {one.shares_micro / MICRO:g} {one.outcome.value} at"
        f" {one.price_units / PRICE_SCALE:g} or better"
        for one in made.intents
    ]
    return f"{made.intents[0].reason.replace('_', ' ')}: {' and '.join(said)}" if said else ""


def _hold(found: Weighed, is_held: bool, made: Decision) -> str:
    expected, needed = _cents(found.move_units), _cents(found.needed_units)
    if is_held:
        return f"kept: expected {expected} ¢; it is left at {needed} ¢ or beyond ({found.basis})"
    if not found.binding:
        wish = "cash" if made.direction is Direction.FLAT else made.direction.name.lower()
        return f"the policy wants {wish}: expected {expected} ¢, {needed.lstrip('+')} ¢ is {found.basis}"
    return f"expected {expected} ¢; an entry needs more than {needed.lstrip('+')} ¢ either way ({found.basis})"


def _cents(units: float) -> str:
    return f"{units * 100.0 / PRICE_SCALE:+.2f}"
