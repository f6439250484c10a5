"""True values of synthetic markets, and the best forecast from public data. Only benchmarks and tests may use this.

`truth` computes the latent paths again from seed and number; bars never contain them. `kalman` is a Kalman filter that
knows all parameters, vectorised over markets: no forecast from public data can be better. `oracle` is the forecast of
someone who sees the mispricing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipelines.core.domain import FloatArray
from pipelines.core.errors import ParameterError
from simulator.markets import foreign
from simulator.markets.events import Event, Family, paths
from simulator.markets.price_grid import BoolArray, IntArray, tick_at
from simulator.markets.price_model import Model, Paths, internal_log_odds, shares, variance_ramp, volatility_scale

_UNITS = 10_000.0
_DIAGONAL = np.arange(3)


@dataclass(frozen=True, slots=True)
class Truth:
    """Latent and public paths of a block of markets, (N, T) each, and the news as an observer sees it."""

    model: Model
    paths: Paths
    news: BoolArray
    sentiment: FloatArray
    changed: BoolArray
    """Whether the minute is after the regime change."""
    event: IntArray
    """(N,) number of the event, for clustering."""

    @property
    def mid(self) -> FloatArray:
        """Quoted mid in [0, 1]."""
        mid: FloatArray = self.paths.mid_units / _UNITS
        return mid

    @property
    def log_odds(self) -> FloatArray:
        """Ordinary log-odds of the quoted mid."""
        odds: FloatArray = np.log(self.mid / (1.0 - self.mid))
        return odds


@dataclass(frozen=True, slots=True)
class Mispricing:
    """Estimates (or the truth) of U, O and B after each bar, (N, T), in log-odds."""

    under: FloatArray
    over: FloatArray
    bounce: FloatArray

    def forecast(self, model: Model, horizon: int) -> FloatArray:
        """Expected change of log-odds over the next `horizon` bars, (N, T)."""
        under_keep, over_keep = _decays(model)
        return (1 - under_keep**horizon) * self.under - (1 - over_keep**horizon) * self.over - self.bounce

    def forecast_from_next(self, model: Model, horizon: int) -> FloatArray:
        """Expected change from the next bar on: what a trader with one bar of latency can still get."""
        under_keep, over_keep = _decays(model)
        under = under_keep * (1 - under_keep**horizon) * self.under
        return under - over_keep * (1 - over_keep**horizon) * self.over


def truth(family: Family, events: Sequence[Event]) -> Truth:
    """Latent paths of whole events, made again from the family's seed.

    Raises:
        ParameterError: if some events are exclusive: the filter knows markets with a path of their own only.
    """
    if family.exclusive_share:
        raise ParameterError(f"exclusive_share was {family.exclusive_share:g}; the best forecast is known at 0 only")
    made = paths(family, events)
    count = family.markets_per_event
    return Truth(
        model=family.model,
        paths=made,
        news=np.repeat([event.news for event in events], count, axis=0),
        sentiment=np.concatenate([event.sentiment for event in events]),
        changed=np.repeat([family.model.changed(event.minute) for event in events], count, axis=0),
        event=np.repeat([event.number for event in events], count),
    )


def oracle(known: Truth) -> Mispricing:
    """The true mispricing."""
    return Mispricing(known.paths.under, known.paths.over, known.paths.bounce)


def kalman(known: Truth) -> Mispricing:
    """Filtered mispricing from quotes, volume and headlines, knowing all parameters, also the regime change."""
    model, made = known.model, known.paths
    variances = _Variances.of(known)
    under_share, over_share = shares(model, known.changed)
    observed = internal_log_odds(known.mid)
    usable = np.isfinite(observed[:, 1:]) & np.isfinite(observed[:, :-1])
    step = np.zeros_like(observed)
    step[:, 1:][usable] = (observed[:, 1:] - np.where(np.isfinite(observed[:, :-1]), observed[:, :-1], 0.0))[usable]
    grid = grid_steps(made.mid_units, made.tick_units)
    markets, minutes = observed.shape
    filter_ = _Filter(model, markets)
    states = np.zeros((minutes, markets, 3))
    for t in range(1, minutes):
        filter_.update(
            step[:, t], usable[:, t - 1], variances.at(t), (under_share[:, t], over_share[:, t]),
            np.where(known.news[:, t], known.sentiment[:, t], 0.0), grid[:, t - 1],
        )  # fmt: skip
        states[t] = filter_.state
    rows = states.transpose(2, 1, 0)
    return Mispricing(rows[0].copy(), rows[1].copy(), rows[2].copy())


def _decays(model: Model) -> tuple[float, float]:
    """What is left of U and O after a bar; a foreign world's error is U."""
    if model.world != "reversion":
        return foreign.keep(model), 0.0
    return float(np.exp(-1.0 / model.absorb_min)), float(np.exp(-1.0 / model.revert_min))


def grid_steps(mid_units: IntArray, tick_units: IntArray) -> FloatArray:
    """Half tick over the volatility scale: the rounding step in log-odds, (N, T); 0 at the bounds."""
    half = tick_at(tick_units[:, None], mid_units) / 2.0 / _UNITS
    scale = volatility_scale(mid_units / _UNITS)
    return np.where(scale > 1e-9, half / np.where(scale > 1e-9, scale, 1.0), 0.0)


