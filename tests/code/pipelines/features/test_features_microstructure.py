"""Imbalance at the touch, and its measurement."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import imbalance as benchmark
from pipelines.core.domain import Quote
from pipelines.features.microstructure import (
    BOOK_FEATURES,
    WARM_TRADES,
    BookLevels,
    Tape,
    book_features,
    hashed,
    imbalance,
    imbalances,
    is_large,
    trade_features,
)

SIZES = st.integers(min_value=0, max_value=10**13)


@given(st.lists(st.tuples(SIZES, SIZES), min_size=1, max_size=20))
def test_batch_and_live_form_are_equal_to_the_bit(sizes: list[tuple[int, int]]) -> None:
    """A book seen live and the same book in a table give the same number, in [-1, 1]."""
    bids, asks = (np.array(side, dtype=np.int64) for side in zip(*sizes, strict=True))
    batch = imbalances(bids, asks)

    assert [imbalance(Quote(4_900, 5_100, bid, ask)) for bid, ask in sizes] == batch.tolist()
    assert np.all(np.abs(batch) <= 1.0)


def test_an_empty_book_leans_nowhere() -> None:
    """Nothing displayed is 0; one side alone is 1 or -1."""
    assert imbalances(np.array([0, 5, 0]), np.array([0, 0, 5])).tolist() == [0.0, 1.0, -1.0]


def recording(path: Path, *, foretells: bool) -> Path:
    """Forty markets whose mid follows the imbalance, or does not."""
    generator = np.random.default_rng(5)
    rows: dict[str, list[object]] = {name: [] for name in benchmark.COLUMNS}
    for market in range(40):
        mid = 0.5
        for minute in range(120):
            bid_size, ask_size = generator.uniform(10, 1000, size=2)
            lean = (bid_size - ask_size) / (bid_size + ask_size)
            for name, value in zip(
                benchmark.COLUMNS, (f"m{market}", minute, mid - 0.01, bid_size, mid + 0.01, ask_size), strict=True
            ):
                rows[name].append(value)
            mid = float(np.clip(mid + generator.normal(0, 0.002) + (0.002 * lean if foretells else 0), 0.2, 0.8))
    pq.write_table(pa.table(rows), path)
    return path


@pytest.mark.parametrize("foretells", [True, False])
def test_the_measurement_finds_what_is_there(foretells: bool, tmp_path: Path, capsys) -> None:
    """An imbalance that moves the mid has an interval above 0; one that does not, covers 0."""
    path = recording(tmp_path / "book.parquet", foretells=foretells)
    assert benchmark.main([str(path), "--resamples", "200"]) == 0
    found = json.loads(capsys.readouterr().out)
    value, low, high = found["h1"]["correlation"]

    assert found["markets"] == 40
    assert (low > 0) is foretells
    assert low <= value <= high
    _, low, high = found["h1"]["correlation_from_next"]
    assert low <= 0 <= high, "sizes are drawn anew each minute, so nothing is left one observation later"
    strong = found["h1"]["strong"]
    assert strong["spread"] == pytest.approx(0.02)
    assert strong["taker_round_trip"] == pytest.approx(strong["move"] - strong["spread"], abs=2e-5)


def test_the_simulators_sizes_are_measured_alike(monkeypatch, capsys) -> None:
    """A line for each value of the simulator's switch: off tells nothing, on tells the next move, no price differs."""
    monkeypatch.setattr(benchmark, "EVENTS", 6)
    assert benchmark.main(["--size-lean", "0", "2", "--resamples", "100"]) == 0
    off, on = (json.loads(line) for line in capsys.readouterr().out.splitlines())

    assert [line["size_lean"] for line in (off, on)] == [0.0, 2.0]
    assert off["h1"]["observations"] == on["h1"]["observations"] > 10_000
    assert on["h1"]["size_ratio"][1] > 0.1 > abs(off["h1"]["size_ratio"][0])
    assert off["h1"]["size_ratio"][1] <= 0.01


