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
from pipelines.features.touch import imbalance, imbalances

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
