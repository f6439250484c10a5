"""Rules of the synthetic source: what is listed, revealed and repeated."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from pipelines.core.domain import Side
from pipelines.core.errors import ParameterError
from simulator.markets.events import EPOCH_S, Family, build, loadings, paths
from simulator.markets.hard_sentences import Styles
from simulator.markets.source import SourceOptions
from simulator.markets.synthetic import SyntheticMarkets, open_source

FAMILY = Family(seed=7, event_length_min=300, event_every_min=100, markets_per_event=3)
LATER_S = EPOCH_S + 450 * 60


@pytest.fixture(scope="module")
def stepped():
    """A source that walked from early in event 0 to later, with its steps."""
    source = SyntheticMarkets(FAMILY, EPOCH_S + 30 * 60)
    steps = []
    while source.now_s < LATER_S:
        steps.append(source.advance())
    return source, steps


def test_history_equals_stepping(stepped):
    """A path generated at once and one that was stepped through live are the same to the unit."""
    source, _ = stepped
    whole = SyntheticMarkets(FAMILY, LATER_S)

    assert whole.listings() == source.listings()
    assert whole.headlines() == source.headlines()
    assert sorted(whole.resolutions()) == sorted(source.resolutions())
    for listing in whole.listings():
        once, live = whole.history(listing.market_id), source.history(listing.market_id)
        for name in ("ts_s", "mid_units", "volume_micro", "n_trades", "bid_units", "ask_units"):
            assert np.array_equal(getattr(once, name), getattr(live, name)), name


def test_steps_carry_the_history(stepped):
    """Each live row has the quote, the volume and the number of trades of its bar in history."""
    source, steps = stepped
    market_id = source.listings()[4].market_id
    rows = {step.ts_s: row for step in steps for row in step.rows if row.market_id == market_id}
    history = source.history(market_id)

    for index, ts_s in enumerate(history.ts_s.tolist()):
        row = rows[ts_s]
        assert (row.bid_units, row.ask_units) == (history.bid_units[index], history.ask_units[index])
        assert (row.bid_units + row.ask_units) == 2 * history.mid_units[index]
        assert sum(trade[3] for trade in row.trades) == history.volume_micro[index]
        assert len(row.trades) == history.n_trades[index]


def test_trades_are_at_the_touch(stepped):
    """A buyer pays the bar's ask and a seller gets its bid, in whole hundredths of a share, at the bar's close."""
    _, steps = stepped
    rows = [(step.ts_s, row) for step in steps for row in step.rows if row.trades]

    assert len(rows) > 500
    for ts_s, row in rows:
        for traded_s, side, price, shares in row.trades:
            assert traded_s == ts_s
            assert price == (row.ask_units if side is Side.BUY else row.bid_units)
            assert shares >= 10_000
            assert shares % 10_000 == 0


def test_past_trades_equal_live_prints(stepped):
    """The tape of the past holds the same prints as the live steps did."""
    source, steps = stepped
    market_id = source.listings()[4].market_id
    live = [trade for step in steps for row in step.rows if row.market_id == market_id for trade in row.trades]
    tape = source.trades(market_id)
    past = list(zip(tape.ts_s, tape.buys, tape.price_units, tape.shares_micro, strict=True))

    assert [(t, side is Side.BUY, p, s) for t, side, p, s in live] == past


def test_path_does_not_depend_on_its_block():
    """A market's path is the same alone, with its event, and among many events."""
    events = [build(FAMILY, number) for number in range(7)]
    together = paths(FAMILY, events)
    alone = paths(FAMILY, [replace(events[5], listings=events[5].listings[:1])])

    for name in ("mid_units", "volume_micro", "bid_units", "bid_size_micro", "n_trades", "fair"):
        assert np.array_equal(getattr(together, name)[15], getattr(alone, name)[0]), name


def test_seed_and_number_decide_everything():
    """The same seed repeats ids and paths; another seed shares neither."""
    first, again = (
        open_source(SourceOptions(seed=3, history_days=1)),
        open_source(SourceOptions(seed=3, history_days=1)),
    )
    other = open_source(SourceOptions(seed=4, history_days=1))
    market, stranger = first.listings()[0], other.listings()[0]

    assert first.listings() == again.listings()
    assert np.array_equal(first.history(market.market_id).mid_units, again.history(market.market_id).mid_units)
    assert market.market_id != stranger.market_id
    assert not np.array_equal(first.history(market.market_id).mid_units, other.history(stranger.market_id).mid_units)


