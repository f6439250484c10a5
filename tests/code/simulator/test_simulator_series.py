"""Series markets of the local exchange: windows without a gap, outcomes by their rule, feeds that fall silent."""

import asyncio
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from pipelines.core.errors import ParameterError
from pipelines.core.settlement import RuleKind
from pipelines.reference.board import Board
from pipelines.reference.prices import Price
from pipelines.reference.rtds import Rtds
from pipelines.venue import gamma, settlement_rules
from pipelines.venue.http import VenueHttp
from simulator.markets.events import EPOCH_S
from simulator.markets.source import SourceOptions
from simulator.run import run
from simulator.series import feeds, source
from simulator.series.kinds import Series
from simulator.series.underlying import Underlying
from simulator.series.windows import windows_from
from simulator.venue.options import Options

BEGIN_S = EPOCH_S + 10_800


def windows(series, count=6):
    """Consecutive windows of a series with their underlying."""
    path = Underlying(3, series.symbol)
    return path, [
        one for k in range(count) for one in windows_from(series, BEGIN_S + k * series.length_s, path, seed=3)
    ]


@pytest.mark.parametrize(("length", "average_s"), [("5m", 60), ("5m", 30), ("15m", 60), ("5m", 0), ("1h", 0)])
def test_the_bot_reads_the_rule_that_settles_a_window(length, average_s):
    """The text of each window is one that the bot's parser knows, and the payout follows from the parsed rule."""
    path, made = windows(Series("BTC", length, average_s), 4)
    for one in made:
        raw = {name: getattr(one.listing, name) for name in ("question", "slug", "description")}
        assert raw["description"]
        rule = settlement_rules.read(raw, one.listing.end_s, one.listing.event_start_s)
        if rule.kind is RuleKind.CANDLE:
            opened, _, _, closed = path.candle(rule.start_s, rule.length_s + 1)
        else:
            opened, closed = path.average(rule.start_s, rule.average_s), path.average(rule.end_s, rule.average_s)
        assert one.payout_micro == 1_000_000 * (closed >= opened)


def test_a_ladder_settles_every_rung_on_one_price():
    """Higher levels pay at most where lower ones do."""
    _, made = windows(Series("BTC", "1h", 0, 0, source.LADDER), 30)
    made = made[:5]
    rules = [
        settlement_rules.read(
            {name: getattr(one.listing, name) for name in ("question", "slug", "description")}, one.listing.end_s, None
        )
        for one in made
    ]

    assert [rule.strike for rule in rules] == sorted(rule.strike for rule in rules)
    assert [one.payout_micro for one in made] == sorted((one.payout_micro for one in made), reverse=True)


def test_a_ladder_names_the_minute_on_which_it_settles():
    """Each hour's text says its own end in New York's time, which is noon once a day, and the bot reads every one."""
    _, made = windows(Series("BTC", "1h", 0, 0, source.LADDER[:1]), 26)
    for one in made:
        raw = {name: getattr(one.listing, name) for name in ("question", "slug", "description")}
        clock = f"{datetime.fromtimestamp(one.listing.end_s, ZoneInfo('America/New_York')):%H:%M}"
        assert f"{clock} in the ET timezone{' (noon)' if clock == '12:00' else ''} on the date" in raw["description"]
        assert settlement_rules.read(raw, one.listing.end_s, None).start_s == one.listing.end_s

    assert sum("(noon)" in one.listing.description for one in made) == 1


@pytest.mark.parametrize(
    ("name", "begin", "rule"),
    [
        ("5m", "2026-08-03", "spot"),
        ("5m", "2026-08-13", "twap 30"),
        ("15m", "2026-08-13", "twap 60"),
        ("5m", "2026-08-14", "twap 60"),
        ("5m-spot", "2026-09-10", "spot"),
        ("eth-4h-twap30", "2026-09-10", "twap 30"),
        ("5m-twap60", "2026-08-03", "twap 60"),
    ],
)
def test_a_series_has_the_rule_of_its_day_unless_it_names_one(name, begin, rule):
    """The listing's text states the rule by the date table of the venue, or the one that the name ends with."""
    begin_s = int(datetime.fromisoformat(f"{begin}T00:00:00+00:00").timestamp())
    (series,) = source.parse(name, 0)
    (made,) = windows_from(series, begin_s, Underlying(3, series.symbol, begin_s - 7_200), seed=3)
    raw = {key: getattr(made.listing, key) for key in ("question", "slug", "description")}

    assert settlement_rules.read(raw, made.listing.end_s, begin_s).name == rule


def test_listed_series_have_the_rules_of_today():
    """Series begin after the venue's last change; a saved state keeps the clock that it was saved at."""
    made = source.open_source(SourceOptions(series="5m", history_days=1))
    old = source.open_source(SourceOptions(series="5m", history_days=0, resume_s=EPOCH_S + 9_000))

    assert {"twap-60s" in one.description for one in made.listings()} == {True}
    assert old.now_s == EPOCH_S + 9_000


