"""Safe shrink: how much of a forecast is kept, measured on bars that it did not learn from.

The slope of what happened on what was forecast says how much is right on average, and its standard error how much of it
is luck. Neither says how badly later bars may come out: a few events of a few days hold most of the squared error. So
the shrink is also the largest one with which the error would probably not be shown to be above the price's by more than
HARMLESS on as many other events as the later slices are expected to hold. Fewer than MANY_EVENTS say little of how far
events differ, and one of them may say all: then more is asked.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2, norm, t

from pipelines.core.domain import FloatArray
from pipelines.core.lookback import ahead_of
from pipelines.core.params import Params
from pipelines.forecast.training_windows import IntArray, Rows, training_positions

ENOUGH_EVENTS = 20
"""With fewer, the slope of a forecast loses two standard errors instead of one."""
BLOCKS = 12
"""Parts of the time, of as many bars each: events of the same days are moved by the same news."""
LEAST_GROUPS = 3
HARMLESS = 1.005
"""The RMSE over the price's that the upper 95 % bound of a later sample of events may reach."""
SURE = 0.9
"""Probability that it does not reach beyond."""
MANY_EVENTS = 40
SURE_OF_FEW = 0.98
"""The same with fewer than MANY_EVENTS: the horizons of few events are wrong together, and one of all is enough."""
KEPT = 0.95
"""Probability, at least, that what is kept is better than nothing."""
SHARES = np.linspace(0.0, 1.0, 101)
"""Parts of the careful slope that are tried, the largest one that does no harm is taken."""


@dataclass(frozen=True)
class Unseen:
    """Changes of price at n bars that a part of a forecaster did not learn from, (n, H) each: what the part forecasts,
    what the parts before it do (`before`), and what happened. `event` and `ts_s`, (n,), say which bars lie together;
    `later` is how many events are expected in the slices that the forecaster is made for. A move that is missing (NaN:
    the market has ended by then) says nothing."""

    added: FloatArray
    before: FloatArray
    moved: FloatArray
    event: IntArray
    ts_s: IntArray
    later: float

    def known(self) -> "Unseen":
        """The same with 0 where the move is missing: nothing was forecast, and nothing happened."""
        missing = np.isnan(self.moved)
        if not missing.any():
            return self
        added, before, moved = (np.where(missing, 0.0, part) for part in (self.added, self.before, self.moved))
        return replace(self, added=added, before=before, moved=moved)


def later_events(rows: Rows, params: Params) -> float:
    """How many events are expected in the slices after the calibration slice: as many a day as begin in that slice, and
    those that go on from the fit slice, where a slice begins within events."""
    settings = params.forecast
    shape = settings.lookback_bars, ahead_of(settings)
    fit, now = (np.unique(rows.event[training_positions(rows, name, *shape)]) for name in ("fit", "calibration"))
    shares = params.slices
    begin = np.setdiff1d(now, fit)
    longer = (shares.agent + shares.selection + shares.gate) / shares.calibration
    return len(now) - len(begin) + longer * len(begin)


def safe_shrink(seen: Unseen, everything: Unseen | None = None) -> FloatArray:
    """What to multiply what a part adds with, per horizon, in [0, 1], (H,).

    A part that found nothing, or too little to tell from luck, is multiplied with exactly 0 and does no harm. Bars
    that the part did learn from (`everything` has them too) confirm nothing, but what would do harm there is not kept.
    """
    seen = seen.known()
    careful = _careful_slope(seen)
    evidence, more = _Evidence.of(seen), None if everything is None else _Evidence.of(everything.known())
    if not evidence.enough:
        return np.zeros_like(careful)
    kept = []
    for h, most in enumerate(careful):
        shares = SHARES * most
        good = evidence.gain(h, shares) & evidence.harmless(h, shares)
        if more is not None and more.enough:
            good &= more.harmless(h, shares)
        kept.append(float(shares[good].max(initial=0.0)))
    return np.array(kept)


def _careful_slope(seen: Unseen) -> FloatArray:
    """The slope of what the parts before left on what was added, less z standard errors clustered by event, in [0, 1]:
    1 with ENOUGH_EVENTS or more, else 2."""
    left = seen.moved - seen.before
    power = np.sum(seen.added**2, axis=0)
    known = power > 0.0
    slope = np.sum(seen.added * left, axis=0) / np.where(known, power, 1.0)
    by_event = _sums(seen.added * (left - slope * seen.added), np.unique(seen.event, return_inverse=True)[1])
    events = len(by_event)
    error = np.sqrt(events / max(events - 1, 1) * np.sum(by_event**2, axis=0)) / np.where(known, power, 1.0)
    errors_off = 1.0 if events >= ENOUGH_EVENTS else 2.0
    return np.where(known & (events > 1), np.clip(slope - errors_off * error, 0.0, 1.0), 0.0)


