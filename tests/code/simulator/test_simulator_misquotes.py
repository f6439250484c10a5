"""Makers of the local exchange that err: lives and sizes as stated, nothing else changed, off by default."""

from dataclasses import replace

import numpy as np
import pytest

from pipelines.core.errors import ParameterError
from pipelines.core.money import MICRO
from simulator.__main__ import options_of, parser
from simulator.markets.events import EPOCH_S
from simulator.series import misquotes, source
from simulator.series.underlying import Underlying
from simulator.series.windows import windows_from

BEGIN_S = EPOCH_S + 10_800
COLUMNS = ("bid_units", "ask_units", "bid_size_micro", "ask_size_micro")


def lives(shift):
    """Lengths of the runs of seconds in which a maker errs."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0.0], shift, [0.0]))))
    return np.diff(edges)[shift[edges[:-1]] != 0.0]


def test_lives_and_sizes_are_those_of_the_study():
    """Episodes are as many as asked (nine of ten meet the close of a second), their median life is 3.6 s, and of the
    time that they last three quarters show at most 15 shares."""
    shift, most = misquotes.drawn(20.0, 1_000 * 3_600, (1, 7))
    seen = lives(shift)

    assert len(seen) / 1_000 == pytest.approx(20.0 * 0.91, abs=0.5)
    assert np.median(seen) == 4, "whole seconds"
    assert np.isfinite(most[shift != 0.0]).mean() == pytest.approx(0.77, abs=0.02)
    assert most[np.isfinite(most)].max() <= 15.0
    assert np.isinf(most[shift == 0.0]).all()


def test_outside_an_episode_nothing_changes():
    """A ladder whose makers err has quotes, outcomes and fair values of one whose makers do not, but for the seconds
    of the errors."""
    (right,) = source.parse("ladder", 0)
    path = Underlying(5, "BTC")
    pairs = zip(
        windows_from(right, BEGIN_S, path, 5), windows_from(replace(right, misquotes_h=30.0), BEGIN_S, path, 5),
        strict=True,
    )  # fmt: skip
    for one, other in pairs:
        shift, most = misquotes.drawn(30.0, len(one.ts_s), one.stream)
        calm = shift == 0.0
        assert 0.8 < calm.mean() < 1.0
        for name in COLUMNS:
            assert np.array_equal(getattr(one, name)[calm], getattr(other, name)[calm])
        capped = np.isfinite(most)
        assert other.ask_size_micro[capped].max() <= 15 * MICRO
        assert (one.bid_units[~calm] != other.bid_units[~calm]).mean() > 0.5
        assert one.payout_micro == other.payout_micro
        assert np.array_equal(one.fair, other.fair)
        assert np.all(other.bid_units < other.ask_units)


def test_the_exchange_takes_the_rate_and_bounds_it():
    """`--series-misquotes-h` reaches every series; none errs without it."""
    given = options_of(parser().parse_args(["--series", "5m,ladder", "--series-misquotes-h", "6"]))
    none = options_of(parser().parse_args(["--series", "ladder"]))

    asked = [source.parse(one.source.series, 0, one.source.series_misquotes_h) for one in (given, none)]
    assert [[one.misquotes_h for one in many] for many in asked] == [[6.0, 6.0], [0.0]]
    with pytest.raises(ParameterError, match="series-misquotes-h"):
        options_of(parser().parse_args(["--series-misquotes-h", "-1"]))
