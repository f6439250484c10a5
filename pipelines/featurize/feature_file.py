"""features.parquet, written event by event and sorted by market."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.core.domain import FloatArray
from pipelines.features.spec import SCALED

ROWS = 262_144
"""Rows of a row group: what one who reads the file in parts has in memory."""


class FeatureFile:
    """Takes the tables of events in any order; closed, the file has all rows by market id and time.

    Markets wait in a scratch file beside it, one record batch each, and are put in order when the last has come.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._scratch = path, path.with_suffix(".scratch")
        self._places: dict[str, int] = {}
        self._schema: pa.Schema | None = None
        self.bars: Counter[str] = Counter()
        """By slice."""
        self.events: Counter[str] = Counter()
        """By slice."""

    def __enter__(self) -> "FeatureFile":
        self._stream = self._scratch.open("wb")
        self._writer: pa.RecordBatchFileWriter | None = None
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._writer is not None:
            self._writer.close()
        self._stream.close()
        if kind is None and self._schema is not None:
            self._sort(self._schema)
        self._scratch.unlink()

    def add(self, table: pa.Table) -> None:
        """The rows of an event, market after market; there may be none."""
        if table.num_rows == 0:
            return
        if self._writer is None:
            self._schema = table.schema
            self._writer = pa.ipc.new_file(self._stream, table.schema)
        found = Counter[str](table["slice"].to_pylist())
        self.bars.update(found)
        self.events.update(found.keys())
        codes = table["market_id"].combine_chunks().dictionary_encode()
        edges = [0, *(np.flatnonzero(np.diff(codes.indices.to_numpy())) + 1).tolist(), table.num_rows]
        for name, left, right in zip(codes.dictionary.to_pylist(), edges, edges[1:], strict=False):
            (batch,) = table.slice(left, right - left).combine_chunks().to_batches()
            self._places[name] = len(self._places)
            self._writer.write_batch(batch)

    def _sort(self, schema: pa.Schema) -> None:
        with (
            pa.OSFile(str(self._scratch)) as stream,
            pa.ipc.open_file(stream) as scratch,
            pq.ParquetWriter(self._path, schema, compression="zstd") as writer,
        ):
            waiting: list[pa.RecordBatch] = []
            for name in sorted(self._places):
                waiting.append(scratch.get_batch(self._places[name]))
                if sum(batch.num_rows for batch in waiting) >= ROWS:
                    waiting = self._write(writer, waiting, whole=False)
            self._write(writer, waiting, whole=True)

    @staticmethod
    def _write(writer: pq.ParquetWriter, waiting: list[pa.RecordBatch], *, whole: bool) -> list[pa.RecordBatch]:
        """Write full row groups, or all; what is left."""
        table = pa.Table.from_batches(waiting)
        cut = table.num_rows if whole else table.num_rows - table.num_rows % ROWS
        writer.write_table(table.slice(0, cut), row_group_size=ROWS)
        return list(table.slice(cut).to_batches())


def fit_rows(path: Path) -> Iterator[FloatArray]:
    """Raw rows (n, len(SCALED)) of the fit slice, part by part."""
    names = [one.name for one in SCALED]
    for batch in pq.ParquetFile(path).iter_batches(columns=["slice", *names], batch_size=ROWS):
        fit = batch.filter(pc.equal(batch["slice"], "fit"))
        yield np.stack([fit[name].to_numpy() for name in names], axis=1)
