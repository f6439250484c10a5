"""From random draws to paths: activity, shocks, mispricing, quote, book.

A market's path depends only on its own draws, not on the block in which it is computed. Therefore exp is computed row
by row, and the recursions over minutes use only + - x /, which give the same bits in a block of any size.
"""

from dataclasses import dataclass

import numpy as np

from pipelines.core.domain import FloatArray
from simulator.markets import foreign
from simulator.markets.price_grid import FINE_TICK, BoolArray, IntArray, quotes, round_unbiased, tick_at
from simulator.markets.price_model import HIGH, LEAN_LIMIT, LEAN_UNIT, LOW, Draws, Model, Paths, shares, variance_ramp

UNITS = 10_000.0


def simulate(model: Model, draws: Draws) -> Paths:
    """Paths of a block of markets, with the true values."""
    live = np.exp(model.liveliness_sd * draws.liveliness)
    volume_scale = model.volume_median_shares * np.exp(model.volume_sd * draws.volume)
    tick = draws.tick_units
    activity, lift = _activity(model, draws)
    activity = activity + foreign.activity(model, draws)
    idle = (draws.idle < _rows_exp(-model.idle_factor * _rows_exp(activity))) & ~draws.news
    idle[:, 0] = True  # the opening quote: nothing has traded yet
    changed = model.changed(draws.minute)
    relative = activity + lift + np.where(changed, 0.8 * model.drift_feat, 0.0)
    volume = np.where(idle, 0.0, volume_scale[:, None] * _rows_exp(relative))
    # 0.01 share is the exchange's size grid; an active minute trades at least that.
    volume_micro = np.where(idle, 0, np.maximum(1, np.rint(volume * 100.0))).astype(np.int64) * 10_000
    root = np.where(idle, 0.0, _rows_exp(0.5 * activity + 0.25 * lift))
    if model.world == "reversion":
        shocks = _shocks(model, draws, live, root)
        under, over, bounce, gap = _mispricing(model, shocks, changed)
        total, share = _total(model, shocks, changed), np.empty((0, 0))
    else:
        made = foreign.errors(model, draws, live, root, changed)
        under, over, bounce, share = made.error, np.zeros_like(root), np.zeros_like(root), made.share
        total, gap = made.total.T.copy(), _rows_exp(-under)
    fair, mid_units = _quote(model, draws, total, gap)
    extra = _extra_ticks(model, draws, mid_units, np.where(idle, -1.0, relative), changed)
    bid, ask = quotes(mid_units, tick[:, None], extra)
    lean = 0.5 * model.size_lean * np.clip((under - over - bounce) / LEAN_UNIT, -LEAN_LIMIT, LEAN_LIMIT)
    displayed = (
        np.where(bid > 0, sizes(model, draws.size_bid, lean), 0),
        np.where(ask < UNITS, sizes(model, draws.size_ask, -lean), 0),
    )
    n_trades = _trade_counts(draws.count, np.where(idle, 0.0, relative), volume_micro)
    resolved_yes = draws.outcome < _outcome_chance(model, fair[:, -1])
    truth = (fair, under, over, bounce, live, volume_scale, share)
    return Paths(mid_units, bid, ask, *displayed, volume_micro, n_trades, tick, resolved_yes, *truth)


def _outcome_chance(model: Model, fair: FloatArray) -> FloatArray:
    """Probability of YES of each market, from its last fair value."""
    if model.outcome_slope == 1.0:
        return fair
    return np.array([1.0 / (1.0 + ((1.0 - one) / one) ** model.outcome_slope) for one in fair.tolist()])


@dataclass(slots=True)
class _Shocks:
    permanent: FloatArray
    noise: FloatArray
    bounce: FloatArray
    headline: FloatArray


def _rows_exp(values: FloatArray) -> FloatArray:
    """exp row by row: vector code treats the end of a block differently, and a path must not depend on it."""
    return np.array([np.exp(row) for row in values])


