"""What a feed that lies, freezes or jumps does to the fair value: nothing for longer than it takes to find out."""

import itertools
import math

import numpy as np
import pytest

from pipelines.core.settlement import RuleKind, Settlement
from pipelines.reference.board import Board
from pipelines.reference.habit import DOUBT_SIGMAS
from pipelines.reference.prices import SILENCE_S, Price

SIGMA = 6e-5
BEFORE_S, BEGIN_S = 1_800, 10_000
LIE_S = BEGIN_S + 60
SOURCES = ("chainlink", "binance")
SIZES = [-0.3, -0.0019, -0.0008, 0.0008, 0.0019, 0.005, 0.05, 9.0]


def rule(step_s=1):
    """300 steps on the oracle's price."""
    return Settlement(
        symbol="BTC", source="chainlink", kind=RuleKind.SPOT, start_s=BEGIN_S, end_s=BEGIN_S + 300 * step_s
    )


def walk(seconds=2_100, seed=1, step_s=1):
    """Honest values by time, one a step; the range begins after 1,800 of them."""
    moves = SIGMA * math.sqrt(step_s) * np.random.default_rng(seed).standard_normal(seconds)
    times = (BEGIN_S + step_s * (np.arange(seconds) - BEFORE_S)).tolist()
    return dict(zip(times, (60_000.0 * np.exp(np.cumsum(moves))).tolist(), strict=True))


def said(values, lies=None, sources=SOURCES, false="chainlink"):
    """What the sources send: the values, but for the lies of one of them."""
    lies = lies or {}
    for ts_s, value in values.items():
        for source in sources:
            told = lies.get(ts_s, value) if source == false else value
            # Two sources of one asset differ a little, and by a basis.
            told *= 1.0 if source == "chainlink" else 1.0008 * (1.0 + 1e-5 * math.sin(ts_s))
            yield Price("BTC", source, 1_000 * ts_s, 1_000 * ts_s, told)


