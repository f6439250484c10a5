"""Micro-trades: a maker that quotes the side the book leans to and takes its quote back when book or reference turn."""

from pipelines.core.domain import Direction, Position
from pipelines.core.money import PRICE_SCALE
from pipelines.core.sections import Fraction, NonNegativeFloat, PositiveInt
from pipelines.trading.policies.base import (
    BAR_LENGTH,
    CASH,
    DeclaredPolicy,
    Inputs,
    Observation,
    PolicyParameters,
    Target,
    given_by,
    held_direction,
)


class MicroTrades(DeclaredPolicy):
    """Rests a buy of YES or of NO (which is an offer of YES) at its own touch for one bar, each bar anew: so it quotes
    both sides in turn, on the side of which more is shown. It quotes nothing while the book leans against it, while the
    reference price has just moved against it, in narrow spreads and near the end, where a fill is a fill on the loser.
    It leaves by taking when the mid has moved by `target_units` for or against it, or after `max_hold_bars`."""

    kind = "micro_trades"
    candidate = True
    rank = 70
    uses_forecast = False
    rests = True

    class Parameters(PolicyParameters):
        """Section `policy.micro_trades`."""

        least_spread_units: PositiveInt = 200
        """No quote in a narrower spread: what is earned has to be there. Unit: price units of 0.0001."""
        least_imbalance: Fraction = 0.2
        """Bid size less ask size over their sum has to favour the quote by this much. Unit: share."""
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
        """The side to quote, or whether to leave."""
        given, bar, quote = self.parameters, inputs.bar, inputs.quote
        if position is not None:
            moved = abs(bar.mid_units - position.entry_units)
            old = bar.ts_s - position.opened_s >= given.max_hold_bars * given.bar_length_s
            return CASH if old or moved >= given.target_units else Target(held_direction(position), 1.0)
        shown = quote.bid_size_micro + quote.ask_size_micro
        end_s = inputs.market.end_s
        near = end_s is not None and end_s - bar.ts_s <= given.last_quote_s
        if near or not quote.two_sided or quote.spread_units < given.least_spread_units or shown == 0:
            return CASH
        lean = (quote.bid_size_micro - quote.ask_size_micro) / shown
        if abs(lean) < given.least_imbalance:
            return CASH
        direction = Direction.LONG if lean > 0.0 else Direction.SHORT
        return CASH if self._against(inputs, direction) else Target(direction, given.size_share)

    def _against(self, inputs: Inputs, direction: Direction) -> bool:
        """Whether the reference price has moved, or lies, against a quote."""
        if inputs.fair is None:
            return False
        moved = 0.0 if inputs.fair_before is None else inputs.fair - inputs.fair_before
        apart = inputs.fair - inputs.bar.mid_units / PRICE_SCALE
        return min(moved, apart) * direction < -float(self.parameters.most_reference_move)
