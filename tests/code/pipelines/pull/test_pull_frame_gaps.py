"""However a recorder ends and begins again, no bar is made for a time in which nothing was connected."""

import asyncio
import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.asyncio.server import serve

from pipelines.core.domain import FeeSchedule, Market
from pipelines.core.errors import ArtifactError
from pipelines.pull import frames
from pipelines.pull.frame_segments import Segments
from pipelines.reference.segments import SEGMENT_S, lines

BEGAN_S = 1_790_000_000
MARKET = Market(
    market_id="0x01", event_id="e", question="?", token_yes="7", token_no="8", tick_units=100,
    min_size_micro=5_000_000, fee=FeeSchedule(0.0), start_s=None, end_s=None, topic="other",
)  # fmt: skip

RECORDER = """
import asyncio, signal, sys
from pathlib import Path
from pipelines.pull import recorder
from pipelines.pull.frame_segments import Segments
from pipelines.venue.channel import Channel

async def main():
    segments = Segments(Path(sys.argv[2]))
    channel = Channel(sys.argv[1], lambda: {"assets_ids": ["7"]}, silence_s=30.0, backoff_s=(0.01, 0.01))
    try:
        await recorder._keep("market", channel, segments)
    finally:
        segments.end()

# What runs in the background of a shell has SIGINT ignored, and passes that on.
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    asyncio.run(main())
except KeyboardInterrupt:
    pass
"""

STOPPED = """
import argparse, asyncio, signal, sys
from pipelines import commands
from pipelines.pull import recorder

async def record(*_):
    print("began", flush=True)
    try:
        await asyncio.sleep(60)
    finally:
        print("whole", flush=True)

recorder.record = record
signal.signal(signal.SIGINT, signal.SIG_IGN)
try:
    commands._record(argparse.Namespace(seconds=None))
except KeyboardInterrupt:
    sys.exit(130)
"""

FILLS_ITS_DISK = """
import resource, sys
from pathlib import Path
from pipelines.core.errors import ArtifactError
from pipelines.pull.frame_segments import Segments
resource.setrlimit(resource.RLIMIT_FSIZE, (3_000, 3_000))
segments = Segments(Path(sys.argv[1]))
try:
    for k in range(1_000):
        segments.write("market", frame={"n": k})
        segments.flush()
except ArtifactError as error:
    print(error)
"""


def book(second: int, bid: str = "0.40", ask: str = "0.42") -> dict:
    """A whole book half a second after a full second."""
    return {
        "market": "0x01", "asset_id": "7", "timestamp": str(second * 1_000 + 500), "event_type": "book",
        "bids": [{"price": bid, "size": "5"}], "asks": [{"price": ask, "size": "5"}],
    }  # fmt: skip


def bars(landing: Path) -> list[int]:
    """Ends of all bars of a second, from BEGAN_S."""
    landed = frames.read(landing, [MARKET], 0, 2**40, 1)
    return [int(ts_s) - BEGAN_S for ts_s in landed.bars[MARKET.market_id]["ts_s"]] if landed.bars else []


def spans(*pairs: tuple[int, int]) -> list[int]:
    """Bars of times in which a recorder was connected: from after its first book to its last message."""
    return [second for first, last in pairs for second in range(first + 1, last + 1)]


class Clock:
    """A wall clock that is set by hand, in seconds from BEGAN_S."""

    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> int:
        """Now in ms."""
        return round((BEGAN_S + self.s) * 1_000)


def session(clock: Clock, segments: Segments, first: int, last: int) -> None:
    """A book at the beginning and one at the end of a time that is connected."""
    for second in (first, last):
        clock.s = second + 0.5
        segments.write("market", frame=book(BEGAN_S + second))


ENDS = ("stopped", "killed", "killed in a line", "reconnected", "suspended")


def end(how: str, landing: Path, segments: Segments, clock: Clock, pause: int) -> Segments:
    """What a session ends with, and the recorder of the next one."""
    segments.flush()
    if how == "killed in a line":
        with max((landing / "frames").glob("*.jsonl")).open("ab") as file:
            file.write(b'{"recv_ms": 1790000000500, "source": "market", "frame": {"event_')
    if how in ("stopped", "reconnected"):
        segments.write("market", gap="the reason")
    if how == "stopped":
        segments.end()
    clock.s += pause
    return segments if how in ("reconnected", "suspended") else Segments(landing, clock)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 80), st.integers(91, 3_000), st.sampled_from(ENDS)), min_size=1, max_size=5))
