"""Ladders whose makers err: baskets are counted and traded there, and nothing is where ladders are consistent."""

from dataclasses import replace

import httpx2
import pytest

from benchmarks import basket_world, constraints
from benchmarks.basket_world import FIRST_S, HOUR_S, Ladder, ladders
from benchmarks.exchange_process import exchange
from pipelines.core.settings import Settings
from pipelines.venue import clob, gamma
from pipelines.venue.http import VenueHttp
from simulator.series.kinds import Series
from simulator.series.source import BEGINS_S, LADDER
from simulator.series.underlying import Underlying
from simulator.series.windows import windows_from

SEED, OFTEN = 1, 20.0
COLUMNS = ("ts_s", "bid_units", "ask_units", "bid_size_micro", "ask_size_micro", "volume_micro", "n_trades", "fair")


def minutes(misquotes_h, first, last):
    """Some minutes of the first ladder."""
    (whole,) = ladders(1, SEED, misquotes_h)
    begin_s = whole.begin_s
    cut = []
    for one in whole.windows:
        rows = (one.ts_s >= begin_s + 60 * first) & (one.ts_s < begin_s + 60 * last)
        cut.append(replace(one, **{name: getattr(one, name)[rows] for name in COLUMNS}))
    return Ladder(tuple(cut), whole.markets)


def test_only_makers_that_err_contradict_each_other():
    """Of two minutes of a ladder: no basket pays more than it costs while makers are right, some do while one errs."""
    right, wrong = (
        constraints._summed([constraints._counted(minutes(rate, 0, 2).books(), nested=True)], 1)
        for rate in (0.0, OFTEN)
    )

    assert right["episodes"] == 0
    assert wrong["episodes"] > 0
    assert wrong["median_gain_pusd"] > 0.0
    assert right["bars"] == wrong["bars"]


def test_legs_that_meet_the_books_they_were_decided_on_all_fill():
    """With books that wait every leg fills in whole and none is unwound, for a gain whatever pays; where ladders are
    consistent nothing is sent."""
    found = constraints._hour(minutes(OFTEN, 0, 2), delayed=False)
    none = constraints._hour(minutes(0.0, 0, 2), delayed=False)

    assert found.sent == found.filled >= 2
    assert found.unwound == 0
    assert found.pnl_pusd > 0.0
    assert (none.sent, none.filled, none.unwound, none.pnl_pusd) == (0, 0, 0, 0.0)


def test_an_order_meets_the_book_of_its_own_second_or_the_next():
    """With `immediate` every second is two bars with one book, sizes and all, and its market ends as much later."""
    cut = minutes(OFTEN, 0, 1)
    (one, *_), (twice, *_) = cut.histories(immediate=False), cut.histories(immediate=True)

    assert len(twice) == 2 * len(one)
    assert twice.ask_units[::2].tolist() == twice.ask_units[1::2].tolist() == one.ask_units.tolist()
    assert twice.sizes_micro[1::2].tolist() == one.sizes_micro.tolist()
    assert twice.market.end_s - twice.ts_s[0] == 2 * (one.market.end_s - one.ts_s[0])


@pytest.mark.slow
async def test_the_exchange_shows_the_ladders_that_are_counted():
    """The local exchange with the same seed has these markets and, after its first step, these books."""
    options = f"--seed {SEED} --series btc-ladder --series-misquotes-h {OFTEN:g} --history-days 1 --speed 0 --admin"
    begin_s = FIRST_S - HOUR_S
    made = windows_from(
        Series("BTC", "1h", strikes=LADDER, misquotes_h=OFTEN), begin_s, Underlying(SEED, "BTC", BEGINS_S), SEED
    )
    with exchange(options.split()) as environment:
        values = {name.removeprefix("ODDSMITH_").lower(): value for name, value in environment.items()}
        settings = Settings(_env_file=None, **values)
        stepped = httpx2.post(f"{settings.clob_url}/admin/step", json={"steps": 1}).raise_for_status().json()
        async with VenueHttp(settings.gamma_url) as listing, VenueHttp(settings.clob_url) as venue:
            listed = {one.market_id: one for one in await gamma.tradable(listing, 50)}
            books = await clob.books(venue, [one.listing.token_yes for one in made])

    for one in made:
        row = int((one.ts_s == stepped["market_time_s"]).argmax())
        top = clob.top(books[one.listing.token_yes])
        assert listed[one.listing.market_id].settlement == basket_world.market(one).settlement
        assert (top.bid_units, top.ask_units) == (one.bid_units[row], one.ask_units[row])
        assert top.bid_size_micro == one.bid_size_micro[row]
