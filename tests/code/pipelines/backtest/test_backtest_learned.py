"""What a backtest learns is kept only where it does better on events that it was not learned from."""

from dataclasses import replace

import numpy as np
import pytest

from pipelines.backtest import learned, outcomes
from pipelines.core.domain import FeeSchedule, Market
from pipelines.core.params import load
from pipelines.features.spec import FEATURE_NAMES
from pipelines.replay.market_history import History

BARS = 80


def market(number):
    """One of many markets, an event each."""
    return Market(
        market_id=f"m{number:03}", event_id=f"e{number:03}", question="?", token_yes="1", token_no="2", tick_units=100,
        min_size_micro=5_000_000, fee=FeeSchedule(0.04), start_s=0, end_s=None, topic="",
    )  # fmt: skip


def histories(slope=1.0, follows=0.0, count=80, seed=1):
    """Markets whose outcome follows sigmoid(slope x log-odds of the price), and whose mids move by `follows` of the way
    to a fair value."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(count):
        odds = rng.normal(0, 1.5)
        mid = np.full(BARS, 1.0 / (1.0 + np.exp(-odds)))
        fair = mid + rng.normal(0, 0.05, BARS)
        moved = np.clip(
            np.round((mid + np.concatenate(([0.0], np.cumsum(follows * 0.02 * (fair - mid)[:-1])))) * 1e4), 100, 9_900
        )
        units = moved.astype(np.int64)
        features = np.zeros((BARS, len(FEATURE_NAMES)))
        features[:, FEATURE_NAMES.index("ma_30")] = units / 1e4
        flat, zeros = np.zeros((BARS, 24)), np.zeros(BARS)
        won = rng.random() < 1.0 / (1.0 + np.exp(-slope * odds))
        ts_s = number * 10_000 + 60 * np.arange(BARS)
        made.append(
            History(
                market(number),
                ts_s,
                units,
                units - 50,
                units + 50,
                np.zeros(BARS, np.int64),
                np.full(BARS, 100),
                features,
                zeros,
                flat,
                flat,
                flat,
                zeros + 0.5,
                1_000_000 * int(won),
                np.column_stack([fair, fair]),
            )
        )
    return made


def test_a_longshot_bias_is_learned():
    """Where favourites win more often than their price, the slope rises above 1."""
    given = learned.given("systematic", histories(slope=2.0, count=400), load(), 60)

    assert given["slope"] > 1.3
    assert abs(given["intercept"]) < 0.4


def test_a_price_that_is_right_stays_as_it_is():
    """On calibrated prices nothing that was learned survives the later events by more than chance, and it is near 1."""
    slopes = [learned.given("systematic", histories(seed=seed, count=200), load(), 60)["slope"] for seed in range(4)]

    assert np.median(slopes) == pytest.approx(1.0, abs=0.2)


def test_few_markets_teach_nothing():
    """With a handful of markets the parameters are those of params.yaml."""
    given = learned.given("systematic", histories(slope=3.0, count=4), load(), 60)

    assert (given["slope"], given["intercept"]) == (1.0, 0.0)


def test_other_policies_learn_nothing():
    """Kinds without learned parameters are played with those of params.yaml."""
    assert learned.given("threshold", [], load(), 60) is None


def test_weights_of_the_ensemble_are_shares():
    """Learned weights lie in [0, 1] and take the place of all five."""
    given = learned.given("ensemble", histories(count=40), load(), 60)

    assert all(0.0 <= given[name] <= 1.0 for name in learned.WEIGHTS)


def leaning(sizes=True, seed=1):
    """Markets whose next move is the microprice's way from the mid, with or without the sizes that tell it."""
    rng = np.random.default_rng(seed)
    made = []
    for one in histories(count=40):
        shown = rng.integers(1, 500, (BARS, 2)) * 1_000_000
        gaps = 50.0 * (shown[:, 0] - shown[:, 1]) / shown.sum(axis=1)
        moves = np.concatenate(([0.0, 0.0], np.cumsum(gaps)[:-2]))
        mid = np.clip(5_000 + np.round(moves), 500, 9_500).astype(np.int64)
        features = one.features.copy()
        features[:, FEATURE_NAMES.index("ma_30")] = mid / 1e4
        book = {"mid_units": mid, "bid_units": mid - 50, "ask_units": mid + 50, "features": features, "fair": None}
        made.append(replace(one, **book, sizes_micro=shown if sizes else None))
    return made


def test_the_weight_of_the_imbalance_is_learned_from_sizes():
    """Where prices follow the sizes at the touch the fifth weight rises; without sizes nothing is known of it, nor of a
    reference price that no bar had: both stay as in params.yaml, so that live sizes do not get a weight by chance."""
    with_sizes = learned.given("ensemble", leaning(), load(), 60)
    without = learned.given("ensemble", leaning(sizes=False), load(), 60)

    assert with_sizes["imbalance_weight"] > 0.5
    assert (without["imbalance_weight"], without["reference_weight"]) == (0.0, 0.0)
    assert with_sizes["reference_weight"] == 0.0


def test_a_forecast_of_outcomes_is_scored_against_the_price():
    """With a longshot bias the calibrated probability gains on later events under both kinds of clustering."""
    found = outcomes.document(histories(slope=2.5, count=400), load(), 60)

    assert found["brier"]["gain"] > found["brier"]["lower_by_event"] > 0.0
    assert found["log_score"]["lower_by_period"] > 0.0


def test_disputed_outcomes_are_told_apart():
    """Their number, how well the price knew them, and the gains without them; without a dispute nothing is left out."""
    made = histories(slope=2.5, count=200)
    objected = [replace(one, disputed=number % 10 == 0) for number, one in enumerate(made)]
    found, plain = (outcomes.document(past, load(), 60) for past in (objected, made))

    assert (found["disputes"]["markets"], found["disputes"]["share"]) == (10, 0.1)
    assert 0.0 < found["disputes"]["brier_of_price"] < 1.0
    assert found["disputes"]["without"]["brier"]["gain"] != found["brier"]["gain"] == plain["brier"]["gain"]
    assert plain["disputes"] == {"markets": 0, "share": 0.0, "brier_of_price": None, "without": {}}


def test_without_outcomes_nothing_is_scored():
    """Markets that nobody saw resolved give no score."""
    open_ones = [replace(one, payout_micro=None) for one in histories(count=6)]

    assert outcomes.document(open_ones, load(), 60) == {}
