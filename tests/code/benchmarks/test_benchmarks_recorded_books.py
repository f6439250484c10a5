"""Any recording of up/down books that the importer understands is judged, or refused with the reason."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks import recorded_windows
from benchmarks.fills import measure
from benchmarks.recorded_books import BookSource
from benchmarks.series_recorded import history
from pipelines.core.errors import DataError, ParameterError

BEGIN_S = 1_776_323_400
NAMES = ("slug", "server_ms", "bid_px1", "bid_sz1", "ask_px1", "ask_sz1")


def table(asset="btc", *, length_s=300, every_s=1, last=0.97, begin_s=BEGIN_S, **more):
    """Columns of one window of an asset's series, which ends with a book around `last`."""
    seconds = np.arange(0, length_s, every_s)
    mid = np.linspace(0.5, last, len(seconds))
    kind = {300: "5m", 900: "15m"}[length_s]
    values = (
        [f"{asset}-updown-{kind}-{begin_s}"] * len(seconds), (begin_s + seconds) * 1_000, mid - 0.01,
        np.full(len(seconds), 50.0), mid + 0.01, np.full(len(seconds), 70.0),
    )  # fmt: skip
    return dict(zip(NAMES, values, strict=True)) | {name: make(seconds) for name, make in more.items()}


def kept(path, columns):
    """A file of them: parquet, CSV or JSON lines by its name."""
    made = pa.table(columns)
    if path.suffix == ".parquet":
        pq.write_table(made, path)
    elif path.suffix == ".csv":
        path.write_text(made.to_pandas().to_csv(index=False))
    else:
        path.write_text("\n".join(json.dumps(row) for row in made.to_pylist()))
    return path


@pytest.mark.parametrize("name", ["x.parquet", "x.csv", "x.jsonl"])
def test_renamed_columns_of_any_file_give_the_same_window(tmp_path, name):
    """Columns with names of nobody are named by `--map`, as for an import; without it the error says what to name."""
    theirs = dict(zip(NAMES, ("window", "at", "b", "bq", "a", "aq"), strict=True))
    (one,) = recorded_windows.read(BookSource(kept(tmp_path / "plain.parquet", table()))).windows
    path = kept(tmp_path / name, {theirs[own]: values for own, values in table().items()})
    ours = ("slug", "timestamp", "best_bid", "best_bid_size", "best_ask", "best_ask_size")
    renamed = [f"{own}={its}" for own, its in zip(ours, theirs.values(), strict=True)]
    (other,) = recorded_windows.read(BookSource(path, renamed)).windows

    assert np.allclose(one.bid, other.bid) and np.allclose(one.ask_size, other.ask_size)
    assert (other.name, other.won, other.told_by) == (one.name, True, "last book")
    with pytest.raises(DataError, match="--map"):
        recorded_windows.read(BookSource(path))
    with pytest.raises(ParameterError, match="is no name of ours"):
        recorded_windows.read(BookSource(path, ["beste=a"]))
    with pytest.raises(DataError, match="has no column nowhere"):
        recorded_windows.read(BookSource(path, ["best_ask=nowhere"]))


def test_windows_of_other_assets_and_lengths_are_windows(tmp_path):
    """The series of a window is that of its name, whatever the file is called."""
    (one,) = recorded_windows.read(BookSource(kept(tmp_path / "x.parquet", table("eth", length_s=900)))).windows

    assert (one.rule.symbol, one.rule.length_s, len(one.left_s)) == ("ETH", 900, 900)
    assert history(one).market.end_s == BEGIN_S + 900


def test_a_book_whose_other_side_is_empty_stays(tmp_path):
    """Near the end nobody offers the winner: the import leaves such a row out, a window needs it."""
    columns = table()
    columns["ask_px1"] = [None if second >= 290 else value for second, value in enumerate(columns["ask_px1"])]
    (one,) = recorded_windows.read(BookSource(kept(tmp_path / "x.parquet", columns))).windows

    assert one.ask[-1] == 1.0
    assert one.bid[-1] == pytest.approx(0.96)


def test_the_up_token_is_told_and_not_guessed(tmp_path):
    """Of rows of two tokens those of Up count; where nothing says which is Up, the books of the token that was recorded
    less are mirrored and not mixed in."""
    up = table(asset_id=lambda at: ["u"] * len(at), side=lambda at: ["UP"] * len(at))
    down = table(last=0.03, asset_id=lambda at: ["d"] * len(at), side=lambda at: ["DOWN"] * len(at))
    both = {name: [*up[name], *down[name]] for name in up}
    (one,) = recorded_windows.read(BookSource(kept(tmp_path / "x.parquet", both))).windows
    # Five minutes of one token, and a block of the other in the place of some of them, as a recorder wrote it.
    part = {name: [*up[name][:100], *down[name][100:160], *up[name][160:]] for name in (*NAMES, "asset_id")}
    (unsaid,) = recorded_windows.read(BookSource(kept(tmp_path / "y.parquet", part))).windows
    third = {name: [*part[name], "z" if name == "asset_id" else part[name][-1]] for name in part}
    three = recorded_windows.read(BookSource(kept(tmp_path / "z.parquet", third)))

    assert one.won and one.bid[-1] == pytest.approx(0.96)
    assert np.ptp(np.diff(unsaid.bid[90:170])) < 0.02
    assert "it has 3 tokens" in next(iter(three.left_out.values()))


