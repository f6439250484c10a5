"""Reference prices of a recording reach every history as the fair value, by the definition of the live process."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.core.errors import DataError
from pipelines.core.raw_tables import REFERENCE
from pipelines.core.settings import Settings
from pipelines.pull import import_recording, landing, recording
from pipelines.reference import recorded
from pipelines.reference.prices import Price

BEGIN_S = 1_753_088_400


def hours(path: Path, **columns) -> Path:
    """Two hourly markets, a row a minute, with a spot price."""
    minutes = np.arange(120)
    rng = np.random.default_rng(1)
    spot = 118_000.0 * np.exp(np.cumsum(5e-4 * rng.standard_normal(120)))
    names = [f"Bitcoin Up or Down - July 21, {9 + k // 60}AM ET" for k in minutes]
    table = {"market_id": names, "timestamp": BEGIN_S + 60 * minutes, "price": np.full(120, 0.5), "spot": spot}
    pq.write_table(pa.table(table | columns), path)
    return path


def test_an_hourly_recording_brings_its_rule_and_its_prices(tmp_path):
    """The title says the rule, the column `spot` the price; no other column is needed."""
    found = recording.read(hours(tmp_path / "hours.parquet"))

    rules = [one.settlement for one in found.markets]
    assert [(one.symbol, one.name, one.start_s) for one in rules] == [
        ("BTC", "candle", BEGIN_S + 3_600),
        ("BTC", "candle", BEGIN_S),
    ]
    assert len(found.prices) == 120
    assert {(one.symbol, one.source) for one in found.prices} == {("BTC", "binance")}


def test_an_imported_recording_keeps_its_spot_prices(tmp_path):
    """An import changes neither rules nor prices; of two prices of one moment every reading takes the same."""
    spot = [118_000.0 + (k // 2 if k < 60 else 7 * k) for k in range(120)]
    path = hours(tmp_path / "hours.parquet", spot=spot, timestamp=[BEGIN_S + 60 * (k % 100) for k in range(120)])
    import_recording.run(path, tmp_path / "out.parquet", [], replace=False)

    before, after = recording.read(path), recording.read(tmp_path / "out.parquet")

    assert before.prices == after.prices == recording.read(path).prices
    assert len(before.prices) == 100
    assert before.markets == after.markets


def test_the_oracles_price_in_a_column_is_the_oracles(tmp_path):
    """A column `chainlink` beside `spot` is another source of the same asset, before and after an import."""
    path = hours(tmp_path / "hours.parquet", chainlink=np.full(120, 117_000.0))
    import_recording.run(path, tmp_path / "out.parquet", [], replace=False)

    for one in (path, tmp_path / "out.parquet"):
        found = recording.read(one).prices
        assert {price.value for price in found if price.source == "chainlink"} == {117_000.0}
        assert len(found) == 240


def test_a_folder_brings_a_table_of_prices(tmp_path):
    """`reference.parquet` beside the recording is read as prices, never as a market."""
    hours(tmp_path / "hours.parquet", spot=np.full(120, np.nan))
    pq.write_table(recorded.table([Price("BTC", "binance", 1, 2, 3.0)]), tmp_path / REFERENCE)

    found = recording.read(tmp_path)

    assert found.prices == [Price("BTC", "binance", 1, 2, 3.0)]
    assert len(found.markets) == 2


def test_a_rule_that_is_none_is_refused(tmp_path):
    """A column `settlement` holds what the recorder wrote, or the recording is refused with the value."""
    with pytest.raises(DataError, match="settlement rule was 'twap'"):
        recording.read(hours(tmp_path / "hours.parquet", settlement=["twap"] * 120))


RULE_TEXT = (
    'This market will resolve to "Up" if the Bitcoin price at the end of the time range specified in the title is '
    'greater than or equal to the price at the beginning of that range. Otherwise, it will resolve to "Down".\n'
    "The resolution source for this market is information from Chainlink, specifically the BTC/USD data stream "
    "available at https://data.chain.link/streams/btc-usd."
)


@pytest.mark.parametrize(
    ("names", "end"),
    [
        ({"slug": f"btc-updown-15m-{BEGIN_S}"}, None),
        ({"question": "Bitcoin Up or Down - July 21"}, BEGIN_S + 900),
        ({"question": "Bitcoin Up or Down - July 21"}, "2025-07-21T09:15:00Z"),
    ],
)
def test_a_recorded_text_is_the_rule(tmp_path, names, end):
    """A column `description` says the rule, whatever the date or the slug would say; begin and end come with it."""
    begin_s = int(datetime(2025, 7, 21, 9, tzinfo=UTC).timestamp()) if isinstance(end, str) else BEGIN_S
    rows = {"market_id": ["m"] * 5, "timestamp": [begin_s + 60 * k for k in range(5)], "price": [0.5] * 5}
    rows |= {name: [value] * 5 for name, value in names.items()}
    rows |= {"description": [RULE_TEXT] * 5, "event_start": [begin_s] * 5}
    rows |= {} if end is None else {"end_date": [end] * 5}
    pq.write_table(pa.table(rows), tmp_path / "r.parquet")

    (market,) = recording.read(tmp_path / "r.parquet").markets

    rule = market.settlement
    assert (rule.name, rule.symbol, rule.start_s, rule.end_s) == ("spot", "BTC", begin_s, begin_s + 900)


def test_a_text_that_was_changed_keeps_its_market_out(tmp_path):
    """A sentence that is not known is counted, and the market is not priced by its slug; others stay."""
    rows = {
        "market_id": ["m", "other"],
        "timestamp": [BEGIN_S] * 2,
        "price": [0.5] * 2,
        "slug": [f"btc-updown-15m-{BEGIN_S}", "rain"],
        "description": [f"{RULE_TEXT} Ties pay half.", "It rains."],
    }
    pq.write_table(pa.table(rows), tmp_path / "r.parquet")

    found = recording.read(tmp_path / "r.parquet")

    assert [(one.event_id, one.settlement) for one in found.markets] == [("other", None)]
    assert found.dropped["unknown_rule"] == 1


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("description", [RULE_TEXT, RULE_TEXT.replace("btc-usd", "eth-usd")]),
        ("description", [RULE_TEXT.replace("greater than or equal to", "less than"), RULE_TEXT]),
        ("resolution_source", ["https://data.chain.link/streams/btc-usd", "https://www.coinbase.com/price/bitcoin"]),
    ],
)
def test_a_text_that_changes_within_a_recording_keeps_its_market_out(tmp_path, column, values):
    """Of two texts or sources of one market none is taken for its rule, in whatever order they come."""
    rows = {
        "market_id": ["m"] * 2, "timestamp": [BEGIN_S, BEGIN_S + 60], "price": [0.5] * 2,
        "slug": [f"btc-updown-15m-{BEGIN_S}"] * 2, "description": [RULE_TEXT] * 2,
    }  # fmt: skip
    for number, order in enumerate((values, values[::-1])):
        path = tmp_path / f"{number}.parquet"
        pq.write_table(pa.table({**rows, column: order}), path)

        with pytest.raises(DataError):
            recording.read(path)


def test_the_landing_zone_gives_the_prices_of_a_window(tmp_path):
    """Prices that were known in the window are read, with those that the volatility needs before it."""
    folder = tmp_path / "landing" / "reference" / "day=1970-01-01"
    folder.mkdir(parents=True)
    prices = [Price("BTC", "chainlink", s * 1_000, s * 1_000, 1.0) for s in (100, 10_000, 20_000)]
    pq.write_table(recorded.table(prices), folder / "1.parquet")

    assert [one.ts_ms for one in landing.prices(Settings(var=tmp_path), 10_000, 15_000)] == [10_000_000]
    assert [one.ts_ms for one in landing.prices(Settings(var=tmp_path), 7_300, 15_000)] == [100_000, 10_000_000]
