"""A bar closes at its boundary with what was known then, however the messages arrive."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.domain import Bar, Quote
from pipelines.features import compute
from serving.market.bars import BarClock, OpenBar
from serving.market.history import assemble
from serving.market.windows import Window

LENGTH = 60
LONG_AGO = -1_000.0


class Tape:
    """What a clock folded and closed, in order."""

    def __init__(self, offset_s: int = 0) -> None:
        self.events: list[str] = []
        self.clock: BarClock[str] = BarClock(
            LENGTH, offset_s, self.events.append, lambda ts: self.events.append(f"close {ts}"), grace_s=0.1
        )


def test_messages_at_the_boundary_belong_to_the_bar() -> None:
    """A change stamped with the close itself is in the bar; one a millisecond later is in the next."""
    tape = Tape()
    tape.clock.receive(59_000, "before", 0.0)
    tape.clock.receive(60_000, "at", 1.0)
    tape.clock.receive(60_001, "after", 1.01)

    tape.clock.run(1.05)
    assert tape.events == ["before", "at"]
    tape.clock.run(1.2)

    assert tape.events == ["before", "at", "close 60", "after"]


def test_a_message_of_a_later_bar_closes_what_lies_between() -> None:
    """When time has jumped, every bar between is closed, each with what was known at its close."""
    tape = Tape()
    tape.clock.receive(30_000, "a", 0.0)
    tape.clock.receive(200_000, "b", 1.0)

    tape.clock.run(1.2)
    for step in range(5):
        tape.clock.run(1.4 + step)

    assert tape.events == ["a", "close 60", "close 120", "close 180", "b"]


def test_after_a_long_silence_no_bars_are_made_up() -> None:
    """Time that jumps by days opens the bar of now; what lies between comes from history."""
    tape = Tape()
    tape.clock.receive(30_000, "a", 0.0)
    tape.clock.receive(86_430_000, "b", 1.0)

    tape.clock.run(1.2)

    assert tape.events == ["a", "b"]
    assert tape.clock.boundary_s == 86_460


def test_a_quiet_market_closes_by_the_wall_clock() -> None:
    """Where market time is wall time, a bar without a message still closes."""
    tape = Tape()
    tape.clock.receive(10_000, "a", 0.0)
    tape.clock.advance_to(60_050, 5.0)

    tape.clock.run(5.2)

    assert tape.events == ["a", "close 60"]


def test_bars_stand_on_the_grid_of_the_market() -> None:
    """A grid that closes 7 seconds after the minute stays there."""
    tape = Tape(offset_s=7)
    tape.clock.receive(8_000, "a", 0.0)

    assert tape.clock.boundary_s == 67
    assert tape.clock.at_or_after(8) == 67


@given(st.lists(st.integers(0, 600_000), min_size=1, max_size=40, unique=True))
def test_every_message_is_folded_before_the_close_of_its_bar(stamps: list[int]) -> None:
    """For any sequence of times, a message is folded once, and never after a bar that ends at or after it."""
    tape = Tape()
    for wall, stamp in enumerate(sorted(stamps)):
        tape.clock.receive(stamp, str(stamp), float(wall))
        tape.clock.run(float(wall) + 0.5)
    for extra in range(20):
        tape.clock.run(1_000.0 + extra)

    folded = [int(event) for event in tape.events if not event.startswith("close")]
    assert sorted(stamps)[: len(folded)] == sorted(folded)
    closed = LONG_AGO
    for event in tape.events:
        if event.startswith("close"):
            closed = float(event.split()[1]) * 1_000
        else:
            assert int(event) > closed


def test_a_bar_carries_mid_spread_and_its_trades() -> None:
    """Volume and count start again at zero after each close; the sizes at the touch are the quote's."""
    bar = OpenBar()
    bar.trade(5_000_000)
    bar.trade(2_000_000)
    quote = Quote(5_100, 5_300, 1, 1)

    assert Bar("m", 60, 5_200, 7_000_000, 2, 200, 1, 1) == bar.close("m", 60, quote)
    assert Bar("m", 120, 5_200, 0, 0, 200, 1, 1) == bar.close("m", 120, quote)


