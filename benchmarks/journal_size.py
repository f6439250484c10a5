"""How much the journal grows in a day: real bars of random markets through features, forecaster, decide and SQLite."""

import json
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from pipelines import decision_record
from pipelines.core import params
from pipelines.core.domain import Bar, FeeSchedule, Market, Quote
from pipelines.decide import Account, Rules
from pipelines.inference.bundle import Bundle
from pipelines.trading import policies
from pipelines.trading.observation import MarketScaler
from pipelines.trading.sizing import SizingTable
from serving.account.journal import Journal, decision_row
from serving.loaded_model import WarmMarket, take_turn
from serving.market.windows import Window

MARKETS, BARS, LENGTH_S, START_S = 72, 240, 60, 1_767_225_600
CASH = 10_000_000_000
BARS_A_DAY = 86_400 // LENGTH_S


def markets() -> list[Market]:
    """Markets with ids, tokens and questions as long as real ones."""
    rng = np.random.default_rng(1)
    made = []
    for number in range(MARKETS):
        condition = "0x" + rng.bytes(32).hex()
        yes, no = (str(int.from_bytes(rng.bytes(32), "big")) for _ in range(2))
        question = f"Will the price of asset {number} be above {rng.integers(10**6)} at the end of the hour {number}?"
        end_s = START_S + 86_400 * 30
        fee = FeeSchedule(0.05)
        made.append(
            Market(
                market_id=condition,
                event_id=f"event-{number // 6}",
                question=question,
                token_yes=yes,
                token_no=no,
                tick_units=100,
                min_size_micro=5_000_000,
                fee=fee,
                start_s=START_S,
                end_s=end_s,
                topic="",
            )
        )
    return made


def measure(folder: Path, bundle: Path) -> dict[str, Any]:
    """Bytes of the journal per bar after the windows are warm, and the wall time of packing."""
    opened, limits = Bundle.open(bundle), params.read(Path("params.yaml"))
    predictor, chosen = opened.predictor(), opened.manifest["policy"]
    rules = Rules(
        policies.load(str(chosen["kind"]), chosen.get("params", {}), bundle),
        SizingTable.read(bundle / "sizing.json"),
        MarketScaler(opened.scaler()),
        limits.risk,
        limits.sizing,
        limits.execution,
        limits.policy,
        LENGTH_S,
        predictor.horizon,
    )
    model: Any = SimpleNamespace(predictor=predictor, rules=rules)
    path = folder / "journal.sqlite"
    journal, packer = Journal(f"sqlite:///{path}", "simulated"), decision_record.Packer()
    journal.begin("0x" + "ab" * 20)
    rng, listed = np.random.default_rng(2), markets()
    windows = [Window(predictor.lookback, LENGTH_S, one.end_s) for one in listed]
    mids = rng.integers(20, 180, MARKETS) * 50
    before, packing_s = 0, 0.0
    warm_up = 3 * predictor.lookback
    for bar in range(warm_up + BARS):
        ts_s = START_S + bar * LENGTH_S
        traded = rng.random(MARKETS) < 0.5
        mids = np.clip(mids + 50 * np.where(traded, rng.integers(-2, 3, MARKETS), 0), 100, 9_900)
        volumes = np.where(traded, rng.integers(1, 10**6, MARKETS) * 10_000, 0)
        sizes = rng.integers(100, 10**5, (MARKETS, 2)) * 10_000
        for window, market, mid, volume in zip(windows, listed, mids.tolist(), volumes.tolist(), strict=True):
            window.push(Bar(market.market_id, ts_s, mid, volume, int(volume > 0), 100), 0.0)
        if bar < warm_up:
            continue
        seen = [
            WarmMarket(market, window.view(predictor.filter), Quote(mid - 50, mid + 50, *size), 0)
            for market, window, mid, size in zip(listed, windows, mids.tolist(), sizes.tolist(), strict=True)
        ]
        account = Account(
            cash_micro=CASH,
            equity_micro=CASH,
            positions={},
            open_buy_micro={},
            markets={},
            day_start_equity_micro=CASH,
            peak_equity_micro=CASH,
        )
        marks = {market.market_id: (mid, 0) for market, mid in zip(listed, mids.tolist(), strict=True)}
        turn = take_turn(model, ts_s, seen, account, frozenset(), marks)
        rows = [decision_row(one, True) for one in turn.decisions]
        started = time.perf_counter()
        content = packer.pack(turn.inputs, account, rows)
        packing_s += time.perf_counter() - started
        header = {"ts_s": ts_s, "bundle": opened.hash, "cash_micro": CASH, "equity_micro": CASH, "took_ms": 1.0}
        journal.bar(header | {"ledger_equals_venue": True, "inputs": content}, (), {}, {"day": 1})
        if bar == warm_up:
            before = _size(path)
    grown = _size(path) - before
    journal.close()
    per_bar = grown / (BARS - 1)
    return {
        "markets": MARKETS,
        "bars": BARS,
        "bytes_per_bar": round(per_bar),
        "mb_per_day": round(per_bar * BARS_A_DAY / 1e6, 2),
        "pack_ms": round(1e3 * packing_s / BARS, 2),
    }


def _size(path: Path) -> int:
    """Bytes of the database with what its write-ahead log has brought into it."""
    import sqlite3  # noqa: PLC0415 - only for the checkpoint

    with sqlite3.connect(path) as db:
        db.execute("pragma wal_checkpoint(truncate)")
    return path.stat().st_size


def main() -> None:
    """`python -m benchmarks.journal_size BUNDLE`: one line of JSON."""
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(Path(folder), Path(sys.argv[1]))))


if __name__ == "__main__":
    main()
