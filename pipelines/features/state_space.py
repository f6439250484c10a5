"""A state-space filter of one market's quote, bar by bar: what of the last moves will continue, and what comes back.

The quote is taken as a fair value plus three temporary parts, in log-odds: U, what it has not yet absorbed of
headlines, O, temporary order flow, and B, a bounce that is gone with the next bar. Per bar

    U' = keep_u U + share_u j      O' = keep_o O + share_o g      B' = share_b c
    move of log-odds = (1 - keep_u) U - (1 - keep_o) O - B + (1 - share_u) j + g + c + e + rounding

with j = effect x tone + noise at a headline, and e, g, c with variances exp(a + b x log relative volume), none in a bar
without trades. It is a Kalman filter whose state and observation noise are correlated (Anderson and Moore, 1979,
section 5.5); its parameters are fitted by maximum likelihood (`pipelines.features.likelihood`).

`step` is the whole arithmetic on plain numbers: the live process runs it as it is, `state_space_batch` compiles this
very source for whole histories, so both forms give the same bits.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from pipelines.core.domain import FloatArray
from pipelines.core.money import MICRO, PRICE_SCALE
from pipelines.features.scale import LOG_ODDS

# Places in the state of a filter (float64).
ODDS, BARS, UNDER, OVER, BOUNCE = range(5)
P_UU, P_UO, P_UB, P_OO, P_OB, P_BB = range(5, 11)
LEVEL, TRADED, LIFT, ACTIVITY, ACTIVITY_WEIGHT, GRID = range(11, 17)
INNOVATION, VARIANCE = range(17, 19)
STATE_SIZE: Final = 19

# Places in the parameters.
KEEP_U, KEEP_O, SHARE_U, SHARE_O, SHARE_B = range(5)
EFFECT, NEWS_LOG_VARIANCE, LIFT_WEIGHT, LIFT_KEEP, RAMP = range(5, 10)
LEVEL_E, SLOPE_E, LEVEL_G, SLOPE_G, LEVEL_C, SLOPE_C = range(10, 16)
PARAMETERS: Final = 16
PARAMETER_NAMES: Final = (
    "keep_u", "keep_o", "share_u", "share_o", "share_b",
    "effect", "news_log_variance", "lift_weight", "lift_keep", "ramp",
    "level_e", "slope_e", "level_g", "slope_g", "level_c", "slope_c",
)  # fmt: skip
"""Shares and decays per bar in [0, 1]; log-odds of a full tone; log variances at the mean volume and their slopes."""

STATES: Final = ("under", "over", "bounce", "innovation", "tone")
"""What the filter leaves at every bar: unabsorbed news, temporary flow, bounce and the last surprise, in log-odds, and
the tone of the headlines that became known in the bar."""

LOWEST_UNITS, HIGHEST_UNITS = 20, PRICE_SCALE - 20
"""At a price outside, a move of one tick says nothing in log-odds: the state only decays."""
COARSE_UNITS, FINE_UNITS = 50, 5
"""Half a tick of 0.01 and of 0.001: the grids that mids lie on, in 1e-4."""
FINE_BELOW_UNITS = 400
"""Nearer to 0 or 1 than this, the venue's tick is 0.001 in every market."""

VOLUME_BARS = 2_000.0
"""The mean of log volume expands up to so many traded bars, then forgets exponentially."""
ACTIVITY_KEEP = 1.0 - 1.0 / 720.0
ACTIVITY_PRIOR = 20.0
"""Bars that say a market is as lively as the average one."""
ACTIVITY_LOW, ACTIVITY_HIGH = 0.02, 50.0
RAMP_BARS = 30.0
RELATIVE_LIMIT = 6.0
SMALLEST = 1e-14
LARGEST = 5.0
"""Innovations beyond so many standard deviations count as so many: one bad print does not move the state."""
NO_END = 1e12

ROOT_2_PI: Final = math.sqrt(2.0 / math.pi)
ODDS_TABLE: Final[list[float]] = LOG_ODDS.tolist()
TWO_PI_SQUARED: Final = 2.0 * math.pi * math.pi
PI_SQUARED: Final = math.pi * math.pi