def _activity(model: Model, draws: Draws) -> tuple[FloatArray, FloatArray]:
    """Logarithm of relative activity without news, and what headlines add to it."""
    keep = float(np.exp(-1.0 / model.activity_min))
    fresh = float(np.sqrt(1.0 - keep * keep) * model.slow_activity_sd)
    burst_keep, lift_keep = float(np.exp(-1.0 / model.burst_min)), float(np.exp(-1.0 / model.lift_min))
    slow_in = (fresh * draws.slow).T.copy()
    burst_in = np.where(draws.burst < model.burst_rate, model.burst_size, 0.0).T.copy()
    lift_in = np.where(draws.news, model.lift_size, 0.0).T.copy()
    slow, burst, lift = model.slow_activity_sd * draws.slow[:, 0], burst_in[0], lift_in[0]
    slow_in[0] = slow
    for minute in range(1, len(slow_in)):
        slow_in[minute] = slow = keep * slow + slow_in[minute]
        burst_in[minute] = burst = np.maximum(burst_keep * burst, burst_in[minute])
        lift_in[minute] = lift = np.maximum(lift_keep * lift, lift_in[minute])
    return np.ascontiguousarray((slow_in + burst_in).T) + model.fast_activity_sd * draws.fast, lift_in.T.copy()


def _shocks(model: Model, draws: Draws, live: FloatArray, root: FloatArray) -> _Shocks:
    """Innovations in log-odds; `root` is exp(y/2), 0 in idle minutes. Minute 0, the opening quote, has no shock."""
    ramp = np.sqrt(variance_ramp(model, draws.slow.shape[1]))
    permanent_root = np.sqrt(root / model.permanent_norm)
    # w^N is exp(1.5 y)/c_N = root^3/c_N
    noise_root = np.sqrt(root * root * root / model.noise_norm)
    scale = live[:, None]
    effect = np.clip(model.headline_effect * draws.sentiment + model.headline_sd * draws.headline, -0.85, 0.85)
    made = _Shocks(
        permanent=np.clip(model.permanent_sd * scale * ramp * permanent_root * draws.permanent, -0.8, 0.8),
        noise=np.clip(model.noise_sd * scale * noise_root * draws.noise, -0.8, 0.8),
        bounce=np.clip(model.bounce_sd * scale * permanent_root * draws.bounce, -0.8, 0.8),
        headline=np.where(draws.news, effect, 0.0),
    )
    for part in (made.permanent, made.noise, made.bounce, made.headline):
        part[:, 0] = 0.0
    return made


