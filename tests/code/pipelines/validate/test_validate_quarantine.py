"""Bad rows are set aside with their rule, what is kept is whole, and every row is in one of the two."""

import json
import sys
from pathlib import Path
from typing import ClassVar

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.core import raw_tables
from pipelines.core.artifacts import read_json, write_json
from pipelines.core.errors import DataError
from pipelines.core.products import QUARANTINE, RAW
from pipelines.featurize import stage as featurize
from pipelines.validate import history, stage

sys.path.insert(0, str(Path(__file__).parent))
from test_validate_stage import AS_OF, PARAMS, T0, clean

MARKET = f"0x{1:064x}"


@pytest.fixture
def pull(tmp_path, monkeypatch):
    """A function that writes data/raw in an empty folder, from changed clean tables, and validates it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ODDSMITH_VAR", str(tmp_path / "var"))

    def run(change=None, settings=PARAMS, **tables):
        bars, markets = clean()
        if change is not None:
            bars, markets = change(bars, markets)
        bars = bars.assign(bid_size_micro=0, ask_size_micro=0)[raw_tables.BARS.names]
        (RAW / "bars/day=2025-01-01").mkdir(parents=True, exist_ok=True)
        pq.write_table(
            pa.Table.from_pandas(bars, raw_tables.BARS, preserve_index=False), RAW / "bars/day=2025-01-01/part.parquet"
        )
        pq.write_table(
            pa.Table.from_pandas(
                markets.reindex(columns=raw_tables.MARKETS.names), raw_tables.MARKETS, preserve_index=False
            ),
            RAW / "markets.parquet",
        )
        for name in ("payouts", "headlines", "spreads"):
            rows = tables.get(name, [])
            schema = getattr(raw_tables, name.upper())
            pq.write_table(pa.Table.from_pylist(rows, schema), RAW / f"{name}.parquet")
        write_json(Path("reports/pull.json"), {"length_s": 60, "as_of_s": AS_OF, "source": "simulated"})
        monkeypatch.setattr(stage, "load", lambda: settings)
        stage.run()
        return read_json(stage.REPORT)

    return run


def set_bar(column, value, row=7):
    """One bar with another value."""

    def change(bars, markets):
        bars.loc[row, column] = value
        return bars, markets

    return change


def aside(table="bars"):
    """What was set aside of a table."""
    return pq.read_table(QUARANTINE / f"{table}.parquet").to_pandas()


@pytest.mark.parametrize(
    ("column", "value", "rule"),
    [
        ("mid_units", 10_001, "price lies in [0, 1]"),
        ("volume_micro", -5, "volume is not negative"),
        ("n_trades", -1, "trade count is not negative"),
        ("spread_units", 20_000, "spread lies in [0, 1]"),
        ("ts_s", T0 + 60 * 7, "one bar per market and time"),
        ("ts_s", T0 + 60 * 8 + 1, "one phase of the grid"),
        ("ts_s", AS_OF + 600, "bars end at the window"),
        ("market_id", "0xdead", "every bar has a market"),
    ],
)
def test_one_bad_bar_is_set_aside_and_the_night_goes_on(pull, column, value, rule):
    """The row is in the quarantine with its rule, the others are kept, and both together are what was read."""
    report = pull(set_bar(column, value))

    assert report["success"]
    assert aside()["reason"].tolist() == [rule]
    assert report["rows"]["bars"] == {"read": 480, "kept": 479, "quarantined": 1}
    assert report["quarantine"]["bars"] == {rule: 1}


def test_a_row_without_a_value_is_set_aside(pull):
    """A missing price is no price."""

    def change(bars, markets):
        return bars.astype({"mid_units": "Int32"}).assign(
            mid_units=lambda b: b["mid_units"].mask(b.index == 9)
        ), markets

    assert pull(change)["quarantine"]["bars"] == {"mid_units is present": 1}


def test_an_odd_market_takes_its_bars_with_it(pull):
    """A market without usable tokens is left out whole; the others go on."""

    def change(bars, markets):
        markets.loc[1, "token_yes"] = "0xabc"
        return bars, markets

    few = PARAMS.model_copy(update={"validate_": PARAMS.validate_.model_copy(update={"max_quarantined_share": 0.5})})
    report = pull(change, few)

    assert report["rows"]["markets"] == {"read": 4, "kept": 3, "quarantined": 1}
    assert report["rows"]["bars"]["quarantined"] == 120
    assert set(aside()["reason"]) == {"every bar has a market"}


def test_headlines_payouts_and_spreads_are_checked_too(pull):
    """Each odd row is named by its rule; a market that paid what cannot be paid is not settled."""
    said = {"published_s": T0, "known_s": T0 + 60, "text": "news", "sentiment": 0.5}
    many = PARAMS.model_copy(update={"validate_": PARAMS.validate_.model_copy(update={"max_quarantined_share": 1.0})})
    report = pull(
        settings=many,
        headlines=[
            {"headline_id": "a", "market_ids": [MARKET], **said},
            {"headline_id": "a", "market_ids": [MARKET], **said},
            {"headline_id": "b", "market_ids": [MARKET], **said, "known_s": T0 - 1},
            {"headline_id": "c", "market_ids": [MARKET], **said, "text": " "},
            {"headline_id": "d", "market_ids": [], **said},
            {"headline_id": "e", "market_ids": [MARKET], **said, "sentiment": 3.0},
            {"headline_id": "f", "market_ids": [MARKET], **said, "known_s": AS_OF + 1},
        ],
        payouts=[
            {"market_id": MARKET, "payout_micro": 2_000_000},
            {"market_id": "0xdead", "payout_micro": 0},
        ],
        spreads=[{"tick_units": 100, "spread_units": 0.0, "markets": 12}],
    )

    assert report["quarantine"]["headlines"] == {
        "a headline is there once": 1,
        "nothing is known before it was published": 1,
        "nothing is known after the window": 1,
        "a headline has words": 1,
        "a headline is about a market": 1,
        "scores lie in [-1, 1]": 1,
    }
    assert report["quarantine"]["payouts"] == {"a payout is of a market": 1, "payouts lie in [0, 1]": 1}
    assert report["quarantine"]["spreads"] == {"mean spreads lie in (0, 1]": 1}
    assert report["quarantine"]["markets"] == {"what the market paid is known": 1}
    assert all(row["read"] == row["kept"] + row["quarantined"] for row in report["rows"].values())


def test_too_many_bad_rows_stop_the_line(pull):
    """Beyond the share that params.yaml allows nobody trusts the rest."""
    with pytest.raises(DataError, match="few bars are set aside"):
        pull(lambda bars, markets: (bars.assign(volume_micro=bars["volume_micro"].mask(bars.index < 100, -1)), markets))


def test_what_was_set_aside_comes_back_when_the_rule_is_mended(pull):
    """data/raw is never changed: the next validation replays every row, and the quarantine is made anew."""
    pull(set_bar("mid_units", 10_001))
    assert len(aside()) == 1
    assert pull()["rows"]["bars"]["quarantined"] == 0
    assert len(aside()) == 0


def test_groups_of_markets_give_the_same_report(pull):
    """One market at a time finds what all at once find."""
    change = set_bar("ts_s", T0 + 60 * 7)
    one = PARAMS.model_copy(update={"compute": PARAMS.compute.model_copy(update={"bars_at_once": 1})})
    whole, single = pull(change), pull(change, one)
    assert {key: value for key, value in single.items() if key != "expectations"} == {
        key: value for key, value in whole.items() if key != "expectations"
    }
    assert [one["success"] for one in single["expectations"]] == [one["success"] for one in whole["expectations"]]


def test_features_leave_out_what_was_set_aside(pull, monkeypatch):
    """No feature is computed from a bar or a headline of the quarantine; the market goes on after the hole."""
    short = PARAMS.model_copy(
        update={"forecast": PARAMS.forecast.model_copy(update={"lookback_bars": 20, "horizon_bars": 5})}
    )
    pull(set_bar("mid_units", 10_001, row=60), short)
    monkeypatch.setattr(featurize, "load", lambda: short)
    monkeypatch.setattr("pipelines.featurize.slices.cut", lambda spans, *_: _Everything())
    monkeypatch.setattr("pipelines.featurize.slices.document", lambda *_: {})
    featurize.run()

    made = pq.read_table("data/features/features.parquet").to_pandas()
    assert len(made) == 479
    assert made["mid_units"].max() <= 10_000


class _Everything:
    """All bars in the fit slice."""

    slice_of_event: ClassVar[dict[str, str]] = {}

    mode = "whole_events"

    def of_bars(self, _event, ts_s):
        """The slice of each bar."""
        return pd.array(["fit"] * len(ts_s)).to_numpy(dtype=str)


def test_a_figure_far_from_the_last_nights_is_a_warning(tmp_path):
    """Six deviations from the median of the last pulls are told; a few pulls are no yardstick, a torn line no pull."""
    path = tmp_path / "validation.jsonl"
    for k in range(8):
        history.append(path, "simulated", k, {"bars": 1000.0 + k, "zero_move_share": 0.4})
    history.append(path, "recorded", 9, {"bars": 5.0})
    with path.open("a") as stream:
        stream.write('{"source": "simul')
    before = history.earlier(path, "simulated")

    assert len(before) == 8
    assert history.warnings({"bars": 1010.0, "zero_move_share": 0.4}, before, 6.0) == []
    assert "bars is 300; the last 8 pulls had 1003.5" in history.warnings({"bars": 300.0}, before, 6.0)[0]
    assert history.warnings({"bars": 300.0}, before[:4], 6.0) == []


def test_the_same_pull_is_counted_once(tmp_path):
    """A validation that runs again on one pull adds nothing to the yardstick."""
    path = tmp_path / "validation.jsonl"
    for _ in range(3):
        history.append(path, "simulated", 1, {"bars": 5.0})
    assert len(path.read_text().splitlines()) == 1
    assert json.loads(path.read_text())["figures"] == {"bars": 5.0}