@dataclass(frozen=True)
class _Errors:
    """Sums over groups of bars, (G, H) or (G,) of one horizon: the squared error over that of persistence is `still` +
    share x `linear` + share^2 x `square`, and `null` is that of persistence; all over the whole of `null`."""

    still: FloatArray
    linear: FloatArray
    square: FloatArray
    null: FloatArray

    @classmethod
    def of(cls, seen: Unseen, group: IntArray) -> "_Errors":
        added, before, moved = seen.added, seen.before, seen.moved
        whole = np.sum(moved**2, axis=0)
        whole = np.where(whole > 0.0, whole, 1.0)
        # One after the other: each is as large as all forecasts.
        still = _sums(before * (before - 2.0 * moved), group) / whole
        linear = _sums(2.0 * added * (before - moved), group) / whole
        return cls(still, linear, _sums(added**2, group) / whole, _sums(moved**2, group) / whole)

    def horizon(self, h: int) -> "_Errors":
        return _Errors(self.still[:, h], self.linear[:, h], self.square[:, h], self.null[:, h])

    def change(self, shares: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Mean squared error over that of persistence less 1, and its standard error between the groups, (S,) each."""
        by_group = self._by_group(shares)
        change = by_group.sum(axis=0)
        apart = by_group - change * self.null[:, None]
        groups = len(by_group)
        return change, np.sqrt(groups / (groups - 1) * np.sum(apart**2, axis=0))

    def _by_group(self, shares: FloatArray) -> FloatArray:
        by_group: FloatArray = self.still[:, None] + self.linear[:, None] * shares + self.square[:, None] * shares**2
        return by_group

    def without_best(self, shares: FloatArray) -> FloatArray:
        """`change` as it would be if the group that gains most had gained nothing, (S,)."""
        by_group = self._by_group(shares)
        lost: FloatArray = by_group.sum(axis=0) - by_group.min(axis=0)
        return lost

    @property
    def _freedom(self) -> float:
        """Degrees of freedom of as many groups of equal weight as tell as much: where a few hold most of the squared
        moves, the standard error itself is known from these few."""
        alike = float(np.sum(self.null)) ** 2 / max(float(np.sum(self.null**2)), 1e-300)
        return max(alike - 1.0, 1.0)

    def quantile(self, sure: float) -> float:
        """Standard errors that the change lies off at most, with that probability (Student's t)."""
        return float(t.ppf(sure, self._freedom))

    def widest(self, sure: float) -> float:
        """The true standard error over the measured one, at most, with that probability (chi-square)."""
        return float(np.sqrt(self._freedom / chi2.ppf(1.0 - sure, self._freedom)))


@dataclass(frozen=True)
class _Evidence:
    """What bars tell of each share of a part, by their events and by stretches of time."""

    by_event: _Errors
    by_block: _Errors
    later: float

    @classmethod
    def of(cls, seen: Unseen) -> "_Evidence":
        event, block = (np.unique(by, return_inverse=True)[1] for by in (seen.event, _blocks(seen.ts_s)))
        return cls(_Errors.of(seen, event), _Errors.of(seen, block), seen.later)

    @property
    def enough(self) -> bool:
        return min(len(self.by_event.null), len(self.by_block.null)) >= LEAST_GROUPS

    @property
    def few(self) -> bool:
        return len(self.by_event.null) < MANY_EVENTS

    def gain(self, h: int, shares: FloatArray) -> NDArray[np.bool_]:
        """Where what is kept is better than nothing, and of few events also without the one, or the stretch of time,
        that shows most of it."""
        change, _, off = self._change(h, shares, KEPT)
        better = change + off <= 0.0
        if self.few:
            for part in (self.by_event, self.by_block):
                better &= part.horizon(h).without_best(shares) <= 0.0
        return better

    def harmless(self, h: int, shares: FloatArray) -> NDArray[np.bool_]:
        """Where the upper bound of later events does not reach beyond HARMLESS."""
        sure = SURE_OF_FEW if self.few else SURE
        change, between_events, off = self._change(h, shares, sure)
        fewer = len(self.by_event.null) / self.later
        widest = self.by_event.horizon(h).widest(sure) if self.few else 1.0
        half_width = norm.ppf(0.975) * widest * between_events * np.sqrt(fewer)
        bound: FloatArray = change + half_width + off * np.sqrt(1.0 + fewer)
        return bound <= HARMLESS**2 - 1.0

    def _change(self, h: int, shares: FloatArray, sure: float) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Change of the squared error, its standard error between events, and how far it may lie off, (S,) each."""
        by_event, by_block = self.by_event.horizon(h), self.by_block.horizon(h)
        change, between_events = by_event.change(shares)
        _, between_blocks = by_block.change(shares)
        off = np.maximum(by_event.quantile(sure) * between_events, by_block.quantile(sure) * between_blocks)
        return change, between_events, off


def _blocks(ts_s: IntArray) -> IntArray:
    """The part of the time that each bar lies in, (n,): BLOCKS parts of as many bars each."""
    edges = np.quantile(ts_s, np.arange(1, BLOCKS) / BLOCKS)
    return np.searchsorted(edges, ts_s, side="right").astype(np.int64)


def _sums(values: FloatArray, group: IntArray) -> FloatArray:
    """Columns (n, H) summed over each group, (G, H)."""
    groups = int(group.max()) + 1
    return np.stack([np.bincount(group, weights=column, minlength=groups) for column in values.T], axis=1)
