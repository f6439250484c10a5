"""What the forecast of outcomes learns: nothing of prices that are right, and each input that knows more than them."""

import json
from dataclasses import replace

import numpy as np
import pytest

from pipelines.backtest import learned, outcome_fit, outcome_table, outcomes
from pipelines.backtest.outcome_rows import OutcomeRows
from pipelines.core.domain import Bar, FeeSchedule, Forecast, Market, Quote
from pipelines.core.money import MICRO
from pipelines.core.params import load
from pipelines.decide import Account
from pipelines.decision_record import pack, unpack
from pipelines.features.spec import FEATURE_NAMES
from pipelines.replay import rules
from pipelines.replay.loop import replay, tape
from pipelines.replay.market_history import History
from pipelines.trading import outcome_odds
from pipelines.trading.outcome_odds import Weights
from pipelines.trading.policies.base import Inputs
from pipelines.trading.policies.systematic import Systematic
from pipelines.trading.sizing import NO_SIGNALS

BARS, LENGTH_S, APART_S = 24, 3_600, 200_000
GATE = load().gate


def chance_of(odds):
    """Probability of log-odds."""
    return 1.0 / (1.0 + np.exp(-odds))


def world(kind="fair", count=400, seed=1):
    """Markets, an event each, with noise in every input; in one of them, `kind`, there is what the price lacks."""
    rng = np.random.default_rng(seed)
    return [_market(kind, number, rng) for number in range(count)]


def _market(kind, number, rng):
    real, topic, tone = rng.normal(0, 1.6), ("Crypto", "sports")[number % 2], rng.uniform(-1, 1)
    steps = np.arange(BARS)
    priced = np.full(BARS, real)
    if kind == "time":
        priced = real / np.linspace(0.8, 3.0, BARS)
    elif kind == "category":
        priced = priced - 1.5 * (topic == "sports")
    elif kind == "sentiment":
        priced = priced - 2.0 * tone
    elif kind in ("external", "reference"):
        priced = priced + rng.normal(0, 1.6)
    elif kind == "calibration":
        priced = priced / 2.5
    mid = np.clip(np.round(chance_of(priced) * 1e4), 100, 9_900).astype(np.int64)
    noise = chance_of(priced + rng.normal(0, 0.4, BARS))
    known = np.full(BARS, chance_of(real))
    fair = known if kind == "reference" else noise
    ts_s = number * APART_S + LENGTH_S * (1 + steps)
    features, flat = np.zeros((BARS, len(FEATURE_NAMES))), np.zeros((BARS, 24))
    described = Market(
        market_id=f"m{number:03}", event_id=f"e{number:03}", question="?", token_yes="1", token_no="2", tick_units=100,
        min_size_micro=5_000_000, fee=FeeSchedule(0.04), start_s=0, end_s=int(ts_s[-1]), topic=topic,
    )  # fmt: skip
    return History(
        described, ts_s, mid, mid - 50, mid + 50, np.zeros(BARS, np.int64), np.full(BARS, 100), features,
        np.full(BARS, tone), flat, flat, flat, np.full(BARS, 0.5), MICRO * int(rng.random() < chance_of(real)),
        np.column_stack([fair, fair]), external=known if kind == "external" else noise,
    )  # fmt: skip


def learn(histories):
    """What is learned of histories from the shipped parameters."""
    return outcome_fit.learn(OutcomeRows.of(histories), Weights(), GATE)


@pytest.mark.slow
def test_of_prices_that_are_right_nothing_is_learned():
    """With noise in every input and a right price, an input is kept in at most a tenth of 40 worlds."""
    claims = [seed for seed in range(40) if any(one.kept for one in learn(world(count=160, seed=seed)).steps)]

    assert len(claims) <= 4


@pytest.mark.parametrize("kind", ["calibration", "time", "category", "sentiment", "reference", "external"])
def test_what_the_price_lacks_is_found_and_traded(kind):
    """The input that knows more than the price is kept, and the systematic bot earns with it through decide()."""
    params, histories = load(), world(kind)
    given = learned.given("systematic", histories, params, LENGTH_S)
    kept = [one.name for one in learn(histories).steps if one.kept]
    strategy = rules.make("systematic", params, NO_SIGNALS, None, LENGTH_S, given=given)
    result = replay(tape(world(kind, count=60, seed=2), None, 1_500), strategy, 10_000 * MICRO)

    assert kind in kept
    assert result.orders > 10
    assert result.equity_micro[-1] > 10_000 * MICRO


def test_a_category_that_was_not_in_the_fit_is_as_others():
    """Offsets are of the categories that were learned, whatever the case of their names; others have none."""
    weights = Weights.of(Weights()._asdict() | {"category_offsets": {"Sports": 1.0}})
    seen = outcome_odds.seen(5_000, 0, None, 0.0, None, None)

    assert outcome_odds.probability(seen, weights, "SPORTS") == pytest.approx(0.7311, abs=1e-4)
    assert outcome_odds.probability(seen, weights, "weather") == 0.5


