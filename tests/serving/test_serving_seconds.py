"""Bars shorter than the venue's price history: live from the stream alone, in training from recorded frames, equal."""

from dataclasses import replace

import pytest
from serving_desk import make_market
from serving_market import NOW_S, LocalVenue, book, feeding, trade, until

from oddsmith import families
from pipelines.core.domain import Market
from pipelines.core.sections import MarketsParams
from pipelines.pull.frames import Frames
from pipelines.venue import stream
from pipelines.venue.wanted import unwanted
from serving.market import history
from serving.market.selection import choose

ONE, TWO = make_market(1), make_market(2)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Snapshots at once."""
    monkeypatch.setattr(stream, "RESYNC_EVERY_S", 0.05)


def change(price: str, size: str, side: str, at_s: float) -> dict:
    """A change of a level of the first market's book."""
    touched = {"asset_id": ONE.token_yes, "price": price, "size": size, "side": side, "hash": ""}
    return {
        "event_type": "price_change", "market": ONE.market_id, "timestamp": str(int((NOW_S + at_s) * 1_000)),
        "price_changes": [touched],
    }  # fmt: skip


SAID = [
    book(ONE, at_s=1),
    book(TWO, at_s=1),
    trade(ONE, 3, 2.5),
    change("0.50", "7", "BUY", 5.0),
    trade(ONE, 4, 6.0),
    change("0.50", "0", "BUY", 7.25),
    book(ONE, "0.40", None, at_s=11),
    book(ONE, "0.40", "0.44", at_s=21),
    book(TWO, at_s=26),
]


@pytest.mark.parametrize("length_s", [1, 5])
async def test_live_bars_of_seconds_are_those_of_recorded_frames(length_s: int) -> None:
    """The same frames give the same bars in the bot and in a pull: price, volume, spread and sizes, also on a boundary,
    with a missing side and in a quiet time."""
    async with feeding(ONE, TWO, lookback=2, length_s=length_s) as (venue, feed, heard):
        await venue.say(*SAID)
        last = (NOW_S + 25) // length_s * length_s
        await until(lambda: bool(heard.of(ONE)) and heard.of(ONE)[-1].ts_s >= last)
        await until(lambda: any(one.market.market_id == ONE.market_id for one in feed.seen()))
        live = [bar for bar in heard.of(ONE) if bar.ts_s <= last]

    folded = Frames([ONE, TWO], length_s)
    folded.read({"source": "market", "frame": frame} for frame in SAID)
    folded.end()
    columns = folded.markets[ONE.market_id].columns
    rows = list(zip(*columns.values(), strict=True))

    names = ("ts_s", "mid_units", "volume_micro", "n_trades", "spread_units", "bid_size_micro", "ask_size_micro")
    assert list(columns) == list(names)
    assert [tuple(getattr(bar, name) for name in names) for bar in live] == [row for row in rows if row[0] <= last]
    assert any(row[4] == 0 for row in rows), "a bar with one side has no observed spread"


async def test_a_window_of_seconds_asks_no_history() -> None:
    """The venue's history has a minute at least: windows of seconds fill from the stream and are warm after lookback
    bars; the grid is that of multiples."""
    async with feeding(ONE, TWO, lookback=3, length_s=1) as (venue, feed, _):
        await venue.say(book(ONE, at_s=1), book(TWO, at_s=1))
        for second in range(2, 8):
            await venue.say(book(ONE, at_s=second))
        await until(lambda: any(one.market.market_id == ONE.market_id for one in feed.seen()))

        assert "/v2/prices-history" not in venue.asked
    assert await history.grid_offset_s(LocalVenue().http(), [ONE], 5, NOW_S) == 0


HOUR_S, DAY_S = 3_600, 86_400


@pytest.mark.parametrize(
    ("family", "length_s", "listed_s", "levels"),
    [
        ("5m", 300, 86_400, 1),
        ("1h", HOUR_S, 2 * DAY_S, 1),
        ("ladder", HOUR_S, 5_400, 5),
        ("ladder", DAY_S, 7 * DAY_S, 11),
    ],
)
def test_the_next_window_of_a_series_is_followed_before_its_turn(
    family: str, length_s: int, listed_s: int, levels: int
) -> None:
    """However many windows are listed, each is followed without a gap to its end, and is warm when the one before ends;
    so are all levels of a ladder, of the local exchange (an hour each) and of the venue (ends a day apart)."""
    stated = dict(one.split("=", 1) for one in families.assignments(family))
    rules = MarketsParams(max_hours_to_end=float(stated["markets.max_hours_to_end"]))
    warm_s = int(stated["forecast.lookback_bars"]) * int(stated["bars.length_s"])
    count, step_s, followed = 5, length_s // 30, list[Market]()
    rungs = [
        replace(make_market(k * levels + rung), start_s=0, end_s=NOW_S + length_s * k)
        for k in range(1, count + 12)
        for rung in range(levels)
    ]
    seen: dict[int, set[str]] = {}
    for now_s in range(NOW_S, NOW_S + count * length_s, step_s):
        listed = [one for one in reversed(rungs) if now_s < (one.end_s or 0) <= now_s + listed_s]
        names = {one.market_id for one in followed}
        wanted = [one for one in listed if not unwanted(one, rules, now_s, is_followed=one.market_id in names)]
        followed = choose(wanted, followed, [], now_s, 80)
        seen[now_s] = {one.market_id for one in followed}

    for one in rungs[levels : count * levels]:
        turns = [now_s for now_s, names in seen.items() if one.market_id in names]
        assert turns == list(range(turns[0], one.end_s or 0, step_s)), "followed without a gap"
        assert turns[0] <= max(NOW_S, (one.end_s or 0) - length_s - warm_s), "warm when the one before ends"
    assert max(map(len, seen.values())) <= 2 * levels
