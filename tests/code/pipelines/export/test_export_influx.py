"""Every bar and headline becomes one line of the protocol, and the tables answer SQL."""

import re
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pyarrow.parquet as pq
import pytest

from pipelines.__main__ import main
from pipelines.core import raw_tables
from pipelines.core.domain import FeeSchedule, Headline, Market
from pipelines.core.errors import DataError, VenueUnavailable
from pipelines.export import influx, series

T0 = 1_767_225_600
LINE = re.compile(r"(?P<name>\w+)((?:,\w+=(?:\\.|[^,= \\])+)*) (?P<fields>.+) (?P<time>\d+)")


def market(market_id: str, event_id: str = "cup") -> Market:
    """A market."""
    return Market(
        market_id=market_id,
        event_id=event_id,
        question="?",
        token_yes="1",
        token_no="2",
        tick_units=100,
        min_size_micro=5_000_000,
        fee=FeeSchedule(0.05),
        start_s=None,
        end_s=None,
        topic="sports",
    )


def bars(code: int, mids: list[int], spread: int = 0) -> raw_tables.Bars:
    """Minute bars of one market."""
    n = len(mids)
    whole = [np.full(n, value) for value in (1_500_000, 3, spread)]
    nothing = np.zeros(n, np.int64)
    times = T0 + 60 * np.arange(n)
    return raw_tables.Bars(np.full(n, code), times, np.array(mids), *whole, nothing > 0, nothing, nothing)


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Two markets over two days with awkward names, and two headlines."""
    markets = [market("0xa", "a cup, with = signs"), market("0xb")]
    found = [bars(0, [5_200, 5_250]), bars(1, [1] * 3, spread=100)]
    news = [
        Headline("n1", ("0xa", "0xb"), T0, T0 + 5, 'He said "no\\yes"\nand left', 0.5),
        Headline("n2", ("0xb",), T0, T0 + 6, "Unscored"),
    ]
    tables = raw_tables.markets_table(markets), raw_tables.headlines_table(news)
    raw_tables.write_raw(tmp_path, tables[0], ["0xa", "0xb"], found, tables[1])
    return tmp_path


def test_every_row_is_a_line_that_parses(raw: Path) -> None:
    """Five bars and three mentions in headlines give eight lines of the protocol's grammar, times in nanoseconds."""
    found = list(influx.lines(raw))

    assert len(found) == 8
    assert all(LINE.fullmatch(line) for line in found)
    assert found[0] == (
        "oddsmith_bar,event_id=a\\ cup\\,\\ with\\ \\=\\ signs,market_id=0xa,topic=sports"
        f" mid=0.52,volume=1.5,trades=3i,filled=false {T0}000000000"
    )


def test_what_is_not_there_has_no_field(raw: Path) -> None:
    """No spread was observed: no spread field; a headline without a score: no sentiment field."""
    found = list(influx.lines(raw))

    assert ["spread=" in line for line in found[:5]] == [False, False, True, True, True]
    assert found[5].endswith(f'sentiment=0.5,text="He said \\"no\\\\yes\\" and left" {T0 + 5}000000000')
    assert 'text="Unscored"' in found[7]
    assert "sentiment" not in found[7]


def test_the_command_writes_a_file_or_standard_output(raw: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file is replaced as a whole; `-` prints the same lines."""
    target = raw / "out" / "lines.txt"

    assert main(["export", "--influx", str(target), "--folder", str(raw)]) == 0
    assert main(["export", "--influx", "-", "--folder", str(raw)]) == 0
    assert capsys.readouterr().out == target.read_text()
    assert len(target.read_text().splitlines()) == 8


def test_a_server_gets_all_lines_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines are posted in batches with the token; a refusal is an error with the server's words."""
    monkeypatch.setattr(influx, "_LINES_PER_REQUEST", 2)
    seen: list[Any] = []

    def respond(request: httpx2.Request) -> httpx2.Response:
        seen.append((request.headers["authorization"], request.content.decode().split("\n")))
        return httpx2.Response(204)

    url = "http://influx.test/api/v2/write?bucket=b"

    assert influx.send(["a", "b", "c"], url, "t", httpx2.MockTransport(respond)) == 3
    assert seen == [("Token t", ["a", "b"]), ("Token t", ["c"])]
    with pytest.raises(VenueUnavailable, match="answered 401: unauthorized"):
        influx.send(["a"], url, None, httpx2.MockTransport(lambda _: httpx2.Response(401, text="unauthorized")))
    with pytest.raises(VenueUnavailable, match="did not answer"):
        influx.send(["a"], "http://127.0.0.1:9/write", None)


def test_tables_answer_sql(raw: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The query command prints CSV; the day of a partition is a column."""
    sql = "SELECT market_id, count(*) AS n, any_value(day) AS day FROM bars GROUP BY 1 ORDER BY 1"

    assert main(["query", sql, "--folder", str(raw)]) == 0
    assert capsys.readouterr().out.splitlines() == ["market_id,n,day", "0xa,2,2026-01-01", "0xb,3,2026-01-01"]


def test_a_wrong_query_and_an_empty_folder_are_explained(raw: Path, tmp_path: Path) -> None:
    """DuckDB's words and the table names; or which command fills the folder, where one of its tables is asked for."""
    with pytest.raises(DataError, match="the tables are bars, markets, headlines, books"):
        series.query(raw, "SELECT * FROM candles")
    with pytest.raises(DataError, match="holds no bars; run python -m pipelines pull"):
        series.query(tmp_path / "none", "SELECT * FROM bars")
    assert series.query(tmp_path / "none", "SELECT 1 AS one") == (["one"], [(1,)])


def test_what_was_landed_twice_is_read_once(tmp_path: Path) -> None:
    """The landing zone may hold a bar twice after an interrupted run; the newest file wins."""
    folder = tmp_path / "bars" / "day=2026-01-01"
    folder.mkdir(parents=True)
    pq.write_table(raw_tables.bars_table(["0xa"], bars(0, [5_000, 5_000])), folder / "100.parquet")
    pq.write_table(raw_tables.bars_table(["0xa"], bars(0, [6_000])), folder / "200.parquet")

    _, rows = series.query(tmp_path, "SELECT mid_units FROM bars ORDER BY ts_s")

    assert rows == [(6_000,), (5_000,)]