def rounding(ratio: float) -> float:
    """E[f (1 - f)], f the fractional part of |N(0, ratio)|: the variance that unbiased rounding adds, in steps^2.

    Near zero exact up to what lies beyond a step, elsewhere the first terms of its Fourier series.
    """
    if ratio < 0.3:
        return ROOT_2_PI * ratio - ratio * ratio
    square = ratio * ratio
    if square > 2.0:
        return 1.0 / 6.0
    first = math.exp(-TWO_PI_SQUARED * square)
    return 1.0 / 6.0 - (first + first * first * first * first / 4.0) / PI_SQUARED


def grid_width(state: Any, units: int) -> float:
    """Half a tick in log-odds at a price; a mid between the points of the grid so far shows a finer one."""
    grid = state[GRID]
    near_end = units < FINE_BELOW_UNITS or units > PRICE_SCALE - FINE_BELOW_UNITS
    if units % COARSE_UNITS != 0 and not near_end:
        grid = FINE_UNITS if units % FINE_UNITS == 0 and grid != 1.0 else 1.0
        state[GRID] = grid
    price = units / PRICE_SCALE
    width: float = (min(grid, FINE_UNITS) if near_end else grid) / PRICE_SCALE / (price * (1.0 - price) + 1e-9)
    return width


def relative_volume(state: Any, parameters: Any, volume: float, headlines: int) -> float:
    """Log volume over its mean so far, less the lift that headlines give it; 0 in a bar without trades."""
    lift = max(state[LIFT] * parameters[LIFT_KEEP], 1.0 if headlines > 0 else 0.0)
    state[LIFT] = lift
    if volume <= 0.0:
        return 0.0
    logged = math.log(volume)
    state[TRADED] = min(state[TRADED] + 1.0, VOLUME_BARS)
    state[LEVEL] = state[LEVEL] + (logged - state[LEVEL]) / state[TRADED]
    relative: float = logged - state[LEVEL] - parameters[LIFT_WEIGHT] * lift
    return min(max(relative, -RELATIVE_LIMIT), RELATIVE_LIMIT)


def activity(state: Any) -> float:
    """How much larger this market's variances are than the average one's, from its surprises so far."""
    ratio: float = (ACTIVITY_PRIOR + state[ACTIVITY]) / (ACTIVITY_PRIOR + state[ACTIVITY_WEIGHT])
    return min(max(ratio, ACTIVITY_LOW), ACTIVITY_HIGH)


