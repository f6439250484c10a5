"""Bars of data/raw in groups of markets, without what was set aside: memory follows the group, not the venue."""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from pipelines.core import brackets
from pipelines.core.errors import DataError
from pipelines.core.settlement import Settlement
from pipelines.rows import order_flow
from pipelines.rows.market import IntArray, MarketBars
from pipelines.rows.set_aside import SetAside

COLUMNS = ("ts_s", "mid_units", "volume_micro", "spread_units", "bid_size_micro", "ask_size_micro")
"""Columns of data/raw/bars that are read, in addition to the market id."""


class RawBars:
    """The markets of data/raw and their bars."""

    def __init__(self, raw: Path, aside: SetAside) -> None:
        self._raw, self._folder, self._aside = raw, raw / "bars", aside

    @cached_property
    def counts(self) -> dict[str, int]:
        """Market id -> number of its bars, sorted.

        Raises:
            DataError: if there are no bars, or a file cannot be read.
        """
        found = dict(sorted(self._counted().items()))
        if not found:
            raise DataError(f"{self._folder} holds no bars; run `python -m pipelines pull` on a longer window")
        return found

    @cached_property
    def about(self) -> dict[str, dict[str, Any]]:
        """Market id -> its row of markets.parquet."""
        return {row["market_id"]: row for row in pq.read_table(self._raw / "markets.parquet").to_pylist()}

    def groups(self, units: Sequence[Sequence[str]], bars_at_once: int) -> Iterator[list[str]]:
        """Markets of consecutive units (such as events), units whole, with at most so many bars where one unit has no
        more."""
        group: list[str] = []
        bars = 0
        for unit in units:
            more = sum(self.counts.get(name, 0) for name in unit)
            if group and bars + more > bars_at_once:
                yield group
                group, bars = [], 0
            group, bars = [*group, *unit], bars + more
        if group:
            yield group

    def times(self, names: Sequence[str]) -> Iterator[tuple[str, IntArray]]:
        """Times of the bars of some markets, by id."""
        for name, table in self._read(names, ("ts_s",)):
            yield name, table["ts_s"].to_numpy()

    def read(self, names: Sequence[str]) -> Iterator[MarketBars]:
        """Bars of some markets, by id, each in time order."""
        path = self._raw / order_flow.FILE
        flows = order_flow.read([path] if path.is_file() else [], names)
        for name, table in self._read(names, COLUMNS):
            about = self.about[name]
            values = {column: table[column].to_numpy().astype(np.int64) for column in COLUMNS}
            rule = Settlement.parse(about.get("settlement"))
            bracket = brackets.of(about.get("question") or "", rule, about.get("lower"), about.get("upper"))
            yield MarketBars(
                name, about["event_id"], about["end_s"], **values,
                settlement=rule, bracket=bracket, exclusive=bool(about.get("neg_risk")),
                flow=order_flow.at(values["ts_s"], flows.get(name)),
            )  # fmt: skip

    def _read(self, names: Sequence[str], columns: Sequence[str]) -> Iterator[tuple[str, pa.Table]]:
        scanner = self._dataset().scanner(
            columns=["market_id", *dict.fromkeys(("ts_s", *columns))],
            filter=pc.field("market_id").isin(pa.array(names, pa.string())),
            batch_readahead=1,
            fragment_readahead=1,
        )
        ordered = scanner.to_table().sort_by([("market_id", "ascending"), ("ts_s", "ascending")])
        bars = self._aside.without(ordered, frozenset(self.about))
        if bars.num_rows == 0:
            return
        codes = bars["market_id"].combine_chunks().dictionary_encode()
        starts = [0, *(np.flatnonzero(np.diff(codes.indices.to_numpy())) + 1).tolist(), bars.num_rows]
        for name, left, right in zip(codes.dictionary.to_pylist(), starts, starts[1:], strict=False):
            yield name, bars.slice(left, right - left)

    def _counted(self) -> Counter[str]:
        found: Counter[str] = Counter()
        try:
            for batch in self._dataset().to_batches(columns=["market_id"], batch_readahead=1, fragment_readahead=1):
                for pair in pc.value_counts(batch["market_id"]).to_pylist():
                    found[pair["values"]] += pair["counts"]
        except (OSError, pa.ArrowInvalid) as error:
            raise DataError(f"{self._folder} cannot be read ({error}); run `python -m pipelines pull` again") from None
        del found[None]
        return found

    def _dataset(self) -> ds.Dataset:
        return ds.dataset(self._folder, format="parquet")
