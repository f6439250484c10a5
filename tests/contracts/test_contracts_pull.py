"""A pull from the simulator through production routes gives what the venue shows."""

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.core import params
from pipelines.core.artifacts import write_json
from pipelines.core.params import Params
from pipelines.features.order_flow import BOOK, ORDER_FLOW, book_values, values
from pipelines.pull import landed, landing, live, spreads
from pipelines.pull.live import History
from pipelines.pull.quarantine_landing import LandingQuarantine
from pipelines.rows import order_flow
from pipelines.venue import clob, data
from pipelines.venue.http import VenueHttp

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def shipped() -> Params:
    """The shipped parameters."""
    return params.read(ROOT / "params.yaml")


@pytest.fixture(scope="session")
def now_s(venue: Any) -> int:
    """The venue's market time."""
    return asyncio.run(live.market_time_s(venue.settings))


@pytest.fixture(scope="session")
def history(venue: Any, shipped: Params, now_s: int) -> History:
    """The last twelve hours of every market."""
    return asyncio.run(live.history(venue.settings, shipped, now_s - 43_200, now_s))


def test_market_time_is_not_wall_time(now_s: int) -> None:
    """The clock of data is the one on the books: the simulator's first market day."""
    assert now_s == 1_767_225_600 + 86_400


def test_bars_are_gapless_and_end_now(history: History, now_s: int) -> None:
    """Every market alive now has bars up to now, one per minute."""
    bars = history.bars.whole()
    steps = np.diff(bars.ts_s)[np.diff(bars.code) == 0]

    assert set(steps.tolist()) == {60}
    assert int(bars.ts_s.max()) == now_s
    assert int(bars.ts_s.min()) > now_s - 43_200


def test_the_last_bar_is_the_mid_of_the_book(history: History, venue: Any, now_s: int) -> None:
    """The price of the newest bar equals the middle of the book's touch."""
    bars = history.bars.whole()
    mids = {
        history.markets[code].market_id: mid
        for code, ts, mid in zip(bars.code, bars.ts_s, bars.mid_units, strict=True)
        if ts == now_s
    }
    shown = {market_id: quote.mid_units for market_id, (_, quote) in venue.quotes.items()}

    assert len(mids) >= 5
    assert all(mids[market_id] == shown[market_id] for market_id in mids.keys() & shown.keys())


