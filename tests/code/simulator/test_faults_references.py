"""Faults of the sources of reference prices: what a subscriber gets, and what it does to a fair value."""

import asyncio

import pytest
from series_site import served

from pipelines.core.settings import local_sockets
from pipelines.core.settlement import RuleKind, Settlement
from pipelines.reference.board import Board
from pipelines.reference.exchange import Exchange
from pipelines.reference.prices import Price
from pipelines.reference.rtds import Rtds
from simulator.markets.events import EPOCH_S

ORACLE = "crypto_prices_chainlink"


async def heard(faults, steps):
    """Boards that listen to both sockets of a venue with two assets from 100 steps before the faults on: what Bitcoin's
    oracle and its trades said by time with the venue's true prices, and the fair values with and without the stream."""
    async with served("5m,eth-5m") as local:
        boards, taken = {True: Board(), False: Board()}, {"chainlink": {}, "exchange": {}}
        addresses = local_sockets(local.stream)

        async def listen(source):
            async for one in source.prices():
                if isinstance(one, Price):
                    for with_stream in {one.source == "exchange", True}:
                        boards[with_stream].take(one)
                    if one.symbol == "BTC":
                        taken.get(one.source, {})[one.ts_ms] = one.value

        sources = [
            Rtds(addresses["rtds_url"], by_message=True),
            Exchange(addresses["exchange_url"], lambda: ["BTC", "ETH"], by_message=True),
        ]
        listening = [asyncio.create_task(listen(source)) for source in sources]
        while not (taken["chainlink"] and local.subscribed()):  # noqa: ASYNC110 - counts only
            await asyncio.sleep(0.01)
        for step in range(100 + steps):
            if step == 100:
                for fault in faults:
                    local.site.get_faults().start(fault)
            await local.venue.step()
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
        for task in listening:
            task.cancel()
        await asyncio.gather(*listening, return_exceptions=True)
        now_s = local.venue.now_s
        path = local.source.underlyings["BTC"]
        times = range(now_s - steps, now_s)
        true = {
            "chainlink": path.oracle(times[0], now_s).tolist(),
            "exchange": path.prices(times[0], now_s).tolist(),
        }
    told = {source: [values.get(at * 1_000) for at in times] for source, values in taken.items()}
    rule = Settlement(
        symbol="BTC", source="chainlink", kind=RuleKind.SPOT, start_s=EPOCH_S, end_s=now_s + 60,
        strike=round(true["chainlink"][0]),
    )  # fmt: skip
    fair = {with_stream: board.fair(rule, 1_000 * now_s + 40) for with_stream, board in boards.items()}
    return told, true, fair


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
    said, known, results = asyncio.run(heard([fault], 14))
    told, true, (fair, why) = said["chainlink"], known["chainlink"], results[True]
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


@pytest.mark.parametrize(
    "fault",
    [
        {"fault": "reference_silent", "topic": "exchange"},
        {"fault": "reference_frozen", "topic": "exchange"},
        {"fault": "reference_jump", "share": 0.0019, "topic": "exchange"},
        {"fault": "reference_jump", "share": 9.0, "topic": "exchange"},
        {"fault": "reference_wrong_asset", "topic": "exchange"},
    ],
    ids=["silent", "frozen", "jump", "tenfold", "other"],
)
def test_a_stream_of_trades_that_lies_or_is_silent_moves_no_fair_value(fault):
    """The fair value is then that of the oracle alone, or none where the two contradict each other."""
    told, true, fair = asyncio.run(heard([fault], 14))

    shares = [one and one / other for one, other in zip(told["exchange"], true["exchange"], strict=True)]
    if fault["fault"] == "reference_silent":
        assert shares == [None] * len(shares)
    elif fault["fault"] == "reference_frozen":
        assert len(set(told["exchange"])) == 1
    elif fault["fault"] == "reference_jump":
        assert shares == pytest.approx([1.0 + fault["share"]] * len(shares), rel=1e-8)
    else:
        assert max(shares) < 0.1
    assert told["chainlink"] == pytest.approx(true["chainlink"], rel=1e-8)
    assert fair[False][0] is not None
    assert fair[True][0] in (fair[False][0], None)


def test_silence_withholds_the_fair_value():
    """Where the oracle says nothing for longer than a feed may, there is no fair value, whatever the stream says."""
    told, _, fair = asyncio.run(heard([{"fault": "reference_silent", "topic": ORACLE}], 14))

    assert told["chainlink"] == [None] * 14
    assert fair[True] == (None, "the reference price is silent")
