"""Scored headlines joined to bars: a headline counts from the moment it was known, never before."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from pipelines.core.domain import FloatArray
from pipelines.news import decay
from pipelines.rows.market import IntArray


@dataclass(frozen=True)
class Headlines:
    """Scored headlines by market: when each was known (UTC s, ascending) and its sentiment in [-1, 1]."""

    by_market: dict[str, list[tuple[int, float]]]

    @classmethod
    def read(cls, path: Path, odd: frozenset[str] = frozenset()) -> "Headlines":
        """Headlines of headlines.parquet that have a score; none when the file is not there. Ids in `odd` were set
        aside."""
        by_market: dict[str, list[tuple[int, float]]] = {}
        if path.is_file():
            there = pq.read_schema(path).names
            columns = [name for name in ("headline_id", "market_ids", "known_s", "sentiment") if name in there]
            for row in pq.read_table(path, columns=columns).to_pylist():
                if row["sentiment"] is not None and row.get("headline_id") not in odd:
                    for market_id in row["market_ids"]:
                        by_market.setdefault(market_id, []).append((row["known_s"], row["sentiment"]))
        return cls(by_market)

    def of(self, market_id: str) -> tuple[IntArray, FloatArray]:
        """When the headlines of a market were known, ascending, and their scores."""
        known = sorted(self.by_market.get(market_id, []))
        return np.array([at for at, _ in known], dtype=np.int64), np.array(
            [score for _, score in known], dtype=np.float64
        )

    @staticmethod
    def decayed(ts_s: IntArray, known_s: IntArray, scores: FloatArray) -> FloatArray:
        """Decayed sentiment at every bar, in [-1, 1]; zeros without headlines."""
        return decay.batch(ts_s, known_s, scores) if len(known_s) else np.zeros(len(ts_s))

    @staticmethod
    def impulses(ts_s: IntArray, known_s: IntArray, scores: FloatArray, length_s: int) -> tuple[FloatArray, IntArray]:
        """Tone and number of the headlines that became known in each bar; zeros without headlines."""
        if len(known_s) == 0:
            return np.zeros(len(ts_s)), np.zeros(len(ts_s), dtype=np.int64)
        return decay.impulses(ts_s, known_s, scores, length_s)
