"""Recorded windows are kept whatever their price was near the end, and what they paid is read and not guessed."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks import recorded_windows
from benchmarks.recorded_books import BookSource

BEGIN_S = 1_776_323_400
COLUMNS = ("slug", "server_ms", "bid_px1", "bid_sz1", "ask_px1", "ask_sz1")


def books(number, mids, last_s=300):
    """A 5-minute window with a book of two cents every second until `last_s`."""
    begin_s = BEGIN_S + 300 * number
    rows = zip(range(last_s), [*mids, *[mids[-1]] * last_s], strict=False)
    slug = f"btc-updown-5m-{begin_s}"
    return [(slug, (begin_s + second) * 1_000, mid - 0.01, 50.0, mid + 0.01, 70.0) for second, mid in rows]


def written(folder, rows, outcomes=None):
    """A recording, and the file of outcomes where there is one."""
    (folder / "books").mkdir()
    path = folder / "books" / "btc5m_top5.parquet"
    pq.write_table(pa.table(dict(zip(COLUMNS, zip(*rows, strict=True), strict=True))), path)
    if outcomes is not None:
        (folder / "prices").mkdir()
        pq.write_table(pa.table(outcomes), folder / "prices" / "btc5m_outcomes.parquet")
    return path


def test_a_window_that_is_contested_to_the_end_is_kept_with_its_recorded_outcome(tmp_path):
    """The file of outcomes says what it paid, also against the last book; without a row the window is left out by
    name."""
    rows = [*books(0, [0.45]), *books(1, [0.55]), *books(2, [0.55])]
    outcomes = {"timestamp": [BEGIN_S, BEGIN_S + 300], "outcome": ["up", "down"]}
    found = recorded_windows.read(BookSource(written(tmp_path, rows, outcomes)))

    assert [(one.won, one.told_by) for one in found.windows] == [(True, "outcomes"), (False, "outcomes")]
    assert list(found.left_out) == [f"btc-updown-5m-{BEGIN_S + 600}"]
    assert "last book is at 0.55" in found.left_out[f"btc-updown-5m-{BEGIN_S + 600}"]


@pytest.mark.parametrize(("last", "won"), [(0.97, True), (0.03, False)])
def test_the_last_book_tells_the_outcome_where_it_leaves_no_doubt(tmp_path, last, won):
    """A window that was in the middle five seconds before its end counts as well."""
    found = recorded_windows.read(BookSource(written(tmp_path, books(0, [*[0.5] * 297, last]))))

    assert [(one.won, one.told_by) for one in found.windows] == [(won, "last book")]


def test_outcomes_may_be_named_by_slug(tmp_path):
    """A file of outcomes with slugs in the place of times is joined by them."""
    outcomes = {"slug": [f"btc-updown-5m-{BEGIN_S}"], "outcome": ["Down"]}
    found = recorded_windows.read(BookSource(written(tmp_path, books(0, [0.6]), outcomes)))

    assert [(one.won, one.told_by) for one in found.windows] == [(False, "outcomes")]


def test_a_recording_that_stops_early_is_no_window(tmp_path):
    """The last book is not carried to the end of a window that nobody recorded until then."""
    rows = [*books(0, [0.98], last_s=200), *books(1, [0.98], last_s=30)]
    found = recorded_windows.read(BookSource(written(tmp_path, rows)))

    assert found.windows == []
    assert [why.partition(",")[0] for why in found.left_out.values()] == [
        "its books stop 101 s before its end",
        "it has 30 books in its range",
    ]


@pytest.mark.parametrize(("payout", "told"), [(1.0, (True, "payout")), (0.0, (False, "payout")), (0.5, None)])
def test_markets_with_payouts_tell_the_outcome_whatever_the_book_says(tmp_path, payout, told):
    """The payout is the label. A market that paid halves has no loser, so it is left out by name."""
    slug = f"btc-updown-15m-{BEGIN_S}"
    rows = [(BEGIN_S + second) * 1_000 for second in range(900)]
    count = len(rows)
    table = {"market_id": ["m"] * count, "ts": rows, "side": ["UP"] * count}
    table |= {"bid_px": [[0.01]] * count, "bid_sz": [[5.0]] * count, "ask_px": [[0.02]] * count, "ask_sz": [[]] * count}
    pq.write_table(pa.table(table), tmp_path / "x_books.parquet")
    pq.write_table(
        pa.table({"market_id": ["m"], "slug": [slug], "payout_up": [payout]}), tmp_path / "x_markets.parquet"
    )
    found = recorded_windows.read(BookSource(tmp_path / "x_books.parquet"))

    assert [(one.won, one.told_by) for one in found.windows] == ([] if told is None else [told])
    assert found.left_out == ({slug: "it paid 0.5"} if told is None else {})


def test_the_touch_between_seconds_is_kept(tmp_path):
    """The lowest ask and the highest bid of all messages of a second are what a resting order may have met."""
    rows = books(0, [0.97])
    slug, ms, *_ = rows[100]
    rows.insert(101, (slug, ms + 500, 0.80, 1.0, 0.81, 1.0))
    rows.insert(102, (slug, ms + 800, 0.96, 1.0, 0.98, 1.0))
    (one,) = recorded_windows.read(BookSource(written(tmp_path, rows))).windows

    assert one.lowest_ask[101] == pytest.approx(0.81)
    assert one.ask[101] == pytest.approx(0.98)
    assert one.left_s[[0, -1]].tolist() == [300.0, 1.0]
