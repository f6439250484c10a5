"""The model of synthetic prices: its parameters, its random draws and its paths.

docs/synthetic-markets.md describes the model. Arrays are (markets, minutes); `dynamics` turns draws into paths.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, Literal

import numpy as np

from pipelines.core.domain import FloatArray
from simulator.markets.price_grid import BoolArray, IntArray

LOW: Final = 0.001
HIGH: Final = 0.999
"""Bounds of fair values and mids."""

LEAN_UNIT, LEAN_LIMIT = 0.05, 3.0
"""Log-odds of error that move log(bid size / ask size) by `Model.size_lean`, at most so many times."""

World = Literal["reversion", "regimes", "threshold", "lead_lag", "seasonal"]
"""Which kind of error the quote makes: the default, or one of `foreign`."""

ERROR_MIN: Final[Mapping[World, float]] = {"regimes": 8.0, "threshold": 8.0, "lead_lag": 5.0, "seasonal": 8.0}
"""Minutes in which the error of a foreign world's quote falls to 1/e."""

RAMP_LIFE_MIN: Final = 4_320
"""Life in minutes (three days) for which the rise of volatility is calibrated."""


@dataclass(frozen=True, slots=True)
class Model:
    """Parameters of one family of markets.

    Units: `_sd` of price moves in log-odds per square root of a minute, `_min` in minutes, `_shares` in shares, rates
    per minute.
    """

    edge: float = 0.5
    world: World = "reversion"
    start_sd: float = 0.9
    permanent_sd: float = 0.008
    noise_sd: float = 0.028
    bounce_sd: float = 0.017
    ramp: float = 0.8
    liveliness_sd: float = 0.6
    slow_activity_sd: float = 0.8
    fast_activity_sd: float = 0.9
    activity_min: float = 120.0
    burst_rate: float = 1 / 90
    burst_size: float = 1.5
    burst_min: float = 2.0
    lift_size: float = 1.6
    lift_min: float = 8.0
    idle_factor: float = 0.7
    volume_median_shares: float = 150.0
    volume_sd: float = 1.0
    headline_rate: float = 1 / 240
    headline_effect: float = 0.55
    headline_sd: float = 0.12
    absorb_min: float = 15.0
    revert_min: float = 10.0
    fine_tick_share: float = 0.25
    extra_spread: float = 0.15
    extra_spread_fine: float = 2.0
    size_median_shares: float = 1000.0
    size_sd: float = 1.9
    size_memory: float = 0.9
    size_lean: float = 0.0
    """How much displayed sizes tell of the quote's error: log(bid size / ask size) has this times the error over
    LEAN_UNIT added. At 0 sizes tell no direction."""
    outcome_slope: float = 1.0
    """Factor of the last fair value's log-odds in the draw of the outcome: above 1 favourites win more often than their
    price, at 1 the price is the probability."""
    large_account: float = 0.0
    """Share of the minutes with a clear error of the quote in which a large informed account trades against it."""
    drift_at_min: float = float("inf")
    """Minute of market time since the epoch at which the regime changes."""
    drift_until_min: float = float("inf")
    """Minute at which it changes back."""
    drift_rel: float = 0.0
    """At 1, under-reaction turns into over-reaction and noise moves no longer revert."""
    drift_feat: float = 0.0
    """Shift of volume, headline rate and spread; their relation to later moves does not change."""

    def changed(self, minute: FloatArray) -> BoolArray:
        """Whether the regime is the changed one at minutes of market time since the epoch, shape of `minute`."""
        return (minute >= self.drift_at_min) & (minute < self.drift_until_min)

    @property
    def under(self) -> float:
        """Share of a headline's effect that reaches the quote late."""
        return 0.8 * self.edge

    @property
    def over(self) -> float:
        """Share of noise flow that reverts."""
        return min(0.95, 1.2 * self.edge)

    @property
    def bounce(self) -> float:
        """Share of small-order pressure that reverts within one bar."""
        return min(1.0, 1.7 * self.edge)

    @property
    def permanent_norm(self) -> float:
        """Lognormal mean of exp(0.5 x), so that permanent variance averages one."""
        return float(np.exp(0.125 * (self.slow_activity_sd**2 + self.fast_activity_sd**2)))

    @property
    def noise_norm(self) -> float:
        """Lognormal mean of exp(1.5 x), so that noise variance averages one."""
        return float(np.exp(1.125 * (self.slow_activity_sd**2 + self.fast_activity_sd**2)))


