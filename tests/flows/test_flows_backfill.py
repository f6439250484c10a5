"""The flows `backfill` and `parity` as a person starts them: real processes, a real venue, a real journal."""

from pathlib import Path

import pyarrow.dataset as ds
import pytest
from trading_journal import a_month

from benchmarks.latency import exchange_process
from flows.backfill import backfill
from flows.parity import parity
from flows.stage_tasks import StageFailed
from pipelines.core.artifacts import read_json
from pipelines.core.settings import Settings

pytestmark = [pytest.mark.usefixtures("prefect_server"), pytest.mark.timeout(300)]

HOUR_S = 3_600


@pytest.fixture(autouse=True)
def var(in_clone, tmp_path, monkeypatch) -> Path:
    """A folder of its own for what the flows keep."""
    monkeypatch.setenv("ODDSMITH_VAR", str(tmp_path))
    return tmp_path


def test_a_backfill_fills_the_landing_zone_once(var, monkeypatch):
    """Fifteen market hours reach the landing zone, each bar once; again they add none, and twenty the rest."""
    with exchange_process() as urls:
        for name in ("clob", "gamma", "data"):
            monkeypatch.setenv(f"ODDSMITH_{name.upper()}_URL", urls[name])
        monkeypatch.setenv("ODDSMITH_NEWS_URL", "")
        backfill(days=15 / 24)
        first = _times(var)
        backfill(days=15 / 24)
        assert _times(var) == first
        backfill(days=20 / 24)
        second = _times(var)
    as_of_s = read_json(var / "landing/state.json")["as_of_s"]
    assert len(set(first)) == len(first) > 1_000
    assert min(ts_s for _, ts_s in first) > as_of_s - 15 * HOUR_S
    assert max(ts_s for _, ts_s in first) == as_of_s
    assert len(set(second)) == len(second) > len(first)
    assert set(first) <= set(second)
    assert as_of_s - 20 * HOUR_S < min(ts_s for _, ts_s in second) < as_of_s - 15 * HOUR_S


def _times(var: Path) -> list[tuple[str, int]]:
    """Market and end of every bar of the landing zone, sorted."""
    table = ds.dataset(var / "landing/bars").to_table(columns=["market_id", "ts_s"])
    return sorted(zip(table["market_id"].to_pylist(), table["ts_s"].to_pylist(), strict=True))


def test_parity_on_its_own_says_what_cannot_be_decided_again(var):
    """The journal of a month whose bundles are gone: every bar is counted with the reason, and the report is there."""
    journal, _ = a_month(Settings(var=var))
    journal.close()

    document = parity(hours=24.0 * 40)

    assert document == read_json(Path("reports/parity.json"))
    assert document["bars"] > 300
    assert document["decisions"] == 0


def test_parity_without_a_journal_fails_with_what_to_do(var):
    """Where no bot has run the flow fails, and its message says what is missing."""
    with pytest.raises(StageFailed, match="journal"):
        parity()
