"""Rows that the landing zone does not take: set aside with the first rule that they break, and looked at again.

    var/landing/quarantine/<table>.parquet    rows of bars, books, headlines and markets, with the column `reason`
    var/landing/quarantine/report.json        rows in = rows kept + rows set aside of the last run, table by table

Every run looks at the rows that lie here again, with its new ones: what a mended rule accepts goes into its table.
"""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipelines.core import log
from pipelines.core.artifacts import write_bytes, write_json

Mask = NDArray[np.bool_]
Rules = list[tuple[str, Mask]]
"""Name of a rule and which rows break it."""

REASON: Final = "reason"
KEYS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "bars": ("one bar per market and time", ("market_id", "ts_s")),
    "books": ("one book per market and time", ("market_id", "ts_ms")),
    "headlines": ("a headline is there once", ("headline_id",)),
    "markets": ("market ids are unique", ("market_id",)),
}
"""The rule for repeated keys of a table: of the sane rows of a key the first is kept."""
MOST: Final = 10_000
"""A price of 1."""
TICKS: Final = (1, 10, 25, 50, 100, 1000)
SIZES: Final = ("bid_size_micro", "ask_size_micro")


def broken(name: str, table: pa.Table, as_of_s: int) -> Rules:
    """The rules of a table of the landing zone: bars, books, headlines or markets; rows later than `as_of_s` are none
    that could be known."""
    return _RULES[name](table, as_of_s)


def parted(name: str, table: pa.Table, as_of_s: int) -> tuple[pa.Table, pa.Table]:
    """The rows that are kept, and those that are not, these with the column `reason`."""
    reason = np.full(table.num_rows, "", dtype=object)
    for rule, bad in broken(name, table, as_of_s):
        reason[bad & (reason == "")] = rule
    rule, columns = KEYS[name]
    sane_rows = np.flatnonzero(reason == "")
    reason[sane_rows[_again(*(table[one].take(pa.array(sane_rows)).to_pylist() for one in columns))]] = rule
    bad_rows = reason != ""
    aside = table.filter(pa.array(bad_rows)).append_column(REASON, pa.array(reason[bad_rows].tolist(), pa.string()))
    return table.filter(pa.array(~bad_rows)), aside


def sane(name: str, table: pa.Table, as_of_s: int) -> pa.Table:
    """The rows that break no rule of their own: repeated keys are for the reader to choose from."""
    return table.filter(pa.array(~np.logical_or.reduce([bad for _, bad in broken(name, table, as_of_s)])))


def counted(kept: pa.Table, aside: pa.Table) -> dict[str, Any]:
    """Rows read, kept and quarantined, and those by rule."""
    rules = {row["values"]: row["counts"] for row in pc.value_counts(aside[REASON]).to_pylist()}
    rows = {"read": kept.num_rows + aside.num_rows, "kept": kept.num_rows, "quarantined": aside.num_rows}
    return rows | ({"rules": rules} if rules else {})


@dataclass
class LandingQuarantine:
    """The quarantine of one run; `write` replaces what the last run left."""

    landing: Path
    as_of_s: int
    _aside: dict[str, pa.Table] = field(default_factory=dict)
    _counts: dict[str, dict[str, Any]] = field(default_factory=dict)

    def kept(self, name: str, table: pa.Table) -> pa.Table:
        """New rows of a table and those set aside before, without the ones that break a rule now."""
        path = self._path(name)
        if path.is_file():
            before = pq.ParquetFile(path).read().drop_columns([REASON])
            table = pa.concat_tables([before.cast(table.schema), table])
        kept, self._aside[name] = parted(name, table, self.as_of_s)
        self._counts[name] = counted(kept, self._aside[name])
        return kept

    def write(self) -> Mapping[str, Mapping[str, Any]]:
        """Write what is set aside and the report, after the tables; the report."""
        for name, aside in self._aside.items():
            if aside.num_rows or self._path(name).is_file():
                buffer = io.BytesIO()
                pq.write_table(aside, buffer)
                write_bytes(self._path(name), buffer.getvalue())
            if aside.num_rows:
                log.get("ingest").warning("set aside", table=name, **self._counts[name]["rules"])
        write_json(self.landing / "quarantine" / "report.json", {"as_of_s": self.as_of_s, "rows": self._counts})
        return self._counts

    def _path(self, name: str) -> Path:
        return self.landing / "quarantine" / f"{name}.parquet"


