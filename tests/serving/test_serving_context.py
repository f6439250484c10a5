"""The market context of live windows: the bits of training, over a day with gaps, restarts and new siblings."""

import numpy as np

from pipelines.core.brackets import Bracket
from pipelines.core.domain import Bar, FloatArray
from pipelines.features.market_context import NEAR
from pipelines.features.order_flow import ORDER_FLOW
from pipelines.features.state_space import STATES
from pipelines.features.state_space_batch import Books, Rungs, contexts
from serving.market.windows import Window, surround

LENGTH, LOOKBACK, BARS, SIDES = 60, 40, 1_440, 4
START_S = 1_767_225_600
RNG = np.random.default_rng(11)
MIDS = np.clip(4_000 + np.cumsum(RNG.integers(-2, 3, (SIDES, BARS)) * 50, axis=1), 100, 9_900)
SPREADS = np.where(RNG.random((SIDES, BARS)) < 0.2, 0, 100)
SIZES = RNG.integers(0, 10**10, (SIDES, BARS, 2)) * (SPREADS[..., None] > 0)
THERE = RNG.random((SIDES, BARS)) > 0.004
"""A gap in some market about once in an hour."""
FAIRS = np.where(RNG.random((SIDES, BARS, 2)) < 0.1, np.nan, RNG.random((SIDES, BARS, 2)))
FLOWS = RNG.normal(0.0, 1.0, (SIDES, BARS, len(ORDER_FLOW)))

BRACKETS = [Bracket("", 10.0 * side, 10.0 * (side + 1)) for side in range(SIDES)]


def _window(side: int) -> Window:
    return Window(LOOKBACK, LENGTH, None, BRACKETS[side], exclusive=True)


def _bar(side: int, minute: int) -> Bar:
    book = int(SPREADS[side, minute]), *(int(size) for size in SIZES[side, minute])
    return Bar(str(side), START_S + LENGTH * minute, int(MIDS[side, minute]), 0, 0, *book)


def _fair(side: int, minute: int) -> tuple[float, float]:
    now, before = FAIRS[side, minute].tolist()
    return now, before


def _flow(side: int, minute: int) -> list[float]:
    flow: list[float] = FLOWS[side, minute].tolist()
    return flow


def _trained(first: int = 0) -> list[FloatArray]:
    """The last contexts of each market as training computes them from the bars from `first` on."""
    columns, lengths, fairs, flows = [], [], [], []
    for side in range(SIDES):
        minutes = np.flatnonzero(THERE[side, first:]) + first
        ts = START_S + LENGTH * minutes
        starts = np.append(True, np.diff(minutes) != 1)
        books = MIDS[side, minutes], SPREADS[side, minutes], SIZES[side, minutes, 0], SIZES[side, minutes, 1]
        fairs.append(FAIRS[side, minutes])
        flows.append(FLOWS[side, minutes])
        columns.append((np.zeros(len(ts), dtype=np.int64), starts, ts, *books))
        lengths.append(len(ts))
    rungs = Rungs.of(BRACKETS, [True] * SIDES, [0] * SIDES, lengths)
    joined = (np.concatenate(column) for column in zip(*columns, strict=True))
    made = contexts(Books(*joined, rungs=rungs, fair=np.concatenate(fairs), flow=np.concatenate(flows)))
    return [part[-LOOKBACK:] for part in np.split(made, np.cumsum(lengths)[:-1])]


def _lived(first: int = 0, anew: frozenset[int] = frozenset()) -> list[FloatArray]:
    """The last contexts of live windows that are looked at every minute; at some minutes one of them is filled anew."""
    windows = [_window(side) for side in range(SIDES)]

    for minute in range(first, BARS):
        for side in range(SIDES):
            if THERE[side, minute]:
                windows[side].push(_bar(side, minute), fair=_fair(side, minute), flow=_flow(side, minute))
        if minute in anew:
            fresh = _window(1)
            for earlier in range(first, minute + 1):
                if THERE[1, earlier]:
                    fresh.push(_bar(1, earlier), fair=_fair(1, earlier), flow=_flow(1, earlier))
            windows[1] = fresh
            for window in windows:
                window.forget_surroundings()
        surround(windows)
    return [window.view().states[:, len(STATES) :] for window in windows]


def test_a_day_with_gaps_has_the_bits_of_training() -> None:
    """Over 1,440 minutes with gaps every live context is that of training, also the place among brackets."""
    lived = _lived()
    assert np.concatenate(lived)[:, len(NEAR) :].any(axis=0).all()
    for one, other in zip(lived, _trained(), strict=True):
        kept = np.flatnonzero(one.any(axis=1))
        assert len(kept) > 5
        assert one[kept].tobytes() == other[-len(kept) :].tobytes()


def test_a_restart_reads_the_bars_again() -> None:
    """A process that starts later and reads the bars of all markets again has the bits of training on those bars."""
    for one, other in zip(_lived(first=700), _trained(first=700), strict=True):
        kept = np.flatnonzero(one.any(axis=1))
        assert one[kept].tobytes() == other[-len(kept) :].tobytes()


def test_a_window_that_is_filled_anew_changes_nothing() -> None:
    """A market whose connection broke and whose history was read again, twice a day, leaves the same bits."""
    lived = _lived(anew=frozenset({500, 1_200}))
    for one, other in zip(lived, _trained(), strict=True):
        kept = np.flatnonzero(one.any(axis=1))
        assert one[kept].tobytes() == other[-len(kept) :].tobytes()


def test_without_siblings_a_window_has_a_neutral_context() -> None:
    """A window that nobody surrounds sees its own price and book alone."""
    window = Window(LOOKBACK, LENGTH, None)
    for minute in range(50):
        window.push(Bar("m", LENGTH * (minute + 1), 5_000 + 50 * (minute % 2), 0, 0, 0))
    found = window.view().states[:, len(STATES) :]
    assert found[:, 4].any()
    assert not found[:, [0, 1, 2, 3, 5, 6, 10, 13, 16, 18, *range(len(NEAR), found.shape[1])]].any()
