"""The threshold rule that leaves at every change of sign: what the rule with hysteresis is compared with."""

from pipelines.core.sections import NonNegativeFloat, PositiveInt
from pipelines.trading.policies.threshold import Threshold


class ThresholdPlain(Threshold):
    """The rule with a lower bar for entries and without hysteresis: a yardstick, no bundle carries it."""

    kind = "threshold_plain"
    candidate = False
    rank = 25

    class Parameters(Threshold.Parameters):
        """Section `policy.threshold_plain`."""

        cost_multiple: NonNegativeFloat = 0.85
        """Round-trip costs that the expected move has to exceed before an entry. Unit: round-trip costs."""
        exit_multiple: NonNegativeFloat = 0.0
        """Round-trip costs that the move has to point against a position before it is left. Unit: round-trip costs."""
        max_hold_bars: PositiveInt = 60
        """Bars after which a position is closed. Unit: bars."""
