"""What is kept back for the replay is never learned from, in no market and at no time."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.domain import FeeSchedule, Market
from pipelines.core.raw_tables import Bars
from pipelines.pull import holdout

Life = tuple[str, int, int]


def world(*lives: Life) -> tuple[list[Market], Bars]:
    """Markets given as (event, first bar, number of bars), one bar per second."""
    markets = [Market(market_id=f"0x{i}", event_id=e, question="?", token_yes="1", token_no="2", tick_units=100, min_size_micro=1, fee=FeeSchedule(0.0), start_s=None, end_s=None, topic="") for i, (e, *_) in enumerate(lives)]  # fmt: skip  # noqa: E501
    code = np.repeat(np.arange(len(lives)), [n for *_, n in lives])
    ts_s = np.concatenate([1_000 + first + np.arange(n) for _, first, n in lives])
    nothing = np.zeros(len(code), np.int64)
    return markets, Bars(code, ts_s, nothing, nothing, nothing, nothing, np.zeros(len(code), bool), nothing, nothing)


def choose(*lives: Life) -> holdout.HoldOut:
    """The choice with a lookback of 10 and a horizon of 5."""
    return holdout.choose(*world(*lives), lookback=10, horizon=5, length_s=1)


def test_the_newest_event_is_kept_back() -> None:
    """It is the one whose last bar is the latest; learning ends where its replay is warm."""
    assert choose(("a", 0, 100), ("b", 100, 100), ("c", 200, 40)) == holdout.HoldOut("c", 1_210)


def test_of_several_the_one_that_began_last_with_room_to_trade() -> None:
    """At the same last bar: not the long-lived one (it costs most), nor one too short to be traded."""
    assert choose(("old", 0, 200), ("long", 100, 200), ("roomy", 250, 50), ("short", 284, 16)).event_id == "roomy"


def test_events_too_short_to_learn_from_are_not_chosen() -> None:
    """An event without lookback + horizon bars is neither learned from nor kept back."""
    assert choose(("a", 0, 100), ("b", 100, 100), ("tiny", 200, 14)).event_id == "b"


def test_long_lived_events_are_cut_by_time() -> None:
    """When the newest event spans the recording, the last fifth of time of all markets is kept back."""
    assert choose(("a", 0, 101), ("b", 0, 101), ("c", 10, 91)) == holdout.HoldOut(None, 1_080)


def test_a_single_event_is_cut_by_time() -> None:
    """One event cannot be both learned from and kept back."""
    assert choose(("a", 0, 101), ("a", 0, 101)).event_id is None


def test_a_replay_cut_by_time_has_few_markets() -> None:
    """Of many markets those with the most bars in the replay are traded."""
    markets, bars = world(*[(f"e{n}", 0, 100 + n % 3) for n in range(60)])
    held = holdout.HoldOut(None, 1_080)
    chosen = np.unique(bars.code[holdout.replayed(markets, bars, held, lookback=10, length_s=1)])

    assert len(chosen) == holdout.MOST_REPLAYED
    assert {bars.counts(60)[code] for code in chosen} == {101, 102}


lives = st.lists(
    st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 300), st.integers(1, 120)), min_size=1, max_size=12
)


@given(lives)
def test_learning_never_sees_what_is_traded(drawn: list[Life]) -> None:
    """For any recording: no learned bar is after as_of or of the event kept back; no traded bar is learned."""
    markets, bars = world(*drawn)
    held = holdout.choose(markets, bars, lookback=10, horizon=5, length_s=1)
    learned = holdout.learned(markets, bars, held)
    replayed = holdout.replayed(markets, bars, held, lookback=10, length_s=1)
    events = np.array([m.event_id for m in markets])[bars.code]

    assert (bars.ts_s[learned] <= held.as_of_s).all()
    assert not (learned & (events == held.event_id)).any()
    assert not (learned & replayed & (bars.ts_s > held.as_of_s)).any()