def _mispricing(
    model: Model, shocks: _Shocks, changed: BoolArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Under-reaction U, overshoot O, bounce B and exp(-(U - O - B)), each (N, T)."""
    under_share, over_share = shares(model, changed)
    under = (under_share * shocks.headline).T.copy()
    over = (over_share * shocks.noise).T.copy()
    under_keep, over_keep = float(np.exp(-1.0 / model.absorb_min)), float(np.exp(-1.0 / model.revert_min))
    for minute in range(1, len(under)):
        under[minute] += under_keep * under[minute - 1]
        over[minute] += over_keep * over[minute - 1]
    rows_under, rows_over, bounce = under.T.copy(), over.T.copy(), model.bounce * shocks.bounce
    return rows_under, rows_over, bounce, _rows_exp(-(rows_under - rows_over - bounce))


def _total(model: Model, shocks: _Shocks, changed: BoolArray) -> FloatArray:
    """The moves of fair value in log-odds, (T, N)."""
    _, over_share = shares(model, changed)
    total = shocks.permanent + shocks.headline + (1.0 - over_share) * shocks.noise
    return np.clip(total + (1.0 - model.bounce) * shocks.bounce, -0.98, 0.98).T.copy()


def _quote(model: Model, draws: Draws, total: FloatArray, gap: FloatArray) -> tuple[FloatArray, IntArray]:
    """Fair value and rounded mid, minute by minute; the rounding noise is absorbed by fair value."""
    # With edge 0 the quote equals the fair value to the bit, so the odds are not multiplied by exp(0) = 1.
    exact = model.edge == 0.0
    minutes, count = total.shape
    gap_t, uniform, ticks = gap.T.copy(), draws.rounding.T.copy(), draws.tick_units.astype(np.float64)
    fair_out, mid_out = np.empty((minutes, count)), np.empty((minutes, count), dtype=np.int64)
    start = np.array([1.0 / (1.0 + np.exp(-model.start_sd * z)) for z in draws.start])
    fair = np.clip(start, LOW, HIGH)
    low, high = LOW * UNITS, HIGH * UNITS
    for minute in range(minutes):
        moved = fair + (fair - LOW) * (HIGH - fair) / (HIGH - LOW) * total[minute]
        if exact:
            quoted = moved
        else:
            odds = (moved - LOW) / np.maximum(HIGH - moved, 1e-300) * gap_t[minute]
            quoted = np.where(moved >= HIGH, HIGH, (LOW + HIGH * odds) / (1.0 + odds))
        rounded = np.clip(round_unbiased(quoted * UNITS, ticks, uniform[minute]), low, high)
        mid = rounded / UNITS
        if exact:
            fair = mid
        else:
            scale = (quoted - LOW) * (HIGH - quoted)
            ratio = (moved - LOW) * (HIGH - moved) / np.where(scale > 0.0, scale, 1.0)
            fair = np.clip(moved + ratio * (mid - quoted), LOW, HIGH)
            # A market at a bound stays there: its outcome is decided.
            fair = np.where((rounded <= low) | (rounded >= high), mid, fair)
        fair_out[minute], mid_out[minute] = fair, rounded
    return fair_out.T.copy(), mid_out.T.copy()


def _extra_ticks(model: Model, draws: Draws, mid_units: IntArray, relative: FloatArray, changed: BoolArray) -> IntArray:
    """Pairs of ticks added to the smallest spread. They depend only on activity, so they tell no direction."""
    fine = tick_at(draws.tick_units[:, None], mid_units) == FINE_TICK
    base = np.where(fine, model.extra_spread_fine, model.extra_spread)
    rate = base * _rows_exp(0.25 * np.clip(relative, -1.0, 3.0))
    return _poisson(rate * np.where(changed, 1.0 + 1.5 * model.drift_feat, 1.0), draws.spread)


def sizes(model: Model, normals: FloatArray, lean: FloatArray | float = 0.0) -> IntArray:
    """Displayed size of one side in base units: lognormal and persistent, times exp(lean), 5 to 200,000 shares."""
    fresh = float(np.sqrt(1.0 - model.size_memory**2))
    state = normals.T.copy()
    for minute in range(1, len(state)):
        state[minute] = model.size_memory * state[minute - 1] + fresh * state[minute]
    size = model.size_median_shares * _rows_exp(model.size_sd * state.T.copy() + lean)
    return np.rint(np.clip(size, 5.0, 200_000.0) * 100.0).astype(np.int64) * 10_000


def _trade_counts(uniform: FloatArray, relative: FloatArray, volume_micro: IntArray) -> IntArray:
    """1 + Poisson trades in an active minute, at most one for each 0.01 share; 0 in an idle one."""
    rate = 0.3 * _rows_exp(0.5 * np.clip(relative, -2.0, 4.0))
    return np.minimum(1 + _poisson(rate, uniform), volume_micro // 10_000) * (volume_micro > 0)


def _poisson(rate: FloatArray, uniform: FloatArray, largest: int = 20) -> IntArray:
    """Poisson counts by inversion: one uniform each, so that the number of draws never depends on the path."""
    term = _rows_exp(-rate)
    cumulative, count = term.copy(), np.zeros(rate.shape, dtype=np.int64)
    for number in range(1, largest + 1):
        beyond = uniform >= cumulative
        if not beyond.any():
            break
        count += beyond
        term = term * rate / number
        cumulative += term
    return count
