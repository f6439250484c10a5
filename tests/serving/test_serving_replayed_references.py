"""A bot on a replayed recording sees the fair values that training computed from the same recording."""

import asyncio
import shutil
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.core import params
from pipelines.core.products import REPLAY
from pipelines.core.raw_tables import reference_of
from pipelines.core.settings import Settings, Source
from pipelines.core.settlement import RuleKind, Settlement
from pipelines.pull import recording, stage, window
from pipelines.reference import recorded
from pipelines.reference.board import Board
from pipelines.reference.prices import Price
from pipelines.venue import gamma, settlement_rules
from pipelines.venue.http import VenueHttp
from serving.market.references import References
from simulator.api.apps import Site, bind, serve, servers
from simulator.markets.recorded_source import open_source
from simulator.markets.source import SourceOptions
from simulator.series.texts import settlement_slug, settlement_text
from simulator.venue.options import Options
from simulator.venue.venue import Venue

ROOT = Path(__file__).resolve().parents[2]
BEGIN_S = 1_790_586_000
HOUR = 3_600
RULES = [
    Settlement(symbol="BTC", source="chainlink", kind=RuleKind.SPOT, start_s=BEGIN_S, end_s=BEGIN_S + 300),
    Settlement(
        symbol="ETH", source="chainlink", kind=RuleKind.TWAP, start_s=BEGIN_S, end_s=BEGIN_S + 900, average_s=60
    ),
    Settlement(
        symbol="SOL", source="chainlink", kind=RuleKind.TWAP, start_s=BEGIN_S, end_s=BEGIN_S + 14_400, average_s=30
    ),
    Settlement(symbol="BTC", source="binance", kind=RuleKind.CANDLE, start_s=BEGIN_S, end_s=BEGIN_S + HOUR),
]


@pytest.fixture(autouse=True)
def work(tmp_path, monkeypatch) -> Path:
    """An empty working folder with the shipped parameters."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    params.load.cache_clear()
    yield tmp_path
    params.load.cache_clear()


def hours(path: Path, rule: str) -> Path:
    """Three hourly markets with a row a minute and reference prices in the column `spot`, or every second."""
    minutes = np.arange(180)
    rng = np.random.default_rng(1)
    table = {
        "market_id": [f"Bitcoin Up or Down - September 28, {5 + k // 60}AM ET" for k in minutes],
        "timestamp": BEGIN_S + 60 * minutes + 8,
        "price": 0.5 + 0.01 * rng.integers(-5, 6, 180),
    }
    if rule == "spot":
        table["spot"] = 118_000.0 * np.exp(np.cumsum(5e-4 * rng.standard_normal(180)))
    else:
        walk = 118_000.0 * np.exp(np.cumsum(5e-5 * rng.standard_normal(3 * HOUR)))
        made = [
            Price("BTC", "binance", (BEGIN_S + k) * 1_000, (BEGIN_S + k) * 1_000 + 140, value)
            for k, value in enumerate(walk.tolist())
        ]
        pq.write_table(recorded.table(made), reference_of(path))
    pq.write_table(pa.table(table), path)
    return path


async def heard(prices: list[Price], folder: Path, steps: int) -> dict[int, tuple]:
    """What the bot's references say at each step of a venue that replays data/replay, over its real sockets."""
    venue = Venue(Options(port=0, speed=0.0), open_source(SourceOptions(replay=REPLAY, warm_bars=10)))
    venue.open_quotes()
    site = Site()
    sockets, all_servers = bind("127.0.0.1", 0), servers(site)
    site.open(venue)
    serving = asyncio.create_task(serve(all_servers, sockets))
    ports = {name: one.getsockname()[1] for name, one in sockets.items()}
    while not all(server.started for server in all_servers.values()):  # noqa: ASYNC110 - uvicorn has no event
        await asyncio.sleep(0.01)
    async with VenueHttp(f"http://127.0.0.1:{ports['gamma']}") as http:
        (market,) = await gamma.tradable(http, 50, [])
    settings = Settings(rtds_url=f"ws://127.0.0.1:{ports['clob']}/rtds", var=folder)
    references = References(settings, lambda: [market], 60, wall_is_market=False)
    listening = asyncio.create_task(references.run())
    found = {}
    try:
        begun = sum(one.known_ms <= venue.now_ms for one in prices)
        sent = begun - min(begun, 2_000)
        for _ in range(steps):
            expected = sum(one.known_ms <= venue.now_ms for one in prices) - sent
            async with asyncio.timeout(20):
                while references._taken < expected:  # noqa: ASYNC110 - counts only
                    await asyncio.sleep(0.005)
            found[venue.now_s] = (market.settlement, references.fair(market, venue.now_s))
            await venue.step()
    finally:
        listening.cancel()
        for server in all_servers.values():
            server.should_exit = True
        with suppress(asyncio.CancelledError):
            await listening
        await serving
    return found


@pytest.mark.parametrize("rule", ["spot", "seconds"])
def test_the_socket_of_a_replay_gives_the_fair_values_of_training(work, rule):
    """At every bar the bot has the probability that the stages compute, whether prices come each second or minute."""
    path = hours(work / "hours.parquet", rule)
    window.run(Source.RECORDED, path, fresh=True)
    stage.run()
    prices = recording.read(path).prices
    board = Board.of(prices)

    found = asyncio.run(heard(prices, work, 15))

    rows = list(found.items())[2:]
    for ts_s, (settled, (fair, before)) in rows:
        assert (settled.name, settled.start_s, settled.end_s) == ("candle", BEGIN_S + 2 * HOUR, BEGIN_S + 3 * HOUR)
        assert (fair, before) == pytest.approx(board.pair(settled, ts_s, 60), rel=1e-9)
        assert 0.0 < fair < 1.0
    assert len({fair for _, (_, (fair, _)) in rows}) > 5


def test_the_raw_data_has_no_price_of_the_replay(work):
    """The stages read no reference price that was known after their end; the replay has those before it too."""
    path = hours(work / "hours.parquet", "spot")
    window.run(Source.RECORDED, path, fresh=True)
    stage.run()

    as_of_ms = window.read().as_of_s * 1_000
    raw, replay = (recorded.read(folder / "reference.parquet") for folder in (stage.RAW, REPLAY))
    assert max(one.known_ms for one in raw) <= as_of_ms < max(one.known_ms for one in replay)
    assert len(replay) == 180


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name + rule.source)
def test_the_replay_states_a_rule_that_the_bot_reads(rule):
    """Text and slug of a replayed market come back as the rule that was recorded."""
    raw = {"question": "Whatever it was", "slug": settlement_slug(rule), "description": settlement_text(rule)}

    assert settlement_rules.read(raw, rule.end_s, rule.start_s) == rule
