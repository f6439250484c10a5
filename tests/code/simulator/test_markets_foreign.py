"""Foreign worlds: fair, on the grid, wrong in their own way, and with a best forecast that is known or bounded."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from simulator.markets import foreign
from simulator.markets.events import Family, build, paths
from simulator.markets.limits import limit
from simulator.markets.price_grid import tick_at
from simulator.markets.price_model import Model, World
from simulator.markets.source import SourceOptions
from simulator.markets.synthetic import open_source
from simulator.markets.truth import oracle, truth

WORLDS = [world for world in get_args(World) if world != "reversion"]


def _known(world, edge, events=24, **model):
    family = Family(5, Model(edge=edge, world=world, **model), event_length_min=720, markets_per_event=6)
    return truth(family, [build(family, number) for number in range(events)])


@pytest.fixture(scope="module", params=WORLDS)
def known(request):
    """One world with all of its edge."""
    return _known(request.param, 1.0)


def _skill(known, estimate, horizon):
    """1 - RMSE / RMSE of persistence in log-odds, at prices in [0.05, 0.95]."""
    moved = known.log_odds[:, horizon:] - known.log_odds[:, :-horizon]
    band = np.abs(known.mid[:, :-horizon] - 0.5) <= 0.45
    error = moved - estimate.forecast(known.model, horizon)[:, :-horizon]
    return 1.0 - np.sqrt((error[band] ** 2).sum() / (moved[band] ** 2).sum())


@pytest.mark.parametrize("world", WORLDS)
def test_without_an_edge_the_quote_is_fair(world):
    """At edge 0 the quote of every world equals its fair value on every bar, and the limit forecasts no move."""
    made = _known(world, 0.0, events=4)
    assert np.array_equal(made.paths.fair, made.paths.mid_units / 10_000.0)
    assert not limit(made).under.any()


def test_prices_lie_on_the_grid(known):
    """Every mid of a foreign world lies on half a tick of its market."""
    made = known.paths
    half = tick_at(made.tick_units[:, None], made.mid_units) // 2
    inside = (made.mid_units > 10) & (made.mid_units < 9_990)
    assert not (made.mid_units[inside] % half[inside]).any()


def test_fair_value_is_a_martingale(known):
    """Not even who sees the quote's error can tell where fair value goes: |t| below 4, events clustered."""
    made = known.paths
    products = np.sign(made.under[:, :-1]) * np.diff(made.fair, axis=1)
    totals = np.bincount(known.event, products.sum(axis=1))
    assert abs(totals.mean() / (totals.std(ddof=1) / np.sqrt(len(totals)))) < 4.0


def test_the_error_is_what_the_quote_lacks(known):
    """Log-odds of fair value less those of the quote are the error, up to the rounding of the bounds."""
    made = known.paths
    band = np.abs(known.mid - 0.5) <= 0.4
    fair, mid = (np.log((p - 0.001) / (0.999 - p)) for p in (made.fair[band], known.mid[band]))
    assert np.abs(fair - mid - made.under[band]).max() < 1e-2


@pytest.mark.parametrize("horizon", [5, 24])
def test_the_limit_lies_between_nothing_and_the_oracle(known, horizon):
    """The observer of the public data beats the price, and the one who sees the error is not worse."""
    best, latent = _skill(known, limit(known), horizon), _skill(known, oracle(known), horizon)
    assert best > 0.008
    assert latent > best - 0.002


def test_what_a_quote_misses_is_computed_back():
    """In `threshold` a shock is what the quote shows of it and what it misses."""
    model, shocks = Model(edge=1.0, world="threshold"), np.linspace(-0.5, 0.5, 401)
    threshold = np.full(shocks.shape, 0.04)
    shown = foreign.surprise(model, shocks, threshold)
    assert np.allclose(shown + foreign.missed(model, shown, threshold), shocks, atol=1e-12)
    assert (np.abs(shown[np.abs(shocks) < 0.01]) >= np.abs(shocks[np.abs(shocks) < 0.01])).all()
    assert (np.abs(shown[np.abs(shocks) > 0.3]) < np.abs(shocks[np.abs(shocks) > 0.3])).all()


def test_the_first_market_of_an_event_leads():
    """In `lead_lag` the first market makes no error, and its moves foretell those of the others, not the reverse."""
    made = _known("lead_lag", 1.0).paths
    odds = np.log(made.mid_units / (10_000 - made.mid_units)).reshape(-1, 6, 720)
    move = np.clip(np.diff(odds, axis=2), -0.2, 0.2)
    assert not made.under.reshape(-1, 6, 720)[:, 0].any()

    def correlation(earlier, later):
        return np.corrcoef(earlier[:, :-1].ravel(), later[:, 1:].ravel())[0, 1]

    assert correlation(move[:, 0], move[:, 1]) > 0.1
    assert abs(correlation(move[:, 1], move[:, 0])) < 0.05


@pytest.mark.parametrize("world", WORLDS)
def test_a_path_does_not_depend_on_its_block(world):
    """A market of a foreign world has the same path alone and among others."""
    family = Family(5, Model(edge=1.0, world=world), event_length_min=240)
    events = [build(family, number) for number in range(5)]
    together = paths(family, events)
    alone = paths(family, [replace(events[3], listings=events[3].listings[:1])])
    for name in ("mid_units", "volume_micro", "bid_units", "fair"):
        assert np.array_equal(getattr(together, name)[15], getattr(alone, name)[0]), name


def test_the_exchange_serves_each_world():
    """The source of a world has another history than the default's, at the same seed."""
    options = SourceOptions(history_days=1, event_length_min=240)
    seen = {
        world: open_source(replace(options, world=world))
        .history(open_source(options).listings()[0].market_id)
        .mid_units
        for world in get_args(World)
    }
    assert len({tuple(mids.tolist()) for mids in seen.values()}) == len(get_args(World))


def test_sizes_tell_the_error_when_switched_on():
    """Displayed sizes lean to the side on which the quote lacks; at 0 they lean to neither, and no price changes."""
    told, silent = _known("reversion", 1.0, size_lean=0.5), _known("reversion", 1.0)
    assert np.array_equal(told.paths.mid_units, silent.paths.mid_units)

    def correlation(known):
        made = known.paths
        both = (made.bid_size_micro > 0) & (made.ask_size_micro > 0)
        lean = np.log(made.bid_size_micro[both] / made.ask_size_micro[both])
        return np.corrcoef(lean, (made.under - made.over - made.bounce)[both])[0, 1]

    assert correlation(told) > 0.1
    assert abs(correlation(silent)) < 0.01