@dataclass(frozen=True, slots=True)
class _Variances:
    """Conditional variances of the innovations at the published volume, (N, T)."""

    permanent: FloatArray
    noise: FloatArray
    bounce: FloatArray
    headline: FloatArray

    @classmethod
    def of(cls, known: Truth) -> "_Variances":
        model, made = known.model, known.paths
        ramp = variance_ramp(model, made.mid_units.shape[1])
        root = np.sqrt(intensity(known))
        live = made.liveliness[:, None] ** 2
        return cls(
            permanent=model.permanent_sd**2 * live * ramp * root / model.permanent_norm,
            noise=model.noise_sd**2 * live * root**3 / model.noise_norm,
            bounce=model.bounce_sd**2 * live * root / model.permanent_norm,
            headline=np.where(known.news, model.headline_sd**2, 0.0),
        )

    def at(self, t: int) -> "_Variances":
        return _Variances(self.permanent[:, t], self.noise[:, t], self.bounce[:, t], self.headline[:, t])


def intensity(known: Truth) -> FloatArray:
    """exp(y), y = x + n/2, from the published volume: 0 in an idle minute."""
    model = known.model
    keep, lift = float(np.exp(-1.0 / model.lift_min)), np.zeros(known.news.shape)
    for t in range(1, known.news.shape[1]):
        lift[:, t] = np.maximum(keep * lift[:, t - 1], np.where(known.news[:, t], model.lift_size, 0.0))
    relative = known.paths.volume_micro / 1e6 / known.paths.volume_scale[:, None]
    intensity: FloatArray = relative * np.exp(-lift / 2.0 - np.where(known.changed, 0.8 * model.drift_feat, 0.0))
    return intensity


class _Filter:
    """One step of the Kalman filter for all markets at once: state (N, 3), covariance (N, 3, 3)."""

    def __init__(self, model: Model, markets: int) -> None:
        self._model = model
        under_keep, over_keep = _decays(model)
        self._keep = np.array([under_keep, over_keep, 0.0])
        self._observe = np.array([1.0 - under_keep, -(1.0 - over_keep), -1.0])
        self.state = np.zeros((markets, 3))
        self._covariance = np.zeros((markets, 3, 3))

    def update(
        self,
        step: FloatArray,
        usable: BoolArray,
        variances: _Variances,
        share: tuple[FloatArray, FloatArray],
        sentiment: FloatArray,
        grid: FloatArray,
    ) -> None:
        """Take the change of log-odds of one bar; where it is not usable only the headline's mean is added."""
        under, over = share
        bounce = self._model.bounce
        own = np.stack([under, over, np.full_like(under, bounce)], axis=1)
        parts = np.stack([variances.headline, variances.noise, variances.bounce], axis=1)
        # The quote takes a part of each shock at once, so the noises of state and observation are correlated.
        seen = np.stack([1.0 - under, np.ones_like(over), np.ones_like(over)], axis=1)
        process, cross = own**2 * parts, own * seen * parts
        projected = self._covariance @ self._observe
        spread = (seen**2 * parts).sum(axis=1) + variances.permanent + projected @ self._observe
        total = spread + rounding_variance(spread, grid)
        news = self._model.headline_effect * sentiment
        surprise = step - self.state @ self._observe - (1.0 - under) * news
        gain = (projected * self._keep + cross) / np.where(total > 0.0, total, 1.0)[:, None]
        gain = np.where((usable & (total > 0.0))[:, None], gain, 0.0)
        self.state = self.state * self._keep + gain * surprise[:, None]
        self.state[:, 0] += under * news
        carried = self._covariance * self._keep[:, None] * self._keep
        carried[:, _DIAGONAL, _DIAGONAL] += process
        self._covariance = carried - total[:, None, None] * gain[:, :, None] * gain[:, None, :]


def rounding_variance(spread: FloatArray, grid: FloatArray) -> FloatArray:
    """d^2 E[f (1 - f)] in log-odds, f the fractional part of |N(0, sd/d)|, read from a table of sd/d."""
    ratio = np.sqrt(np.maximum(spread, 0.0)) / np.where(grid > 0.0, grid, 1.0)
    variance: FloatArray = grid**2 * np.interp(ratio, _RATIOS, _FRACTIONS)
    return variance


def _fraction_table(ratios: FloatArray) -> FloatArray:
    """E[f (1 - f)] by quadrature over 4,001 equal quantile steps of the normal."""
    grid = np.linspace(-8.0, 8.0, 4001)
    weight = np.exp(-0.5 * grid**2)
    fraction = np.abs(ratios[:, None] * grid) % 1.0
    table: FloatArray = (fraction * (1.0 - fraction)) @ (weight / weight.sum())
    return table


_RATIOS = np.concatenate([np.linspace(0.0, 2.0, 201), [1e9]])
_FRACTIONS = np.concatenate([_fraction_table(_RATIOS[:-1]), [1.0 / 6.0]])
