"""The fair value under every settlement rule, against simulated paths, and what a bad feed does to it."""

import itertools
import math

import numpy as np
import pytest

from pipelines.core.settlement import RuleKind, Settlement
from pipelines.reference.board import Board
from pipelines.reference.fair import fair_value
from pipelines.reference.prices import Path, Price

SIGMA = 1e-4
START_S = 10_000


def rule(kind=RuleKind.SPOT, average_s=0, **changes):
    """A 5-minute range."""
    given = {"symbol": "BTC", "source": "chainlink", "start_s": START_S, "end_s": START_S + 300}
    return Settlement(kind=kind, average_s=average_s, **(given | changes))


def walked(seconds, seed=1, start_s=START_S - 1_500):
    """A path of a price every second, with its values."""
    rng = np.random.default_rng(seed)
    values = 60_000.0 * np.exp(np.cumsum(SIGMA * rng.standard_normal(seconds)))
    path = Path()
    for k, value in enumerate(values):
        path.add(Price("BTC", "chainlink", (start_s + k) * 1_000, (start_s + k) * 1_000, float(value)))
    return path, values


@pytest.mark.parametrize(("kind", "average_s"), [(RuleKind.SPOT, 0), (RuleKind.TWAP, 60), (RuleKind.TWAP, 30)])
@pytest.mark.parametrize("left_s", [250, 90, 45, 20, 5])
def test_fair_value_is_what_simulated_endings_say(kind, average_s, left_s):
    """From the same past, the share of 20,000 simulated endings at or above the level is the fair value."""
    settled = rule(kind, average_s)
    now_s = settled.end_s - left_s
    past = now_s - (START_S - 1_500) + 1
    path, values = walked(past)
    rate = path.variance_rate(path.known(now_s * 1_000))
    level = path.mean((START_S - average_s) * 1_000, START_S * 1_000, past) if average_s else values[1_500]
    fine = 4 if left_s > 60 else 20
    steps = np.random.default_rng(2).standard_normal((20_000, left_s * fine)) * math.sqrt(rate / fine)
    ahead = values[-1] * np.exp(np.cumsum(steps, axis=1))
    if average_s:
        known_s = max(average_s - left_s, 0)
        known = values[-1 - known_s : -1].sum() if known_s else 0.0
        open_s = average_s - known_s
        ending = (known + ahead[:, -open_s * fine :].sum(axis=1) / fine) / average_s
    else:
        ending = ahead[:, -1]
    share = float((ending >= level).mean())

    fair, why = fair_value(path, settled, now_s * 1_000)

    assert why == ""
    assert fair == pytest.approx(share, abs=0.015)


@pytest.mark.parametrize("left_s", [3_000, 400, 61, 30])
def test_levels_of_a_ladder_are_what_simulated_closes_say(left_s):
    """Of each level, before and inside the minute that settles it: the share of 20,000 simulated closes of that minute
    at or above it; between two levels, the share between them."""
    now_s = START_S + 60 - left_s
    path, values = walked(1_500, start_s=now_s - 1_499)
    deviation = math.sqrt(path.variance_rate(path.known(now_s * 1_000)) * left_s)
    closes = values[-1] * np.exp(deviation * np.random.default_rng(4).standard_normal(20_000))
    levels = [float(values[-1]) * math.exp(deviation * shift) for shift in (-2.0, -0.7, 0.0, 0.4, 1.5)]
    candle = {"kind": RuleKind.CANDLE, "start_s": START_S, "end_s": START_S + 60}

    chances = [fair_value(path, rule(strike=one, **candle), now_s * 1_000)[0] for one in levels]
    between, _ = fair_value(path, rule(strike=levels[1], upper=levels[3], **candle), now_s * 1_000)

    assert chances == pytest.approx([float((closes >= one).mean()) for one in levels], abs=0.015)
    assert between == pytest.approx(chances[1] - chances[3])


def test_an_average_is_surer_than_the_spot_price():
    """With the level one standard deviation away, less variance is left under an average than under the spot rule."""
    path, values = walked(1_500 + 200)
    level = float(values[-1]) * (1.0 - 10.0 * SIGMA)
    now_ms = (START_S + 199) * 1_000

    spot, _ = fair_value(path, rule(strike=level), now_ms)
    average, _ = fair_value(path, rule(RuleKind.TWAP, 60, strike=level), now_ms)

    assert 0.5 < spot < average < 1.0