def test_the_spread_of_open_books_is_what_the_venue_shows(
    venue: Any, shipped: Params, now_s: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ticks with enough open markets have the mean spread of the venue's own touches."""
    monkeypatch.setattr(spreads, "FEWEST", 2)
    history = asyncio.run(live.history(venue.settings, shipped, now_s - 7_200, now_s))
    ticks = {market.market_id: market.tick_units for market in history.markets}
    shown = [(ticks[name], quote) for name, (_, quote) in venue.quotes.items() if name in ticks]

    assert history.spreads
    for tick, (mean, markets) in history.spreads.items():
        own = [q.spread_units for t, q in shown if t == tick and 500 <= q.mid_units <= 9_500]
        assert (markets, mean) == (len(own), pytest.approx(np.mean(own)))


def test_trades_become_volume(history: History) -> None:
    """Volume and count are zero or positive together, and most of the markets trade."""
    bars = history.bars.whole()

    assert ((bars.volume_micro > 0) == (bars.n_trades > 0)).all()
    assert 0.2 < np.mean(bars.n_trades > 0) < 0.95


def test_headlines_are_scored_and_about_markets(history: History, now_s: int) -> None:
    """Each headline names markets of the pull, was known in the window, and has a score that is not always neutral."""
    known = {m.market_id for m in history.markets}
    scores = [h.sentiment for h in history.headlines if h.sentiment is not None]

    assert history.headlines
    assert all(set(h.market_ids) <= known and now_s - 43_200 < h.known_s <= now_s for h in history.headlines)
    assert len(scores) == len(history.headlines)
    assert np.std(scores) > 0.2


def test_pulling_twice_gives_the_same(history: History, venue: Any, shipped: Params, now_s: int) -> None:
    """The past does not change."""
    again = asyncio.run(live.history(venue.settings, shipped, now_s - 43_200, now_s))

    assert again.markets == history.markets
    assert (again.bars.whole().volume_micro == history.bars.whole().volume_micro).all()
    assert (again.bars.whole().mid_units == history.bars.whole().mid_units).all()


def test_books_of_unknown_tokens_are_absent(venue: Any) -> None:
    """Accounting come back by token, and a token without a book is left out."""

    async def read() -> dict[str, Any]:
        async with clob.VenueHttp(venue.settings.clob_url) as http:
            return await clob.books(http, [venue.market()[0].token_no, "123"])

    assert list(asyncio.run(read())) == [venue.market()[0].token_no]


def test_a_pull_reads_the_landing_zone_first(venue: Any, shipped: Params, now_s: int, tmp_path: Path) -> None:
    """With the first eight of twelve hours in the landing zone the pull gives the same bars, and asks for the rest."""
    settings = venue.settings.model_copy(update={"var": tmp_path})
    start_s, known_s = now_s - 43_200, now_s - 14_400
    folder = tmp_path / "landing"
    landing._append_history(folder, settings, shipped, start_s, LandingQuarantine(folder, known_s))
    write_json(folder / "state.json", {"as_of_s": known_s})
    alone = asyncio.run(live.history(settings, shipped, start_s, now_s))

    known = landed.read(folder, start_s, now_s, shipped.news.scorer)
    both = asyncio.run(live.history(settings, shipped, start_s, now_s, known=known))

    assert [one.market_id for one in both.markets] == [one.market_id for one in alone.markets]
    for name in ("code", "ts_s", "mid_units", "volume_micro", "n_trades", "filled"):
        assert np.array_equal(getattr(both.bars.whole(), name), getattr(alone.bars.whole(), name)), name
    assert both.headlines == alone.headlines
    assert both.asked["prices_landed"] > 1_000
    assert alone.asked["prices_landed"] == 0


def test_recorded_frames_give_every_bar_its_book(
    venue: Any, shipped: Params, history: History, now_s: int, tmp_path: Path
) -> None:
    """Where a recorder ran, ingested bars of a minute have the book at their end, until the connection was lost, and
    a later pull has it too; prices are the venue's."""
    settings = venue.settings.model_copy(update={"var": tmp_path})
    start_s, folder = now_s - 3_600, tmp_path / "landing"
    ends = history.bars.whole()
    market = history.markets[int(ends.code[ends.ts_s == now_s][0])]
    told = [(now_s - 1_800 + 45 * k, "120" if k < 2 else "450") for k in range(7)]
    record(folder, market, told, lost_s=now_s - 1_525)

    landing._append_history(folder, settings, shipped, start_s, LandingQuarantine(folder, now_s))
    write_json(folder / "state.json", {"as_of_s": now_s})
    known = landed.read(folder, start_s, now_s, shipped.news.scorer)
    again = asyncio.run(live.history(settings, shipped, start_s, now_s, known=known))

    alone = asyncio.run(live.history(settings.model_copy(update={"var": tmp_path / "no"}), shipped, start_s, now_s))
    code = [one.market_id for one in again.markets].index(market.market_id)
    bars, plain = (found.bars.whole() for found in (again, alone))
    own = bars.code == code
    sizes = {
        int(ts - now_s): int(size) for ts, size in zip(bars.ts_s[own], bars.bid_size_micro[own], strict=True) if size
    }
    assert sizes == {at: (120 if at < -1_710 else 450) * 1_000_000 for at in range(-1_800, -1_530, 60)}
    assert np.array_equal(bars.mid_units, plain.mid_units)
    assert not plain.bid_size_micro.any()


def flowing(shipped: Params) -> Params:
    """The shipped parameters with the order flow."""
    return shipped.model_copy(update={"pull": shipped.pull.model_copy(update={"order_flow": True})})


def test_order_flow_is_what_the_venues_trades_say(venue: Any, shipped: Params, now_s: int, tmp_path: Path) -> None:
    """Every bar has what the trades up to its close lean to, those before the window too; bars stay as they are."""
    settings, start_s = venue.settings.model_copy(update={"var": tmp_path}), now_s - 7_200
    found = asyncio.run(live.history(settings, flowing(shipped), start_s, now_s))
    plain = asyncio.run(live.history(settings, shipped, start_s, now_s))

    async def tape(market: Any) -> Any:
        async with VenueHttp(settings.data_url) as http:
            return await data.trades(http, market, 0, now_s)

    assert len(found.order_flow) >= 5
    assert not plain.order_flow
    for part in found.bars.parts():
        market = found.markets[int(part.code[0])]
        made = values(asyncio.run(tape(market)), part.ts_s.tolist(), part.mid_units.tolist(), 60)
        columns = found.order_flow[market.market_id]
        assert np.array_equal(np.stack([columns[name] for name in ORDER_FLOW[4:7]], axis=1), made)
        assert np.array_equal(columns["ts_s"], part.ts_s)
    for name in ("mid_units", "volume_micro", "n_trades"):
        assert np.array_equal(getattr(found.bars.whole(), name), getattr(plain.bars.whole(), name)), name


def test_order_flow_comes_from_the_landing_zone_first(venue: Any, shipped: Params, now_s: int, tmp_path: Path) -> None:
    """Ingested in two parts it is what one pull makes, and after that a pull asks for no market's past."""
    settings, params = venue.settings.model_copy(update={"var": tmp_path}), flowing(shipped)
    start_s, folder = now_s - 7_200, tmp_path / "landing"
    alone = asyncio.run(live.history(settings, params, start_s, now_s))
    for since_s, as_of_s in ((start_s, now_s - 3_600), (now_s - 3_600, now_s)):
        landing._append_history(folder, settings, params, since_s, LandingQuarantine(folder, as_of_s))
        write_json(folder / "state.json", {"as_of_s": as_of_s})
    known = landed.read(folder, start_s, now_s, params.news.scorer)

    both = asyncio.run(live.history(settings, params, start_s, now_s, known=known))

    assert both.asked["markets_asked"] < alone.asked["markets_asked"]
    assert sorted(both.order_flow) == sorted(alone.order_flow)
    for market, columns in alone.order_flow.items():
        for name, values_ in columns.items():
            assert np.array_equal(both.order_flow[market][name], values_), name
    assert "wallet" not in str(pq.read_schema(next((folder / "order_flow").glob("*/*.parquet"))).names)


def test_recorded_frames_say_what_whole_books_lean_to(
    venue: Any, shipped: Params, history: History, now_s: int, tmp_path: Path
) -> None:
    """Where a recorder ran, bars have the values of the book at their end and the trades of the venue; holders that an
    ingest saw count for an hour."""
    settings, params = venue.settings.model_copy(update={"var": tmp_path}), flowing(shipped)
    start_s, folder = now_s - 3_600, tmp_path / "landing"
    ends = history.bars.whole()
    market = history.markets[int(ends.code[ends.ts_s == now_s][0])]
    levels = {"bids": [("0.40", "10"), ("0.38", "90")], "asks": [("0.42", "30"), ("0.43", "10")]}
    told = [(now_s - 1_800 + 45 * k, "1") for k in range(7)]
    record(folder, market, told, lost_s=now_s - 1_525, levels=levels)
    seen = pa.table({"market_id": [market.market_id], "ts_s": [now_s - 3_570], "large_position": [0.25]})
    (folder / "holders/day=2026-01-01").mkdir(parents=True)
    pq.write_table(seen, folder / "holders/day=2026-01-01/1.parquet")

    landing._append_history(folder, settings, params, start_s, LandingQuarantine(folder, now_s))
    columns = order_flow.read(sorted((folder / "order_flow").glob("*/*.parquet")))[market.market_id]

    expected = book_values([(4_000, 10), (3_800, 90)], [(4_200, 30), (4_300, 10)])
    hit = np.flatnonzero(columns["imbalance_3"])
    assert (columns["ts_s"][hit] - now_s).tolist() == list(range(-1_800, -1_530, 60))
    assert [tuple(columns[name][at] for name in BOOK) for at in hit] == [expected] * len(hit)
    assert np.count_nonzero(columns["trade_imbalance"]) > 30
    held = columns["ts_s"][columns["large_position"] == 0.25]
    assert (held.min() - now_s, held.max() - now_s) == (-3_540, 0)


def record(landing_zone: Path, market: Any, told: list[tuple[int, str]], *, lost_s: int, levels: Any = None) -> None:
    """A segment of the recorder: whole books of a market with some size (or with these levels) at some times, then a
    lost connection."""
    shown = levels or {"bids": [("0.40", None)], "asks": [("0.42", None)]}
    lines = [
        {
            "recv_ms": ts_s * 1_000, "source": "market",
            "frame": {
                "event_type": "book", "market": market.market_id, "asset_id": market.token_yes,
                "timestamp": str(ts_s * 1_000),
                **{side: [{"price": p, "size": own or size} for p, own in shown[side]] for side in shown},
            },
        }
        for ts_s, size in told
    ]  # fmt: skip
    lines.append({"recv_ms": lost_s * 1_000, "source": "market", "gap": "the connection was lost"})
    path = landing_zone / "frames" / f"{told[0][0] * 1_000}.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_a_landing_zone_that_is_complete_asks_for_nothing(
    venue: Any, shipped: Params, now_s: int, tmp_path: Path
) -> None:
    """A night after an ingest downloads no price again; of another world, or another scorer, nothing is taken."""
    settings = venue.settings.model_copy(update={"var": tmp_path})
    start_s, folder = now_s - 7_200, tmp_path / "landing"
    landing._append_history(folder, settings, shipped, start_s, LandingQuarantine(folder, now_s))
    write_json(folder / "state.json", {"as_of_s": now_s})
    known = landed.read(folder, start_s, now_s, shipped.news.scorer)

    again = asyncio.run(live.history(settings, shipped, start_s, now_s, known=known))

    whole = [one for one in again.markets if len(known.times(one.market_id)) >= 120]
    assert again.asked["markets_asked"] <= len(again.markets) - len(whole)
    assert landed.read(folder, start_s, now_s - 3_600, shipped.news.scorer) == landed.Landed()
    assert all(one.sentiment is None for one in landed.read(folder, start_s, now_s, "another").headlines)


def test_headlines_that_the_feed_has_dropped_are_still_known(
    venue: Any, shipped: Params, now_s: int, tmp_path: Path
) -> None:
    """What a feed no longer shows is read from the archive, with the time at which it was known and its score."""
    settings = venue.settings.model_copy(update={"var": tmp_path})
    start_s, folder = now_s - 43_200, tmp_path / "landing"
    landing._append_history(folder, settings, shipped, start_s, LandingQuarantine(folder, now_s))
    write_json(folder / "state.json", {"as_of_s": now_s})
    known = landed.read(folder, start_s, now_s, shipped.news.scorer)
    assert known.headlines
    silent = settings.model_copy(update={"news_url": ""})

    found = asyncio.run(live.history(silent, shipped, start_s, now_s, known=known))

    assert [(one.headline_id, one.known_s, one.sentiment) for one in found.headlines] == [
        (one.headline_id, one.known_s, one.sentiment)
        for one in sorted(known.headlines, key=lambda one: (one.known_s, one.headline_id))
    ]
