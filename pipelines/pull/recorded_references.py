"""Reference prices and external probabilities of a recording: from its columns, and from the files kept with it."""

from dataclasses import replace
from pathlib import Path
from typing import Final

import duckdb
import pyarrow.parquet as pq

from pipelines.core import artifacts
from pipelines.core.errors import DataError
from pipelines.core.raw_tables import REFERENCE_MARK, is_reference, reference_of
from pipelines.pull.recording_columns import market_id_of
from pipelines.reference import recorded
from pipelines.reference.external import EXTERNAL
from pipelines.reference.prices import Price
from pipelines.venue import settlement_rules

FEEDS: Final = {"spot": "binance", "chainlink": "chainlink"}
"""Column with a price of the underlying -> its source."""


def kept_with(path: Path) -> list[Price]:
    """The prices of the files that belong to a recording; an external probability may name its market as the recording
    does.

    Raises:
        DataError: if an imported file lacks the one that it was imported with, or one cannot be read.
    """
    found = (one for file in _files(path) for one in recorded.read(file))
    return [replace(one, symbol=market_id_of(one.symbol)) if one.source == EXTERNAL else one for one in found]


def spots(db: duckdb.DuckDBPyConnection) -> list[Price]:
    """The prices of the underlying that were recorded with a market, once for each asset, source and time. Without a
    column for the asset it is that of the market's settlement rule."""
    return [one for column, source in FEEDS.items() for one in _feed(db, column, source)]


def _feed(db: duckdb.DuckDBPyConnection, column: str, source: str) -> list[Price]:
    rows = db.execute(
        f"SELECT DISTINCT coalesce(asset, ''), coalesce(slug, market), coalesce(question, market), ms, {column}"  # noqa: S608 - a name of ours
        f" FROM parsed WHERE {column} > 0 AND isfinite({column}) ORDER BY ms, 1, 2, 3, 5"
    ).fetchall()
    rules: dict[tuple[str, str], str] = {}
    found: dict[tuple[str, int], float] = {}
    for named, slug, question, ms, value in rows:
        if not named and (slug, question) not in rules:
            rule = settlement_rules.of_recording((slug, question), ms // 1000)
            rules[slug, question] = rule.symbol if rule is not None else ""
        asset = named.upper() or rules[slug, question]
        if asset:
            found.setdefault((asset, ms), value)
    return [Price(asset, source, ms, ms, value) for (asset, ms), value in found.items()]


def stated(db: duckdb.DuckDBPyConnection) -> tuple[list[Price], int]:
    """External probabilities of YES: every change, and once an hour what did not change; and how many rows had a number
    that is no probability."""
    rows = db.execute(
        "SELECT market, ms, external FROM (SELECT market, ms, external, lag(external) OVER before AS last,"
        " lag(ms) OVER before AS last_ms FROM parsed WHERE kept AND external BETWEEN 0 AND 1"
        " WINDOW before AS (PARTITION BY market ORDER BY ms, external))"
        " WHERE last IS NULL OR external != last OR ms // 3600000 != last_ms // 3600000 ORDER BY ms"
    ).fetchall()
    (outside,) = db.execute(
        "SELECT count(*) FROM parsed WHERE kept AND NOT isnan(external) AND NOT external BETWEEN 0 AND 1"
    ).fetchall()[0]
    return [Price(market_id_of(name), EXTERNAL, ms, ms, value) for name, ms, value in rows], outside


def _files(path: Path) -> list[Path]:
    files = sorted(path.rglob("*.parquet")) if path.is_dir() else [path, reference_of(path)]
    found = [file for file in files if is_reference(file) and file.is_file()]
    for file in (one for one in files if not is_reference(one)):
        said, beside = (pq.read_metadata(file).metadata or {}).get(REFERENCE_MARK.encode()), reference_of(file)
        there = artifacts.sha256_file(beside) if beside.is_file() else ""
        if said is not None and said.decode() != there:
            raise DataError(
                f"{file} was imported {'with' if said else 'without'} reference prices, and {beside} is"
                f" {'another file' if there else 'missing'}; keep the two together, or import the archive again"
            )
    return found
