"""What an agent sees: 15 standardised market inputs, 5 of the portfolio and, by default, 7 of the forecast."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.core.artifacts import read_json
from pipelines.core.domain import FloatArray, Forecast, Position
from pipelines.core.money import PRICE_SCALE
from pipelines.features import scale, spec
from pipelines.trading.kernel import token_price

PLAIN_SIZE = len(spec.MARKET_OBS) + len(spec.PORTFOLIO_OBS)
FULL_SIZE = PLAIN_SIZE + len(spec.FORECAST_BLOCK)

DAY_S = 86_400
MOVE_LIMIT = 8.0
"""Expected moves are clipped here, in round-trip costs."""
WIDTH_LIMIT = 4.0 * float(scale.LOG_ODDS.max())
"""Interval widths are clipped here: the largest fall to the largest rise, in log-odds of prices in [0.001, 0.999]."""
LEAST_COST = 1.0
"""In price units: what a move is measured against where trading is free."""
POSITION_SCALE = 10.0
"""A position is at most 10 % of equity."""
RETURN_SCALE = 10.0
CONFIDENCE_SCALE = 4.0
BLOCK_HORIZONS = (1, 5, 24)
_FEATURES_AT = [spec.FEATURE_NAMES.index(name) for name in spec.MARKET_OBS[:-1]]


class MarketScaler:
    """Standardises the market inputs with the statistics of the fit slice."""

    def __init__(self, scaler: scale.Scaler) -> None:
        self._scaler = scaler.select(spec.MARKET_OBS)

    @classmethod
    def read(cls, path: Path) -> "MarketScaler":
        """The scaler of a scaler.json; raises ArtifactError when it is missing or of another feature version."""
        return cls(scale.Scaler.parse(read_json(path)))

    def market(self, features: FloatArray, sentiment: FloatArray | float) -> FloatArray:
        """Standardised inputs (..., 15) from raw features (..., 15) and the sentiment (...)."""
        columns = np.asarray(features, dtype=np.float64)[..., _FEATURES_AT]
        last = np.asarray(sentiment, dtype=np.float64)[..., None]
        return self._scaler.transform(np.concatenate((columns, last), axis=-1))

    @property
    def limit(self) -> float:
        """Where the market inputs are clipped, on both sides."""
        return self._scaler.winsor_sd

    def document(self) -> dict[str, Any]:
        """The selected statistics, for JSON."""
        return self._scaler.document()


def portfolio(
    cash_micro: int, equity_micro: int, position: Position | None, yes_mid_units: int, seconds_left: float
) -> tuple[float, float, float, float, float]:
    """Cash over equity, signed position value over a tenth of equity, entry price, return so far (tens of per cent),
    time left in days (at most 1)."""
    direction = 0 if position is None else (1 if position.outcome == "YES" else -1)
    shares, entry = (position.shares_micro, position.entry_units) if position else (0, 0)
    return portfolio_values(cash_micro, equity_micro, shares, direction, entry, yes_mid_units, seconds_left)


def portfolio_values(
    cash_micro: int,
    equity_micro: int,
    shares_micro: int,
    direction: int,
    entry_units: int,
    yes_mid_units: int,
    seconds_left: float,
) -> tuple[float, float, float, float, float]:
    """The five portfolio inputs from plain numbers; compiled for the environment."""
    left = min(max(seconds_left / DAY_S, 0.0), 1.0)
    cash = min(max(cash_micro / max(equity_micro, 1), 0.0), 1.0)
    if shares_micro == 0 or equity_micro <= 0:
        return cash, 0.0, 0.0, 0.0, left
    now = token_price(yes_mid_units, direction)
    entry = token_price(entry_units, direction)
    value = min(shares_micro * now // PRICE_SCALE, equity_micro)
    change = RETURN_SCALE * (now - entry) / max(entry, 1)
    return (
        cash,
        POSITION_SCALE * direction * value / equity_micro,
        entry_units / PRICE_SCALE,
        change,
        left,
    )


def forecast_block(forecast: Forecast, mid_units: int, cost_units: float) -> list[float]:
    """Expected moves from t+1 over 1, 5 and 23 bars in round-trip costs, interval widths at 1, 5 and 24 bars in
    log-odds, and the confidence, all of the order of one. A move above 1 pays for its round trip."""
    mean, last = forecast.mean, len(forecast.mean)
    steps = [min(horizon, last - 1) for horizon in (1, 5, 23)]
    ends = [min(horizon, last) - 1 for horizon in BLOCK_HORIZONS]
    unit = mid_units * (PRICE_SCALE - mid_units) / PRICE_SCALE / max(cost_units, LEAST_COST)
    moves = [min(max((float(mean[step]) - float(mean[0])) * unit, -MOVE_LIMIT), MOVE_LIMIT) for step in steps]
    widths = [min(float(forecast.upper[end]) - float(forecast.lower[end]), WIDTH_LIMIT) for end in ends]
    return [*moves, *widths, CONFIDENCE_SCALE * (forecast.confidence - 0.5)]


def forecast_blocks(
    mean: FloatArray,
    lower: FloatArray,
    upper: FloatArray,
    confidence: FloatArray,
    mid_units: NDArray[np.int64],
    cost_units: FloatArray,
) -> FloatArray:
    """The same block for many bars at once: (n, H) three times and (n,) three times -> (n, 7)."""
    last = mean.shape[1]
    steps = [min(horizon, last - 1) for horizon in (1, 5, 23)]
    ends = [min(horizon, last) - 1 for horizon in BLOCK_HORIZONS]
    unit = mid_units * (PRICE_SCALE - mid_units) / PRICE_SCALE / np.maximum(cost_units, LEAST_COST)
    moves = np.clip((mean[:, steps] - mean[:, :1]) * unit[:, None], -MOVE_LIMIT, MOVE_LIMIT)
    widths = np.minimum(upper[:, ends] - lower[:, ends], WIDTH_LIMIT)
    return np.column_stack((moves, widths, CONFIDENCE_SCALE * (confidence - 0.5)))


def bounds(limit: float, *, forecast_block: bool) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Smallest and largest value of each input, float32 (20,) or (27,); market inputs are clipped at +-`limit`."""
    market = [(-limit, limit)] * len(spec.MARKET_OBS)
    returns = (-RETURN_SCALE, RETURN_SCALE * PRICE_SCALE)
    account = [(0.0, 1.0), (-POSITION_SCALE, POSITION_SCALE), (0.0, 1.0), returns, (0.0, 1.0)]
    confidence = (-CONFIDENCE_SCALE / 2.0, CONFIDENCE_SCALE / 2.0)
    block = [(-MOVE_LIMIT, MOVE_LIMIT)] * 3 + [(0.0, WIDTH_LIMIT)] * 3 + [confidence]
    both = np.array(market + account + (block if forecast_block else []), dtype=np.float32)
    return both[:, 0], both[:, 1]


def observe(market: FloatArray, values: tuple[float, ...], block: list[float]) -> NDArray[np.float32]:
    """The observation as float32: (20,) without a forecast block, (27,) with it."""
    vector = np.empty(PLAIN_SIZE + len(block), dtype=np.float32)
    vector[: len(market)] = market
    vector[len(market) : PLAIN_SIZE] = values
    vector[PLAIN_SIZE:] = block
    return vector
