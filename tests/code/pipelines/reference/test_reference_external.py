"""External probabilities: what was known when, from a file's column to the histories that are learned from."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.core import raw_tables
from pipelines.pull import recording
from pipelines.pull.import_recording import run
from pipelines.reference import recorded
from pipelines.reference.board import Board
from pipelines.reference.external import EXTERNAL, HOLDS_S, ExternalProbabilities
from pipelines.reference.prices import Price

T0 = 1_767_225_600


def stated(value, at_s, market="m"):
    """A probability that became known at a time."""
    return Price(market, EXTERNAL, 1_000 * at_s, 1_000 * at_s, value)


def test_a_probability_holds_until_the_next_one_and_then_for_two_days():
    """Before it was known, of another market, and two days after the last one there is none."""
    found = ExternalProbabilities()
    for one in (stated(0.4, 100), stated(0.6, 200)):
        found.take(one)
    seen = found.series("m", np.array([99, 100, 199, 200, 200 + HOLDS_S, 201 + HOLDS_S]))

    np.testing.assert_array_equal(seen, [np.nan, 0.4, 0.4, 0.6, 0.6, np.nan])
    assert found.at("other", 150_000) is None


def test_what_is_no_probability_is_refused_and_counted():
    """Numbers outside [0, 1], NaN, and what comes out of order change nothing."""
    found = ExternalProbabilities()
    for one in (stated(0.4, 100), stated(1.2, 101), stated(float("nan"), 102), stated(0.5, 99)):
        found.take(one)

    assert (found.refused, found.at("m", 103_000)) == (3, 0.4)


def test_what_no_longer_holds_is_forgotten():
    """A board drops what no bar can read any more, and keeps what still holds."""
    board = Board.of([stated(0.4, 100), stated(0.5, 100, "n"), stated(0.6, 100 + HOLDS_S)])
    board.forget(1_000 * (101 + HOLDS_S))

    assert board.external.at("m", 1_000 * (101 + HOLDS_S)) == 0.6
    assert board.external.at("n", 100_000) is None


def test_probabilities_do_not_change_the_fair_value():
    """A board with both gives the same fair values as one with prices alone: the geometry is that of the prices."""
    prices = [Price("BTC", "binance", 1_000 * at, 1_000 * at, 100.0 + at % 3) for at in range(600)]
    plain, both = Board.of(prices), Board.of([*prices, stated(0.5, 0), stated(0.6, 500_000)])

    assert both.paths.keys() == plain.paths.keys()
    assert both.empty()._geometry == plain.empty()._geometry


def test_a_mapped_column_of_an_import_reaches_the_recording(tmp_path, capsys, monkeypatch):
    """`--map external=...` brings the model's probability of each row's token; changes are kept, numbers that are none
    are counted."""
    monkeypatch.chdir(tmp_path)
    rows = [(0, 0.50, 0.55), (1, 0.51, 0.55), (2, 0.52, 0.70), (3, 0.53, 1.50)]
    lines = [f"a,{T0 + 60 * minute},{price},{model}" for minute, price, model in rows]
    (tmp_path / "mine.csv").write_text("\n".join(["market_id,timestamp,price,my_model", *lines]) + "\n")
    run(tmp_path / "mine.csv", tmp_path / "mine.parquet", ["external=my_model"], replace=False)
    found = recording.read(tmp_path / "mine.parquet")
    capsys.readouterr()

    assert [(one.symbol, one.source, one.known_ms, one.value) for one in found.prices] == [
        (found.markets[0].market_id, EXTERNAL, 1_000 * T0, 0.55),
        (found.markets[0].market_id, EXTERNAL, 1_000 * (T0 + 120), 0.70),
    ]
    assert found.dropped["external_outside_0_1"] == 1


def test_a_recorded_folder_names_its_markets_as_it_does_elsewhere(tmp_path):
    """Probabilities in `reference.parquet` of a folder are those of the recording's market of that name."""
    table = {"market_id": ["a"] * 3, "timestamp": [T0, T0 + 60, T0 + 120], "price": [0.5, 0.5, 0.5]}
    pq.write_table(pa.table(table), tmp_path / "prices.parquet")
    pq.write_table(recorded.table([stated(0.8, T0, "a")]), tmp_path / raw_tables.REFERENCE)
    found = recording.read(tmp_path)

    assert [(one.symbol, one.value) for one in found.prices] == [(found.markets[0].market_id, 0.8)]
