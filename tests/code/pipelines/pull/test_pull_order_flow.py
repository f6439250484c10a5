"""Positions of holders for the landing zone, and order flow that is read back from it."""

import json
from dataclasses import replace
from pathlib import Path

import httpx2
import numpy as np
import pyarrow.parquet as pq

from pipelines.core.domain import FeeSchedule, Market
from pipelines.features.order_flow import ORDER_FLOW
from pipelines.pull.order_flow import holders
from pipelines.rows import order_flow as table
from pipelines.venue.http import VenueHttp

MARKET = Market(
    market_id="a", event_id="e", question="q", token_yes="1", token_no="2", tick_units=100, min_size_micro=5_000_000,
    fee=FeeSchedule(0.0, 1.0), start_s=None, end_s=None, topic="",
)  # fmt: skip
MARKETS = [replace(MARKET, market_id=name) for name in "abcd"]


async def asked(status: int) -> tuple[list[str], list[str]]:
    """Markets that were asked for, and those whose position is known, where the second is answered with a status."""
    seen: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        name = request.url.params["condition"]
        seen.append(name)
        held = [
            {"proxy_wallet": "0xa", "token_id": "1", "amount": 5},
            {"proxy_wallet": "0xb", "token_id": "2", "amount": 1},
        ]
        page = {"data": [{"token_id": one["token_id"], "holders": [one]} for one in held]}
        return httpx2.Response(status if name == "b" else 200, text=json.dumps(page))

    async with VenueHttp("http://127.0.0.1:1", attempts=1, transport=httpx2.MockTransport(answer)) as http:
        made = await holders(http, MARKETS, 1_000, concurrency=1)
    assert set(made["ts_s"].to_pylist()) <= {1_000}
    return seen, made["market_id"].to_pylist()


async def test_a_market_without_an_answer_leaves_the_others() -> None:
    """One refusal is the market's own: it has no position, and the rest is asked for."""
    assert await asked(404) == (["a", "b", "c", "d"], ["a", "c", "d"])


async def test_a_venue_that_cannot_answer_is_not_asked_on() -> None:
    """Down or blocked, it is asked for nothing more; what is known is kept, and nothing is raised."""
    for status in (503, 403):
        assert await asked(status) == (["a", "b"], ["a"])


def test_landed_order_flow_is_read_day_by_day(tmp_path: Path) -> None:
    """Rows of two days come back in one run, those of a later file in place of earlier ones."""
    day_s = 86_400
    for name, times, value in (("1", [day_s - 60], 0.1), ("2", [day_s - 60, 1], 0.2), ("3", [day_s + 60], 0.3)):
        columns = {"ts_s": np.array(sorted(times)), **{key: np.full(len(times), value) for key in ORDER_FLOW}}
        folder = tmp_path / f"day=1970-01-0{1 + times[0] // day_s}"
        folder.mkdir(exist_ok=True)
        pq.write_table(table.table([("m", columns)]), folder / f"{name}.parquet")
    found = table.read_landed(tmp_path, (0, 3 * day_s))["m"]

    assert found["ts_s"].tolist() == [1, day_s - 60, day_s + 60]
    assert found[ORDER_FLOW[0]].tolist() == [0.2, 0.2, 0.3]
