"""How fast an archive of trades becomes a recording and how much memory that takes, in a process of its own."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb

ROWS = 10_000_000
IMPORT = """
import resource
import sys
from pathlib import Path
from pipelines.pull.import_recording import run
run(Path(sys.argv[1]), Path(sys.argv[2]), [], replace=True)
print("peak_kb", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def archive(path: Path, rows: int) -> None:
    """Trades of 500 tokens as an archive of fills on chain has them."""
    out = str(path).replace("'", "''")
    with duckdb.connect(":memory:") as db:
        db.execute("SET memory_limit = '512MB'; SET preserve_insertion_order = false")
        db.execute(
            "COPY (SELECT '0' AS makerAssetId, CAST(hash(i % 500) AS VARCHAR) AS takerAssetId,"
            " CAST(1000000 * (0.2 + 0.6 * ((i * 7919) % 1000) / 1000) AS BIGINT) AS makerAmountFilled,"
            " 1000000 + i % 977 * 10000 AS takerAmountFilled, 1767225600 + i // 50 AS timestamp"
            f" FROM range({rows}) AS r(i)) TO '{out}' (FORMAT parquet)"
        )


def measure(rows: int = ROWS) -> dict[str, float]:
    """Rows a second and the peak of memory in MB."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "trades.parquet", Path(folder) / "recording.parquet"
        archive(source, rows)
        began = time.perf_counter()
        command = [sys.executable, "-c", IMPORT, str(source), str(target)]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        took_s = time.perf_counter() - began
    peak_kb = int(said.rsplit(maxsplit=1)[-1])
    return {"import_rows": rows, "import_rows_per_s": round(rows / took_s), "import_peak_mb": round(peak_kb / 1024, 1)}
