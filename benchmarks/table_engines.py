"""Time and peak memory of engines that read a venue's bars: `python -m benchmarks.table_engines --markets 400`.

The job is what `validate` does with every bar of data/raw: sort by market and time, compare with the bar before (step,
move, repeated values), and count per market. Each engine does it in a process of its own: Arrow row groups in groups of
markets with NumPy and pandas (what the stages do), DuckDB within a memory limit, and Polars' streaming engine in an
environment of its own under var/peers. One JSON line: seconds, peak memory in MB and a checksum of each engine.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks import peers, raw_venue
from pipelines.core.command_line import exit_status, whole
from pipelines.core.params import load

DAYS = 12
Job = Callable[[], pd.DataFrame]
"""Bars, moves and holes of every market."""
LIMIT = "1GB"
"""DuckDB's memory limit; what it needs more goes to the disk."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure every engine, or with `--engine` this one in this process; one JSON line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.table_engines", description=__doc__)
    parser.add_argument("--markets", type=whole(2), default=400)
    parser.add_argument("--engine", choices=ENGINES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.engine:
        print(json.dumps(measured(ENGINES[asked.engine], asked.folder)))
        return
    with tempfile.TemporaryDirectory() as name:
        raw_venue.write(Path(name), asked.markets, DAYS)
        found = {engine: _alone(engine, Path(name)) for engine in ENGINES} | {"polars": _polars(Path(name))}
    print(json.dumps({"benchmark": "table_engines", "markets": asked.markets, "days": DAYS, **found}))


def measured(engine: Callable[[Path], Job], folder: Path) -> dict[str, Any]:
    """Seconds and peak memory of a job in this process, its libraries loaded before; the sums of its counts say whether
    engines agree."""
    job = engine(folder)
    began = time.perf_counter()
    made = job()
    seconds = time.perf_counter() - began
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024
    sums = {name: int(made[name].sum()) for name in ("bars", "moves", "holes")}
    return {"seconds": round(seconds, 1), "peak_mb": round(peak_mb), **sums}


def _alone(engine: str, folder: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.table_engines", "--engine", engine, "--folder", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"failed": done.stderr.strip().splitlines()[-1]}
    return dict(json.loads(done.stdout))


def _polars(folder: Path) -> dict[str, Any]:
    try:
        return dict(peers.run("polars", "bars", str(folder)))
    except peers.FAILURES as error:
        return {"failed": peers.reason(error)}


def arrow(folder: Path) -> Job:
    """Groups of markets from Arrow row groups, as the stages read them."""
    from pipelines.validate import facts  # noqa: PLC0415 - pandas and Arrow alone are measured here
    from pipelines.validate.stage import _groups  # noqa: PLC0415

    raw, bars_at_once = folder / "data/raw", load().compute.bars_at_once

    def job() -> pd.DataFrame:
        parts, markets = facts.partitions(raw), facts.read_markets(raw)
        totals = []
        for group in _groups(facts.market_counts(parts), bars_at_once):
            bars = facts.derive(facts.read_bars(parts, group), markets, 60)
            holes = (bars["step_s"] > 60).groupby(bars["market_id"]).sum().to_numpy()
            totals.append(facts.per_market(bars).assign(holes=holes))
        return pd.concat(totals, ignore_index=True)

    return job


_SQL = """
SELECT market_id, count(*) AS bars, sum(CAST(mid_units <> before_units AS INT)) AS moves,
       sum(CAST(ts_s - before_s > 60 AS INT)) AS holes
FROM (SELECT market_id, ts_s, mid_units, lag(mid_units) OVER one AS before_units, lag(ts_s) OVER one AS before_s
      FROM read_parquet('{files}') WINDOW one AS (PARTITION BY market_id ORDER BY ts_s))
GROUP BY market_id
"""


def duckdb(folder: Path) -> Job:
    """A window function over all bars, within LIMIT."""
    import duckdb as engine  # noqa: PLC0415 - each engine is loaded in its own process

    files = str(folder / "data/raw/bars/*/*.parquet")
    settings: dict[str, Any] = {"memory_limit": LIMIT, "threads": 2, "temp_directory": str(folder / "spilled")}
    return lambda: engine.connect(config=settings).execute(_SQL.format(files=files)).df()


ENGINES: dict[str, Callable[[Path], Job]] = {"arrow": arrow, "duckdb": duckdb}


if __name__ == "__main__":
    sys.exit(exit_status("table_engines", main))