@dataclass(slots=True)
class Draws:
    """All random draws of N markets over T minutes: standard normals, unless a field's docstring says otherwise."""

    liveliness: FloatArray
    """(N,), like the next four fields."""
    volume: FloatArray
    start: FloatArray
    outcome: FloatArray
    """Uniform: YES when it is below the last fair value."""
    tick_units: IntArray
    """Listed tick."""
    slow: FloatArray
    """(N, T), like all fields below."""
    fast: FloatArray
    permanent: FloatArray
    noise: FloatArray
    bounce: FloatArray
    headline: FloatArray
    size_bid: FloatArray
    size_ask: FloatArray
    burst: FloatArray
    """Uniform, like the next two fields."""
    idle: FloatArray
    rounding: FloatArray
    spread: FloatArray
    """Uniform."""
    count: FloatArray
    """Uniform."""
    news: BoolArray
    """Whether a headline falls into the minute."""
    sentiment: FloatArray
    """In [-1, 1]; read only where `news`."""
    minute: FloatArray
    """Minutes since the epoch, for the regime change."""
    common: FloatArray
    """The draws that all markets of an event share, in the world `lead_lag`; else zeros."""
    place: FloatArray
    """(N,) place of the market in its event."""


@dataclass(slots=True)
class Paths:
    """Paths of N markets. The fields up to `resolved_yes` become public; the others are the true values."""

    mid_units: IntArray
    bid_units: IntArray
    ask_units: IntArray
    bid_size_micro: IntArray
    ask_size_micro: IntArray
    volume_micro: IntArray
    n_trades: IntArray
    tick_units: IntArray
    """(N,) listed tick."""
    resolved_yes: BoolArray
    """(N,) the outcome; public only after the end."""
    fair: FloatArray
    under: FloatArray
    over: FloatArray
    bounce: FloatArray
    liveliness: FloatArray
    """(N,) factor on every volatility."""
    volume_scale: FloatArray
    """(N,) median shares per minute."""
    share: FloatArray
    """What `foreign.Errors` says of it in a foreign world; (0, 0) in the default one."""


def volatility_scale(price: FloatArray) -> FloatArray:
    """v(p) = (p - a)(b - p)/(b - a): about p (1 - p), zero at the bounds."""
    scale: FloatArray = (price - LOW) * (HIGH - price) / (HIGH - LOW)
    return scale


def internal_log_odds(price: FloatArray) -> FloatArray:
    """L(p) = ln((p - a)/(b - p)), the log-odds between the bounds; infinite at them."""
    with np.errstate(divide="ignore"):
        odds: FloatArray = np.log((price - LOW) / (HIGH - price))
    return odds


def draw(generator: np.random.Generator, minutes: int) -> dict[str, Any]:
    """One market's own draws by field name of `Draws`, without the headlines, which belong to the event."""
    single = generator.standard_normal(3)
    normals = generator.standard_normal((8, minutes))
    uniforms = generator.random((5, minutes))
    names = ("slow", "fast", "permanent", "noise", "bounce", "headline", "size_bid", "size_ask")
    own: dict[str, Any] = {"liveliness": single[0], "volume": single[1], "start": single[2]}
    own["outcome"] = generator.random()
    own |= dict(zip(names, normals, strict=True))
    own |= dict(zip(("burst", "idle", "rounding", "spread", "count"), uniforms, strict=True))
    return own


def stack(rows: list[dict[str, Any]]) -> Draws:
    """Draws of several markets as one block; each row has a value for every field of `Draws`."""
    return Draws(**{field.name: np.array([row[field.name] for row in rows]) for field in fields(Draws)})


def shares(model: Model, changed: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Under-reaction and overshoot shares, minute by minute, with the regime change."""
    under = model.under * np.where(changed, 1.0 - 2.0 * model.drift_rel, 1.0)
    return under, model.over * np.where(changed, 1.0 - model.drift_rel, 1.0)


def variance_ramp(model: Model, minutes: int) -> FloatArray:
    """Factor on the permanent variance in each minute of a life, (T,): volatility rises as 1/sqrt(time left).

    The rise is calibrated for three days. A shorter life takes sqrt(life / three days) of it. Otherwise the last hour,
    which is the same in every life, would weigh three times as much in the pooled errors of one-day markets.
    """
    ramp = model.ramp * min(1.0, float(np.sqrt(minutes / RAMP_LIFE_MIN)))
    left = minutes - np.arange(minutes, dtype=np.float64)
    return 1.0 + ramp**2 / (model.permanent_sd**2 * (left + 30.0))