def step(
    state: Any, parameters: Any, odds: float, units: int, volume: float, tone: float, headlines: int, left: float
) -> None:
    """Take one closed bar into `state`, in place.

    `odds` is the log-odds of the mid `units` (1e-4), `volume` in shares, `tone` the sum of the scores of the
    `headlines` that became known in this bar, `left` the bars to the scheduled end (`NO_END` where it is unknown).
    """
    width = grid_width(state, units)
    relative = relative_volume(state, parameters, volume, headlines)
    move, first = odds - state[ODDS], state[BARS] == 0.0
    state[ODDS], state[BARS] = odds, state[BARS] + 1.0
    state[INNOVATION] = state[VARIANCE] = 0.0
    if first:
        return
    # A market without any volume so far is one whose volume is unknown, not one that nobody trades.
    trades = volume > 0.0 or state[TRADED] == 0.0
    news = headlines * math.exp(parameters[NEWS_LOG_VARIANCE]) if headlines > 0 else 0.0
    permanent = noise = bounce = 0.0
    lively = activity(state)
    if trades:
        permanent = lively * math.exp(parameters[LEVEL_E] + parameters[SLOPE_E] * relative)
        permanent = permanent * (1.0 + parameters[RAMP] / (left + RAMP_BARS))
        noise = lively * math.exp(parameters[LEVEL_G] + parameters[SLOPE_G] * relative)
        bounce = lively * math.exp(parameters[LEVEL_C] + parameters[SLOPE_C] * relative)
    keep_u, keep_o = parameters[KEEP_U], parameters[KEEP_O]
    share_u, share_o, share_b = parameters[SHARE_U], parameters[SHARE_O], parameters[SHARE_B]
    h_u, h_o, at_once = 1.0 - keep_u, keep_o - 1.0, 1.0 - share_u
    # P h', h = (h_u, h_o, -1)
    p_uu, p_uo, p_ub, p_oo, p_ob = state[P_UU], state[P_UO], state[P_UB], state[P_OO], state[P_OB]
    ph_u = p_uu * h_u + p_uo * h_o - p_ub
    ph_o = p_uo * h_u + p_oo * h_o - p_ob
    ph_b = p_ub * h_u + p_ob * h_o - state[P_BB]
    spread = h_u * ph_u + h_o * ph_o - ph_b + at_once * at_once * news + permanent + noise + bounce
    tick = width * width * rounding(math.sqrt(max(spread, 0.0)) / width)
    total = spread + tick
    gain_u = gain_o = gain_b = surprise = 0.0
    under, over = state[UNDER], state[OVER]
    if LOWEST_UNITS < units < HIGHEST_UNITS and total > SMALLEST:
        expected = h_u * under + h_o * over - state[BOUNCE] + at_once * parameters[EFFECT] * tone
        bound = LARGEST * math.sqrt(total)
        state[INNOVATION], state[VARIANCE] = move - expected, total
        surprise = min(max(move - expected, -bound), bound)
        if trades and headlines == 0 and spread > 0.0:
            own = spread / total
            ratio = lively * (surprise * surprise - tick) / spread
            state[ACTIVITY] = ACTIVITY_KEEP * state[ACTIVITY] + own * own * ratio
            state[ACTIVITY_WEIGHT] = ACTIVITY_KEEP * state[ACTIVITY_WEIGHT] + own * own
        gain_u = (keep_u * ph_u + share_u * at_once * news) / total
        gain_o = (keep_o * ph_o + share_o * noise) / total
        gain_b = share_b * bounce / total
    state[UNDER] = keep_u * under + share_u * parameters[EFFECT] * tone + gain_u * surprise
    state[OVER] = keep_o * over + gain_o * surprise
    state[BOUNCE] = gain_b * surprise
    state[P_UU] = keep_u * keep_u * p_uu + share_u * share_u * news - total * gain_u * gain_u
    state[P_UO] = keep_u * keep_o * p_uo - total * gain_u * gain_o
    state[P_UB] = -total * gain_u * gain_b
    state[P_OO] = keep_o * keep_o * p_oo + share_o * share_o * noise - total * gain_o * gain_o
    state[P_OB] = -total * gain_o * gain_b
    state[P_BB] = share_b * share_b * bounce - total * gain_b * gain_b


@dataclass(frozen=True)
class StateSpace:
    """A fitted filter. `STATES` columns per bar are what it leaves: (n, 5) in log-odds, the tone as it came."""

    parameters: tuple[float, ...]

    def document(self) -> dict[str, float]:
        """The parameters by name, for JSON."""
        return dict(zip(PARAMETER_NAMES, self.parameters, strict=True))

    @classmethod
    def parse(cls, document: Mapping[str, float]) -> "StateSpace":
        """The filter that `document` described."""
        return cls(tuple(float(document[name]) for name in PARAMETER_NAMES))

    def forecast(self, states: FloatArray, horizon: int) -> FloatArray:
        """Expected change of log-odds 1..H bars ahead: states (..., 5) -> (..., H)."""
        steps = np.arange(1, horizon + 1)
        keep_u, keep_o = self.parameters[KEEP_U] ** steps, self.parameters[KEEP_O] ** steps
        under, over, bounce = states[..., 0:1], states[..., 1:2], states[..., 2:3]
        change: FloatArray = (1.0 - keep_u) * under - (1.0 - keep_o) * over - bounce
        return change


class RollingStateSpace:
    """The filter of one market's contiguous bars, in constant time and memory. After a gap, start a new one."""

    def __init__(self, fitted: StateSpace, end_s: int | None, length_s: int) -> None:
        self._parameters = fitted.parameters
        self._end_s = end_s
        self._length_s = length_s
        self._state = fresh_state()

    def push(self, ts_s: int, mid_units: int, volume_micro: int, tone: float, headlines: int) -> tuple[float, ...]:
        """The states after the bar that has just closed, in the order of `STATES`."""
        state = self._state
        left = NO_END if self._end_s is None else max(self._end_s - ts_s, 0) / self._length_s
        step(state, self._parameters, ODDS_TABLE[mid_units], mid_units, volume_micro / MICRO, tone, headlines, left)
        return state[UNDER], state[OVER], state[BOUNCE], state[INNOVATION], tone


def fresh_state() -> list[float]:
    """The state before the first bar."""
    state = [0.0] * STATE_SIZE
    state[GRID] = float(COARSE_UNITS)
    return state