def _numbers(table: pa.Table, name: str) -> NDArray[np.float64]:
    values: NDArray[np.float64] = table[name].cast(pa.float64()).to_numpy(zero_copy_only=False)
    return values


def _outside(table: pa.Table, name: str, low: float, high: float = float("inf")) -> Mask:
    """Rows whose value is missing or not in [low, high]."""
    values = _numbers(table, name)
    result: Mask = ~((values >= low) & (values <= high))
    return result


def _nameless(table: pa.Table, name: str, pattern: str = r"\S") -> Mask:
    found = pc.fill_null(pc.match_substring_regex(table[name], pattern), False)
    result: Mask = ~found.to_numpy(zero_copy_only=False)
    return result


def _again(*columns: list[Any]) -> Mask:
    """Rows whose key came before."""
    seen: set[Any] = set()
    twice = []
    for key in zip(*columns, strict=True):
        twice.append(key in seen)
        seen.add(key)
    return np.array(twice, dtype=bool)


def _bars(table: pa.Table, as_of_s: int) -> Rules:
    return [
        ("a bar is of a market", _nameless(table, "market_id")),
        ("a bar has closed", _outside(table, "ts_s", 1, as_of_s)),
        ("price lies in [0, 1]", _outside(table, "mid_units", 0, MOST)),
        ("volume is not negative", _outside(table, "volume_micro", 0)),
        ("trade count is not negative", _outside(table, "n_trades", 0)),
        ("spread lies in [0, 1]", _outside(table, "spread_units", 0, MOST)),
        *((f"{name} is not negative", _outside(table, name, 0)) for name in SIZES),
    ]


def _books(table: pa.Table, _: int) -> Rules:
    bid, ask = _numbers(table, "bid_units"), _numbers(table, "ask_units")
    return [
        ("a book is of a market", _nameless(table, "market_id")),
        ("a book has its time", _outside(table, "ts_ms", 1)),
        ("bids lie in [0, 1)", _outside(table, "bid_units", 0, MOST - 1)),
        ("asks lie in (0, 1]", _outside(table, "ask_units", 1, MOST)),
        ("bid is below ask", ~(bid < ask)),
        *((f"{name} is not negative", _outside(table, name, 0)) for name in SIZES),
    ]


def _headlines(table: pa.Table, as_of_s: int) -> Rules:
    known, score = _numbers(table, "known_s"), _numbers(table, "sentiment")
    about = pc.fill_null(pc.list_value_length(table["market_ids"]), 0).to_numpy(zero_copy_only=False)
    return [
        ("a headline has an id", _nameless(table, "headline_id")),
        ("a headline has its times", _outside(table, "published_s", 1) | np.isnan(known)),
        ("nothing is known before it was published", known < _numbers(table, "published_s")),
        ("nothing is known after the run", known > as_of_s),
        ("a headline has words", _nameless(table, "text")),
        ("a headline is about a market", about < 1),
        ("scores lie in [-1, 1]", np.abs(score) > 1.0),
    ]


def _markets(table: pa.Table, _: int) -> Rules:
    tokens = [table[name].to_pylist() for name in ("token_yes", "token_no")]
    ticks = np.isin(_numbers(table, "tick_units"), TICKS)
    return [
        ("market ids are condition ids", _nameless(table, "market_id", "^0x[0-9a-f]{62,64}$")),
        ("tokens are decimal", _nameless(table, "token_yes", "^[0-9]+$") | _nameless(table, "token_no", "^[0-9]+$")),
        ("a market's tokens differ", np.array([yes == no for yes, no in zip(*tokens, strict=True)], dtype=bool)),
        ("markets end after they start", _numbers(table, "end_s") <= _numbers(table, "start_s")),
        ("ticks are the venue's", ~ticks),
        ("events are named", _nameless(table, "event_id")),
    ]


_RULES: Final[Mapping[str, Callable[[pa.Table, int], Rules]]] = {
    "bars": _bars,
    "books": _books,
    "headlines": _headlines,
    "markets": _markets,
}