def test_a_range_is_the_difference_of_its_two_levels():
    """The chances of all ranges of a line sum to one."""
    path, values = walked(1_500 + 100)
    now_ms, middle = (START_S + 99) * 1_000, float(values[-1])
    levels = [1.0, middle * 0.999, middle, middle * 1.001, 1e9]
    chances = [fair_value(path, rule(strike=low, upper=high), now_ms)[0] for low, high in itertools.pairwise(levels)]

    assert sum(chances) == pytest.approx(1.0)


def test_history_and_live_give_the_same_fair_value():
    """A path that grows price by price answers as the whole one does when it is asked about that time."""
    whole, values = walked(1_500 + 300)
    growing = Path()
    settled = rule(RuleKind.TWAP, 60)
    for k, value in enumerate(values):
        ts_ms = (START_S - 1_500 + k) * 1_000
        growing.add(Price("BTC", "chainlink", ts_ms, ts_ms, float(value)))
        if k % 7 == 0:
            assert fair_value(growing, settled, ts_ms) == fair_value(whole, settled, ts_ms)


def test_a_fair_value_never_knows_the_future():
    """Prices that became known later change nothing, even when they were made before."""
    path, values = walked(1_500 + 100)
    other = Path()
    now_ms = (START_S + 99) * 1_000
    for k, value in enumerate(values):
        ts_ms = (START_S - 1_500 + k) * 1_000
        other.add(Price("BTC", "chainlink", ts_ms, ts_ms, float(value)))
    for k in range(30):
        other.add(Price("BTC", "chainlink", now_ms + 1 + k * 1_000, now_ms + 500 + k * 1_000, 99_000.0))

    assert fair_value(other, rule(), now_ms) == fair_value(path, rule(), now_ms)


def test_a_frozen_feed_gives_no_fair_value():
    """Eleven seconds without a price, and nothing is said until prices come again."""
    path, _ = walked(1_500 + 100)

    assert fair_value(path, rule(), (START_S + 105) * 1_000)[0] is not None
    assert fair_value(path, rule(), (START_S + 111) * 1_000) == (None, "the reference price is silent")


def test_a_single_jump_is_not_believed_and_a_lasting_one_is():
    """One price 3 % away gives no fair value and leaves no trace; prices near it for 12 seconds are the new one."""
    path, values = walked(1_500 + 100)
    jump, before = float(values[-1]) * 1.03, float(values[-1])
    now_ms = (START_S + 100) * 1_000
    path.add(Price("BTC", "chainlink", now_ms, now_ms, jump))

    assert fair_value(path, rule(), now_ms)[0] is None

    path.add(Price("BTC", "chainlink", now_ms + 1_000, now_ms + 1_000, before))

    assert fair_value(path, rule(), now_ms + 1_000)[0] == pytest.approx(
        fair_value(path, rule(), now_ms - 1_000)[0], abs=0.02
    )
    for k in range(2, 17):
        path.add(Price("BTC", "chainlink", now_ms + k * 1_000, now_ms + k * 1_000, jump * (1.0 + SIGMA * (k % 3))))
    assert fair_value(path, rule(), now_ms + 4_000)[0] is None
    assert fair_value(path, rule(), now_ms + 16_000)[0] > 0.97
    assert fair_value(path, rule(), now_ms)[0] is None


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.0, -5.0])
def test_what_is_no_price_is_left_out(value):
    """A feed that sends no number changes nothing but the count of refused prices."""
    path, _ = walked(1_600)
    before = fair_value(path, rule(), (START_S + 99) * 1_000)
    path.add(Price("BTC", "chainlink", (START_S + 100) * 1_000, (START_S + 100) * 1_000, value))

    assert fair_value(path, rule(), (START_S + 99) * 1_000) == before
    assert path.refused == 1


def test_a_price_of_the_past_or_of_the_future_is_left_out():
    """Times that go back, and times after their arrival, are a fault of the feed."""
    path, _ = walked(1_600)
    last_ms = (START_S + 99) * 1_000
    path.add(Price("BTC", "chainlink", last_ms - 5_000, last_ms + 1, 1.0))
    path.add(Price("BTC", "chainlink", last_ms + 60_000, last_ms + 1, 60_000.0))

    assert path.refused == 2


