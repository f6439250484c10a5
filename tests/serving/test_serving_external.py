"""External probabilities of a file reach the live process and the pull, by one definition of when they were known."""

import asyncio
from contextlib import suppress

import pytest

from pipelines.core.domain import FeeSchedule, Market
from pipelines.core.errors import DataError
from pipelines.core.settings import Mode, Settings
from pipelines.pull import landing
from pipelines.reference import stated_file
from pipelines.reference.external import HOLDS_S
from pipelines.reference.prices import Silence
from serving.market.references import References

T0 = 1_767_225_600
HEAD = "market_id,known_s,probability\n"
MARKET = Market(
    market_id="0x1", event_id="e", question="?", token_yes="1", token_no="2", tick_units=100, min_size_micro=5_000_000,
    fee=FeeSchedule(0.0), start_s=None, end_s=None, topic="",
)  # fmt: skip


def written(folder, text):
    """The file of a landing zone."""
    path = folder / "landing" / stated_file.FILE
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


async def test_the_bot_reads_the_file_without_a_market_of_a_reference_price(tmp_path):
    """At a close the newest probability that was known then counts, also where nobody needs a reference price."""
    written(tmp_path, f"{HEAD}0x1,{T0},0.6\n0x1,{T0 + 60},0.7\n")
    made = References(Settings(var=tmp_path), lambda: [], 60, wall_is_market=True)
    task = asyncio.create_task(made.run())
    for _ in range(500):
        if made.external(MARKET, T0 + 60) is not None:
            break
        await asyncio.sleep(0.01)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task

    assert [made.external(MARKET, T0 + after) for after in (-1, 59, 60)] == [None, 0.6, 0.7]
    assert made.fair(MARKET, T0 + 60) == (None, None)


async def test_what_is_appended_is_read_once_and_whole(tmp_path):
    """A line counts when it ends; what was given before is not given again; an unreadable file is told, and read when
    it is mended."""
    path = written(tmp_path, f"{HEAD}0x1,{T0},0.6\n0x1,{T0 + 60},0.")
    source = stated_file.StatedFile(path, look_s=0.01).prices()
    first = await anext(source)
    with path.open("a") as stream:
        stream.write("75\n")
    second = await anext(source)
    path.write_text("market,p\n1,2\n")
    third = await anext(source)
    path.write_text(f"{HEAD}0x1,{T0},0.6\n0x1,{T0 + 120},0.8\n")
    fourth = await anext(source)
    await source.aclose()

    assert [one.value for one in (first, second, fourth)] == [0.6, 0.75, 0.8]
    assert isinstance(third, Silence)
    assert "market_id, known_s, probability" in third.reason


def test_the_pull_takes_the_probabilities_of_its_window(tmp_path):
    """Those known in the window and the two days before it, and no row that is none."""
    rows = [(T0 - HOLDS_S - 1, 0.1), (T0 - 60, 0.2), (T0 + 60, 0.3), (T0 + 10**6, 0.4), (T0 + 61, 1.4), ("?", 0.5)]
    written(tmp_path, HEAD + "".join(f"0x1,{known},{value}\n" for known, value in rows))
    found = landing.prices(Settings(var=tmp_path, mode=Mode.PAPER), T0, T0 + 3_600)

    assert [one.value for one in found] == [0.2, 0.3]


def test_a_file_with_other_columns_is_refused(tmp_path):
    """The error names the file and the columns that it has to have; no file is no probability."""
    assert stated_file.read(tmp_path / "none.csv") == ([], 0)
    with pytest.raises(DataError, match=r"external\.csv lacks known_s, probability"):
        stated_file.read(written(tmp_path, "market_id,p\n1,2\n"))
