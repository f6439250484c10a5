"""Faults of the socket of reference prices: what a subscriber gets, and what it does to a fair value."""

import asyncio
from contextlib import suppress

import pytest

from pipelines.core.settlement import RuleKind, Settlement
from pipelines.reference.board import Board
from pipelines.reference.rtds import Rtds
from simulator.api.apps import Site, bind, serve, servers
from simulator.markets.events import EPOCH_S
from simulator.markets.source import SourceOptions
from simulator.series.source import open_source
from simulator.venue.options import Options
from simulator.venue.venue import Venue

ORACLE = "crypto_prices_chainlink"


async def heard(faults, steps):
    """A board that listens to the socket of a venue with two assets from 100 steps before the faults on: prices of
    Bitcoin's oracle by time, and the venue's true ones."""
    source = open_source(SourceOptions(series="5m,eth-5m", history_days=1, seed=2))
    venue = Venue(Options(port=0, speed=0.0), source)
    venue.open_quotes()
    site = Site()
    sockets, all_servers = bind("127.0.0.1", 0), servers(site)
    site.open(venue)
    serving = asyncio.create_task(serve(all_servers, sockets))
    while not all(server.started for server in all_servers.values()):  # noqa: ASYNC110 - uvicorn has no event
        await asyncio.sleep(0.01)
    port = sockets["clob"].getsockname()[1]
    board, came = Board(), asyncio.Queue()

    async def listen():
        async for one in Rtds(f"ws://127.0.0.1:{port}/rtds", by_message=True).prices():
            board.take(one)
            if (one.symbol, one.source) == ("BTC", "chainlink"):
                came.put_nowait(one)

    listening = asyncio.create_task(listen())
    found = {}
    try:
        async with asyncio.timeout(60):
            while not found or not came.empty():
                price = await came.get()
                found[price.ts_ms // 1_000] = price.value
            for step in range(100 + steps):
                if step == 100:
                    for fault in faults:
                        site.get_faults().start(fault)
                await venue.step()
                price = await came.get()
                found[price.ts_ms // 1_000] = price.value
    finally:
        listening.cancel()
        for server in all_servers.values():
            server.should_exit = True
        with suppress(asyncio.CancelledError):
            await listening
        await serving
    times = sorted(found)[-steps:]
    true = source.underlyings["BTC"].oracle(times[0], times[-1] + 1).tolist()
    rule = Settlement(
        symbol="BTC", source="chainlink", kind=RuleKind.SPOT, start_s=EPOCH_S, end_s=times[-1] + 60,
        strike=round(true[0]),
    )  # fmt: skip
    return [found[at] for at in times], true, board.fair(rule, 1_000 * times[-1] + 1_040)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"fault": "reference_jump", "share": 0.0019, "topic": ORACLE}, "jumped"),
        ({"fault": "reference_jump", "share": 9.0}, "jumped"),
        ({"fault": "reference_wrong_asset"}, "jumped"),
        ({"fault": "reference_frozen", "topic": ORACLE}, "unchanged"),
        ({"fault": "reference_jump", "share": 0.0019, "topic": "crypto_prices"}, ""),
        ({"fault": "reference_jump", "share": 9.0, "count": 0, "for_s": 0}, ""),
    ],
    ids=["jump", "tenfold", "other", "frozen", "spot", "over"],
)
def test_a_lying_socket_sends_what_it_says_and_is_not_believed(fault, reason):
    """Times go on with wrong values, and no fair value is given; a lie of the other topic and one that has ended take
    none away."""
    told, true, (fair, why) = asyncio.run(heard([fault], 14))
    shares = [one / other for one, other in zip(told, true, strict=True)]

    if fault["fault"] == "reference_frozen":
        assert len(set(told)) == 1 < len(set(true))
    elif fault["fault"] == "reference_wrong_asset":
        assert max(shares) < 0.1
    elif reason:
        assert shares == pytest.approx([1.0 + fault["share"]] * len(told), rel=1e-9)
    else:
        assert told == pytest.approx(true, rel=1e-12)
    assert reason in why
    assert (fair is None) == bool(reason)