def test_identifiers_have_the_venue_s_shape():
    """Condition ids are 0x and 64 hex digits, tokens are uint256 in decimal, and none repeats."""
    listings = open_source(SourceOptions(history_days=2)).listings()
    tokens = {token for listing in listings for token in (listing.token_yes, listing.token_no)}

    assert all(len(bytes.fromhex(listing.market_id[2:])) == 32 for listing in listings)
    assert all(0 < int(token) < 2**256 for token in tokens)
    assert len(tokens) == 2 * len(listings)
    assert len({listing.slug for listing in listings}) == len(listings)


def test_only_begun_markets_exist(stepped):
    """Nothing of an event shows before it starts: no listing, no headline, no bar beyond now."""
    source, _ = stepped

    assert all(listing.start_s <= source.now_s for listing in source.listings())
    assert max(headline.known_s for headline in source.headlines()) <= source.now_s
    assert max(source.history(listing.market_id).ts_s[-1] for listing in source.listings()) <= source.now_s


def test_events_are_staggered(stepped):
    """Event k starts k intervals after the epoch, and its markets resolve in the step that reaches their end."""
    source, steps = stepped
    starts = sorted({listing.start_s for listing in source.listings()})
    ended = {market_id: step.ts_s for step in steps for market_id, _ in step.resolved}

    assert starts == [EPOCH_S + 6_000 * k for k in range(len(starts))]
    assert ended == {listing.market_id: listing.end_s for listing in source.listings() if listing.end_s <= LATER_S}
    assert all(later.ts_s - earlier.ts_s == 60 for earlier, later in pairwise(steps))


def test_headlines_are_known_before_their_bar_closes(stepped):
    """A headline is published before the close of the bar that it moves and arrives in that step."""
    _, steps = stepped
    arrived = [(step.ts_s, headline) for step in steps for headline in step.headlines]

    assert arrived
    for ts_s, headline in arrived:
        assert ts_s - 60 < headline.published_s < headline.known_s == ts_s


def test_loadings_balance():
    """Loadings of an event sum to zero and have mean square one, so news lifts some markets and sinks others."""
    for count in range(2, 12):
        drawn = loadings(count, np.random.default_rng(count))

        assert abs(drawn.sum()) < 1e-12
        assert np.mean(drawn**2) == pytest.approx(1.0)


def test_resuming_off_the_grid_is_refused():
    """A market time before the epoch or between two steps is refused with the value received."""
    with pytest.raises(ParameterError, match="1767225601"):
        SyntheticMarkets(FAMILY, EPOCH_S + 1)


@pytest.mark.parametrize("length_s", [30, 90, 0, 420, 7_200])
def test_bar_lengths_that_do_not_fit_are_refused(length_s):
    """A step of part minutes, of no length, off the schedule or beyond an hour is refused, not silently ignored."""
    with pytest.raises(ParameterError, match=f"--bar-length-s was {length_s}: synthetic markets step by whole minutes"):
        open_source(SourceOptions(bar_length_s=length_s))


def test_longer_bars_join_the_minutes():
    """A step of five minutes ends with the fifth minute's quote and holds all trades, volume and news of the five."""
    options = SourceOptions(history_days=1, event_length_min=300, event_every_min=100, markets_per_event=3)
    fine, coarse = open_source(options), open_source(replace(options, bar_length_s=300))
    for _ in range(12):
        minutes, step = [fine.advance() for _ in range(5)], coarse.advance()
        assert (step.ts_s, coarse.step_s) == (minutes[-1].ts_s, 300)
        assert [row.market_id for row in step.rows] == [row.market_id for row in minutes[-1].rows]
        for row, last in zip(step.rows, minutes[-1].rows, strict=True):
            assert (row.bid_units, row.ask_units) == (last.bid_units, last.ask_units)
            trades = [t for m in minutes for r in m.rows if r.market_id == row.market_id for t in r.trades]
            assert list(row.trades) == trades
        assert step.resolved == [r for m in minutes for r in m.resolved]
        assert step.headlines == [h for m in minutes for h in m.headlines]
    for listing in coarse.listings():
        whole, joined = fine.history(listing.market_id), coarse.history(listing.market_id)
        assert set(np.diff(joined.ts_s).tolist()) <= {300}
        assert np.array_equal(joined.mid_units, whole.mid_units[::5])
        closed = whole.ts_s <= joined.ts_s[-1]
        assert joined.volume_micro.sum() == whole.volume_micro[closed].sum()
        assert joined.n_trades.sum() == whole.n_trades[closed].sum()


@pytest.mark.parametrize("styles", [Styles(paraphrase=1.2), Styles(irony=-0.1), Styles(paraphrase=0.6, irony=0.6)])
def test_shares_of_wordings_are_checked(styles):
    """A share outside 0 to 1, or two that are more than 1 together, is refused by the name of its option."""
    with pytest.raises(ParameterError, match="-share"):
        open_source(SourceOptions(styles=styles))
