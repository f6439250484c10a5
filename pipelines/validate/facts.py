"""Derived columns that turn rules across rows into rules on one column, so that expectations can state them."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from pipelines.core import raw_tables
from pipelines.core.errors import DataError


def partitions(raw: Path) -> list[Path]:
    """The files of bars, each with the columns of the schema.

    Raises:
        DataError: if there is none, or one has other columns than the schema.
    """
    parts = sorted((raw / "bars").glob("day=*/part.parquet"))
    if not parts:
        raise DataError(f"{raw}/bars holds no partition; run python -m pipelines pull")
    for part in parts:
        found = pq.read_schema(part)
        if found.names != raw_tables.BARS.names:
            raise DataError(
                f"{part} has the columns {', '.join(found.names)}; expected {', '.join(raw_tables.BARS.names)}"
            )
    return parts


def market_counts(parts: Sequence[Path]) -> dict[str | None, int]:
    """Number of bars by market id, sorted; None first where a bar has none."""
    found: Counter[str | None] = Counter()
    for part in parts:
        for batch in pq.ParquetFile(part).iter_batches(columns=["market_id"]):
            for pair in pc.value_counts(batch["market_id"]).to_pylist():
                found[pair["values"]] += pair["counts"]
    return dict(sorted(found.items(), key=lambda pair: (pair[0] is not None, pair[0] or "")))


def read_bars(parts: Sequence[Path], wanted: Sequence[str | None]) -> pd.DataFrame:
    """Bars of some markets, in market and time order; their ids are categories, which compare as fast as numbers."""
    names = pa.array(sorted(name for name in wanted if name is not None), pa.string())
    mask = pc.field("market_id").isin(names)
    if None in wanted:
        mask = mask | pc.field("market_id").is_null()
    read = ds.dataset([str(part) for part in parts], format="parquet")
    found = read.scanner(filter=mask, batch_readahead=1, fragment_readahead=1).to_table()
    codes = pc.fill_null(pc.index_in(found["market_id"], value_set=names), -1).to_numpy()
    bars: pd.DataFrame = found.drop_columns("market_id").to_pandas()
    bars.insert(0, "market_id", pd.Series(pd.Categorical.from_codes(codes, names.to_pylist())))
    return bars.sort_values(["market_id", "ts_s"], kind="stable", ignore_index=True)


def read_table(path: Path, schema: pa.Schema) -> pd.DataFrame:
    """A small table of data/raw; empty where the file is not there.

    Raises:
        DataError: if it has other columns than the schema.
    """
    if not path.exists():
        return pd.DataFrame(schema.empty_table().to_pandas())
    table = pq.ParquetFile(path).read()
    if table.schema.names != schema.names:
        raise DataError(f"{path} has the columns {', '.join(table.schema.names)}; expected {', '.join(schema.names)}")
    frame: pd.DataFrame = table.to_pandas()
    return frame


def no_bars() -> pd.DataFrame:
    """A frame of bars without a row."""
    frame: pd.DataFrame = raw_tables.BARS.empty_table().to_pandas()
    return frame


def read_markets(raw: Path) -> pd.DataFrame:
    """markets.parquet.

    Raises:
        DataError: if it is missing or has other columns than the schema.
    """
    path = raw / "markets.parquet"
    if not path.exists():
        raise DataError(f"{path} does not exist; run python -m pipelines pull")
    table = pq.ParquetFile(path).read()
    if table.schema.names != raw_tables.MARKETS.names:
        raise DataError(
            f"{path} has the columns {', '.join(table.schema.names)}; expected {', '.join(raw_tables.MARKETS.names)}"
        )
    markets: pd.DataFrame = table.to_pandas()
    return markets


def derive(bars: pd.DataFrame, markets: pd.DataFrame, length_s: int) -> pd.DataFrame:
    """The bars with, per bar: step to the market's previous bar, phase on the grid, length of its run of repeated
    values, and whether its market is listed."""
    ordered = bars.sort_values(["market_id", "ts_s"], kind="stable", ignore_index=True)
    same = ordered["market_id"].eq(ordered["market_id"].shift())
    ordered["step_s"] = ordered["ts_s"].diff().where(same, float(length_s))
    ordered["phase_s"] = ordered["ts_s"] % length_s
    block = (~(ordered["filled"] & same)).cumsum()
    ordered["filled_run"] = ordered.groupby(block)["filled"].cumsum().astype(int)
    # Great Expectations compares int64 in one step, and every narrower integer row by row.
    narrow = [name for name in ordered.columns if ordered[name].dtype == np.int32]
    ordered[narrow] = ordered[narrow].astype(np.int64)
    ordered["listed"] = ordered["market_id"].isin(markets["market_id"])
    return ordered


def derive_markets(markets: pd.DataFrame) -> pd.DataFrame:
    """The markets with, per market: whether its tokens differ, and whether it ends after it starts (where both are
    known)."""
    start, end = (pd.to_numeric(markets[name], errors="coerce") for name in ("start_s", "end_s"))
    differ = markets["token_yes"].ne(markets["token_no"])
    return markets.assign(tokens_differ=differ, ends_later=~(end <= start))


def per_market(bars: pd.DataFrame) -> pd.DataFrame:
    """Per market: number of bars, share of bars that did not move."""
    grouped = bars.groupby("market_id")
    moved = bars["mid_units"].ne(bars["mid_units"].shift()) & bars["market_id"].eq(bars["market_id"].shift())
    return pd.DataFrame({"bars": grouped.size(), "moves": moved.groupby(bars["market_id"]).sum()}).reset_index()


def zero_move_share(facts: pd.DataFrame) -> float:
    """Share of steps without a move over all markets; 1 when there is no step."""
    steps = float(facts["bars"].sum() - len(facts))
    return 1.0 - float(facts["moves"].sum()) / steps if steps > 0 else 1.0
