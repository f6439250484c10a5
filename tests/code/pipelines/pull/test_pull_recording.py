"""Any recording with market_id, timestamp and price is read; what is left out is counted; labels cannot enter."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.core.errors import DataError
from pipelines.core.raw_tables import markets_table
from pipelines.pull import recording
from pipelines.replay.market_history import read_markets

T0 = 1_735_689_600  # 2025-01-01T00:00Z
MARKET = "0x" + "ab" * 32


def write(path: Path, **columns: Any) -> Path:
    """A parquet file of these columns."""
    pq.write_table(pa.table(columns), path)
    return path


def minutes(count: int, start_s: int = T0) -> list[int]:
    """Seconds on whole minutes."""
    return [start_s + 60 * k for k in range(count)]


def moment(t: int) -> datetime:
    """UTC."""
    return datetime.fromtimestamp(t, UTC)


@pytest.mark.parametrize(
    "times",
    [
        pa.array(minutes(3)),
        pa.array([t * 1_000 for t in minutes(3)]),
        pa.array([t * 1_000_000 for t in minutes(3)]),
        pa.array([t * 1_000_000_000 for t in minutes(3)]),
        pa.array([float(t) for t in minutes(3)]),
        pa.array([moment(t) for t in minutes(3)], pa.timestamp("ns", "UTC")),
        pa.array([moment(t) for t in minutes(3)], pa.timestamp("us", "America/New_York")),
        pa.array([moment(t).replace(tzinfo=None) for t in minutes(3)], pa.timestamp("ms")),
        pa.array([moment(t).isoformat() for t in minutes(3)]),
        pa.array([(moment(t) + timedelta(hours=2)).strftime("%Y-%m-%d %H:%M:%S+02:00") for t in minutes(3)]),
        pa.array([(moment(t) - timedelta(hours=4.5)).strftime("%Y-%m-%dT%H:%M:%S-0430") for t in minutes(3)]),
        pa.array([moment(t).strftime("%Y-%m-%dT%H:%M:%SZ") for t in minutes(3)]),
        pa.array([str(t) for t in minutes(3)]),
    ],
    ids=["s", "ms", "us", "ns", "float", "tz ns", "zone us", "naive ms", "iso", "offset", "west", "zulu", "digits"],
)  # fmt: skip
def test_every_way_to_write_a_time_is_read(tmp_path: Path, times: pa.Array) -> None:
    """A timestamp is the same second whether it is a number, a text or a typed column, in any unit or zone."""
    path = write(tmp_path / "r.parquet", market_id=[MARKET] * 3, timestamp=times, price=[0.5, 0.51, 0.52])

    found = recording.read(path)

    assert found.points.ts_s.tolist() == minutes(3)


def test_names_may_vary(tmp_path: Path) -> None:
    """Bid, ask, volume, event, end and token are taken under any of their names."""
    path = write(
        tmp_path / "r.parquet",
        market_id=[MARKET] * 2,
        timestamp=minutes(2),
        price=[0.50, 0.51],
        best_bid=[0.49, 0.50],
        best_ask=[0.51, 0.52],
        volume=[10.5, float("nan")],
        event_slug=["final"] * 2,
        end_date=["2025-01-02T00:00:00Z"] * 2,
        token_id=["123"] * 2,
    )

    found = recording.read(path)
    market = found.markets[0]

    assert found.points.spread_units.tolist() == [200, 200]
    assert found.points.volume_micro.tolist() == [10_500_000, 0]
    assert (market.market_id, market.event_id, market.token_yes, market.end_s) == (MARKET, "final", "123", T0 + 86_400)


@pytest.mark.parametrize(
    ("columns", "levels"),
    [
        ({"lower_price": [10, 10], "upper_price": [12, 12]}, (10.0, 12.0)),
        ({"lower_bound": [10.0, None], "upper_bound": ["", "12.5"]}, (10.0, 12.5)),
        ({"floor_strike": [float("nan"), float("inf")], "cap_strike": [12.0, 12.0]}, (-np.inf, 12.0)),
        ({"question": ["Will it be between $3 and $4k?"] * 2}, (3.0, 4_000.0)),
        ({"lower_price": [10, 10], "question": ["Will it be between $3 and $4?"] * 2}, (10.0, np.inf)),
    ],
)
def test_levels_come_from_columns_or_the_question(tmp_path: Path, columns: Any, levels: tuple[float, float]) -> None:
    """A bracket has the levels of the recording's columns, an empty one open, else those that its question names; they
    survive markets.parquet."""
    path = write(tmp_path / "r.parquet", market_id=[MARKET] * 2, timestamp=minutes(2), price=[0.5, 0.51], **columns)

    (market,) = recording.read(path).markets
    pq.write_table(markets_table([market]), tmp_path / "markets.parquet")
    (again,) = read_markets(tmp_path / "markets.parquet").values()

    assert market.bracket is not None
    assert (market.bracket.lower, market.bracket.upper) == levels
    assert again.bracket == market.bracket


def test_what_is_absent_has_a_stated_stand_in(tmp_path: Path) -> None:
    """Without event, token and a condition id, a market is its own event and its ids are derived from its name."""
    path = write(tmp_path / "r.parquet", market_id=["Bitcoin above 100k?"], timestamp=[T0], price=[0.5])

    market = recording.read(path).markets[0]

    assert market.event_id == market.question == "Bitcoin above 100k?"
    assert market.market_id.startswith("0x")
    assert len(market.market_id) == 66
    assert market.token_yes.isdigit()
    assert market.token_yes != market.token_no
    assert market.topic == "crypto"
    assert market.end_s is None


@pytest.mark.parametrize(("start", "rate"), [(datetime(2025, 10, 1), 0.0), (datetime(2026, 10, 1), 0.07)])
def test_a_recorded_market_pays_the_fees_of_its_time(tmp_path: Path, start: datetime, rate: float) -> None:
    """A recording carries no schedule: its markets have the venue's of the day on which they begin."""
    first_s = int(start.replace(tzinfo=UTC).timestamp())
    path = write(tmp_path / "r.parquet", market_id=["Bitcoin above 100k?"], timestamp=[first_s], price=[0.5])

    assert recording.read(path).markets[0].fee.rate == rate


