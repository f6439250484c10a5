"""Recordings: any parquet file or folder with market_id, timestamp and price becomes points and markets.

Read: the columns of `recording_columns.NAMES`, and nothing else. What is known only after the event has no name
here, so it cannot enter: `resolution_date`, lifetime totals (`market_volume_usd`), and `resolved_price`, which is read
apart, for settlement.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb
import numpy as np
import pyarrow as pa

from pipelines.core import artifacts
from pipelines.core.domain import Market
from pipelines.core.errors import DataError
from pipelines.core.raw_tables import LABEL, IntArray, is_reference, reference_of
from pipelines.core.settlement import Settlement
from pipelines.core.venue_dates import taker_delay_ms
from pipelines.pull import recorded_references, recorded_rules
from pipelines.pull.grid import Points
from pipelines.pull.recording_checks import refuse_mixed_times, refuse_two_tokens
from pipelines.pull.recording_columns import NAMES, epoch_ms, market_id_of, quoted, resolve, select
from pipelines.reference.prices import Price
from pipelines.venue import settlement_rules
from pipelines.venue.fees import schedule
from pipelines.venue.topics import topic_of


@dataclass(frozen=True)
class Recording:
    """What a recording holds: markets, their points, and how many rows were left out for which reason."""

    markets: list[Market]
    points: Points
    rows: int
    dropped: dict[str, int]
    payouts: dict[str, int]
    """Market id -> base units that a YES share paid (`resolved_price`), where it was recorded."""
    prices: list[Price]
    """Reference prices: the column `spot` (an exchange's), and the files of `raw_tables.is_reference`. External
    probabilities: the column `external`, and those files again."""


def read(path: Path) -> Recording:
    """Parse a parquet file or a folder of parquet files.

    Raises:
        DataError: if it is missing, unreadable, empty, lacks a required column, holds no usable row, writes time
            differently from file to file, or holds two tokens that nothing tells apart.
    """
    try:
        return _read(path)
    except duckdb.Error as error:
        raise DataError(f"{path} cannot be read as a recording: {str(error).splitlines()[0]}") from None


def _read(path: Path) -> Recording:
    with duckdb.connect(":memory:") as db:
        columns = _open(db, path)
        names = resolve(columns, path)
        db.execute(f"CREATE TEMP TABLE parsed AS {select(names, columns)}")
        rows, dropped = _count(db)
        db.execute(_DROP_UNUSABLE)
        rules, dropped_texts = _rules(db, names, columns)
        db.execute(_KEEP_ONE_SERIES)
        refuse_two_tokens(db, path)
        dropped["second_token"] = _one(db, "SELECT count(*) FROM parsed WHERE NOT kept")
        dropped |= dropped_texts
        markets = _markets(db, rules)
        points, dropped["duplicate_time"] = _points(db)
        payouts = _payouts(db, names, columns)
        stated, outside = recorded_references.stated(db)
        dropped |= {"external_outside_0_1": outside} if "external" in names else {}
        prices = [*recorded_references.spots(db), *stated, *recorded_references.kept_with(path)]
    if len(points) == 0:
        raise DataError(f"{path} has {rows} rows and none is usable (left out: {dropped}); check price and timestamp")
    return Recording(markets, points, rows, dropped, payouts, prices)


def sha256(path: Path) -> str:
    """Hex SHA-256 of a recording with its reference prices."""
    own, beside = artifacts.sha256_path(path), reference_of(path)
    if path.is_dir() or not beside.is_file():
        return own
    return hashlib.sha256(f"{own}{artifacts.sha256_file(beside)}".encode()).hexdigest()


def check(path: Path) -> None:
    """Refuse a recording that `read` could not parse, from its files' headers alone.

    Raises:
        DataError: if it is missing, unreadable as parquet, or lacks a required column.
    """
    with duckdb.connect(":memory:") as db:
        resolve(_open(db, path), path)


def _open(db: duckdb.DuckDBPyConnection, path: Path) -> dict[str, str]:
    if not path.exists():
        raise DataError(f"the recording {path} does not exist; give the path of a parquet file or of a folder of them")
    files = sorted(str(p) for p in path.rglob("*.parquet") if not is_reference(p)) if path.is_dir() else [str(path)]
    if not files:
        raise DataError(f"the folder {path} holds no .parquet file; give a folder that does")
    try:
        refuse_mixed_times(files, [name for role in ("time", "end") for name in NAMES[role]])
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(path, error) from None
    listed = ", ".join("'" + file.replace("'", "''") + "'" for file in files)  # a view takes no parameters
    try:
        db.execute(f"CREATE VIEW source AS FROM read_parquet([{listed}], union_by_name=true)")
    except duckdb.Error as error:
        raise _unreadable(path, error) from None
    return {name: kind for name, kind, *_ in db.execute("DESCRIBE source").fetchall()}


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(
        f"{path} is not readable as parquet: {str(error).splitlines()[0]}; `oddsmith data import FILE` makes a "
        "recording of a CSV file"
    )


_DROP_UNUSABLE: Final = """
    DELETE FROM parsed WHERE NOT (market IS NOT NULL AND ms IS NOT NULL AND price IS NOT NULL
                                  AND NOT isnan(price) AND price BETWEEN 0 AND 1)
"""

_KEEP_ONE_SERIES: Final = """
    ALTER TABLE parsed ADD COLUMN series VARCHAR;
    UPDATE parsed SET series = coalesce(token, outcome, '');
    ALTER TABLE parsed ADD COLUMN kept BOOLEAN DEFAULT true;
    CREATE TEMP TABLE places AS
        SELECT market, series, row_number() OVER (
            PARTITION BY market
            ORDER BY max(lower(coalesce(outcome, '')) IN ('yes', 'up')) DESC, count(*) DESC, series
        ) AS place
        FROM parsed GROUP BY market, series;
    UPDATE parsed SET kept = false FROM places
        WHERE place > 1 AND parsed.market = places.market AND parsed.series = places.series;
"""
"""Markets recorded with both tokens: the Yes (or Up) token stays, else the one with more rows."""

_LISTED: Final = """
    CREATE TEMP TABLE listed AS
    SELECT market, row_number() OVER (ORDER BY market) - 1 AS code, min(event) AS event, min(token) AS token,
           min(question) AS question, min(category) AS category, min(slug) AS slug, min(rule) AS rule,
           min(ms) AS start_ms, max(ms) AS last_ms, max(end_ms) AS end_ms,
           min(lower) FILTER (isfinite(lower)) AS lower, min(upper) FILTER (isfinite(upper)) AS upper,
           avg(CAST(units % 50 = 0 AS DOUBLE)) AS on_cent, avg(CAST(units % 5 = 0 AS DOUBLE)) AS on_mill
    FROM (SELECT *, CAST(round(price * 10000) AS BIGINT) AS units FROM parsed WHERE kept) GROUP BY market
"""

_POINTS: Final = """
    SELECT code, ms, CAST(ceil(ms / 1000.0) AS BIGINT) AS ts_s, CAST(round(price * 10000) AS BIGINT) AS mid_units,
           CASE WHEN volume > 0 AND volume < 1e12 THEN CAST(volume * 1e6 AS BIGINT) ELSE 0 END AS volume_micro,
           CASE WHEN bid >= 0 AND ask <= 1 AND ask > bid THEN CAST(round((ask - bid) * 10000) AS BIGINT) ELSE 0
           END AS spread_units,
           CASE WHEN bid_size > 0 AND bid_size < 1e12 THEN CAST(bid_size * 1e6 AS BIGINT) ELSE 0 END AS bid_size_micro,
           CASE WHEN ask_size > 0 AND ask_size < 1e12 THEN CAST(ask_size * 1e6 AS BIGINT) ELSE 0 END AS ask_size_micro
    FROM parsed JOIN listed USING (market) WHERE kept
    ORDER BY code, ts_s, coalesce(ask > bid, false), ms, price, volume_micro
"""
"""Of the rows of a second the last counts, and before a trade the last book: a trade says nothing of a touch."""


def _one(db: duckdb.DuckDBPyConnection, query: str) -> int:
    row = db.execute(query).fetchone()
    assert row is not None
    return int(row[0] or 0)


def _count(db: duckdb.DuckDBPyConnection) -> tuple[int, dict[str, int]]:
    dropped = {
        "no_market": _one(db, "SELECT count(*) FROM parsed WHERE market IS NULL"),
        "no_time": _one(db, "SELECT count(*) FROM parsed WHERE market IS NOT NULL AND ms IS NULL"),
        "no_price": _one(db, "SELECT count(*) FROM parsed WHERE price IS NULL OR isnan(price)"),
        "price_outside_0_1": _one(
            db, "SELECT count(*) FROM parsed WHERE price < 0 OR (price > 1 AND NOT isnan(price))"
        ),
    }
    return _one(db, "SELECT count(*) FROM parsed"), dropped


def _rules(
    db: duckdb.DuckDBPyConnection, names: Mapping[str, str], columns: Mapping[str, str]
) -> tuple[dict[str, Settlement], dict[str, int]]:
    """The rules of markets whose text was recorded, and how many rows of unknown rules were left out."""
    if "text" not in names:
        return {}, {}

    def told(role: str) -> str:
        return f"min(CAST({quoted(names[role])} AS VARCHAR))" if role in names else "NULL"

    def all_told(role: str) -> str:
        """Every value in lines of one text: of two rules that differ no one is the market's."""
        if role not in names:
            return "NULL"
        value = f"CAST({quoted(names[role])} AS VARCHAR)"
        return f"array_to_string(list_sort(list(DISTINCT {value}) FILTER (WHERE {value} IS NOT NULL)), chr(10))"

    def moment(role: str) -> str:
        return f"max({epoch_ms(quoted(names[role]), columns[names[role]])})" if role in names else "NULL"

    texts = ", ".join([told("slug"), told("question"), all_told("text"), all_told("text_source")])
    market = f"CAST({quoted(names['market'])} AS VARCHAR)"
    rows = db.execute(
        f"SELECT {market}, {texts}, {moment('end')}, {moment('event_start')} FROM source"  # noqa: S608 - names are quoted
        f" WHERE {market} IS NOT NULL GROUP BY 1 ORDER BY 1"
    ).fetchall()
    found, unknown = recorded_rules.of_texts(rows)
    before = _one(db, "SELECT count(*) FROM parsed")
    db.execute("DELETE FROM parsed WHERE market IN (SELECT unnest($1::VARCHAR[]))", [unknown])
    return found, {"unknown_rule": before - _one(db, "SELECT count(*) FROM parsed")}


def _markets(db: duckdb.DuckDBPyConnection, rules: Mapping[str, Settlement]) -> list[Market]:
    db.execute(_LISTED)
    rows = db.execute("SELECT * FROM listed ORDER BY code").fetchall()
    return [_market(rules.get(row[0]), *row) for row in rows]


def _market(
    by_text: Settlement | None, name: str, _code: int,
    event: str | None, token: str | None, question: str | None, category: str | None,
    slug: str | None, rule: str | None, start_ms: int, last_ms: int, end_ms: int | None,
    lower: float | None, upper: float | None, on_cent: float, on_mill: float,
) -> Market:  # fmt: skip
    market_id = market_id_of(name)
    topic = category.lower() if category else topic_of(t.replace("-", " ") for t in (question, name, event) if t)
    start_s, end_s = start_ms // 1000, None if end_ms is None else end_ms // 1000
    settled = Settlement.parse(rule) or by_text
    settled = settled or settlement_rules.of_recording((slug, name, question, event), start_s)
    end_s = settled.end_s if end_s is None and settled is not None else end_s
    return Market(
        market_id=market_id,
        event_id=event or name,
        question=question or name,
        token_yes=token if token and token.isdigit() else _derived_token(market_id, "YES"),
        token_no=_derived_token(market_id, "NO"),
        tick_units=100 if on_cent > 0.99 else 10 if on_mill > 0.99 else 1,
        min_size_micro=5_000_000,
        fee=schedule(topic, start_s, None if end_s is None else end_s - start_s),
        start_s=start_s,
        end_s=end_s,
        topic=topic,
        settlement=settled,
        taker_delay_ms=taker_delay_ms(topic, last_ms // 1000),
        lower=lower,
        upper=upper,
    )


def _payouts(db: duckdb.DuckDBPyConnection, names: Mapping[str, str], columns: Mapping[str, str]) -> dict[str, int]:
    """Labels of the series that stayed, where all rows of a market say the same."""
    if LABEL not in columns:
        return {}
    token = f"CAST({quoted(names['token'])} AS VARCHAR)" if "token" in names else "NULL::VARCHAR"
    market = f"CAST({quoted(names['market'])} AS VARCHAR)"
    labels = f"SELECT {market} AS market, {token} AS token, try_cast({quoted(LABEL)} AS DOUBLE) AS paid FROM source"  # noqa: S608 - column names are quoted
    rows = db.execute(
        f"SELECT market, min(paid) FROM ({labels}) AS label JOIN listed USING (market)"  # noqa: S608 - as above
        " WHERE paid IN (0, 0.5, 1) AND (listed.token IS NULL OR listed.token = label.token)"
        " GROUP BY market HAVING min(paid) = max(paid)"
    ).fetchall()
    return {market_id_of(name): round(paid * 1_000_000) for name, paid in rows}


def _derived_token(market_id: str, outcome: str) -> str:
    """A token id of the venue's form (a decimal uint256) for a token that the recording does not name."""
    return str(int.from_bytes(hashlib.sha256(f"{market_id}/{outcome}".encode()).digest()))


def _points(db: duckdb.DuckDBPyConnection) -> tuple[Points, int]:
    columns: dict[str, Any] = db.execute(_POINTS).fetchnumpy()
    found = Points(*(np.asarray(columns[name], np.int64) for name in Points.__dataclass_fields__))
    last = _last_of_each(found.code, found.ts_s)
    kept = {name: getattr(found, name)[last] for name in Points.__dataclass_fields__}
    return Points(**kept | {"volume_micro": _traded(found, columns["ms"], last)}), int(len(found) - len(last))


def _traded(found: Points, ms: IntArray, last: IntArray) -> IntArray:
    """Shares of each second: those of its rows, of which equal ones (time, price, shares) are one that was recorded
    twice."""
    traded = np.flatnonzero(found.volume_micro)
    rows = np.stack([found.code[traded], ms[traded], found.mid_units[traded], found.volume_micro[traded]])
    first = traded[np.append(True, np.any(np.diff(rows, axis=1) != 0, axis=0))[: len(traded)]]
    volume = np.zeros(len(last), np.int64)
    np.add.at(volume, np.searchsorted(last, first), found.volume_micro[first])
    return volume


def _last_of_each(code: IntArray, ts_s: IntArray) -> IntArray:
    if len(code) == 0:
        return np.empty(0, np.int64)
    return np.flatnonzero(np.append((np.diff(code) != 0) | (np.diff(ts_s) != 0), True))
