"""How fast an archive becomes a recording and how much memory that takes, in a process of its own: fills on chain, and
raw frames (changes of four levels a message, each fiftieth message a whole book of 20 levels a side, each twentieth a
reference price)."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import duckdb
import msgspec
import pyarrow.parquet as pq

ROWS: Final = 10_000_000
IMPORT: Final = """
import resource
import sys
from pathlib import Path
from pipelines.pull.import_recording import run
run(Path(sys.argv[1]), Path(sys.argv[2]), [], replace=True)
print("peak_kb", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
CHANGES: Final = (("YES", "39", "BUY"), ("NO", "61", "SELL"), ("YES", "60", "SELL"), ("NO", "40", "BUY"))
"""Token, cents and side of the levels that a message changes: the touch of both tokens."""
TOUCH: Final = {"YES": ("39", "60"), "NO": ("40", "61")}
BOOK_EVERY: Final = 50
PRICE_EVERY: Final = 20


def archive(path: Path, rows: int) -> None:
    """Trades of 500 tokens as an archive of fills on chain has them."""
    _write(
        path,
        "SELECT '0' AS makerAssetId, CAST(hash(i % 500) AS VARCHAR) AS takerAssetId,"
        " CAST(1000000 * (0.2 + 0.6 * ((i * 7919) % 1000) / 1000) AS BIGINT) AS makerAmountFilled,"
        " 1000000 + i % 977 * 10000 AS takerAmountFilled, 1767225600 + i // 50 AS timestamp"
        f" FROM range({rows}) AS r(i)",
        "FORMAT parquet",
    )


def frames(path: Path, rows: int) -> None:
    """Lines of a recorder that give about so many rows: 250 markets with both tokens, 50 messages a second."""
    changes = [
        {"asset_id": token, "price": f"0.{cents}", "size": "SIZE", "side": side, "hash": "bf32b3746fff40c76c98021b7f3f",
         "best_bid": f"0.{TOUCH[token][0]}", "best_ask": f"0.{TOUCH[token][1]}"}
        for token, cents, side in CHANGES
    ]  # fmt: skip
    levels = {
        side: [{"price": f"0.{cents}", "size": str(7 * cents)} for cents in around]
        for side, around in (("bids", range(20, 40)), ("asks", range(60, 80)))
    }
    of_market = {"market": "MARKET", "timestamp": "TIME"}
    price = {"symbol": "btcusdt", "timestamp": "@TIME", "value": "@VALUE"}
    book, changed, told = (
        _template({"recv_ms": "@TIME", "source": source, "frame": frame})
        for source, frame in (
            ("market", {"event_type": "book", **of_market, "asset_id": "YES", **levels}),
            ("market", {"event_type": "price_change", **of_market, "price_changes": changes}),
            ("rtds", {"topic": "crypto_prices", "timestamp": "@TIME", "payload": price}),
        )
    )
    lines = round(rows / len(CHANGES) / (1 - 1 / BOOK_EVERY - 1 / PRICE_EVERY))
    _write(
        path,
        f"SELECT CASE WHEN i % {BOOK_EVERY} = 0 THEN {book} WHEN i % {PRICE_EVERY} = 1 THEN {told} ELSE {changed} END"
        " FROM (SELECT i, printf('0x%064x', i % 250) AS m, '8' || i % 250 AS y, '9' || i % 250 AS n,"
        f" 1767225600000 + i * 20 AS t, i % 977 AS s FROM range({lines}) AS r(i))",
        "FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER '\x01'",
    )


def _template(line: dict[str, Any]) -> str:
    """SQL for a line: names in capitals are columns, those with @ numbers."""
    text = msgspec.json.encode(line).decode()
    for name, column in (('"@TIME"', "t"), ('"@VALUE"', "60000 + s"), ("MARKET", "m"), ("TIME", "t"), ("SIZE", "s")):
        text = text.replace(name, f"' || {column} || '")
    for token, column in (("YES", "y"), ("NO", "n")):
        text = text.replace(f'"{token}"', f"\"' || {column} || '\"")
    return f"'{text}'"


def _write(path: Path, query: str, form: str) -> None:
    out = str(path).replace("'", "''")
    with duckdb.connect(":memory:") as db:
        db.execute("SET memory_limit = '512MB'; SET preserve_insertion_order = false")
        db.execute(f"COPY ({query}) TO '{out}' ({form})")


def measure(rows: int = ROWS) -> dict[str, float]:
    """Rows a second and the peak of memory in MB, for fills and for frames."""
    with tempfile.TemporaryDirectory() as folder:
        fills, lines = Path(folder) / "trades.parquet", Path(folder) / "frames.jsonl"
        archive(fills, rows)
        found = _imported(fills, "import", rows)
        fills.unlink()
        frames(lines, rows)
        return found | _imported(lines, "import_frames")


def _imported(source: Path, name: str, rows: int | None = None) -> dict[str, float]:
    """Figures of one import; `rows` of the archive, or those that were written."""
    target = source.with_name("recording.parquet")
    began = time.perf_counter()
    command = [sys.executable, "-c", IMPORT, str(source), str(target)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    took_s = time.perf_counter() - began
    rows = pq.read_metadata(target).num_rows if rows is None else rows
    peak_kb = int(said.rsplit(maxsplit=1)[-1])
    return {
        f"{name}_rows": rows,
        f"{name}_rows_per_s": round(rows / took_s),
        f"{name}_peak_mb": round(peak_kb / 1024, 1),
    }