@pytest.mark.parametrize(("last", "delay_ms"), [(datetime(2026, 8, 16), 0), (datetime(2026, 10, 1), 150)])
def test_a_recorded_market_holds_takers_as_on_its_last_day(tmp_path: Path, last: datetime, delay_ms: int) -> None:
    """A recording lists no hold: its markets have the longest that the venue had while they were recorded, also in the
    table that the backtest reads."""
    last_s = int(last.replace(tzinfo=UTC).timestamp())
    times = [last_s - 86_400 * 60, last_s]
    path = write(tmp_path / "r.parquet", market_id=["Bitcoin above 100k?"] * 2, timestamp=times, price=[0.5, 0.6])

    markets = recording.read(path).markets

    assert markets[0].taker_delay_ms == delay_ms
    assert markets_table(markets)["taker_delay_ms"].to_pylist() == [delay_ms]


def test_unusable_rows_are_left_out_and_counted(tmp_path: Path) -> None:
    """Rows without market, time or price, with a price outside [0, 1], or twice at one time never reach a bar."""
    path = write(
        tmp_path / "r.parquet",
        market_id=[MARKET, MARKET, MARKET, None, MARKET, MARKET, MARKET],
        timestamp=[T0, T0 + 60, T0 + 120, T0, None, T0, T0 + 180],
        price=[0.5, float("nan"), 1.2, 0.5, 0.5, 0.6, -0.1],
    )

    found = recording.read(path)

    assert found.points.ts_s.tolist() == [T0]
    assert found.dropped == {
        "no_market": 1,
        "no_time": 1,
        "no_price": 1,
        "price_outside_0_1": 2,
        "second_token": 0,
        "duplicate_time": 1,
    }


