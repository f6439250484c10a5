"""What a replay earned, with its lower bounds over whole events and over whole periods."""

from collections.abc import Mapping
from dataclasses import dataclass

from pipelines.replay.bounds import total_bound
from pipelines.replay.loop import DAY_S, Result, Tape
from pipelines.replay.performance import pnl_by_event, pnl_by_market

FEWEST_DAYS = 5
"""With fewer days, periods are hours."""


@dataclass(frozen=True)
class Earnings:
    """P&L after costs of a replay in pUSD, with its one-sided lower bounds over whole events and whole periods."""

    pnl_pusd: float
    lower_events_pusd: float
    lower_periods_pusd: float
    events: int
    periods: int

    @property
    def lower_pusd(self) -> float:
        """The smaller bound: an edge has to hold under both kinds of clustering."""
        return min(self.lower_events_pusd, self.lower_periods_pusd)


def earnings(result: Result, made: Tape, *, level: float, samples: int) -> Earnings:
    """What a replay earned, by event and by period."""
    events, periods = pnl_by_event(result, made.markets), pnl_by_period(result, made)
    by_event, by_period = (total_bound(list(one.values()), level=level, samples=samples) for one in (events, periods))
    return Earnings(sum(events.values()), by_event, by_period, len(events), len(periods))


def pnl_by_period(result: Result, made: Tape) -> Mapping[int, float]:
    """P&L in pUSD by the period in which a market ended: a UTC day, an hour where there are fewer than five days.

    Markets without a trade count as 0, so that a few lucky hours are weighed against all that were there.
    """
    by_market = dict.fromkeys(made.markets, 0.0) | pnl_by_market(result)
    days = {made.ends_s[one] // DAY_S for one in by_market}
    length_s = DAY_S if len(days) >= FEWEST_DAYS else 3_600
    found: dict[int, float] = {}
    for one, pnl in by_market.items():
        period = made.ends_s[one] // length_s
        found[period] = found.get(period, 0.0) + pnl
    return found
