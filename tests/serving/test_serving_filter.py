"""The filter of the live windows: the states that training computes, with late headlines, new models and restarts."""

import numpy as np

from pipelines.core.domain import Bar, FloatArray
from pipelines.features.state_space import STATES, StateSpace
from pipelines.features.state_space_batch import Columns, states
from pipelines.news import decay
from serving.market.headlines import MarketSentiment
from serving.market.windows import KEPT_BARS, Window

LENGTH, LOOKBACK, BARS = 60, 40, 300
END_S = LENGTH * (BARS + 50)
FITTED = StateSpace((0.93, 0.9, 0.5, 0.7, 0.9, 0.5, -4.0, 0.3, 0.9, 100.0, -9.0, 0.5, -8.5, 1.5, -8.5, 0.5))
OTHER = StateSpace((0.95, 0.8, 0.2, 0.5, 0.6, 0.3, -4.5, 0.1, 0.8, 10.0, -9.5, 0.4, -9.0, 1.0, -8.0, 0.6))

RNG = np.random.default_rng(7)
TS = LENGTH * np.arange(1, BARS + 1)
MIDS = np.clip(5_000 + np.cumsum(RNG.integers(-2, 3, BARS) * 50), 100, 9_900)
VOLUMES = RNG.integers(0, 10**9, BARS) * (RNG.random(BARS) < 0.7)
KNOWN = np.sort(RNG.integers(0, LENGTH * BARS, 30))
SCORES = RNG.uniform(-1, 1, 30)
NEWS = {str(number): (int(at), float(score)) for number, (at, score) in enumerate(zip(KNOWN, SCORES, strict=True))}


def trained(fitted: StateSpace, first: int = 0) -> FloatArray:
    """The last states as training computes them from the bars from `first` on."""
    ts = TS[first:]
    tone, headlines = decay.impulses(ts, KNOWN, SCORES, LENGTH)
    starts = np.arange(len(ts)) == 0
    ends = np.full(len(ts), END_S)
    columns = Columns.of(ts, MIDS[first:], VOLUMES[first:], tone, headlines, ends, starts, LENGTH)
    return states(fitted, columns)[-LOOKBACK:]


def lived(ask: list[StateSpace], first: int = 0, late_s: int = 0) -> FloatArray:
    """The last states of a live window that is asked for the states of the filters in turn, one every ten bars;
    headlines are read `late_s` after they were known."""
    window, sentiment = Window(LOOKBACK, LENGTH, END_S), MarketSentiment()
    for number in range(first, BARS):
        heard = {name: one for name, one in NEWS.items() if one[0] + late_s <= TS[number]}
        bar = Bar("m", int(TS[number]), int(MIDS[number]), int(VOLUMES[number]), 0, 0)
        window.push(bar, *sentiment.at(bar.ts_s, heard))
        if number % 10 == 0:
            window.view(ask[number // 10 % len(ask)])
    return window.view(ask[0]).states[:, : len(STATES)]


def test_live_states_are_those_of_training_to_the_bit() -> None:
    """Bar by bar with headlines as they become known, the live window has the states that training computes."""
    assert lived([FITTED]).tobytes() == trained(FITTED).tobytes()


def test_a_restart_folds_the_history_again() -> None:
    """A process that starts later and reads the market's bars again has the same states; one that reads a part of
    them has those of training on that part."""
    assert lived([FITTED], first=100).tobytes() == trained(FITTED, first=100).tobytes()


def test_a_day_with_gaps_and_restarts_has_the_states_of_training() -> None:
    """Over 1,440 bars with headlines, two gaps and two restarts, live states are those of training to the bit at every
    hundredth bar: a gap begins the market anew in both, a restart reads the bars since then."""
    day, gaps = 1_440, (420, 900)
    rng = np.random.default_rng(11)
    ts = LENGTH * (np.arange(day) + 1 + 30 * np.searchsorted(gaps, np.arange(day), side="right"))
    mids = np.clip(5_000 + np.cumsum(rng.integers(-2, 3, day) * 50), 100, 9_900)
    volumes = rng.integers(0, 10**9, day) * (rng.random(day) < 0.7)
    known, scores = np.sort(rng.integers(0, ts[-1], 100)), rng.uniform(-1, 1, 100)
    starts = np.isin(np.arange(day), (0, *gaps))
    tone, headlines = decay.impulses(ts, known, scores, LENGTH)
    columns = Columns.of(ts, mids, volumes, tone, headlines, np.full(day, ts[-1] + 900), starts, LENGTH)
    expected = states(FITTED, columns)
    compared = 0
    for restart in (0, 700, 1_100):
        first = max(begin for begin in (0, *gaps) if begin <= restart)
        window, sentiment = Window(LOOKBACK, LENGTH, int(ts[-1]) + 900), MarketSentiment()
        for number in range(first, day):
            heard = {str(k): (int(known[k]), float(scores[k])) for k in np.flatnonzero(known <= ts[number])}
            bar = Bar("m", int(ts[number]), int(mids[number]), int(volumes[number]), 0, 0)
            window.push(bar, *sentiment.at(bar.ts_s, heard))
            since = number - max(begin for begin in (0, *gaps) if begin <= number)
            if number >= restart and number % 100 == 0 and since >= LOOKBACK:
                seen = window.view(FITTED).states[:, : len(STATES)]
                assert seen.tobytes() == expected[number - LOOKBACK + 1 : number + 1].tobytes()
                compared += 1
    assert compared > 20


def test_a_new_model_is_folded_over_the_bars_that_are_kept() -> None:
    """When a promoted bundle brings another filter its states are those of training, not the old filter's."""
    assert lived([OTHER, FITTED]).tobytes() == trained(OTHER).tobytes()
    assert BARS < KEPT_BARS


def test_a_headline_that_is_read_late_enters_its_own_bar() -> None:
    """A feed that is read two minutes late leaves, once it is read, the states that training computes: the last
    headline is known long enough before the end."""
    assert KNOWN[-1] + 150 < TS[-1]
    assert lived([FITTED], late_s=150).tobytes() == trained(FITTED).tobytes()


def test_without_a_filter_a_window_has_no_states() -> None:
    """A model without a filter is given zeros in their place."""
    window = Window(LOOKBACK, LENGTH, None)
    window.push(Bar("m", LENGTH, 5_000, 0, 0, 0))
    assert not window.view().states[:, : len(STATES)].any()