def test_no_bar_is_made_of_a_time_without_a_connection(plan):
    """Whatever ended each recording, and however long nothing was recorded, bars are those of the connected times."""
    with tempfile.TemporaryDirectory() as folder:
        landing, clock, now, connected = Path(folder), Clock(), 0, []
        segments = Segments(landing, clock)
        for lasts, pause, how in plan:
            session(clock, segments, now, now + lasts)
            connected.append((now, now + lasts))
            segments = end(how, landing, segments, clock, pause)
            now += lasts + pause
        segments.end()

        assert bars(landing) == spans(*connected)


@pytest.mark.parametrize(
    ("last_line", "next_begins", "is_whole"),
    [
        (SEGMENT_S - 0.5, SEGMENT_S, True),
        (SEGMENT_S - 5, SEGMENT_S, False),
        (200, 201, False),
        (200, 2_000, False),
    ],
)
def test_older_recordings_show_where_a_recorder_began_again(tmp_path, last_line, next_begins, is_whole):
    """Where no line names the process, a segment continues one that had lasted its time and ended just before."""
    quiet = [10.0 * k for k in range(1, 60) if 10 * k < last_line]
    older_segment(tmp_path, [(0.0, True), *((second, False) for second in (*quiet, last_line))])
    older_segment(tmp_path, [(float(next_begins), False), (next_begins + 10.0, True)])

    assert bars(tmp_path) == (spans((0, next_begins + 10)) if is_whole else [])


def older_segment(landing: Path, told: list[tuple[float, bool]]) -> None:
    """A closed segment without the name of its process, with a book or a price at each time."""
    rows = []
    for second, is_book in told:
        about = {"source": "market", "frame": book(BEGAN_S + int(second))} if is_book else {"source": "rtds"}
        rows.append({"recv_ms": round((BEGAN_S + second) * 1_000), **about})
    path = landing / "frames" / "day=2026-09-21" / f"{rows[0]['recv_ms']}.jsonl.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(b"".join(json.dumps(row).encode() + b"\n" for row in rows)))


def test_a_rotation_is_no_gap(tmp_path):
    """Books go on from one segment of a process to its next, also where a quiet minute lies between them."""
    clock = Clock()
    segments = Segments(tmp_path, clock)
    session(clock, segments, 0, SEGMENT_S - 30)
    session(clock, segments, SEGMENT_S + 30, SEGMENT_S + 60)
    segments.end()

    assert len(list((tmp_path / "frames").glob("day=*/*.jsonl.gz"))) == 2
    times = (0, SEGMENT_S - 30, SEGMENT_S + 30, SEGMENT_S + 60)
    assert bars(tmp_path)[-60:] == spans((times[0], times[-1]))[-60:]


def test_a_segment_that_is_missing_is_a_gap(tmp_path):
    """Where a file of the middle was deleted nothing is known of its time."""
    clock = Clock()
    segments = Segments(tmp_path, clock)
    for number in range(3):
        session(clock, segments, number * SEGMENT_S, number * SEGMENT_S + 20)
        segments.end()
    sorted((tmp_path / "frames").glob("day=*/*.jsonl.gz"))[1].unlink()

    assert bars(tmp_path) == spans((0, 20), (2 * SEGMENT_S, 2 * SEGMENT_S + 20))


def test_a_line_that_cannot_be_read_is_a_gap(tmp_path):
    """A change that is lost inside a segment leaves no book that anybody knows, also once the segment is closed."""
    clock = Clock()
    segments = Segments(tmp_path, clock)
    session(clock, segments, 0, 10)
    segments.flush()
    (path,) = (tmp_path / "frames").glob("*.jsonl")
    with path.open("ab") as file:
        file.write(b"\0\0\0\0\n")
    session(clock, segments, 40, 50)
    segments.flush()
    before = bars(tmp_path)
    segments.end()

    assert before == bars(tmp_path) == spans((0, 10), (40, 50))


def test_bars_end_where_a_market_is_unsubscribed(tmp_path):
    """A market that has left says nothing any more: messages of others make no bars of it."""
    clock = Clock()
    segments = Segments(tmp_path, clock)
    session(clock, segments, 0, 10)
    segments.write("listing", ended=[{"market_id": "0x01", "token_id": "7", "payout": 1_000_000}])
    other = book(BEGAN_S + 60) | {"asset_id": "9", "market": "0x02"}
    clock.s = 60.5
    segments.write("market", frame=other)
    segments.end()

    assert bars(tmp_path) == spans((0, 10))


