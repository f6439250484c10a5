"""Raw frames become a recording, its reference prices and a count of everything else, in one pass over the archive."""

import gc
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.core.artifacts import sha256_file
from pipelines.core.raw_tables import REFERENCE_MARK
from pipelines.pull.frame_markets import TOLD, Markets
from pipelines.pull.frame_messages import Message, is_reference, messages
from pipelines.pull.frame_prices import ReferencePrices
from pipelines.pull.frame_rows import KINDS, ROWS, Sizes, rows

BATCH: Final = 5_000
"""Lines in memory."""
SHOWN: Final = 100_000
"""Lines that a dry run reads."""
MOST_NAMED: Final = 3
"""Markets that are named where some are left out."""


class FrameArchive:
    """What an archive of frames holds. `spill` is a folder for what does not fit into memory."""

    def __init__(self, spill: Path) -> None:
        self.prices = ReferencePrices(spill)
        self.markets = Markets()
        self.rows = 0
        self.left_out = Counter[str]()
        self._sizes = Sizes()

    def take(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The rows of a batch of lines (columns `frame`, `arrived`, then what the file says of its markets)."""
        found: list[tuple[Any, ...]] = []
        places: list[int] = []
        arrived = batch.column("arrived").to_pylist()
        for place, text in enumerate(batch.column("frame").to_pylist()):
            for message, arrived_ms in messages(text, arrived[place]):
                if isinstance(message, str):
                    self.left_out[message] += 1
                elif message.get("event_type") in KINDS:
                    for row in rows(message, arrived_ms):
                        if isinstance(row, str):
                            self.left_out[row] += 1
                        else:
                            found.append(row)
                            places.append(place)
                else:
                    self._beside(message, arrived_ms)
        self.rows += len(found)
        columns = list(zip(*found, strict=True)) if found else [()] * len(ROWS)
        made = {field.name: pa.array(values, field.type) for field, values in zip(ROWS, columns, strict=True)}
        at = pa.array(places, pa.int64())
        kept = {name: batch.column(name).take(at) for name in batch.schema.names[2:]}
        return self._sizes.fill(pa.RecordBatch.from_pydict(made | kept))

    def _beside(self, message: Message, arrived_ms: int | None) -> None:
        if is_reference(message):
            self.prices.take(message, arrived_ms)
        elif message.get("event_type") in (*TOLD, None):
            self.markets.take(message)
        else:
            self.left_out[f"a message of {str(message['event_type'])[:40]}"] += 1

    def said(self, reference: Path | None) -> str:
        """Sentences about reference prices, markets, and what was left out."""
        told = []
        if self.prices.kept:
            each = ", ".join(f"{name} {count:,}" for name, count in sorted(self.prices.kept.items()))
            where = "" if reference is None else f" in {reference}"
            told.append(f"reference prices: {self.prices.kept.total():,} ({each}){where}")
        if len(self.markets):
            table = self.markets.table()
            rules, paid = (len(table) - table[name].null_count for name in ("settlement", "resolved_price"))
            told.append(f"markets described: {len(self.markets):,} ({rules:,} settlement rules, {paid:,} payouts)")
        for name, why in list(self.markets.refused.items())[:MOST_NAMED]:
            told.append(f"left out market {name}: {why}")
        if len(self.markets.refused) > MOST_NAMED:
            told.append(f"left out {len(self.markets.refused) - MOST_NAMED:,} more such markets")
        left_out = +(self.left_out + self.prices.left_out + self.markets.left_out)
        if left_out:
            told.append("left out: " + ", ".join(f"{count:,} x {name}" for name, count in left_out.most_common()))
        return "".join(f"{sentence}\n" for sentence in told)


def write(db: duckdb.DuckDBPyConnection, select: str, partial: Path, reference: Path, spill: Path) -> FrameArchive:
    """Write the rows of `select` (frames in the order of the archive) to `partial` and their reference prices, if there
    are any, to `reference`; what comes back says what was found."""
    db.execute("SET preserve_insertion_order = true")
    found = FrameArchive(spill)
    batches = db.sql(select).to_arrow_reader(BATCH)
    first = found.take(pa.RecordBatch.from_pylist([], batches.schema))
    with _uncollected(), pq.ParquetWriter(partial, first.schema) as writer:
        for batch in batches:
            writer.write_batch(found.take(batch))
        found.prices.end(db, reference)
        mark = sha256_file(reference) if found.prices.kept else ""
        writer.add_key_value_metadata({REFERENCE_MARK: mark})
    if len(found.markets):
        _describe(db, found.markets, partial, mark, first.schema.names)
        found.left_out["rows of a market that is left out"] += found.rows - pq.read_metadata(partial).num_rows
    return found


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the search for cycles, which takes a third of the time: messages and rows are many and have none."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def look(db: duckdb.DuckDBPyConnection, select: str, spill: Path) -> tuple[FrameArchive, pa.Table]:
    """What the first lines hold, and their rows."""
    found = FrameArchive(spill)
    batches = db.sql(f"SELECT * FROM ({select}) LIMIT {SHOWN}").to_arrow_reader(BATCH)  # noqa: S608 - quoted
    shown = pa.Table.from_batches([found.take(pa.RecordBatch.from_pylist([], batches.schema))])
    for batch in batches:
        made = pa.Table.from_batches([found.take(batch)])
        shown = shown if len(shown) else made
    found.prices.end(db, None)
    return found, shown


def _describe(db: duckdb.DuckDBPyConnection, markets: Markets, partial: Path, mark: str, names: list[str]) -> None:
    """Write the rows again with what is known of their markets, without those that are left out."""
    facts, refused = markets.table(), pa.table({"market_id": pa.array(list(markets.refused), pa.string())})
    described = partial.with_name(f"{partial.name}.described")
    own = [name for name in facts.schema.names[2:] if name in names]
    # A file's own column comes first: it may have another type, so where it has one the facts are not mixed in.
    more = "".join(f", facts.{name}" for name in facts.schema.names[2:] if name not in own)
    outcome = "CASE WHEN facts.token_yes IS NOT NULL THEN if(told.token_id = facts.token_yes, 'Yes', 'No') END"
    db.register("facts", facts)
    db.register("refused", refused)
    try:
        db.execute(
            f"COPY (SELECT told.*, {outcome} AS outcome{more} FROM read_parquet('{_literal(partial)}') AS told"  # noqa: S608 - quoted
            " LEFT JOIN facts ON told.market_id = facts.market_id WHERE told.market_id IS NULL"
            " OR told.market_id NOT IN (FROM refused))"
            f" TO '{_literal(described)}' (FORMAT parquet, KV_METADATA {{{REFERENCE_MARK}: '{mark}'}})"
        )
        described.replace(partial)
    finally:
        described.unlink(missing_ok=True)


def _literal(path: Path) -> str:
    return str(path).replace("'", "''")