def answers(prices, asked, settled=None):
    """Fair value and reason at each second, asked live: after what had come by then."""
    board, found = Board(), {}
    for ts_s, group in itertools.groupby(prices, lambda one: one.ts_ms // 1_000):
        for one in group:
            board.take(one)
        if ts_s in asked:
            found[ts_s] = board.fair(settled or rule(), 1_000 * ts_s)
    return found, board


def biggest(honest, told):
    """How far a fair value that was given is from the honest one."""
    return max(abs(told[at][0] - honest[at][0]) for at in told if told[at][0] is not None)


def allowed(ts_s, seconds=SILENCE_S):
    """How far the largest move that is believed at once, over so many seconds, can move the fair value."""
    left_s = BEGIN_S + 300 - ts_s
    # The usual deviation is estimated from 101 changes, within a third.
    return 0.4 * 1.33 * DOUBT_SIGMAS * math.sqrt(seconds / left_s)


@pytest.mark.parametrize("sources", [SOURCES, SOURCES[:1]], ids=["two", "one"])
@pytest.mark.parametrize("ticks", [1, 2, 3, 4])
@pytest.mark.parametrize("size", SIZES)
def test_a_lie_of_any_size_is_never_believed(size, ticks, sources):
    """While a price lies by more than is usual there is no fair value; afterwards it is the honest one."""
    values, asked = walk(), range(BEGIN_S + 30, BEGIN_S + 120)
    lies = {LIE_S + k: values[LIE_S + k] * (1.0 + size) for k in range(ticks)}
    honest, _ = answers(said(values, sources=sources), asked)
    told, board = answers(said(values, lies, sources), asked)

    assert all(told[at] == (None, "the reference price jumped and is not confirmed") for at in lies)
    assert biggest(honest, told) < 0.01
    assert all(fair is not None for at, (fair, _) in told.items() if at not in lies and at != LIE_S + ticks)
    assert board.paths["BTC", "chainlink"].refused == ticks


@pytest.mark.parametrize("size", [0.0001, -0.0001, 0.0002, -0.00025, 0.0003])
@pytest.mark.parametrize("ticks", [1, 3, 20])
def test_a_lie_too_small_to_be_doubted_moves_the_fair_value_by_little(size, ticks):
    """What is believed at once moves the fair value by no more than the limit of one silence."""
    values, asked = walk(), range(BEGIN_S + 30, BEGIN_S + 120)
    lies = {LIE_S + k: values[LIE_S + k] * (1.0 + size) for k in range(ticks)}
    honest, _ = answers(said(values, sources=SOURCES[:1]), asked)
    told, _ = answers(said(values, lies, SOURCES[:1]), asked)

    assert all(abs(told[at][0] - honest[at][0]) <= allowed(at) for at in lies if told[at][0] is not None)


@pytest.mark.parametrize("ticks", [1, 2, 3])
@pytest.mark.parametrize("size", [0.01, 9.0, -0.9])
def test_a_lie_of_a_price_a_minute_is_never_believed(size, ticks):
    """Three wrong prices of the only source of an hourly recording give no fair value."""
    values = walk(1_860, step_s=60)
    lie_s, asked = BEGIN_S + 60 * 20, range(BEGIN_S + 60, BEGIN_S + 60 * 50, 60)
    lies = {lie_s + 60 * k: values[lie_s + 60 * k] * (1.0 + size) for k in range(ticks)}
    board = Board.of(said(values, lies, SOURCES[:1]))
    honest = Board.of(said(values, sources=SOURCES[:1]))

    for at in asked:
        fair = board.fair(rule(60), 1_000 * at)[0]
        assert (fair is None) == (at in lies)
        # The moves of the minutes that were lied about are missing from the volatility.
        assert fair is None or abs(fair - honest.fair(rule(60), 1_000 * at)[0]) < 0.02


@pytest.mark.parametrize("size", [0.0005, 0.0012, 0.0019, -0.002])
def test_a_real_jump_is_believed_at_once_where_both_sources_show_it(size):
    """No second is lost, and the fair value is that of the new price."""
    values = {at: value * (1.0 + size * (at >= LIE_S)) for at, value in walk().items()}
    found, board = answers(said(values), range(LIE_S, LIE_S + 20))

    assert all(fair is not None for fair, _ in found.values())
    assert board.paths["BTC", "chainlink"].last(len(board.paths["BTC", "chainlink"]))[0] == 1_000 * (BEGIN_S + 299)


@pytest.mark.parametrize("size", [0.02, 9.0, -0.9])
@pytest.mark.parametrize("ticks", [1, 2, 3, 5])
def test_a_large_lie_of_both_sources_is_never_believed(size, ticks):
    """A socket that multiplies all of its prices for some ticks takes the fair value away and moves it nowhere."""
    values, asked = walk(), range(BEGIN_S + 30, BEGIN_S + 120)
    lies = {LIE_S + k: values[LIE_S + k] * (1.0 + size) for k in range(ticks)}
    honest, _ = answers(said(values), asked)
    told, _ = answers(said(values | lies), asked)

    assert all(told[at][0] is None for at in lies)
    assert biggest(honest, told) < 0.01


@pytest.mark.parametrize(("size", "within_s"), [(0.02, 10), (-0.05, 12), (9.0, 22)])
def test_a_large_jump_of_both_sources_is_believed_after_a_while(size, within_s):
    """What both sources go on saying for some seconds is the price, whatever its size."""
    values = {at: value * (1.0 + size * (at >= LIE_S)) for at, value in walk().items()}
    found, _ = answers(said(values), range(LIE_S, LIE_S + 60))
    doubted = [at for at, (fair, _) in found.items() if fair is None]

    assert doubted == list(range(LIE_S, LIE_S + len(doubted)))
    assert 3 <= len(doubted) <= within_s


@pytest.mark.parametrize(("size", "within_s"), [(0.0005, 8), (0.0019, 12), (-0.003, 13), (0.05, 18), (9.0, 27)])
def test_a_real_jump_of_the_only_source_is_believed_after_a_while(size, within_s):
    """The larger the jump, the longer it is doubted, and never for long."""
    values = {at: value * (1.0 + size * (at >= LIE_S)) for at, value in walk().items()}
    found, _ = answers(said(values, sources=SOURCES[:1]), range(LIE_S, LIE_S + 40))
    doubted = [at for at, (fair, _) in found.items() if fair is None]

    assert 4 <= len(doubted) <= within_s
    assert doubted == list(range(LIE_S, LIE_S + len(doubted)))


def test_a_jump_that_the_other_source_contradicts_is_doubted_for_four_times_as_long():
    """A wrong level of one source gives no fair value while the other one denies it, then while they lie apart."""
    values = walk()
    lies = {at: value * 1.0019 for at, value in values.items() if at >= LIE_S}
    found, _ = answers(said(values, lies), range(LIE_S, LIE_S + 120))
    reasons = [why for _, why in found.values()]

    assert all(reasons)
    assert sum("not confirmed" in why for why in reasons) > 30
    assert "apart" in reasons[-1]


def test_a_lie_of_the_other_source_changes_nothing():
    """Three wrong prices of the source that does not settle the market take no fair value away."""
    values = walk()
    lies = {LIE_S + k: values[LIE_S + k] * 1.0019 for k in range(3)}
    asked = range(BEGIN_S + 30, BEGIN_S + 120)
    honest, _ = answers(said(values), asked)
    told, _ = answers(said(values, lies, false="binance"), asked)

    assert told == honest


@pytest.mark.parametrize("sources", [SOURCES, SOURCES[:1]], ids=["two", "one"])
@pytest.mark.parametrize("shake", [0.0, 1e-9, 1e-7, 4e-6])
def test_a_frozen_value_gives_no_fair_value(sources, shake):
    """Times go on and the value stays: after the silence nothing is said until it moves again."""
    values, frozen_s = walk(), 120
    lies = {at: values[LIE_S] * (1 + shake * (at % 2)) for at in range(LIE_S, LIE_S + frozen_s)}
    honest, _ = answers(said(values, sources=sources), range(BEGIN_S + 30, BEGIN_S + 290))
    told, _ = answers(said(values, lies, sources), honest)

    late = range(LIE_S + int(SILENCE_S) + 1, LIE_S + frozen_s)
    assert all(told[at][0] is None for at in late)
    assert "unchanged" in told[late[0]][1]
    assert all(told[at][0] == pytest.approx(honest[at][0], abs=0.02) for at in range(LIE_S + 160, BEGIN_S + 290))


def test_a_price_that_seldom_changes_is_not_frozen():
    """A feed whose values stay for 15 seconds as a habit has its fair value nearly always."""
    values, held = walk(), {}
    rng, now = np.random.default_rng(3), None
    for at, value in values.items():
        now = value if now is None or rng.random() < 1 / 15 else now
        held[at] = now
    found, _ = answers(said(held, sources=SOURCES[:1]), range(BEGIN_S + 10, BEGIN_S + 290))

    assert sum(fair is None for fair, _ in found.values()) < 15


def test_a_drift_away_from_the_other_source_gives_no_fair_value():
    """A source that leaves the other in steps too small to be doubted is not believed once they lie apart."""
    values = walk()
    lies = {at: value * (1.0 + 1e-4 * (at - LIE_S)) for at, value in values.items() if at >= LIE_S}
    found, _ = answers(said(values, lies), range(LIE_S, LIE_S + 60))

    assert all("apart" in found[at][1] for at in range(LIE_S + 10, LIE_S + 60))


def test_a_price_of_another_asset_is_never_believed():
    """A thirtieth of the price, moving as an honest feed does, stays out while the other source denies it."""
    values, other = walk(), walk(seed=7)
    lies = {at: other[at] / 30.0 for at in values if LIE_S <= at < LIE_S + 60}
    told, _ = answers(said(values, lies), range(LIE_S, LIE_S + 60))

    assert {fair for fair, _ in told.values()} == {None}


def test_each_feed_is_silent_by_its_own_step():
    """A price a minute next to one a second excuses no silence of the latter."""
    values = walk()
    minutes = [Price("BTC", "binance", 1_000 * at, 1_000 * at, value) for at, value in values.items() if at % 60 == 0]
    seconds = [one for one in said(values, sources=SOURCES[:1]) if one.ts_ms <= 1_000 * LIE_S]
    board = Board.of([*seconds, *minutes])

    assert board.fair(rule(), 1_000 * (LIE_S + 9))[0] is not None
    assert board.fair(rule(), 1_000 * (LIE_S + 11))[1] == "the reference price is silent"
    minute = Settlement(symbol="BTC", source="binance", kind=RuleKind.SPOT, start_s=BEGIN_S, end_s=BEGIN_S + 300)
    assert board.fair(minute, 1_000 * (LIE_S + 11))[1] != "the reference price is silent"


def test_a_message_told_twice_confirms_nothing():
    """The same lie with the same time, ten times, is one lie."""
    values = walk()
    board = Board()
    for one in said({at: value for at, value in values.items() if at < LIE_S}, sources=SOURCES[:1]):
        board.take(one)
    for k in range(10):
        board.take(Price("BTC", "chainlink", 1_000 * LIE_S, 1_000 * LIE_S + 200 * k, 70_000.0))

    assert board.fair(rule(), 1_000 * LIE_S + 2_000)[0] is None
    assert board.paths["BTC", "chainlink"].refused == 9


@pytest.mark.parametrize("sources", [SOURCES, SOURCES[:1]], ids=["two", "one"])
def test_a_history_with_lies_answers_as_the_live_board_did(sources):
    """Asked later about each second, a board that knows everything says what was said then."""
    values = walk()
    lies = {LIE_S + k: values[LIE_S + k] * (1.0 + size) for k, size in enumerate(SIZES)}
    lies |= dict.fromkeys(range(LIE_S + 100, LIE_S + 130), values[LIE_S + 100])
    lies |= {at: values[at] * 1.001 for at in range(LIE_S + 180, LIE_S + 230)}
    asked = range(BEGIN_S, BEGIN_S + 300)
    live, whole = answers(said(values, lies, sources), asked)

    assert {at: whole.fair(rule(), 1_000 * at) for at in asked} == live
    assert len({why for _, why in live.values()}) >= 3
