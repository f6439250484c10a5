"""`oddsmith data import`: a file of prices becomes a recording, or nothing changes."""

import shutil
from pathlib import Path

import duckdb
import pytest

from pipelines.core.errors import DataError, ParameterError
from pipelines.pull import recording
from pipelines.pull.import_recording import run

CSV = """market_id,timestamp,yes_price,question
a,2026-01-01T00:00:00Z,0.40,Will it rain?
a,2026-01-01T00:01:00Z,0.41,Will it rain?
b,2026-01-01T00:00:00Z,0.70,"Rain, or snow?"
b,2026-01-01T00:01:00Z,1.70,"Rain, or snow?"
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _file(text: str, name: str = "my prices.csv") -> Path:
    Path(name).write_text(text)
    return Path(name)


def test_a_csv_becomes_a_recording(capsys):
    """Columns are renamed, rows that cannot be used are counted, and the next command is named."""
    run(_file(CSV), None, ["price=yes_price"], replace=False)

    written = Path("data/recordings/my prices.parquet")
    found = recording.read(written)
    said = capsys.readouterr().out
    assert (len(found.points), len(found.markets)) == (3, 2)
    assert f"wrote {written}: 3 prices of 2 markets from 4 rows (left out: 1 price outside 0 1)" in said
    assert f"next: oddsmith run --source recorded --recording {written}" in said


def test_parquet_is_taken_too():
    """The same with a parquet file whose columns have other names."""
    _file(CSV)
    duckdb.sql("COPY (FROM read_csv('my prices.csv')) TO 'other.parquet'")

    run(Path("other.parquet"), Path("out.parquet"), ["price=yes_price"], replace=False)

    assert len(recording.read(Path("out.parquet")).points) == 3


@pytest.mark.parametrize(
    ("text", "columns", "error", "message"),
    [
        (CSV, [], DataError, r"my prices\.csv lacks the column\(s\) price; it has market_id, timestamp, yes_price"),
        (CSV, ["price=no"], DataError, r"my prices\.csv has no column no; it has market_id"),
        (CSV, ["price"], ParameterError, "--map was 'price'; give our name and the file's"),
        (CSV, ["=x"], ParameterError, "--map was '=x'"),
        ("market_id,timestamp,price\na,x,7\n", [], DataError, "none is usable"),
        ("", [], DataError, r"my prices\.csv"),
        ("market_id,timestamp,price\n", [], DataError, r"my prices\.csv"),
    ],
)
def test_what_is_no_recording_is_refused_and_leaves_nothing(text, columns, error, message):
    """The error names the person's own file, and no file is written."""
    with pytest.raises(error, match=message):
        run(_file(text), None, columns, replace=False)

    assert list(Path().rglob("*.parquet")) == []


def test_a_recording_that_is_there_is_replaced_on_request_only():
    """An import that is refused or fails leaves the old recording byte for byte."""
    run(_file(CSV), None, ["price=yes_price"], replace=False)
    written = Path("data/recordings/my prices.parquet")
    before = written.read_bytes()

    with pytest.raises(ParameterError, match="exists; add --replace, or name another file with --to"):
        run(_file(CSV), None, ["price=yes_price"], replace=False)
    with pytest.raises(DataError):
        run(_file(CSV), None, ["price=question"], replace=True)
    assert written.read_bytes() == before

    run(_file(CSV.replace("0.40", "0.45")), None, ["price=yes_price"], replace=True)
    assert written.read_bytes() != before


def test_a_name_with_a_quote_is_a_name():
    """A path is data: no quote in it ends a statement."""
    run(_file(CSV, "it's.csv"), None, ["price=yes_price"], replace=False)

    assert Path("data/recordings/it's.parquet").is_file()


def test_a_missing_file_or_a_folder_is_named(tmp_path):
    """What was given is in the message."""
    with pytest.raises(DataError, match=r"nix\.csv is no file"):
        run(Path("nix.csv"), None, [], replace=False)
    with pytest.raises(DataError, match="is no file"):
        run(tmp_path, None, [], replace=False)