@pytest.mark.parametrize(
    ("columns", "won"),
    [
        ({"slug": [f"btc-updown-5m-{BEGIN_S}"], "winner": ["DOWN"]}, False),
        ({"window_ts": [BEGIN_S], "payout_up": [1.0]}, True),
    ],
)
def test_a_file_of_outcomes_tells_what_a_window_paid(tmp_path, columns, won):
    """By slug or by the second of the begin, and it goes before the last book."""
    path, outcomes = kept(tmp_path / "x.parquet", table(last=0.6)), kept(tmp_path / "paid.csv", columns)
    (one,) = recorded_windows.read(BookSource(path, outcomes=outcomes)).windows
    refused = recorded_windows.read(BookSource(path))

    assert (one.won, one.told_by) == (won, "outcomes")
    assert "give a file of --outcomes" in next(iter(refused.left_out.values()))


def test_an_outcome_that_the_recorded_token_contradicts_is_left_out(tmp_path):
    """Without a label the token may be Down's: its own last book, beyond doubt, says the opposite of what Up paid."""
    path = kept(tmp_path / "x.parquet", table(last=0.98))
    outcomes = kept(tmp_path / "paid.csv", {"slug": [f"btc-updown-5m-{BEGIN_S}"], "outcome": ["down"]})
    found = recorded_windows.read(BookSource(path, outcomes=outcomes))

    assert found.windows == []
    assert "it may be Down's" in next(iter(found.left_out.values()))


def test_a_file_of_outcomes_without_outcomes_is_refused(tmp_path):
    """The error names its columns and those that are needed."""
    path = kept(tmp_path / "x.parquet", table())

    with pytest.raises(DataError, match="has the columns slug, volume; outcomes need one of"):
        recorded_windows.read(BookSource(path, outcomes=kept(tmp_path / "o.csv", {"slug": ["a"], "volume": [1.0]})))
    with pytest.raises(DataError, match="is no file of outcomes"):
        recorded_windows.read(BookSource(path, outcomes=tmp_path / "none.csv"))


@pytest.mark.parametrize("column", ["chainlink", "spot"])
def test_reference_prices_of_a_recording_are_used(tmp_path, column):
    """A column with the oracle's price, or Binance's in its place, gives the fair value that temporal arbitrage and the
    maker ask for; without one a window settles on nothing that is known."""

    def price(seconds):
        """A walk that rises by a tenth of a percent."""
        steps = np.random.default_rng(1).normal(3e-6, 2e-5, len(seconds))
        return 65_000.0 * np.exp(np.cumsum(steps))

    (plain,) = recorded_windows.read(BookSource(kept(tmp_path / "x.parquet", table()))).windows
    (one,) = recorded_windows.read(BookSource(kept(tmp_path / "y.parquet", table(**{column: price})))).windows
    made = history(one)

    assert np.isfinite(one.fair[100:, 0]).mean() > 0.9
    assert one.fair[-1, 0] > 0.9
    assert made.market.settlement is not None and made.fair is not None
    assert (history(plain).market.settlement, history(plain).fair) == (None, None)


def test_books_that_are_far_apart_say_nothing_of_seconds(tmp_path):
    """A snapshot every ten seconds is no recording for bars of a second; the reason has both numbers."""
    found = recorded_windows.read(BookSource(kept(tmp_path / "x.parquet", table(length_s=900, every_s=10))))

    assert found.windows == []
    assert "its books are 10 s apart" in next(iter(found.left_out.values()))


def test_what_is_no_recording_of_series_is_refused_with_the_reason(tmp_path):
    """A file without books, one of other markets and one that is missing: each says what to do."""
    path = kept(tmp_path / "x.parquet", {"slug": ["a", "a"], "timestamp": [1, 2], "price": [0.5, 0.6]})
    other = kept(tmp_path / "y.parquet", table() | {"slug": ["mlb-cle-sf-2025-06-17"] * 300})

    with pytest.raises(DataError, match="is understood as prices: it has no books"):
        recorded_windows.read(BookSource(path))
    with pytest.raises(DataError, match="does not exist"):
        recorded_windows.read(BookSource(tmp_path / "none.parquet"))
    with pytest.raises(DataError, match=r"0 windows of .*its name is of no series that is known"):
        measure([BookSource(other)])
