"""Rules of events whose markets exclude each other: one winner, probabilities that sum to one, martingales."""

import numpy as np
import pytest

from pipelines.core.errors import ParameterError
from pipelines.core.money import MICRO
from simulator.markets.events import Family, build, paths
from simulator.markets.exclusive import break_stick
from simulator.markets.price_model import Model
from simulator.markets.source import SourceOptions
from simulator.markets.synthetic import open_source
from simulator.markets.truth import truth

EVENTS, MARKETS = 400, 4
FAMILY = Family(5, Model(edge=0.0), event_length_min=240, markets_per_event=MARKETS, exclusive_share=1.0)


@pytest.fixture(scope="module")
def made():
    """Paths of 400 events of four markets without an edge."""
    return paths(FAMILY, [build(FAMILY, number) for number in range(EVENTS)])


def test_stick_breaking():
    """Conditional probabilities become probabilities that sum to one; the last outcome has the rest."""
    broken = break_stick(np.array([[0.5], [0.4], [0.9]]))
    assert broken[:, 0].tolist() == pytest.approx([0.5, 0.2, 0.3])


def test_exactly_one_market_wins(made):
    """Of each event exactly one market resolves to YES, and fair values sum to one in every minute."""
    winners = made.resolved_yes.reshape(EVENTS, MARKETS).sum(axis=1)
    assert set(winners.tolist()) == {1}
    sums = made.fair.reshape(EVENTS, MARKETS, -1).sum(axis=1)
    assert np.allclose(sums, 1.0)


def test_prices_are_probabilities(made):
    """Each place wins as often as its first quote says, and quotes do not drift, to four standard errors."""
    mid = made.mid_units.reshape(EVENTS, MARKETS, -1) / 10_000
    for change in (made.resolved_yes.reshape(EVENTS, MARKETS) - mid[:, :, 0], mid[:, :, -1] - mid[:, :, 0]):
        error = change.std(axis=0) / np.sqrt(EVENTS)
        assert (np.abs(change.mean(axis=0)) < 4 * error + 1e-4).all()


def test_only_rounding_comes_back(made):
    """Without an edge one minute's move says next to nothing about the next: half ticks of rounding at most."""
    moves = np.diff(made.mid_units / 10_000, axis=1)
    correlation = (moves[:, 1:] * moves[:, :-1]).sum() / (moves**2).sum()
    assert -0.08 < correlation < 0.02


def test_quotes_stay_quotes(made):
    """Bid and ask are on the tick grid around the mid, and a missing side shows no size."""
    assert (made.bid_units + made.ask_units == 2 * made.mid_units).all()
    assert (made.bid_units < made.ask_units).all()
    assert ((made.bid_size_micro == 0) == (made.bid_units == 0)).all()
    assert ((made.ask_size_micro == 0) == (made.ask_units == 10_000)).all()


def test_the_source_lists_them_on_the_negative_risk_exchange():
    """A source with a share has events of either kind; an exclusive one pays exactly one of its markets."""
    options = SourceOptions(history_days=6, event_length_min=240, markets_per_event=3, exclusive_share=0.5)
    source = open_source(options)
    paid = {market_id: payout for market_id, payout, _ in source.resolutions()}
    events = {}
    for listing in source.listings():
        if listing.market_id in paid:
            events.setdefault((listing.event_id, listing.neg_risk), []).append(paid[listing.market_id])
    kinds = [neg_risk for _, neg_risk in events]
    assert 5 < sum(kinds) < len(kinds) - 5
    assert {sum(payouts) for (_, neg_risk), payouts in events.items() if neg_risk} == {MICRO}
    assert len({sum(payouts) for (_, neg_risk), payouts in events.items() if not neg_risk}) > 1


def test_share_zero_changes_nothing():
    """Without exclusive events, and in the events that are not, every path is the same as ever."""
    plain = Family(5, Model(edge=1.0), event_length_min=120, markets_per_event=3)
    some = Family(5, Model(edge=1.0), event_length_min=120, markets_per_event=3, exclusive_share=0.5)
    mixed = [build(some, number) for number in range(12)]
    untouched = [number for number, event in enumerate(mixed) if event.rounding is None]
    assert 0 < len(untouched) < 12
    ours, theirs = paths(some, mixed), paths(plain, [build(plain, number) for number in range(12)])
    for number in untouched:
        rows = slice(3 * number, 3 * number + 3)
        assert np.array_equal(ours.mid_units[rows], theirs.mid_units[rows])


def test_best_forecast_is_refused():
    """The known limit holds for markets with a path of their own; for exclusive ones it is refused by name."""
    with pytest.raises(ParameterError, match="exclusive_share was 1; the best forecast is known at 0 only"):
        truth(FAMILY, [build(FAMILY, 0)])
