"""The recorder keeps what came: gaps as gaps, nothing lost but the last second of a killed process."""

import asyncio
import fcntl
import gzip
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pyarrow.parquet as pq
from websockets.asyncio.server import serve

from pipelines.core.settings import Settings
from pipelines.pull import landing, recorder
from pipelines.pull.frame_segments import Segments
from pipelines.pull.import_recording import run
from pipelines.reference import exchange
from pipelines.reference.segments import SEGMENT_S, lines, ordered

FRAME = {
    "market": "0x01",
    "asset_id": "7",
    "timestamp": "1000",
    "event_type": "book",
    "bids": [{"price": "0.40", "size": "5"}],
    "asks": [{"price": "0.60", "size": "1"}],
}
PRICE = {"topic": "crypto_prices", "payload": {"symbol": "btcusdt", "timestamp": 1_000, "value": 5.0}}

WRITER = """
import sys, time
from pathlib import Path
from types import SimpleNamespace
from pipelines.pull.frame_segments import Segments
segments = Segments(Path(sys.argv[1]))
k = 0
while True:
    segments.write("market", frame={"n": k})
    print(k, time.time(), flush=True)
    k += 1
    time.sleep(0.005)
"""


def closed(folder: Path) -> list[dict]:
    """Lines of all closed segments."""
    return [row for path in sorted((folder / "frames").glob("day=*/*.jsonl.gz")) for row in lines(path)]


def test_frames_and_gaps_are_kept_in_their_order(tmp_path):
    """A broken connection is a line between the frames, with its reason."""
    segments = Segments(tmp_path)
    segments.write("market", frame=FRAME)
    segments.write("market", gap="no data for 30 s")
    segments.write("market", frame=FRAME)
    segments.end()

    rows = closed(tmp_path)

    assert [row.get("gap") for row in rows] == [None, "no data for 30 s", None]
    assert rows[0]["frame"] == FRAME
    assert list((tmp_path / "frames").glob("*.jsonl")) == []


def test_a_segment_is_closed_after_its_time(tmp_path):
    """Weeks of recording are many small files, each complete."""
    clock = [1_700_000_000_000]
    segments = Segments(tmp_path, lambda: clock[0])
    for _ in range(3):
        segments.write("market", frame=FRAME)
        clock[0] += SEGMENT_S * 1_000
    segments.end()

    assert len(list((tmp_path / "frames").glob("day=*/*.jsonl.gz"))) == 3


def test_closing_a_segment_delays_no_frame(tmp_path):
    """While one segment is compressed the next frames are on the disk, in their order, with the times they came at."""
    clock = [1_700_000_000_000]
    segments = Segments(tmp_path, lambda: clock[0])
    segments.write("market", frame={"n": 0})
    segments.flush()
    (first,) = (tmp_path / "frames").glob("*.jsonl")
    with first.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        for n in range(1, 50):
            clock[0] = 1_700_000_000_000 + SEGMENT_S * 1_000 + n
            segments.write("market", frame={"n": n})
        segments.flush()
        second = max((tmp_path / "frames").glob("*.jsonl"))
        rows = [(row["frame"]["n"], row["recv_ms"] - SEGMENT_S * 1_000) for row in lines(second)]
        assert first.exists()
    segments.end()

    assert rows == [(n, 1_700_000_000_000 + n) for n in range(1, 50)]
    assert [row["frame"]["n"] for row in closed(tmp_path)] == list(range(50))


def test_a_slow_disk_delays_no_frame(tmp_path, monkeypatch):
    """What comes while the disk is busy is taken at once, and follows in its order."""
    goes_on, is_busy = threading.Event(), threading.Event()

    def fsync(_file: int) -> None:
        is_busy.set()
        assert goes_on.wait(60)

    monkeypatch.setattr(os, "fsync", fsync)
    segments = Segments(tmp_path)
    segments.write("market", frame={"n": 0})
    assert is_busy.wait(60)
    for n in range(1, 100):
        segments.write("market", frame={"n": n})
    goes_on.set()
    segments.flush()

    (path,) = (tmp_path / "frames").glob("*.jsonl")
    assert [row["frame"]["n"] for row in lines(path)] == list(range(100))


def test_a_segment_is_read_while_another_process_closes_it(tmp_path):
    """A reader that has listed the open segment finds it in its place, and no segment is listed twice."""
    segments = Segments(tmp_path)
    segments.write("market", frame=FRAME)
    segments.flush()
    ((_, listed),) = ordered(tmp_path / "frames")
    copy = listed.read_bytes()
    segments.end()

    assert [row["frame"] for row in lines(listed)] == [FRAME]
    listed.write_bytes(copy)
    assert [path.suffix for _, path in ordered(tmp_path / "frames")] == [".gz"]


