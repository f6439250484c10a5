"""What the synthetic model promises: exact properties by construction, statistical ones at a fixed seed."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.kalman import score
from benchmarks.moments import moments, synthetic
from simulator.markets.dynamics import simulate
from simulator.markets.events import Family, build, paths
from simulator.markets.price_grid import quotes, round_unbiased, tick_at
from simulator.markets.price_model import Draws, Model, draw, stack
from simulator.markets.random_streams import generator
from simulator.markets.truth import kalman, oracle, truth

HORIZONS = (1, 5, 24)


def _known(edge, *, events=60, seed=11, minutes=1440, **model):
    family = Family(seed, Model(edge=edge, **model), event_length_min=minutes)
    return truth(family, [build(family, number) for number in range(events)])


@pytest.fixture(scope="module")
def fair():
    """Markets with nothing to earn."""
    return _known(0.0)


@pytest.fixture(scope="module")
def half():
    """Markets at the realistic edge."""
    return _known(0.5, events=96)


@pytest.fixture(scope="module")
def full():
    """Markets of the shipped demonstration."""
    return _known(1.0)


def _clustered_t(products, event):
    """t of the mean of products (N, n), clustered by event: markets of one event share their news."""
    totals = np.bincount(event, products.sum(axis=1))
    return totals.mean() / (totals.std(ddof=1) / np.sqrt(len(totals)))


def test_edge_0_quote_is_the_fair_value(fair):
    """At edge 0 the quote equals the fair value on every bar, and nothing is mispriced."""
    made = fair.paths

    assert np.array_equal(made.fair, made.mid_units / 10_000.0)
    assert not made.under.any()
    assert not made.over.any()
    assert not made.bounce.any()


@pytest.mark.parametrize("fixture", ["fair", "half", "full"])
def test_prices_stand_on_their_grid(fixture, request):
    """Mids lie on half ticks, bid and ask on the tick in force, 0 <= bid < mid < ask <= 1."""
    made = request.getfixturevalue(fixture).paths
    tick = tick_at(made.tick_units[:, None], made.mid_units)

    assert not (made.mid_units % (tick // 2)).any()
    assert not (made.bid_units % tick).any()
    assert not (made.ask_units % tick).any()
    assert np.array_equal(made.bid_units + made.ask_units, 2 * made.mid_units)
    assert made.bid_units.min() >= 0
    assert made.ask_units.max() <= 10_000
    assert (made.bid_units < made.ask_units).all()
    assert {10, 100} == set(np.unique(made.tick_units).tolist())


@pytest.mark.parametrize("tick", [10.0, 100.0])
def test_rounding_is_unbiased(tick):
    """E[R(x)] = x on both grids and where the tick changes, by enumeration of the uniform draw."""
    exact = np.concatenate([np.linspace(10.0, 9_990.0, 997), np.linspace(395.0, 405.0, 41)])
    uniform = (np.arange(4_000) + 0.5) / 4_000
    mean = np.array([round_unbiased(np.full(4_000, x), np.full(4_000, tick), uniform).mean() for x in exact])

    assert np.abs(mean - exact).max() <= tick / 2.0 / 4_000


def test_spread_parity_follows_the_mid():
    """An odd half tick has an odd spread in ticks, an even one an even spread, up to the bounds."""
    mid = np.array([5_050, 5_000, 5_000, 100, 300, 15])
    bid, ask = quotes(mid, np.array([100, 100, 100, 100, 100, 10]), np.array([0, 0, 1, 50, 0, 0]))

    assert bid.tolist() == [5_000, 4_900, 4_800, 0, 290, 10]
    assert ask.tolist() == [5_100, 5_100, 5_200, 200, 310, 20]


def test_flipping_all_signs_mirrors_the_path():
    """With every sign turned, the same market runs at 1 - price: no direction is preferred."""
    rows = [
        draw(generator(5, number), 600) | {"tick_units": 100, "minute": np.zeros(600)}
        | {"common": np.zeros(600), "place": 0.0}
        | {"news": np.random.default_rng(number).random(600) < 0.01, "sentiment": np.full(600, 0.5)}
        for number in range(40)
    ]  # fmt: skip
    drawn: Draws = stack(rows)
    signs = ("start", "permanent", "noise", "bounce", "headline", "sentiment")
    turned = replace(drawn, **{name: -getattr(drawn, name) for name in signs}, rounding=1.0 - drawn.rounding)
    model = Model(edge=0.7)
    up, down = simulate(model, drawn), simulate(model, turned)

    assert np.array_equal(up.mid_units, 10_000 - down.mid_units)
    assert np.array_equal(up.bid_units, 10_000 - down.ask_units)
    assert np.array_equal(up.volume_micro, down.volume_micro)


def test_bounds_absorb():
    """A market that reaches a bound stays there, one-sided, to its end."""
    made = _known(1.0, events=20, start_sd=3.0).paths
    low = made.mid_units <= 10

    assert low.any()
    assert (low[:, 1:] | ~low[:, :-1]).all()
    assert (made.bid_units[low] == 0).all()
    assert (made.bid_size_micro[low] == 0).all()


def test_nothing_predicts_the_price_at_edge_0(fair):
    """Public predictors times later price moves average to nothing: every |t| < 4, clustered by event."""
    mid = fair.mid
    change = np.diff(mid, axis=1, prepend=mid[:, :1])
    momentum = mid[:, 30:] - mid[:, :-30]
    predictors = {
        "reversal 1": np.sign(change),
        "momentum 5": np.sign(mid - np.roll(mid, 5, axis=1)),
        "momentum 30": np.sign(np.concatenate([np.zeros((len(mid), 30)), momentum], axis=1)),
        "sentiment": np.where(fair.news, fair.sentiment, 0.0),
        "favourite": np.sign(mid - 0.5),
        "filter of edge 0.5": np.sign(kalman(replace(fair, model=Model(edge=0.5))).forecast(Model(edge=0.5), 5)),
    }
    for name, sign in predictors.items():
        for horizon in HORIZONS:
            later = mid[:, horizon:] - mid[:, :-horizon]
            t = _clustered_t((sign[:, :-horizon] * later)[:, 30:], fair.event)
            assert abs(t) < 4, (name, horizon, t)


def test_the_same_predictors_work_at_the_realistic_edge(half):
    """The test above has power: at edge 0.5 reversal earns on paper with |t| far above 4."""
    change = np.diff(half.mid, axis=1)

    assert _clustered_t(np.sign(-change[:, :-1]) * change[:, 1:], half.event) > 10


def test_fair_value_is_a_martingale_even_for_the_oracle(half):
    """At any edge nothing latent predicts fair value: all profit comes from the distance of quote and fair value."""
    latent, later = oracle(half), np.diff(half.paths.fair, axis=1)

    for name, part in (("U", latent.under), ("O", -latent.over), ("B", -latent.bounce)):
        t = _clustered_t(np.sign(part[:, :-1]) * later, half.event)
        assert abs(t) < 4, (name, t)


def test_outcomes_are_fair_to_the_final_fair_value(half, full):
    """Resolution is a coin with the final fair value: outcome minus it averages to nothing, |t| < 4."""
    for known in (half, full):
        last = known.paths.fair[:, -1]
        surprise = known.paths.resolved_yes - last
        assert abs(surprise.sum() / np.sqrt((last * (1 - last)).sum())) < 4


@pytest.mark.parametrize(("fixture", "least"), [("half", 1.0), ("full", 3.5)])
def test_the_limit_is_calibrated_and_below_the_oracle(fixture, least, request):
    """The Kalman forecast has slope about 1 and real skill at h = 5; who sees the truth does better at each h."""
    known = request.getfixturevalue(fixture)
    filtered, latent = kalman(known), oracle(known)
    scores = {h: score(known, filtered.forecast(known.model, h), h) for h in HORIZONS}

    assert scores[5]["skill_pct"] > least
    for horizon in HORIZONS:
        assert 0.9 < scores[horizon]["slope"] < 1.1
        assert scores[horizon]["skill_pct"] < score(known, latent.forecast(known.model, horizon), horizon)["skill_pct"]


def test_a_relation_change_breaks_the_forecast_and_leaves_the_features():
    """After `drift_rel` 1 the old filter loses to persistence; before it, it wins; volume does not tell."""
    half_way = 720.0 + 20 * 240
    known = _known(1.0, events=41, drift_at_min=half_way, drift_rel=1.0)
    blind = replace(known, model=replace(known.model, drift_rel=0.0), changed=np.zeros_like(known.changed))
    forecast = kalman(blind).forecast(known.model, 5)
    before, after = known.event < 15, known.event > 23

    def skill(rows):
        part = replace(
            known, event=known.event[rows], paths=replace(known.paths, mid_units=known.paths.mid_units[rows])
        )
        return score(part, forecast[rows], 5)["skill_pct"]

    assert skill(before) > 2.0
    assert skill(after) < 0.0
    active = known.paths.volume_micro > 0
    assert active[before].mean() == pytest.approx(active[after].mean(), abs=0.03)


def test_a_feature_change_shows_in_the_features():
    """`drift_feat` 1 triples the headline rate and lifts volume, from its minute on."""
    known = _known(1.0, events=41, drift_at_min=20 * 240.0, drift_feat=1.0)
    before, after = known.event < 14, known.event >= 20
    calm, lively = _known(1.0, events=41), known

    assert 2.0 < known.news[after].mean() / known.news[before].mean() < 4.5
    assert np.array_equal(calm.paths.volume_micro[before], lively.paths.volume_micro[before])
    assert lively.paths.volume_micro[after].mean() > 1.5 * calm.paths.volume_micro[after].mean()


def test_displayed_sizes_are_persistent_and_know_no_direction(half):
    """Log sizes have the stated memory, and the imbalance of the book says nothing about the next move."""
    made = half.paths
    both = (made.bid_size_micro > 0) & (made.ask_size_micro > 0)
    imbalance = np.where(both, np.log(np.maximum(made.bid_size_micro, 1) / np.maximum(made.ask_size_micro, 1)), 0.0)
    pairs = both[:, 1:] & both[:, :-1]
    later = np.diff(half.mid, axis=1)

    assert 500e6 < np.median(made.bid_size_micro[both]) < 2_000e6
    assert np.corrcoef(imbalance[:, 1:][pairs], imbalance[:, :-1][pairs])[0, 1] == pytest.approx(0.9, abs=0.05)
    assert abs(_clustered_t(imbalance[:, :-1] * later, half.event)) < 4


def test_markets_of_an_event_move_together():
    """Headlines fall into the same minutes in all markets of an event, with loadings of both signs."""
    known = _known(0.5, events=5)

    for number in range(5):
        rows = known.event == number
        assert (known.news[rows] == known.news[rows][0]).all()
        assert np.sign(known.sentiment[rows][:, known.news[rows][0]]).std(axis=0).min() > 0


@pytest.mark.slow
def test_moments_match_the_specification():
    """Moments of 600 three-day markets lie within 20 % of the specification's table, at edge 0.5 and 0."""
    stated = {
        0.5: {
            "zero moves, in band": 0.457, "zero moves, all prices": 0.502, "sd of move": 0.0093,
            "sd of move, log-odds": 0.052, "moves >= 0.03 per market-day": 29, "autocorrelation, lag 1": -0.130,
            "autocorrelation of abs, lag 1": 0.31, "autocorrelation of abs, lag 5": 0.24,
            "variance ratio, 2 min": 0.87, "variance ratio, 5 min": 0.76, "variance ratio, 24 min": 0.57,
            "variance ratio, 120 min": 0.47, "abs move, quantile 0.5": 0.005, "abs move, quantile 0.99": 0.050,
        },
        0.0: {
            "zero moves, in band": 0.635, "zero moves, all prices": 0.715, "sd of move": 0.0080,
            "sd of move, log-odds": 0.047, "variance ratio, 2 min": 1.0, "variance ratio, 120 min": 0.96,
            "autocorrelation of abs, lag 1": 0.16,
        },
    }  # fmt: skip
    for edge, table in stated.items():
        found = moments(synthetic(Family(3, Model(edge=edge), event_length_min=4_320), 600))
        for name, value in table.items():
            assert found[name] == pytest.approx(value, rel=0.2), (edge, name)


def test_one_market_alone_has_its_events_news():
    """An event of one market works: loading 1, the event's own sentiment."""
    family = Family(2, Model(edge=0.5), event_length_min=200, markets_per_event=1)
    made = paths(family, [build(family, number) for number in range(3)])

    assert made.mid_units.shape == (3, 200)
