"""What validate set aside in data/quarantine: no feature is computed from it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

TWICE = "one bar per market and time"
"""The rule of validate for repeated bars: of equal bars the first is kept."""


@dataclass(frozen=True)
class SetAside:
    """Keys of bars, markets and headlines that are left out."""

    bars: pa.Table | None
    markets: frozenset[str]
    headlines: frozenset[str]

    @classmethod
    def read(cls, folder: Path) -> "SetAside":
        """The quarantine; empty where validate wrote none."""
        path = folder / "bars.parquet"
        bars = pq.ParquetFile(path).read(["market_id", "ts_s", "reason"]) if path.is_file() else None
        return cls(
            None if bars is None else bars.filter(pc.not_equal(bars["reason"], TWICE)),
            _column(folder / "markets.parquet", "market_id"),
            _column(folder / "headlines.parquet", "headline_id"),
        )

    def without(self, bars: pa.Table, listed: frozenset[str]) -> pa.Table:
        """Bars, sorted by market and time, of listed markets without those that were set aside; each once."""
        usable = pa.array(sorted(listed - self.markets), pa.string())
        kept = bars.filter(pc.and_(pc.is_in(bars["market_id"], usable), pc.is_valid(bars["ts_s"])))
        bars_aside = None if self.bars is None else _of(self.bars, kept["market_id"])
        if bars_aside is not None and bars_aside.num_rows:
            keys = _keys(bars_aside)
            suspects = pc.unique(bars_aside["market_id"])
            odd = np.flatnonzero(pc.is_in(kept["market_id"], suspects).to_numpy(zero_copy_only=False))
            rows = kept.take(odd)
            bad = np.isin(_keys(rows), keys)
            mask = np.ones(kept.num_rows, bool)
            mask[odd[bad]] = False
            kept = kept.filter(pa.array(mask))
        ids = kept["market_id"].combine_chunks().dictionary_encode().indices.to_numpy()
        ts_s = kept["ts_s"].to_numpy()
        fresh = np.append(True, (np.diff(ids) != 0) | (np.diff(ts_s) != 0))[: kept.num_rows]
        return kept if fresh.all() else kept.filter(pa.array(fresh))


def _of(bars: pa.Table, names: pa.ChunkedArray) -> pa.Table:
    return bars.filter(pc.is_in(bars["market_id"], pc.unique(names)))


def _keys(bars: pa.Table) -> list[str]:
    names, times = bars["market_id"].to_pylist(), bars["ts_s"].to_pylist()
    return [f"{name} {ts_s}" for name, ts_s in zip(names, times, strict=True)]


def _column(path: Path, name: str) -> frozenset[str]:
    if not path.is_file():
        return frozenset()
    return frozenset(value for value in pq.ParquetFile(path).read([name])[name].to_pylist() if value is not None)