def test_the_quotes_follow_the_price_at_their_lag():
    """With a lag of 2 s the mids of now are nearest to the fair value of two seconds ago."""
    for lag_s in (0, 2):
        _, made = windows(Series("BTC", "5m", 60, lag_s), 12)
        apart = []
        for shift in range(4):
            errors = []
            for one in made:
                rows = (one.ts_s > one.listing.event_start_s + 5) & (one.bid_units > 0) & (one.ask_units < 10_000)
                mids = (one.bid_units + one.ask_units)[rows] / 20_000
                errors.append(np.abs(mids - one.fair[np.flatnonzero(rows) - shift]).mean())
            apart.append(float(np.mean(errors)))
        assert int(np.argmin(apart)) == lag_s


def test_the_crowd_is_the_recorded_one():
    """Spread and moves are near those of recorded 5-minute books, and the favourite's offers vanish before the end."""
    _, made = windows(Series("BTC", "5m", 60), 60)
    spreads, moves, offered = [], [], {120: [], 30: [], 15: []}
    for one in made:
        both = (one.bid_units > 0) & (one.ask_units < 10_000)
        middle = both & (np.abs(one.bid_units + one.ask_units - 10_000) < 4_000)
        spreads += (one.ask_units - one.bid_units)[both].tolist()
        mids = one.bid_units + one.ask_units
        moves += (np.abs(np.diff(mids)) / 2)[middle[1:] & middle[:-1]].tolist()
        for left_s, seen in offered.items():
            k = len(one.ts_s) - left_s
            up = one.fair[k] > 0.5
            if max(one.fair[k], 1 - one.fair[k]) > 0.8:
                seen.append(one.ask_units[k] < 10_000 if up else one.bid_units[k] > 0)

    assert np.mean(spreads) == pytest.approx(120, abs=15)
    assert 60 < np.mean(moves) < 220
    assert np.mean(offered[120]) > 0.8 > np.mean(offered[30]) > np.mean(offered[15])


def test_the_next_window_is_listed_before_the_last_one_ends():
    """A series has a market that takes orders at any moment, also over a boundary."""
    made = source.SeriesMarkets(source.parse("5m,15m", 0), 1, EPOCH_S + 20_000, EPOCH_S)
    for _ in range(400):
        step = made.advance()
        slugs = {one.market_id for one in step.rows}
        alive = [one for one in made.listings() if one.market_id in slugs and "5m" in one.slug]
        assert any(one.event_start_s <= step.ts_s < one.end_s for one in alive)


@pytest.mark.parametrize("name", ["eth-7m", "5m-twap45", "1h-spot", "ladder-twap60", "spot", "-5m-", "a b-5m"])
def test_a_name_that_is_no_series_is_refused(name):
    """The error names the part that is none."""
    with pytest.raises(ParameterError, match=f"'{name}' is no series"):
        source.parse(f"5m,{name}", 0)


def test_a_series_that_is_named_twice_is_refused():
    """Two rules for one window would be two markets of one name."""
    with pytest.raises(ParameterError, match="'btc-5m-spot' is a series that is there already"):
        source.parse("5m,btc-5m-spot", 0)


def test_the_feed_falls_silent_and_comes_back():
    """For a while of every half hour nothing is sent, though prices go on."""
    made = source.SeriesMarkets(source.parse("5m", 0), 1, EPOCH_S + 1_800 * 6 - 50, EPOCH_S)
    sent = []
    for _ in range(60):
        made.advance()
        sent.append(len(feeds.updates(made, "crypto_prices")))

    assert 0 < sum(sent) < 60
    assert sent[-1] == 1


@pytest.mark.slow
def test_the_bot_prices_a_listed_series_from_the_socket():
    """Over HTTP and the socket of reference prices, a listed window gets a fair value."""

    async def priced():
        ready: asyncio.Future[dict[str, str]] = asyncio.get_running_loop().create_future()
        options = Options(port=0, speed=600, source=SourceOptions(series="5m", history_days=1))
        serving = asyncio.create_task(run(options, lambda urls, _venue: ready.set_result(urls)))
        urls = await asyncio.wait_for(ready, 60)
        board, found = Board(), None
        socket = Rtds(urls["clob"].replace("http", "ws") + "/rtds", by_message=True)
        try:
            async with VenueHttp(urls["gamma"]) as http:
                markets = await gamma.tradable(http, 50, [])
            async for price in socket.prices():
                if not isinstance(price, Price):
                    continue
                board.take(price)
                chances = [board.fair(one.settlement, price.known_ms)[0] for one in markets]
                if any(chance is not None for chance in chances):
                    found = markets, chances
                    break
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
        return found

    markets, chances = asyncio.run(asyncio.wait_for(priced(), 120))

    assert {one.settlement.name for one in markets} == {"twap 60"}
    assert {one.taker_delay_ms for one in markets} == {150}
    assert all(chance is None or 0.0 <= chance <= 1.0 for chance in chances)