def test_order_of_rows_does_not_matter(tmp_path: Path) -> None:
    """Shuffled rows give the same points."""
    order = np.random.default_rng(1).permutation(50)
    times, prices = np.array(minutes(50)), np.linspace(0.1, 0.9, 50)
    sorted_path = write(tmp_path / "a.parquet", market_id=[MARKET] * 50, timestamp=times, price=prices)
    mixed_path = write(tmp_path / "b.parquet", market_id=[MARKET] * 50, timestamp=times[order], price=prices[order])

    first, second = recording.read(sorted_path), recording.read(mixed_path)

    assert first.points.ts_s.tolist() == second.points.ts_s.tolist()
    assert first.points.mid_units.tolist() == second.points.mid_units.tolist()


def test_one_token_of_a_market_stays(tmp_path: Path) -> None:
    """Where a market was recorded with both tokens, the Yes token is kept and the other counted."""
    path = write(
        tmp_path / "r.parquet",
        market_id=[MARKET] * 4,
        timestamp=[T0, T0, T0 + 60, T0 + 60],
        price=[0.7, 0.3, 0.7, 0.3],
        token_id=["2", "1", "2", "1"],
        outcome=["Yes", "No", "Yes", "No"],
    )

    found = recording.read(path)

    assert found.points.mid_units.tolist() == [7_000, 7_000]
    assert found.dropped["second_token"] == 2


def test_labels_cannot_enter(tmp_path: Path) -> None:
    """Changing what is known only after the event changes nothing that is read."""
    base: dict[str, Any] = {"market_id": [MARKET] * 2, "timestamp": minutes(2), "price": [0.5, 0.6]}
    one = write(tmp_path / "a.parquet", **base, resolved_outcome=["Yes"] * 2, market_volume_usd=[1.0] * 2)
    two = write(tmp_path / "b.parquet", **base, resolved_outcome=["No"] * 2, resolution_date=["2026-02-01"] * 2)

    first, second = recording.read(one), recording.read(two)

    assert first.markets == second.markets
    assert first.points.mid_units.tolist() == second.points.mid_units.tolist()


def test_a_folder_of_files_is_one_recording(tmp_path: Path) -> None:
    """Files of a folder are read together, also when one lacks an optional column."""
    write(tmp_path / "a.parquet", market_id=[MARKET], timestamp=[T0], price=[0.5], volume=[1.0])
    (tmp_path / "deep").mkdir()
    write(tmp_path / "deep" / "b.parquet", market_id=[MARKET], timestamp=[T0 + 60], price=[0.6])

    found = recording.read(tmp_path)

    assert found.points.ts_s.tolist() == [T0, T0 + 60]
    assert found.points.volume_micro.tolist() == [1_000_000, 0]


@pytest.mark.parametrize("content", [b"", b"PAR1 but not really", b"market_id,timestamp,price\n1,2,3\n"])
def test_an_unreadable_file_is_one_clear_error(tmp_path: Path, content: bytes) -> None:
    """A file that is no parquet is refused by name."""
    path = tmp_path / "broken.parquet"
    path.write_bytes(content)

    with pytest.raises(DataError, match=r"broken\.parquet is not readable"):
        recording.read(path)


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    """The error names the missing column and those that are there."""
    path = write(tmp_path / "r.parquet", market_id=[MARKET], timestamp=[T0], last=[0.5])

    with pytest.raises(DataError, match=r"lacks the column\(s\) price; it has market_id, timestamp, last"):
        recording.read(path)


def test_nothing_usable_is_one_clear_error(tmp_path: Path) -> None:
    """A recording whose prices are all out of range says how many rows went and why."""
    path = write(tmp_path / "r.parquet", market_id=[MARKET] * 2, timestamp=minutes(2), price=[52.0, 53.0])

    with pytest.raises(DataError, match="2 rows and none is usable"):
        recording.read(path)


def test_missing_and_empty_paths_are_refused(tmp_path: Path) -> None:
    """A path that is not there, and a folder without parquet, are told apart."""
    with pytest.raises(DataError, match="does not exist"):
        recording.read(tmp_path / "none.parquet")
    with pytest.raises(DataError, match=r"holds no \.parquet"):
        recording.read(tmp_path)