def test_a_killed_recorder_loses_a_second_at_most(tmp_path):
    """After kill -9 the next start finds every line up to a second before it, and a half line is dropped."""
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    said = [writer.stdout.readline().split() for _ in range(400)]
    writer.send_signal(signal.SIGKILL)
    rest = [line.split() for line in writer.stdout.read().splitlines()]
    writer.wait()
    written = [(int(row[0]), float(row[1])) for row in [*said, *rest] if len(row) == 2]
    with next((tmp_path / "frames").glob("*.jsonl")).open("ab") as file:
        file.write(b'{"recv_ms": 1, "sour')

    Segments(tmp_path)

    kept = {row["frame"]["n"] for row in closed(tmp_path)}
    lost = [at for number, at in written if number not in kept]
    assert all(written[-1][1] - at <= 1.0 for at in lost)
    assert len(kept) > 100


def test_recorded_prices_reach_the_pull(tmp_path):
    """Prices of the socket lie in the landing zone in the columns that the pull reads, known when they arrived."""
    clock = [1_700_000_000_000]
    segments = Segments(tmp_path / "landing", lambda: clock[0])
    segments.write("rtds", frame=PRICE)
    segments.end()

    (price,) = landing.prices(Settings(var=tmp_path, mode="paper"), 1_699_999_000, 1_700_000_100)

    assert (price.symbol, price.ts_ms, price.known_ms, price.value) == ("BTC", 1_000, clock[0], 5.0)


def test_prices_of_a_venue_with_its_own_clock_were_known_by_that_clock(tmp_path):
    """On the local exchange a price was known when its message was sent in market time, on its socket and on its stream
    of trades, plain or combined; the open segment is read too."""
    settings = Settings(var=tmp_path, mode="simulated")
    segments = Segments(tmp_path / "landing", lambda: 1_900_000_000_000, by_message=True)
    segments.write("rtds", frame=PRICE | {"timestamp": 2_000})
    trade = {"e": "trade", "E": 2_100, "s": "BTCUSDT", "p": "5.0", "T": 2_000}
    segments.write("exchange", frame=trade)
    segments.write("exchange", frame={"stream": "ethusdt@trade", "data": trade | {"s": "ETHUSDT", "E": 2_200}})
    segments.flush()
    before = landing.prices(settings, 0, 10)
    segments.end()

    assert sorted((one.symbol, one.source, one.known_ms) for one in before) == [
        ("BTC", "binance", 2_000),
        ("BTC", "exchange", 2_100),
        ("ETH", "exchange", 2_200),
    ]
    assert landing.prices(settings, 0, 10) == before


def test_recorded_frames_can_be_imported(tmp_path, monkeypatch):
    """A folder of closed segments becomes one recording; gaps and prices of underlyings are no books."""
    monkeypatch.chdir(tmp_path)
    segments = Segments(tmp_path)
    for row in ({"frame": FRAME}, {"gap": "x"}, {"frame": FRAME}):
        segments.write("market", **row)
    segments.write("rtds", frame=PRICE)
    segments.end()

    run(tmp_path / "frames", Path("out.parquet"), [], replace=False)

    assert pq.read_table("out.parquet")["price"].to_pylist() == [0.5, 0.5]


def test_a_closed_segment_is_plain_lines(tmp_path):
    """Anybody can read it without this program."""
    segments = Segments(tmp_path)
    segments.write("market", frame=FRAME)
    segments.end()
    (path,) = (tmp_path / "frames").glob("day=*/*.jsonl.gz")

    assert json.loads(gzip.decompress(path.read_bytes()))["frame"] == FRAME
    assert time.time() * 1_000 - json.loads(gzip.decompress(path.read_bytes()))["recv_ms"] < 60_000


async def test_the_exchange_is_recorded_for_assets_of_markets_that_join_later(tmp_path, monkeypatch):
    """A recorder that began with Bitcoin keeps trades of Ether once a market on Ether is followed."""
    monkeypatch.setattr(exchange, "LOOK_EVERY_S", 0.02)

    async def trades(socket):
        async for text in socket:
            for name in json.loads(text)["params"] if text != "PING" else ():
                await socket.send(json.dumps({"e": "trade", "s": name}))

    assets, segments = {"BTC"}, Segments(tmp_path)
    followed = SimpleNamespace(assets=lambda: assets)
    async with serve(trades, "127.0.0.1", 0) as server:
        settings = Settings(exchange_url=f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", var=tmp_path)
        task = asyncio.create_task(recorder._exchange(settings, segments, followed))
        for asset in ("BTC", "ETH"):
            assets.add(asset)
            for _ in range(1_000):
                segments.flush()
                (path,) = (tmp_path / "frames").glob("*.jsonl") if segments._file else (None,)
                if path is not None and f'"{asset.lower()}usdt@trade"' in path.read_text(encoding="utf-8"):
                    break
                await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    segments.end()

    rows = closed(tmp_path)
    assert [row["frame"]["s"] for row in rows if "frame" in row] == ["btcusdt@trade", "ethusdt@trade"]
    assert [row["gap"] for row in rows if "gap" in row] == ["connection 1 begins", "the recorder stops"]
