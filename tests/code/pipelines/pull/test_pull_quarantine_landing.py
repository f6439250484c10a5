"""The quarantine of the landing zone: rows in are rows kept and rows set aside, and those are looked at again."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.core import raw_tables
from pipelines.core.artifacts import read_json, write_json
from pipelines.pull import landed, landing, quarantine_landing, spreads
from pipelines.pull.quarantine_landing import LandingQuarantine
from pipelines.venue.wire import Book, Level

AS_OF_S = 10_000
MARKET = "0x" + "a" * 64
SCHEMAS = {
    "bars": raw_tables.BARS,
    "books": landing.BOOKS,
    "headlines": raw_tables.HEADLINES,
    "markets": raw_tables.MARKETS,
}
GOOD: dict[str, dict[str, Any]] = {
    "bars": {"market_id": MARKET, "ts_s": 600, "mid_units": 5_000, "volume_micro": 0, "n_trades": 0, "spread_units": 0,
             "spread_observed": False, "filled": False, "bid_size_micro": 0, "ask_size_micro": 0},
    "books": {"market_id": MARKET, "token_id": "1", "ts_ms": 600_000, "bid_units": 4_900, "ask_units": 5_000,
              "bid_size_micro": 5, "ask_size_micro": 5},
    "headlines": {"headline_id": "h", "market_ids": [MARKET], "published_s": 500, "known_s": 600, "text": "Rain",
                  "sentiment": None},
    "markets": {"market_id": MARKET, "event_id": "e", "question": "?", "token_yes": "1", "token_no": "2",
                "tick_units": 100, "min_size_micro": 5_000_000, "fee_rate": 0.0, "fee_exponent": 1.0, "start_s": 1,
                "end_s": None, "topic": "", "neg_risk": False, "version": "v2"},
}  # fmt: skip
BAD = [
    ("bars", {"mid_units": 10_001}),
    ("bars", {"volume_micro": -1}),
    ("bars", {"ts_s": AS_OF_S + 60}),
    ("bars", {"market_id": None}),
    ("books", {"bid_units": 5_000}),
    ("books", {"ask_units": 10_500}),
    ("books", {"ts_ms": None}),
    ("books", {"bid_size_micro": -5}),
    ("headlines", {"text": "  "}),
    ("headlines", {"known_s": 400}),
    ("headlines", {"sentiment": 1.5}),
    ("headlines", {"market_ids": []}),
    ("markets", {"market_id": "somewhere"}),
    ("markets", {"token_no": "1"}),
    ("markets", {"tick_units": 7}),
    ("markets", {"end_s": 1}),
]


def table(name: str, *rows: dict[str, Any]) -> pa.Table:
    """Good rows with some values replaced."""
    return pa.Table.from_pylist([GOOD[name] | row for row in rows], schema=SCHEMAS[name])


@pytest.mark.parametrize(("name", "odd"), BAD)
def test_an_odd_row_is_set_aside_with_its_rule_and_nothing_is_lost(
    name: str, odd: dict[str, Any], tmp_path: Path
) -> None:
    """Of a good and an odd row the good one is kept, the odd one lies in the quarantine, and the report counts both."""
    run = LandingQuarantine(tmp_path, AS_OF_S)
    kept = run.kept(name, table(name, odd, {}))
    run.write()
    aside = pq.read_table(tmp_path / f"quarantine/{name}.parquet").to_pylist()
    assert kept.to_pylist() == table(name, {}).to_pylist()
    assert [{key: value for key, value in row.items() if key != "reason"} for row in aside] == table(
        name, odd
    ).to_pylist()
    counted = read_json(tmp_path / "quarantine/report.json")["rows"][name]
    assert counted == {"read": 2, "kept": 1, "quarantined": 1, "rules": {aside[0]["reason"]: 1}}


def test_what_a_mended_rule_accepts_goes_into_its_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of the quarantine are looked at again by every run, and leave it when no rule is against them."""
    first = LandingQuarantine(tmp_path, AS_OF_S)
    first.kept("markets", table("markets", {"tick_units": 20}))
    first.write()
    monkeypatch.setattr(quarantine_landing, "TICKS", (*quarantine_landing.TICKS, 20))
    second = LandingQuarantine(tmp_path, AS_OF_S)
    assert second.kept("markets", table("markets")).to_pylist() == table("markets", {"tick_units": 20}).to_pylist()
    assert second.write()["markets"] == {"read": 1, "kept": 1, "quarantined": 0}
    assert pq.read_table(tmp_path / "quarantine/markets.parquet").num_rows == 0


def test_an_odd_row_of_the_landing_zone_counts_as_missing(tmp_path: Path) -> None:
    """A pull takes no odd bar, headline or book from the landing zone; the venue is asked for the bar instead."""
    write_json(tmp_path / "state.json", {"as_of_s": AS_OF_S})
    for name, rows in {
        "bars": ({}, {"ts_s": 660, "mid_units": -5}),
        "books": ({}, {"ts_ms": 660_000, "bid_units": 5_100}),
        "headlines": ({}, {"headline_id": "odd", "text": ""}),
    }.items():
        path = tmp_path / name / ("10000.parquet" if name == "headlines" else "day=1970-01-01/10000.parquet")
        path.parent.mkdir(parents=True)
        pq.write_table(table(name, *rows), path)
    found = landed.read(tmp_path, 0, AS_OF_S, "vader")
    assert found.times(MARKET).tolist() == [600]
    assert [one.headline_id for one in found.headlines] == ["h"]
    seen = spreads._touches(tmp_path)
    assert seen is not None
    assert seen["ts_ms"].to_pylist() == [600_000]


def test_a_landing_zone_of_a_later_world_is_left_alone(tmp_path: Path) -> None:
    """What ingest appended after a window is no other world; what is later than the venue's own time is one."""
    write_json(tmp_path / "state.json", {"as_of_s": AS_OF_S})
    path = tmp_path / "bars/day=1970-01-01/10000.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(table("bars", {}), path)
    window_s = 900
    assert landed.read(tmp_path, 0, window_s, "vader", AS_OF_S).times(MARKET).tolist() == [600]
    assert landed.read(tmp_path, 0, window_s, "vader", AS_OF_S - 1).times(MARKET).tolist() == []
    assert landed.read(tmp_path, 0, window_s, "vader").times(MARKET).tolist() == []


@pytest.mark.parametrize(
    "odd", [{"bids": [Level("1.5", "10")]}, {"bids": [Level("0.4", "many")]}, {"timestamp": "yesterday"}]
)
def test_a_book_that_cannot_be_read_is_quarantined(odd: dict[str, Any], tmp_path: Path) -> None:
    """A level or a time that is none takes its own book away, and no other."""
    wire = Book(**{"market": MARKET, "asset_id": "1", "timestamp": "600000"} | odd)
    (market,) = [type("M", (), {"market_id": MARKET, "token_yes": "1"})()]
    run = LandingQuarantine(tmp_path, AS_OF_S)
    rows = [landing._book_row(market, wire), GOOD["books"]]
    kept = run.kept("books", pa.Table.from_pylist(rows, schema=landing.BOOKS))
    assert kept.to_pylist() == [GOOD["books"]]
    assert run.write()["books"]["quarantined"] == 1
