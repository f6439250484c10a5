"""Fits of the execution model on recordings whose answer is known."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks import calibrate_fills, calibrate_spread
from benchmarks.calibrate import main
from benchmarks.recordings import books
from pipelines.core.params import read

EXECUTION = read(Path("params.yaml")).execution
DEPTH = int(calibrate_fills.DEPTHS[20])


def book(market: str, spread: int, levels: list[tuple[int, float]]) -> str:
    """A book around 0.50 that looks the same to buyers of both outcomes: (ticks beyond the touch, shares)."""
    half = spread // 2
    asks = [{"price": str((50 + half + ticks) / 100), "size": str(shares)} for ticks, shares in levels]
    bids = [{"price": str((50 - half - ticks) / 100), "size": str(shares)} for ticks, shares in levels]
    return json.dumps({"market": market, "tick_size": "0.01", "asks": asks, "bids": bids}) + "\n"


def listing(path: Path, in_ticks: float | None = None) -> Path:
    """60 markets of two ticks with spreads of 0.02, or of so many ticks; one of them without trades, 0.09 wide."""
    tick = [0.01, 0.001] * 30
    spread = [in_ticks * one if in_ticks else 0.02 for one in tick[1:]] + [0.09]
    rows = {
        "event_slug": [f"e{number // 2}" for number in range(60)],
        "bestBid": [0.5 - one / 2 for one in spread],
        "bestAsk": [0.5 + one / 2 for one in spread],
        "orderPriceMinTickSize": [*tick[1:], 0.01],
        "volume24hr": [5_000.0] * 59 + [10.0],
        "liquidityNum": [100.0] * 60,
    }
    pq.write_table(pa.table(rows), path)
    return path


def test_depth_is_found_where_books_have_it(tmp_path: Path) -> None:
    """Books that show the same size at every tick behind a spread of two ticks give twice that size back, no impact and
    no error, whichever market is left out."""
    path = tmp_path / "books.jsonl"
    path.write_text("".join(book(name, 2, [(ticks, DEPTH // 2) for ticks in range(4)]) for name in "abc"))

    found = calibrate_fills.fit(calibrate_fills.errors(path, EXECUTION))

    assert (found["markets"], found["impact_share"], found["depth_shares"]) == (3, 0.0, DEPTH)
    assert found["rmse_ticks"] == found["rmse_ticks_left_out"] == pytest.approx(0.0, abs=1e-3)
    assert (found["depth_low"], found["depth_high"]) == (DEPTH, DEPTH)


def test_impact_is_found_where_the_touch_is_a_decoy(tmp_path: Path) -> None:
    """Where nearly everything stands one tick behind a touch two ticks wide, a fill pays half the spread on top."""
    path = tmp_path / "books.jsonl"
    path.write_text("".join(book(name, 2, [(0, 0.01), (1, DEPTH // 2), (2, DEPTH // 2)]) for name in "abc"))

    found = calibrate_fills.fit(calibrate_fills.errors(path, EXECUTION))

    assert (found["impact_share"], found["depth_shares"]) == (0.5, DEPTH)
    assert found["mean_error_ticks_params"] < 0.0


def test_a_busy_market_has_one_vote(tmp_path: Path) -> None:
    """Thirty times as many books of one market do not move the fit."""
    thin, deep = [(0, 20.0), (1, 20.0), (2, 20.0)], [(0, 90_000.0)]
    once, often = tmp_path / "once.jsonl", tmp_path / "often.jsonl"
    once.write_text(book("thin", 2, thin) + book("deep", 2, deep))
    often.write_text(book("thin", 2, thin) + 30 * book("deep", 2, deep))

    first, second = (calibrate_fills.fit(calibrate_fills.errors(path, EXECUTION)) for path in (once, often))

    assert first == second
    assert first["rmse_ticks_left_out"] > first["rmse_ticks"]


def test_what_lies_beyond_the_limit_counts_at_the_limit(tmp_path: Path) -> None:
    """A buy of which half stands at the touch and half ten ticks away pays one tick on average at a limit of two."""
    path = tmp_path / "books.jsonl"
    path.write_text(book("m", 2, [(0, 50.0), (10, 1_000.0)]))

    assert calibrate_fills.recorded(next(books(path)), 100.0, 5_300) == pytest.approx(1.0)
    assert calibrate_fills.modelled(5_100, 200, 100, 100.0, 5_300, 0.0, 100) == pytest.approx(0.5)


def test_the_law_that_made_the_spreads_is_found(tmp_path: Path) -> None:
    """A constant spread is its own mean without an error; spreads in ticks are found by the law in ticks, and missed by
    a constant. A market without trades does not count."""
    constant = calibrate_spread.fit(calibrate_spread.listing(listing(tmp_path / "constant.parquet")), EXECUTION)
    ticks = calibrate_spread.fit(calibrate_spread.listing(listing(tmp_path / "ticks.parquet", 4.0)), EXECUTION)

    assert (constant["markets"], constant["mean"], constant["low"], constant["high"]) == (59, 0.02, 0.02, 0.02)
    assert constant["rmse_out_of_sample"]["constant"] == 0.0 < constant["rmse_out_of_sample"]["ticks"]
    assert constant["ticks_of_0.001"]["mean"] == 20.0
    assert ticks["rmse_out_of_sample"]["ticks"] == 0.0 < ticks["rmse_out_of_sample"]["constant"]
    assert ticks["ticks_of_0.01"]["law_less_recorded"]["ticks"] == 0.0
    narrow = EXECUTION.model_copy(update={"model_spread": 0.01})
    quotes = calibrate_spread.listing(tmp_path / "constant.parquet")
    assert calibrate_spread.fit(quotes, narrow)["ticks_of_0.001"]["mean_params"] == 10.0
    assert ticks["low"] < ticks["mean"] < ticks["high"]


def test_a_series_counts_markets_not_rows(tmp_path: Path) -> None:
    """The mean over a market of 900 quotes and one of 30 lies half-way between theirs; quotes near 0 do not count."""
    sizes = {"busy": (900, 0.01, 0.5), "thin": (30, 0.05, 0.5), "nearly_over": (400, 0.05, 0.03)}
    rows = {
        "market_id": [name for name, (count, _, _) in sizes.items() for _ in range(count)],
        "best_bid": [mid - wide / 2 for count, wide, mid in sizes.values() for _ in range(count)],
        "best_ask": [mid + wide / 2 for count, wide, mid in sizes.values() for _ in range(count)],
    }
    pq.write_table(pa.table(rows), tmp_path / "series.parquet")

    found = calibrate_spread.of_series(tmp_path / "series.parquet")

    assert (found["markets"], found["mean"]) == (2, 0.03)


def test_every_fit_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command prints a line per fit: spread, liquidity, each recording of books, all books. A recording that cannot
    be used is one line and status 1."""
    path = tmp_path / "books.jsonl"
    path.write_text(book("m", 2, [(0, 100.0)]))
    given = ["--listing", str(listing(tmp_path / "markets.parquet")), "--books", str(path)]

    assert main(given) == 0
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["fit"] for line in printed] == ["spread", "liquidity", "books", "fills"]
    assert main([*given, "--quotes", str(tmp_path / "none.parquet")]) == 1
    assert "best_bid" in capsys.readouterr().err
    path.write_text(book("m", 2, [(-48, 1.0)]))
    assert main(given) == 1
    assert "holds no two-sided book" in capsys.readouterr().err