def test_a_recording_is_checked_from_its_header(tmp_path):
    """`check` refuses what `read` would refuse for its form, and names the command that makes a recording."""
    source = _file(CSV)
    with pytest.raises(DataError, match=r"is not readable as parquet.*`oddsmith data import FILE`"):
        recording.check(source)
    run(source, None, ["price=yes_price"], replace=False)
    recording.check(Path("data/recordings/my prices.parquet"))
    shutil.rmtree(tmp_path / "data")
    with pytest.raises(DataError, match="does not exist"):
        recording.check(Path("data/recordings"))


BOOK = (
    '{"market":"0x01","asset_id":"7","timestamp":"1000","event_type":"book",'
    '"bids":[{"price":"0.40","size":"5"},{"price":"0.48","size":"5"}],"asks":[{"price":"0.60","size":"1"},'
    '{"price":"0.52","size":"1"}]}'
)
CHANGE = (
    '{"market":"0x01","timestamp":"2000","event_type":"price_change","price_changes":'
    '[{"asset_id":"7","price":"0.49","size":"3","side":"BUY","best_bid":"0.49","best_ask":"0.52"}]}'
)
TRADE = '{"market":"0x01","asset_id":"7","timestamp":"3000","event_type":"last_trade_price","price":"0.52","size":"8"}'


def _imported(path: Path) -> list[dict]:
    run(path, Path("out.parquet"), [], replace=True)
    return duckdb.sql("SELECT * FROM 'out.parquet' ORDER BY timestamp").to_arrow_table().to_pylist()


@pytest.mark.parametrize("text", [f"{BOOK}\n{CHANGE}\n{TRADE}\n", f"[{BOOK}]\n[{CHANGE},{TRADE}]\n"])
def test_raw_frames_become_books_and_trades(text):
    """Frames as the venue sends them, one or several a line: best prices of any order of levels, and traded shares."""
    rows = _imported(_file(text, "frames.jsonl"))

    assert [(row["best_bid"], row["best_ask"], row["price"], row["volume"]) for row in rows] == [
        (0.48, 0.52, 0.5, 0.0),
        (0.49, 0.52, 0.505, 0.0),
        (None, None, 0.52, 8.0),
    ]


def test_frames_that_are_cut_off_are_left_out():
    """A line that a crash cut in half loses itself and nothing else."""
    assert len(_imported(_file(f"{BOOK}\n{CHANGE[:60]}\n{TRADE}\n", "frames.jsonl"))) == 2


def test_books_of_lists_have_their_best_prices_in_any_order():
    """Levels as lists, both tokens of a market: the side says which token a row is."""
    duckdb.sql(
        "COPY (SELECT 'm' AS market_id, 1790585112649 AS ts, 'UP' AS side, [0.4, 0.5] AS bid_px, [0.7, 0.52] AS ask_px)"
        " TO 'books.parquet'"
    )

    (row,) = _imported(Path("books.parquet"))

    assert (row["best_bid"], row["best_ask"], row["outcome"]) == (0.5, 0.52, "UP")


def test_a_number_in_the_column_outcome_is_a_payout():
    """0 and 1 say how a market ended and never split its rows into tokens; words say which token a row is of."""
    times = ["2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z", "2026-01-01T00:02:00Z"]
    rows = ", ".join(
        f"('m', '{at}', {price}, {end})"
        for at, price, end in zip(times, (0.5, 0.9, 0.99), ("NULL", "NULL", "1.0"), strict=True)
    )
    duckdb.sql(f"COPY (SELECT * FROM (VALUES {rows}) AS t(market_slug, timestamp, price, outcome)) TO 'ended.parquet'")

    assert sorted(row["resolved_price"] is None for row in _imported(Path("ended.parquet"))) == [False, True, True]
    found = recording.read(Path("out.parquet"))

    assert len(found.points) == 3
    assert list(found.payouts.values()) == [1_000_000]