def test_no_bar_has_a_price_of_later(tmp_path):
    """A book of one side has no price: bars begin with the first price, not with that book, and have the trades of
    their own time."""
    clock = Clock()
    segments = Segments(tmp_path, clock)
    about = {"market": "0x01", "asset_id": "7", "price": "0.41", "event_type": "last_trade_price"}
    trades = [
        about | {"timestamp": str((BEGAN_S + s) * 1_000 + 400), "size": size} for s, size in ((5, "3"), (30, "4"))
    ]
    for frame in (book(BEGAN_S) | {"asks": []}, trades[0], trades[1], book(BEGAN_S + 30), book(BEGAN_S + 40)):
        segments.write("market", frame=frame)
    segments.end()

    landed = frames.read(tmp_path, [MARKET], 0, 2**40, 1)

    assert bars(tmp_path) == spans((30, 40))
    assert landed.bars["0x01"]["volume_micro"].tolist() == [4_000_000] + [0] * 9


def test_a_frame_that_cannot_be_read_ends_the_books_that_it_names(tmp_path):
    """A change whose level is broken may have moved the book: bars begin anew with the next whole one."""
    clock = Clock()
    segments = Segments(tmp_path, clock)
    broken = {"asset_id": "7", "price": "cheap", "size": "1", "side": "BUY", "hash": ""}
    changes = {"market": "0x01", "event_type": "price_change", "price_changes": [broken]}
    for frame in (book(BEGAN_S), changes | {"timestamp": str((BEGAN_S + 9) * 1_000 + 500)}, book(BEGAN_S + 40)):
        segments.write("market", frame=frame)
    segments.write("market", frame=book(BEGAN_S + 50))
    segments.end()

    assert bars(tmp_path) == spans((0, 9), (40, 50))


def test_of_two_recorders_the_first_one_ends(tmp_path):
    """A recorder whose segment another one has closed says so instead of writing where nobody reads."""
    first = Segments(tmp_path)
    first.write("market", frame=book(BEGAN_S))
    first.flush()
    Segments(tmp_path)

    first.write("market", frame=book(BEGAN_S + 1))
    with pytest.raises(ArtifactError, match="another recorder"):
        first.flush()


def test_a_full_disk_ends_the_recording_with_a_whole_line(tmp_path):
    """The recorder says what to do, and keeps every line that was on the disk."""
    told = subprocess.run(
        [sys.executable, "-c", FILLS_ITS_DISK, str(tmp_path)], capture_output=True, text=True, check=True
    )
    (path,) = (tmp_path / "frames").glob("*.jsonl")

    assert "Make room" in told.stdout
    assert path.read_bytes().endswith(b"}\n")
    numbers = [row["frame"]["n"] for row in lines(path)]
    assert numbers == list(range(len(numbers)))
    assert 20 < len(numbers) < 100
    assert path.stat().st_size <= 3_000


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_recorder_that_is_told_to_stop_ends_in_order(tmp_path, how):
    """SIGTERM (a service manager) and SIGINT (Ctrl-C, also in the background of a script) let it finish its file."""
    environment = {**os.environ, "ODDSMITH_MODE": "paper"}
    shutil.copy2(Path(__file__).parents[4] / "params.yaml", tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", STOPPED], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout.readline() == "began\n"
        child.send_signal(how)
        assert child.stdout.read() == "whole\n"
        assert child.wait(30) == 130


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, None])
async def test_a_recorder_that_is_back_begins_with_unknown_books(tmp_path, how):
    """After kill -9, a stop and a broken connection of a real recorder the first book makes no bars of the time before
    it."""
    sent = asyncio.Queue()

    async def venue(socket):
        await socket.recv()
        for second in await sent.get():
            await socket.send(json.dumps(book(BEGAN_S + second)))
        if how is not None or sent.empty():
            await socket.wait_closed()

    async with serve(venue, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        for seconds in ((0, 20), (1_800, 1_810)):
            sent.put_nowait(seconds)
        for expected, ends in ((2, how), (4, signal.SIGINT)) if how is not None else ((4, signal.SIGINT),):
            child = await asyncio.create_subprocess_exec(sys.executable, "-c", RECORDER, url, str(tmp_path))
            for _ in range(1_000):
                if kept(tmp_path) == expected:
                    break
                await asyncio.sleep(0.02)
            os.kill(child.pid, ends)
            await child.wait()

    assert kept(tmp_path) == 4
    assert bars(tmp_path) == spans((0, 20), (1_800, 1_810))


def kept(landing: Path) -> int:
    """How many frames have reached the disk."""
    found = [*landing.glob("frames/*.jsonl"), *landing.glob("frames/day=*/*.jsonl.gz")]
    return sum("frame" in row for path in found for row in lines(path))
