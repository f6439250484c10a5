"""Micro-trades: a maker that quotes both sides and takes a quote back when book or reference turn against it."""

from pipelines.core.domain import Direction, Outcome, Position, Side
from pipelines.core.money import PRICE_SCALE
from pipelines.core.sections import Fraction, NonNegativeFloat, PositiveInt
from pipelines.trading.policies.base import (
    BAR_LENGTH,
    CASH,
    DeclaredPolicy,
    Inputs,
    Observation,
    PolicyParameters,
    Quotes,
    Target,
    given_by,
    held_direction,
)
from pipelines.trading.predicted_variance import predicted_units


class MicroTrades(DeclaredPolicy):
    """Flat it rests a bid for YES and one for NO (which is an offer of YES), each at its own touch, each bar anew. What
    one of them bought it offers at the touch, and bids for what its size lacks; pairs of YES and NO are merged. A quote
    against which the book leans, or the reference price has just moved or lies, is taken back, and there is none in
    narrow spreads, near the end, where a fill is a fill on the loser, and in markets that settle on a reference price
    while that is silent, frozen or in doubt. It leaves by taking when the mid has moved by
    `target_units` for or against it, or after `max_hold_bars`."""

    kind = "micro_trades"
    candidate = True
    rank = 70
    uses_forecast = False
    rests = True
    makes = True

    class Parameters(PolicyParameters):
        """Section `policy.micro_trades`."""

        least_spread_units: PositiveInt = 200
        """No quote in a narrower spread: what is earned has to be there. Unit: price units of 0.0001."""
        spread_deviations: NonNegativeFloat = 0.0
        """Nor in a spread of fewer predicted standard deviations of the price over the next bar; 0: the prediction
        forbids none. Unit: standard deviations."""
        most_imbalance: Fraction = 0.2
        """Bid size less ask size over their sum; a quote that it is further against is taken back. Unit: share."""
        most_reference_move: NonNegativeFloat = 0.005
        """A fair value that moved further against the quote since shortly before takes it back. Unit: probability."""
        target_units: PositiveInt = 300
        """Move of the mid from the entry at which it is left. Unit: price units of 0.0001."""
        max_hold_bars: PositiveInt = 60
        """Bars after which it is left. Unit: bars."""
        last_quote_s: PositiveInt = 120
        """No quotes in the last seconds of a market. Unit: market seconds."""
        size_share: Fraction = 0.1
        """Share of the position cap of a quote. Unit: share."""
        bar_length_s: PositiveInt = given_by(BAR_LENGTH)
        """Seconds per bar."""

    def target(self, inputs: Inputs, position: Position | None, observation: Observation | None) -> Target:
        """The sides to quote, or whether to leave."""
        given, bar = self.parameters, inputs.bar
        sides = [one for one in (Direction.LONG, Direction.SHORT) if self._safe(inputs, one)]
        if position is None:
            if not sides or not self._wide(inputs):
                return CASH
            return Target(sides[0], given.size_share, Quotes.BOTH if len(sides) == 2 else Quotes.ONE)
        held = held_direction(position)
        old = bar.ts_s - position.opened_s >= given.max_hold_bars * given.bar_length_s
        if old or abs(bar.mid_units - position.entry_units) >= given.target_units:
            return CASH
        if -held not in sides:
            return Target(held, given.size_share)
        both = held in sides and self._wide(inputs)
        return Target(held, given.size_share, Quotes.BOTH if both else Quotes.OFFER)

    def _wide(self, inputs: Inputs) -> bool:
        """Whether the spread pays for what the price may do while a quote rests."""
        given, spread = self.parameters, inputs.quote.spread_units
        moves = given.spread_deviations * predicted_units(inputs.forecast, inputs.bar.mid_units, horizon=1)
        return spread >= max(int(given.least_spread_units), float(moves))

    def keeps(self, inputs: Inputs, outcome: Outcome, side: Side) -> bool:
        """Whether neither book nor reference price have turned against a quote."""
        return self._safe(inputs, Direction.LONG if (outcome is Outcome.YES) == (side is Side.BUY) else Direction.SHORT)

    def _safe(self, inputs: Inputs, direction: Direction) -> bool:
        """Whether a quote that gains by a move in a direction may be in the book."""
        given, quote = self.parameters, inputs.quote
        shown, end_s = quote.bid_size_micro + quote.ask_size_micro, inputs.market.end_s
        near = end_s is not None and end_s - inputs.bar.ts_s <= given.last_quote_s
        if near or not quote.two_sided or shown == 0:
            return False
        lean = (quote.bid_size_micro - quote.ask_size_micro) / shown
        return lean * direction >= -given.most_imbalance and not self._against(inputs, direction)

    def _against(self, inputs: Inputs, direction: Direction) -> bool:
        """Whether the reference price has moved, or lies, against a quote, or is not known where the market settles on
        one."""
        if inputs.fair is None:
            # A reference price that nobody can believe protects no quote from those who know the true one.
            return inputs.market.settlement is not None
        moved = 0.0 if inputs.fair_before is None else inputs.fair - inputs.fair_before
        apart = inputs.fair - inputs.bar.mid_units / PRICE_SCALE
        return min(moved * direction, apart * direction) < -float(self.parameters.most_reference_move)