def test_no_level_no_fair_value():
    """A range whose beginning nobody saw stays unpriced for its whole life."""
    path, _ = walked(600, start_s=START_S + 10)

    found, why = fair_value(path, rule(), (START_S + 200) * 1_000)

    assert (found, why) == (None, "the price at the beginning was not seen")


def test_two_sources_that_disagree_give_no_fair_value():
    """When the exchange says something else than the oracle, one of them lies."""
    _, values = walked(1_500 + 100)
    board, lying = Board(), Board()
    for k, value in enumerate(values):
        ts_ms = (START_S - 1_500 + k) * 1_000
        for one, other in ((board, 1.0), (lying, 1.01)):
            one.take(Price("BTC", "chainlink", ts_ms, ts_ms, float(value)))
            one.take(Price("BTC", "binance", ts_ms, ts_ms, float(value) * other))

    assert board.fair(rule(), (START_S + 99) * 1_000)[0] is not None
    assert "apart" in lying.fair(rule(), (START_S + 99) * 1_000)[1]


def test_forgetting_keeps_every_answer_about_later_times():
    """Dropping old prices of a live board changes no fair value that can still be asked for."""
    path, _ = walked(3_000 + 280, start_s=START_S - 3_000)
    settled = rule(RuleKind.TWAP, 60)
    before = [fair_value(path, settled, (START_S + k) * 1_000)[0] for k in range(100, 279)]
    rates = path.variance_rate(len(path))
    path.forget((START_S - 2_000) * 1_000)

    after = [fair_value(path, settled, (START_S + k) * 1_000)[0] for k in range(100, 279)]
    assert after == pytest.approx(before, abs=1e-9)
    assert path.variance_rate(len(path)) == pytest.approx(rates)


def boards(seconds=1_600, late_s=2, basis=1.001):
    """A board with an oracle that is `late_s` behind an exchange's stream with another level, one with the oracle
    alone, one with an oracle that is never late, and the time of asking."""
    values = walked(seconds)[1]
    made = [Board(), Board(), Board()]
    first_s = START_S - 1_500
    for k, value in enumerate(values):
        ts_ms = (first_s + k) * 1_000
        made[0].take(Price("BTC", "exchange", ts_ms, ts_ms, float(value) * basis))
        made[2].take(Price("BTC", "chainlink", ts_ms, ts_ms, float(value)))
        if k >= late_s:
            for board in made[:2]:
                board.take(Price("BTC", "chainlink", ts_ms - late_s * 1_000, ts_ms, float(values[k - late_s])))
    return (*made, (first_s + seconds - 1) * 1_000)


def test_an_exchanges_stream_tells_the_oracles_price_before_the_oracle():
    """Its moves since the oracle's newest price count, its level does not: the fair value is that of an oracle without
    delay, up to the volatility that two more prices show."""
    both, late, prompt, now_ms = boards()
    newest = prompt.paths["BTC", "chainlink"].last(1_600)[1]
    fair, behind, right = (board.fair(rule(strike=newest), now_ms)[0] for board in (both, late, prompt))

    assert fair == pytest.approx(right, abs=1e-3)
    assert abs(behind - right) > 5.0 * abs(fair - right)


@pytest.mark.parametrize("fault", ["old", "jumps", "unknown"])
def test_a_stream_that_is_old_or_in_doubt_changes_nothing(fault):
    """Where the stream is not newer, is in doubt, or was not known yet, the oracle's newest price holds."""
    _, late, _, now_ms = boards()
    own = late.paths["BTC", "chainlink"]
    newest = own.last(own.known(now_ms))[1]
    before, level = late.fair(rule(strike=newest), now_ms), newest / 60_000.0
    times = [now_ms - 5_000, now_ms - 4_000, now_ms - 3_000]
    values, known_ms = [60_000.0, 60_000.0, 60_000.0], [*times]
    if fault == "jumps":
        times[-1], known_ms[-1], values[-1] = now_ms, now_ms, 60_240.0
    if fault == "unknown":
        times[-1], known_ms[-1], values[-1] = now_ms, now_ms + 1, 60_050.0
    for ts_ms, known, value in zip(times, known_ms, values, strict=True):
        late.take(Price("BTC", "exchange", ts_ms, known, value * level))

    assert late.fair(rule(strike=newest), now_ms) == before
