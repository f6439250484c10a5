"""data/raw as a pull of a whole venue leaves it: half of the markets open, half ended, random walks, minutes."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.core import raw_tables
from pipelines.core.artifacts import write_json
from pipelines.core.products import CHAMPION, WINDOW

START_S = 1_767_225_600
DAY_S, STEP_S = raw_tables.DAY_S, 60
MARKETS_PER_EVENT = 5


def write(folder: Path, markets: int, days: int, seed: int = 1) -> None:
    """Fill data/raw, data/window.json, data/champion.json and, as the last, reports/pull.json of a folder.

    Memory: one day of all markets at a time.
    """
    raw = folder / "data/raw"
    (raw / "bars").mkdir(parents=True)
    rng = np.random.default_rng(seed)
    names = np.array([f"0x{k:064x}" for k in range(markets)])
    ends = np.where(np.arange(markets) % 2 == 0, 0, START_S + rng.integers(2, max(days, 3), markets) * DAY_S)
    mids = rng.integers(20, 81, markets) * 100
    for day in range(days):
        first = START_S + day * DAY_S
        minutes = DAY_S // STEP_S
        times = first + STEP_S * np.arange(minutes) + STEP_S
        # A partition has the bars that close on its day: the last of these closes on the next one.
        moved = rng.integers(-1, 2, (markets, minutes)) * 50
        prices = np.clip(mids[:, None] + np.cumsum(moved, axis=1), 500, 9_500)
        mids = prices[:, -1]
        alive = (ends == 0)[:, None] | (times[None] <= ends[:, None])
        rows, columns = np.nonzero(alive)
        _append(raw, names, rows, times[columns], prices[rows, columns], rng)
    about = [_about(name, k, int(ends[k])) for k, name in enumerate(names.tolist())]
    pq.write_table(pa.Table.from_pylist(about, raw_tables.MARKETS), raw / "markets.parquet")
    for name in ("headlines", "payouts", "spreads"):
        pq.write_table(getattr(raw_tables, name.upper()).empty_table(), raw / f"{name}.parquet")
    as_of_s = START_S + days * DAY_S
    write_json(folder / WINDOW, {"source": "simulated", "start_s": START_S, "as_of_s": as_of_s})
    write_json(folder / CHAMPION, {"champion": None, "why": "nothing trades yet"})
    write_json(folder / "reports/pull.json", {"length_s": STEP_S, "as_of_s": as_of_s, "source": "simulated"})


def _append(
    raw: Path, names: np.ndarray, rows: np.ndarray, ts_s: np.ndarray, mids: np.ndarray, rng: np.random.Generator
) -> None:
    for day in np.unique(ts_s // DAY_S).tolist():
        part = ts_s // DAY_S == day
        count = int(part.sum())
        table = pa.table(
            {
                "market_id": pa.DictionaryArray.from_arrays(rows[part].astype(np.int32), names).cast(pa.string()),
                "ts_s": ts_s[part],
                "mid_units": mids[part].astype(np.int32),
                "volume_micro": rng.integers(0, 10**9, count),
                "n_trades": np.ones(count, np.int32),
                "spread_units": np.zeros(count, np.int32),
                "spread_observed": np.zeros(count, bool),
                "filled": np.zeros(count, bool),
                "bid_size_micro": np.zeros(count, np.int64),
                "ask_size_micro": np.zeros(count, np.int64),
            },
            schema=raw_tables.BARS,
        )
        folder = raw / "bars" / f"day={datetime.fromtimestamp(day * DAY_S, UTC):%Y-%m-%d}"
        folder.mkdir(exist_ok=True)
        path = folder / "part.parquet"
        if path.is_file():
            table = pa.concat_tables([pq.ParquetFile(path).read(), table])
        pq.write_table(table, path, row_group_size=raw_tables.ROW_GROUP)


def _about(name: str, number: int, end_s: int) -> dict[str, object]:
    return {
        "market_id": name,
        "event_id": f"event {number // MARKETS_PER_EVENT}",
        "question": "?",
        "token_yes": str(2 * number + 1),
        "token_no": str(2 * number + 2),
        "tick_units": 10,
        "min_size_micro": 5_000_000,
        "fee_rate": 0.0,
        "fee_exponent": 1.0,
        "start_s": START_S,
        "end_s": end_s or None,
        "topic": "other",
        "neg_risk": False,
        "version": "v2",
    }
