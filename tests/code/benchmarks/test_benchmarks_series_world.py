"""Simulated series as histories know a price when the local exchange's socket would have sent it."""

import numpy as np

from benchmarks.series_world import BEFORE_S, FIRST_S, LENGTH_S, prices, world
from pipelines.reference.board import Board
from pipelines.reference.prices import Price
from pipelines.reference.rtds import parse
from simulator.series import trades
from simulator.series.feeds import TOPICS, of_source
from simulator.series.kinds import Series
from simulator.series.source import SeriesMarkets
from simulator.series.trades import STREAM_MS
from simulator.series.underlying import Underlying


def test_prices_are_known_when_the_socket_sends_them():
    """Times and values of all three feeds are those of the messages that a bot on the local exchange reads."""
    source = SeriesMarkets([Series("BTC", "5m")], 7, FIRST_S)
    feed, heard = of_source(source), []
    for now_s in range(FIRST_S, FIRST_S + 30):
        source.now_s = now_s
        for topic in TOPICS:
            for message in feed.updates(topic):
                heard += parse(message, message["timestamp"])
    for trade in trades.of_source(source, 1.0).sent((FIRST_S - 1) * 1_000, (FIRST_S + 29) * 1_000):
        if trade.ts_ms % 1_000 in (0, 900):
            heard.append(Price(trade.symbol, trades.SOURCE, trade.ts_ms, trade.sent_ms, trade.value))
    made = {(one.source, one.ts_ms): one for one in prices(Underlying(7, "BTC"), FIRST_S - 2, FIRST_S + 30)}

    assert len(heard) == 120
    for one in heard:
        mine = made[one.source, one.ts_ms]
        assert (mine.known_ms, mine.symbol) == (one.known_ms, one.symbol)
        assert np.isclose(mine.value, one.value, rtol=1e-9)


def test_at_the_close_of_a_second_each_feed_is_as_old_as_it_arrives():
    """No decision reads a price that was not there by then: the stream's is 0.1 s old, the oracle's 2 s."""
    board = Board()
    for one in prices(Underlying(1, "BTC"), FIRST_S - 60, FIRST_S + 60):
        board.take(one)
    ages = {}
    for (_, source), path in board.paths.items():
        ages[source] = FIRST_S * 1_000 - path.last(path.known(FIRST_S * 1_000))[0]

    assert ages == {"binance": 1_000, "chainlink": 2_000, "exchange": STREAM_MS}
    assert all(path.refused == 0 for path in board.paths.values())


def test_windows_of_a_world_follow_each_other_with_fair_values():
    """Each history has a row a second from its range on, a fair value from the third on, and a payout."""
    made = world(Series("BTC", "5m", 60, 2), 1, 2).histories

    assert BEFORE_S > 1_800
    for one in made:
        assert one.ts_s[0] == one.market.settlement.start_s
        assert np.diff(one.ts_s).tolist() == [LENGTH_S] * (len(one) - 1)
        assert np.isfinite(one.fair[3:, 0]).all()
        assert one.payout_micro in (0, 1_000_000)
