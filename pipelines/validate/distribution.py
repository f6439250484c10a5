"""How prices, moves, spreads, volumes and tones are distributed: figures that are compared with those of earlier pulls.

Bars come in parts, so each column is counted in a histogram whose quantiles are exact in its unit.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd

from pipelines.core.domain import FloatArray
from pipelines.core.money import MICRO, PRICE_SCALE

LOG_STEPS: Final = 20
"""Bins of a volume for each factor of e."""
MOST_LOG: Final = 30 * LOG_STEPS
LEVELS: Final[Mapping[str, tuple[float, ...]]] = {
    "price": (0.1, 0.5, 0.9),
    "move": (0.9, 0.99),
    "spread": (0.5, 0.9),
    "volume": (0.5, 0.9),
}
"""Quantiles that are figures, by column."""


class Distributions:
    """Histograms of the bars that were added."""

    def __init__(self) -> None:
        self._counts = {name: np.zeros(PRICE_SCALE + 1, dtype=np.int64) for name in ("price", "move", "spread")}
        self._counts["volume"] = np.zeros(MOST_LOG + 1, dtype=np.int64)
        self._bars = self._traded = 0

    def add(self, bars: pd.DataFrame) -> None:
        """Count bars, sorted by market and time: moves within a market, spreads and volumes where there are some."""
        price, spread, volume = (bars[name].to_numpy() for name in ("mid_units", "spread_units", "volume_micro"))
        same = bars["market_id"].to_numpy()[1:] == bars["market_id"].to_numpy()[:-1]
        traded = volume > 0
        parts = {
            "price": price,
            "move": np.abs(np.diff(price))[same],
            "spread": spread[spread > 0],
            "volume": np.rint(LOG_STEPS * np.log1p(volume[traded] / MICRO)),
        }
        for name, values in parts.items():
            counts = self._counts[name]
            counts += np.bincount(np.clip(values, 0, len(counts) - 1).astype(np.int64), minlength=len(counts))
        self._bars += len(bars)
        self._traded += int(traded.sum())

    def figures(self) -> dict[str, float]:
        """Quantiles in prices and shares, and the share of bars with a trade; columns without values have none."""
        found = {
            f"{name}_quantile_{level:g}": _value(name, _quantile(self._counts[name], level))
            for name, levels in LEVELS.items()
            for level in levels
            if self._counts[name].any()
        }
        return found | {"traded_bar_share": self._traded / max(self._bars, 1)}


def tone_figures(headlines: pd.DataFrame) -> dict[str, float]:
    """Mean of the sentiment, and the share of headlines that are negative; nothing where none is scored."""
    scored: FloatArray = headlines["sentiment"].dropna().to_numpy(dtype=np.float64)
    if len(scored) == 0:
        return {}
    return {"tone_mean": float(scored.mean()), "negative_headline_share": float((scored < 0.0).mean())}


def _quantile(counts: Any, level: float) -> int:
    total = np.cumsum(counts)
    return int(np.searchsorted(total, level * total[-1]))


def _value(name: str, at: int) -> float:
    return float(np.expm1(at / LOG_STEPS)) if name == "volume" else at / PRICE_SCALE