def test_messages_with_a_row_per_level_become_their_books():
    """Levels of one message are one book with the sizes of its best prices; single changed levels are no prices."""
    levels = [
        ("book", 0.40, "bid", 5),
        ("book", 0.48, "bid", 7),
        ("book", 0.52, "ask", 9),
        ("price_change", 0.01, "bid", 3),
    ]
    rows = ", ".join(
        f"('m', 't', '{kind}', {price}, '{side}', {size}, 'h', 1790585112649)" for kind, price, side, size in levels
    )
    names = "market_slug, asset_id, event_type, price, side, size, hash, timestamp"
    duckdb.sql(f"COPY (SELECT * FROM (VALUES {rows}) AS t({names})) TO 'levels.parquet'")

    (row,) = _imported(Path("levels.parquet"))

    assert (row["best_bid"], row["best_ask"], row["best_bid_size"], row["best_ask_size"]) == (0.48, 0.52, 7, 9)


def test_a_table_of_outcomes_is_refused_with_what_it_is():
    """A row per market without prices over time is no recording, and the error says so."""
    with pytest.raises(DataError, match="one row per market has no price path"):
        run(_file("condition_id,game_start,priceA,A_won\nm,2026-01-01,0.5,1\n", "series.csv"), None, [], replace=False)


def test_fills_on_chain_have_a_price_and_shares():
    """Whoever gives asset 0 pays: price is dollars over tokens, whichever side made the order."""
    header = "makerAssetId,takerAssetId,makerAmountFilled,takerAmountFilled,timestamp"
    text = f"{header}\n0,77,400000,1000000,1767225600\n77,0,2000000,900000,1767225601\n"

    rows = _imported(_file(text, "chain.csv"))

    assert [(row["token_id"], row["price"], row["volume"]) for row in rows] == [("77", 0.4, 1.0), ("77", 0.45, 2.0)]


def test_the_answer_of_prices_history_is_a_recording():
    """The raw JSON of the route becomes the prices of one market, named after the file."""
    rows = _imported(_file('{"history":[{"t":1767225600,"p":0.4},{"t":1767225660,"p":0.41}]}', "token-9.json"))

    assert [(row["market_id"], row["price"]) for row in rows] == [("token-9", 0.4), ("token-9", 0.41)]


def test_a_dry_run_says_what_it_understood_and_writes_nothing(capsys):
    """Shape, mapping and first rows are shown."""
    run(_file(CSV), None, ["price=yes_price"], replace=False, dry_run=True)

    said = capsys.readouterr().out
    assert "is understood as prices" in said
    assert "price from yes_price" in said
    assert list(Path().rglob("*.parquet")) == []


def test_settled_rows_are_joined_to_their_prices(tmp_path):
    """A table of markets brings slug and payout: the rule is known then, and positions can be settled."""
    start = 1_790_586_000
    rows = "".join(f"0xa,{start + 60 * k},0.5\n" for k in range(5))
    _file(f"market_id,timestamp,price\n{rows}", "prices.csv")
    _file(f"market_id,slug,payout_up\n0xa,btc-updown-15m-{start},1.0\n", "settled.csv")

    run(Path("prices.csv"), Path("out.parquet"), [], replace=False, about=Path("settled.csv"))

    found = recording.read(Path("out.parquet"))
    assert found.markets[0].settlement.name == "twap 60"
    assert list(found.payouts.values()) == [1_000_000]


def test_a_table_without_common_ids_is_refused():
    """The error names the table and its columns."""
    _file(CSV)
    _file("name\nx\n", "about.csv")

    with pytest.raises(DataError, match=r"about\.csv has no column of market ids .* it has name"):
        run(Path("my prices.csv"), None, ["price=yes_price"], replace=False, about=Path("about.csv"))


def test_a_table_that_calls_its_markets_otherwise_is_joined_by_their_ids(tmp_path):
    """A condition id is the same id under each of its names; a slug is none."""
    _file("market_id,timestamp,price\n0xa,1767225600,0.5\n0xa,1767225660,0.5\n", "prices.csv")
    _file("condition_id,question\n0xa,Will it snow?\n", "about.csv")

    run(Path("prices.csv"), Path("out.parquet"), [], replace=False, about=Path("about.csv"))

    assert recording.read(Path("out.parquet")).markets[0].question == "Will it snow?"