def test_a_recording_without_sizes_is_refused(tmp_path: Path, capsys) -> None:
    """The error names the columns that are missing."""
    path = tmp_path / "prices.parquet"
    pq.write_table(pa.table({"market_id": ["m"], "timestamp": [1], "price": [0.5]}), path)

    assert benchmark.main([str(path)]) == 1
    assert "lacks best_bid, best_bid_size" in capsys.readouterr().err


def books(bid_size: list[list[float]], ask_size: list[list[float]]) -> BookLevels:
    """Books around 0.50 with levels a cent apart."""
    count, depth = len(bid_size), len(bid_size[0])
    steps = 0.01 * np.arange(depth)
    prices = np.tile(0.49 - steps, (count, 1)), np.tile(0.51 + steps, (count, 1))
    return BookLevels(prices[0], np.array(bid_size), prices[1], np.array(ask_size))


def test_a_mirrored_book_leans_the_other_way() -> None:
    """Exchanging the sides changes the sign of every feature, and a balanced book has none."""
    bid, ask = [[100.0, 50.0, 10.0, 0.0, 5.0]], [[20.0, 90.0, 10.0, 40.0, 7.0]]
    one, other = book_features(books(bid, ask))[0], book_features(books(ask, bid))[0]

    assert len(one) == len(BOOK_FEATURES)
    assert one == pytest.approx(-other)
    assert np.abs(one).min() > 0.0
    assert book_features(books(bid, bid))[0] == pytest.approx(np.zeros(len(BOOK_FEATURES)))


def test_features_of_levels_are_what_they_say() -> None:
    """Imbalance counts the first levels, the microprice leans to the thin side, the slope to the nearer sizes."""
    made = dict(zip(BOOK_FEATURES, book_features(books([[30.0, 0.0, 70.0]], [[10.0, 90.0, 0.0]]))[0], strict=True))

    assert made["imbalance_1"] == pytest.approx(0.5)
    assert made["imbalance_3"] == pytest.approx(0.0)
    assert made["micro_gap"] == pytest.approx(0.01 * 0.5)
    assert made["slope"] == pytest.approx((0.019 - 0.024) / 0.043)


def test_an_empty_side_is_neutral() -> None:
    """A book without asks tells nothing."""
    assert not book_features(books([[10.0, 10.0]], [[0.0, 0.0]])).any()


def tape(sizes: list[float], buys: list[bool], accounts: list[int] | None = None) -> Tape:
    """A trade a second at 0.40."""
    count = len(sizes)
    who = None if accounts is None else np.array(accounts)
    return Tape(np.arange(count), np.array(buys), np.full(count, 0.40), np.array(sizes), who)


def test_trades_of_the_window_alone_count() -> None:
    """Trade imbalance is bought less sold over all of the window; older and later trades are not in it."""
    made = tape([100.0, 10.0, 30.0, 500.0], [True, True, False, True])
    found = trade_features(made, np.array([2]), np.array([0.45]), window_s=2, large_share=0.1)[0]

    assert found[0] == pytest.approx((10.0 - 30.0) / 40.0)
    assert found[1] == pytest.approx(0.40 - 0.45)
    assert found[2] == 0.0


def test_an_account_is_large_from_what_it_had_traded_by_then() -> None:
    """One account that makes a third of the volume is large once the market is warm; later trades change nothing."""
    accounts = [0 if at % 3 == 0 else 1 + at for at in range(300)]
    made = tape([1.0] * 300, [True] * 300, accounts)
    large = is_large(made, 0.2)
    half = Tape(made.ts_s[:150], made.buys[:150], made.price[:150], made.size[:150], made.account[:150])

    assert not large[:WARM_TRADES].any()
    assert large[WARM_TRADES:][made.account[WARM_TRADES:] == 0].all()
    assert not large[made.account != 0].any()
    assert np.array_equal(is_large(half, 0.2), large[:150])
    assert not is_large(tape([1.0] * 300, [True] * 300), 0.2).any()


def test_a_hash_hides_the_wallet_and_ignores_case() -> None:
    """The same wallet has the same number under one salt, another under another, and letters' case does not matter."""
    assert hashed("0xABC", b"one") == hashed("0xabc", b"one")
    assert hashed("0xabc", b"one") != hashed("0xabc", b"two")
    assert hashed("0xabc", b"one") != hashed("0xabd", b"one")