def test_history_ends_with_the_first_live_bar_and_completes_its_volume() -> None:
    """History fills the bars before the first live one; gaps repeat the last price; trades fall into their bar."""
    prices = (np.array([60, 120, 240]), np.array([5_000, 5_100, 5_300]))
    trades = (np.array([61, 119, 235, 299]), np.array([1, 2, 3, 4]))
    live = Bar("m", 300, 5_400, 0, 0, 100)

    bars = assemble("m", prices, trades, live, LENGTH, max_gap_bars=5)

    assert [bar.ts_s for bar in bars] == [60, 120, 180, 240, 300]
    assert [bar.mid_units for bar in bars] == [5_000, 5_100, 5_100, 5_300, 5_400]
    assert [bar.volume_micro for bar in bars] == [0, 3, 0, 3, 4]
    assert bars[-1].spread_units == 100


def test_what_lies_before_a_long_gap_is_left_out() -> None:
    """A gap that training would have cut on is cut on here too."""
    prices = (np.array([60, 600]), np.array([5_000, 5_100]))

    bars = assemble("m", prices, (np.zeros(0, int), np.zeros(0, int)), Bar("m", 660, 5_200, 0, 0, 0), LENGTH, 5)

    assert [bar.ts_s for bar in bars] == [600, 660]


@pytest.mark.parametrize("count", [3, 90])
def test_a_window_is_bit_equal_to_the_batch_features(count: int) -> None:
    """What the live loop feeds the forecaster equals what training computed, to the last bit."""
    rng = np.random.default_rng(count)
    ts = np.arange(1, count + 1) * LENGTH
    mids = rng.integers(4_000, 6_000, count)
    volumes = rng.integers(0, 10**9, count)
    window = Window(40, LENGTH, end_s=10**6)
    for one in zip(ts.tolist(), mids.tolist(), volumes.tolist(), strict=True):
        window.push(Bar("m", one[0], one[1], one[2], 0, 0))

    expected = compute.batch(ts, mids, volumes, 10**6)[-40:]

    assert np.array_equal(expected, window.view().features[-len(expected) :])
    assert (count >= 40) == window.warm


def test_a_gap_empties_a_window() -> None:
    """A window never spans a hole, and ignores a bar that it has already."""
    window = Window(3, LENGTH, None)
    for ts_s in (60, 120, 120, 60, 180):
        window.push(Bar("m", ts_s, 5_000, 0, 0, 0))
    assert window.warm

    window.push(Bar("m", 300, 5_000, 0, 0, 0))

    assert window.count == 1


@pytest.mark.parametrize("wall", [0.0, 21_934.123456789, 4e6 + 0.1, 1e9 + 0.3])
def test_bars_of_a_silence_close_together_however_long_the_machine_is_up(wall: float) -> None:
    """One message after a silence closes every bar before it at once, whatever the clock of the wall reads."""
    closed: list[int] = []
    clock: BarClock[int] = BarClock(60, 0, fold=lambda _: None, close=closed.append, grace_s=0.1)
    clock.start(30)
    clock.receive(330_000, 1, wall)

    assert clock.run(wall + 0.2) == 5
    assert closed == [60, 120, 180, 240, 300]


def test_a_bar_that_waits_for_its_last_messages_says_so() -> None:
    """Between boundary and grace the clock names the bar that ends, so that its turn can be prepared meanwhile."""
    closed: list[int] = []
    clock = BarClock(60, 0, fold=lambda _: None, close=closed.append, grace_s=0.1)
    clock.start(30)
    assert clock.reached_s is None
    clock.receive(60_000, "the last one", wall=5.0)
    assert clock.reached_s == 60
    clock.run(5.2)
    assert closed == [60]
    assert clock.reached_s is None
