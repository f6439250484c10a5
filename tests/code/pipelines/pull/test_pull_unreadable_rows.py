"""Rows of the venue that cannot be read are kept as they came, and stop a pull where they are many."""

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from pipelines.core.domain import FeeSchedule, Market
from pipelines.core.errors import DataError
from pipelines.pull import unreadable_rows
from pipelines.venue import data
from pipelines.venue.http import VenueHttp
from pipelines.venue.odd_rows import MOST, MOST_CHARACTERS, OddRow, OddRows

MARKET = Market(
    market_id="0xab", event_id="e", question="Will it?", token_yes="7", token_no="8", tick_units=100,
    min_size_micro=5_000_000, fee=FeeSchedule(0.0), start_s=0, end_s=None, topic="other",
)  # fmt: skip


def answering(rows: list[Any]) -> VenueHttp:
    """A venue whose one page has these rows."""
    page = json.dumps({"data": rows, "pagination": {"has_more": False}}).encode()
    return VenueHttp("http://venue", transport=httpx2.MockTransport(lambda _: httpx2.Response(200, content=page)))


@pytest.mark.parametrize(
    ("odd", "reason"),
    [
        (None, "got `null`"),
        ({"timestamp": -5, "size": 1, "price": 0.5}, "a time of -5"),
        ({"timestamp": 200, "size": -1, "price": 0.5}, "a size of -1"),
    ],
)
async def test_a_row_is_kept_as_it_came_with_its_reason(odd: Any, reason: str, tmp_path: Path) -> None:
    """The text of the row, its route, its market and the reason are in the file; good rows are used."""
    seen = OddRows()
    async with answering([{"timestamp": 150, "size": 2, "price": 0.5}, odd]) as http:
        tape = await data.trades(http, MARKET, 100, 500, seen)
    unreadable_rows.write(tmp_path, seen.rows, 500)

    assert (tape.ts_s.tolist(), seen.read, seen[data.UNREADABLE]) == ([150], 2, 1)
    (line,) = (tmp_path / unreadable_rows.FILE).read_text().splitlines()
    found = json.loads(line)
    assert json.loads(found["text"]) == odd
    assert (found["route"], found["about"], found["as_of_s"]) == ("/v2/trades", "0xab", 500)
    assert reason in found["reason"]


def test_a_flood_of_odd_rows_is_counted_and_bounded(tmp_path: Path) -> None:
    """However many and long rows are, the file holds a bounded part of them; a run without any leaves it."""
    seen = OddRows()
    for _ in range(MOST + 5):
        seen.keep("/v2/trades", "0xab", "why", b"x" * (MOST_CHARACTERS + 9))
    unreadable_rows.write(tmp_path, seen.rows, 1)
    lines = (tmp_path / unreadable_rows.FILE).read_text().splitlines()
    assert len(lines) == MOST
    assert len(json.loads(lines[0])["text"]) == MOST_CHARACTERS
    unreadable_rows.write(tmp_path, [], 2)
    assert (tmp_path / unreadable_rows.FILE).read_text().splitlines() == lines


@pytest.mark.parametrize(
    ("unreadable", "read", "stops"), [(20, 21, False), (21, 21, True), (50, 1_000, False), (51, 1_000, True)]
)
def test_many_rows_that_cannot_be_read_stop_the_pull(unreadable: int, read: int, stops: bool, tmp_path: Path) -> None:
    """A few odd rows stop nothing; beyond the share the error has the counts, a reason and where the rows are."""
    odd = [OddRow("/v2/trades", "0xab", "a size of -1", "{}")]
    if not stops:
        unreadable_rows.require_few("history", odd, unreadable, read, 0.05, tmp_path)
        return
    with pytest.raises(DataError, match=rf"{unreadable} of .* cannot be read, 5% .* 0xab: a size of -1.*venue\.jsonl"):
        unreadable_rows.require_few("history", odd, unreadable, read, 0.05, tmp_path)
