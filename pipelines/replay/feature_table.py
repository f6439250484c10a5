"""Tables of earlier stages, and data/features market after market."""

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipelines.core.domain import FloatArray
from pipelines.core.errors import DataError


def by_market(path: Path) -> Iterator[pa.Table]:
    """The rows of features.parquet, market after market. The file is sorted by market: no more of it is in memory than
    a row group and the market that reaches into it.

    Raises:
        DataError: if the file is missing or cannot be read.
    """
    with _reading(path, "featurize"):
        file = pq.ParquetFile(path)
    waiting = file.schema_arrow.empty_table()
    for number in range(file.num_row_groups):
        with _reading(path, "featurize"):
            waiting = pa.concat_tables([waiting, file.read_row_group(number)])
        starts = edges(column(waiting, "market_id"))[:-1]
        for left, right in itertools.pairwise(starts):
            yield waiting.slice(left, right - left)
        waiting = waiting.slice(starts[-1])
    if waiting.num_rows:
        yield waiting


def stage_table(path: Path, stage: str, **options: Any) -> pa.Table:
    """A file of an earlier stage; `options` are those of `pyarrow.parquet.read_table`.

    Raises:
        DataError: naming the file and the stage that writes it.
    """
    with _reading(path, stage):
        return pq.read_table(path, **options)


def column(table: pa.Table, name: str) -> NDArray[Any]:
    """A column, (n,)."""
    values: NDArray[Any] = table[name].to_numpy()
    return values


def side_by_side(table: pa.Table, names: Sequence[str]) -> FloatArray:
    """Columns as one matrix, (n, len(names))."""
    return np.column_stack([column(table, name) for name in names]).astype(np.float64, copy=False)


def edges(ids: NDArray[Any]) -> list[int]:
    """Where each run of equal ids starts, and the number of ids at the end."""
    return [0, *(np.flatnonzero(ids[1:] != ids[:-1]) + 1).tolist(), len(ids)]


@contextlib.contextmanager
def _reading(path: Path, stage: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise DataError(f"{path} does not exist; run `python -m pipelines {stage}` first") from None
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"{path} cannot be read ({error}); run `python -m pipelines {stage}` again") from None
