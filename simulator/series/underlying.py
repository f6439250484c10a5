"""The price of one asset, second by second: a jump diffusion with slowly changing volatility.

Seed and symbol decide the whole history. It is drawn in blocks of an hour, from `begins_s` on, so any time can be asked
for; a block begins at the price that the one before it ended at.
"""

import zlib
from typing import Final

import numpy as np

from pipelines.core.domain import FloatArray
from simulator.markets.events import EPOCH_S
from simulator.markets.random_streams import generator

UNDERLYING: Final = 1 << 58
"""Number of the random stream of underlyings; symbol and block are added to it."""
BLOCK_S: Final = 3_600
START: Final = {"BTC": 87_000.0, "ETH": 2_950.0, "SOL": 125.0, "XRP": 1.9}
"""Price at the beginning; 100 for other symbols."""
SIGMA: Final = 6e-5
"""Usual standard deviation of the log price over a second: 34 % a year, quiet Bitcoin."""
SIGMA_SPREAD: Final = 0.35
"""Standard deviation of the logarithm of a block's volatility around the usual one."""
JUMPS_PER_S: Final = 1.0 / 240.0
JUMP: Final = 5e-4
"""Rate and standard deviation of jumps of the log price."""
ORACLE_NOISE: Final = 1e-5
"""The oracle is a mean of several exchanges. This is the standard deviation of its difference from one of them."""


class Underlying:
    """The price of one symbol. Prices up to a time are drawn when that time is asked for."""

    def __init__(self, seed: int, symbol: str, begins_s: int = EPOCH_S) -> None:
        self.symbol = symbol
        self.begins_s = begins_s
        self._seed = seed
        self._number = zlib.crc32(symbol.encode()) & 0xFFFF
        self._logs: list[FloatArray] = []
        self._sigmas: list[FloatArray] = []
        self._oracle: list[FloatArray] = []

    def prices(self, from_s: int, to_s: int) -> FloatArray:
        """The exchange's price at every second of [from_s, to_s)."""
        found: FloatArray = np.exp(self._part(self._logs, from_s, to_s))
        return found

    def oracle(self, from_s: int, to_s: int) -> FloatArray:
        """The oracle's price at every second of [from_s, to_s)."""
        found: FloatArray = np.exp(self._part(self._logs, from_s, to_s) + self._part(self._oracle, from_s, to_s))
        return found

    def sigma(self, from_s: int, to_s: int) -> FloatArray:
        """Standard deviation of the move of each second, jumps included. The market's other traders know it."""
        found: FloatArray = np.sqrt(self._part(self._sigmas, from_s, to_s) ** 2 + JUMPS_PER_S * JUMP**2)
        return found

    def average(self, end_s: int, seconds: int) -> float:
        """The oracle's mean over the seconds before `end_s`; at 0 seconds its price then."""
        return float(
            self.oracle(end_s - max(seconds, 1), end_s).mean() if seconds else self.oracle(end_s, end_s + 1)[0]
        )

    def candle(self, begin_s: int, length_s: int) -> tuple[float, float, float, float]:
        """Open, high, low and close of the exchange's candle that begins at `begin_s`."""
        inside = self.prices(begin_s, begin_s + length_s)
        return float(inside[0]), float(inside.max()), float(inside.min()), float(inside[-1])

    def _part(self, blocks: list[FloatArray], from_s: int, to_s: int) -> FloatArray:
        first, last = (from_s - self.begins_s) // BLOCK_S, (to_s - 1 - self.begins_s) // BLOCK_S
        while len(self._logs) <= last:
            self._draw(len(self._logs))
        joined: FloatArray = np.concatenate(blocks[first : last + 1])
        offset = from_s - self.begins_s - first * BLOCK_S
        return joined[offset : offset + to_s - from_s]

    def _draw(self, block: int) -> None:
        source = generator(self._seed, UNDERLYING | (self._number << 32) | block)
        sigma = np.full(BLOCK_S, SIGMA * np.exp(SIGMA_SPREAD * source.standard_normal()))
        moves = sigma * source.standard_normal(BLOCK_S)
        jumps = source.random(BLOCK_S) < JUMPS_PER_S
        moves[jumps] += JUMP * source.standard_normal(int(jumps.sum()))
        start = self._logs[-1][-1] if self._logs else np.log(START.get(self.symbol, 100.0))
        self._logs.append(start + np.cumsum(moves))
        self._sigmas.append(sigma)
        self._oracle.append(ORACLE_NOISE * source.standard_normal(BLOCK_S))