def both_tokens(count: int, *, together: bool, price: float = 0.3) -> dict[str, Any]:
    """Rows of a market's two tokens, at the same times or by turns."""
    prices = [price + 0.001 * (k % 5) for k in range(count)]
    if together:
        times, shown = [t for t in minutes(count) for _ in (0, 1)], [q for p in prices for q in (p, 1 - p)]
    else:
        times, shown = minutes(count), [p if k % 2 else 1 - p for k, p in enumerate(prices)]
    return {"market_id": [MARKET] * len(times), "timestamp": times, "price": shown}


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("label", [{}, {"outcome": None}, {"outcome": "Yes"}, {"token_id": "7"}])
def test_two_tokens_that_nothing_tells_apart_are_refused(tmp_path: Path, together: bool, label: dict[str, Any]) -> None:
    """Both tokens as one series would become max(p, 1 - p): the market and its rows are named."""
    rows = both_tokens(20, together=together)
    more = {name: pa.array([value] * len(rows["price"]), pa.string()) for name, value in label.items()}
    path = write(tmp_path / "r.parquet", **rows, **more)

    with pytest.raises(DataError, match=rf"market {MARKET} holds both tokens and no column .* 0\.3\d* and 0\.7|0\.7"):
        recording.read(path)


def test_two_tokens_with_names_are_read(tmp_path: Path) -> None:
    """Whatever the outcomes are called, one of them is kept and the other counted."""
    rows = both_tokens(20, together=True)
    path = write(tmp_path / "r.parquet", **rows, outcome=["Over", "Under"] * 20)

    found = recording.read(path)

    assert len(found.points) == 20
    assert found.dropped["second_token"] == 20


def test_one_token_around_a_half_is_no_pair(tmp_path: Path) -> None:
    """Several trades of one second, and a price that swings around 0.5, are one token."""
    times = [t for t in minutes(30) for _ in (0, 1)]
    prices = [0.5 + 0.02 * ((3 * k) % 7 - 3) for k in range(60)]
    path = write(tmp_path / "r.parquet", market_id=[MARKET] * 60, timestamp=times, price=prices)

    assert len(recording.read(path).points) == 30


@pytest.mark.parametrize(
    "other",
    [
        pa.array([moment(t).replace(tzinfo=None) for t in minutes(3)], pa.timestamp("ms")),
        pa.array([moment(t) for t in minutes(3)], pa.timestamp("us", "UTC")),
        pa.array([moment(t).isoformat() for t in minutes(3)]),
        pa.array([moment(t).date() for t in minutes(3)]),
    ],
    ids=["naive", "zone", "text", "date"],
)
def test_files_that_write_time_differently_are_refused(tmp_path: Path, other: pa.Array) -> None:
    """The error names the column, the files, their kinds and their rows."""
    write(tmp_path / "a.parquet", market_id=[MARKET] * 4, timestamp=pa.array(minutes(4)), price=[0.5] * 4)
    write(tmp_path / "b.parquet", market_id=[MARKET] * 3, timestamp=other, price=[0.5] * 3)

    with pytest.raises(
        DataError, match=r"timestamp differs .* numbers in a\.parquet \(4 rows\); .* b\.parquet \(3 rows\)"
    ):
        recording.read(tmp_path)


def test_files_whose_numbers_differ_in_unit_are_read(tmp_path: Path) -> None:
    """Seconds in one file and milliseconds as floats in another are told apart by their size."""
    write(tmp_path / "a.parquet", market_id=[MARKET] * 2, timestamp=minutes(2), price=[0.5] * 2)
    later = pa.array([float(t * 1_000) for t in minutes(2, T0 + 120)])
    write(tmp_path / "b.parquet", market_id=[MARKET] * 2, timestamp=later, price=[0.5] * 2)

    assert recording.read(tmp_path).points.ts_s.tolist() == minutes(4)


def test_files_whose_other_columns_do_not_fit_are_named(tmp_path: Path) -> None:
    """What cannot be joined is an error for a person, not a traceback."""
    write(tmp_path / "a.parquet", market_id=[MARKET] * 2, timestamp=minutes(2), price=[0.5] * 2)
    write(tmp_path / "b.parquet", market_id=[MARKET] * 2, timestamp=minutes(2), price=[["x"], ["y"]])

    with pytest.raises(DataError, match=str(tmp_path)):
        recording.read(tmp_path)