def test_what_is_not_known_changes_nothing():
    """Without fair value and external probability their weights are neutral, and no end counts as a day left."""
    heavy = Weights(slope_time=-0.5, reference_weight=0.5, external_weight=0.5)
    seen = outcome_odds.seen(7_000, 1_000, None, 0.0, None, float("nan"))

    assert outcome_odds.probability(seen, heavy, "") == pytest.approx(0.7, abs=1e-12)
    assert outcome_odds.seen(0, 0, None, 0.0, 0.5, 0.5) is outcome_odds.seen(10_000, 0, None, 0.0, 0.5, 0.5) is None


def test_fit_and_decision_are_equal_to_the_bit():
    """The log-odds that are fitted and scored are those that the sealed policy decides with, on every bar."""
    histories = world("category", count=60)
    weights = learn(histories).taken._replace(
        slope_time=-0.1, sentiment_weight=0.3, reference_weight=0.25, external_weight=0.35
    )
    rows = OutcomeRows.of(histories)
    fitted = rows.log_odds(weights)
    sealed = json.loads(
        json.dumps(
            Systematic.make(
                {**Systematic.Parameters(impact_share=0.1).model_dump(), **weights._asdict()}
            ).parameters.model_dump()
        )
    )
    policy = Systematic.make(sealed)
    bars = {
        (one.market.market_id, one.bar.ts_s): one for _, inputs in tape(histories, None, 1_500).steps for one in inputs
    }
    picked = np.unique(np.linspace(0, BARS - 2, 16).astype(int))

    for place, history in enumerate(histories):
        ours = fitted[rows.market == place]
        for row, odds in zip(picked.tolist(), ours.tolist(), strict=True):
            inputs = bars[history.market.market_id, int(history.ts_s[row])]
            assert policy.probability(inputs) == outcome_odds.chance(odds)


def test_an_external_probability_is_in_the_journal():
    """What was stated from outside is packed and read back to the bit, and its absence as well."""
    described = world(count=1)[0].market
    flat = Forecast(np.zeros(24), np.zeros(24), np.zeros(24), 0.5)
    seen = Inputs(
        described,
        Bar("m000", 60, 5_000, 0, 0, 100),
        Quote(4_950, 5_050, 1, 1),
        np.zeros(15),
        flat,
        0.0,
        external=0.1 + 0.2,
    )
    nothing = Account(
        cash_micro=0, equity_micro=0, positions={}, open_buy_micro={}, markets={}, day_start_equity_micro=0,
        peak_equity_micro=0,
    )  # fmt: skip
    read = [unpack(pack([one], nothing), {}).inputs[0].external for one in (seen, replace(seen, external=None))]

    assert read == [0.1 + 0.2, None]


def test_each_input_is_scored_with_and_without():
    """The document tells each input's share of bars and what it adds to all others, with both kinds of bounds."""
    found = outcomes.document(world("external"), load(), LENGTH_S)
    added = found["inputs"]["external"]

    assert added["share"] == 1.0
    assert "external" in found["kept"]
    assert added["log_score"]["gain"] > added["log_score"]["lower_by_event"] > 0.0
    assert added["brier"]["lower_by_period"] > 0.0
    assert found["inputs"]["sentiment"]["log_score"]["lower_by_event"] < 0.0


def test_the_page_shows_gains_and_inputs():
    """The page has a row per score and per input, says what is in use, and says it where nothing can be scored."""
    found = outcomes.document(world("external"), load(), LENGTH_S)
    shown = outcome_table.outcomes(found)

    assert f"{found['log_score']['gain']:+.4f}" in shown
    assert shown.count("<tr>") == 2 + 2 + len(outcome_fit.INPUTS)
    assert "<td>external probability</td><td>100%</td>" in shown
    assert "nothing can be scored" in outcome_table.outcomes({})
    assert "Too few resolved events" in outcome_table.outcomes(outcomes.document(world(count=12), load(), LENGTH_S))


def test_inputs_that_the_slice_never_held_are_not_learned():
    """Without sentiment, fair values, external probabilities and ends, and with one category, these say nothing."""
    bare = [
        replace(
            one,
            market=replace(one.market, topic="crypto", end_s=None),
            sentiment=np.zeros(BARS),
            fair=None,
            external=None,
        )
        for one in world("calibration", count=80)
    ]
    shares = outcome_fit.known_shares(OutcomeRows.of(bare))

    assert [name for name, share in shares.items() if share > 0.0] == ["calibration"]
    assert {one.name for one in learn(bare).steps} <= {"calibration"}
