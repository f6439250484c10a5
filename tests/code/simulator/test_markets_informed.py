"""Rules of the informed trader: it takes only what is wrong, and never what the market maker quotes."""

import numpy as np
import pytest

from pipelines.core.domain import Side
from pipelines.core.errors import ParameterError
from simulator.markets.events import EPOCH_S, Family, build, paths
from simulator.markets.informed import informed_orders
from simulator.markets.price_model import Model
from simulator.markets.source import SourceOptions
from simulator.markets.synthetic import SyntheticMarkets, open_source


def test_orders_lie_inside_the_spread_on_the_right_side_of_fair_value():
    """Every buy is below and every sale above fair value, on the tick, strictly between bid and ask."""
    family = Family(4, Model(edge=1.0), event_length_min=600)
    source = SyntheticMarkets(family, EPOCH_S)
    fair = paths(family, [build(family, 0)]).fair * 10_000
    row_of = {listing.market_id: row for row, listing in enumerate(source.listings())}
    seen = {Side.BUY: 0, Side.SELL: 0}
    for minute in range(1, 200):
        for tick in source.advance().rows:
            for ts_s, side, limit, shares in tick.informed:
                value = fair[row_of[tick.market_id], minute]
                seen[side] += 1
                assert ts_s == source.now_s
                assert tick.bid_units < limit < tick.ask_units
                assert limit < value if side is Side.BUY else limit > value
                assert shares >= 5_000_000

    assert min(seen.values()) > 20


def test_a_one_tick_spread_has_no_room():
    """Where bid and ask are neighbours nothing lies between them, so there is no order."""
    made = informed_orders(
        np.full(500, 5_400.0), (np.full(500, 5_000), np.full(500, 5_100)), np.full(500, 100), np.random.default_rng(1)
    )

    assert not made.limit_units.any()


@pytest.mark.parametrize("name", ["history_days", "event_length_min", "event_every_min", "markets_per_event"])
def test_schedules_out_of_range_are_refused(name):
    """A schedule of zero is refused, naming the option and the value."""
    with pytest.raises(ParameterError, match=f"--{name.replace('_', '-')} was 0"):
        open_source(SourceOptions(**{name: 0}))
