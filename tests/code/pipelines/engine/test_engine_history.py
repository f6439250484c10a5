"""What the replaying stages read: a file that is not there or not readable names the stage that writes it."""

import pytest

from pipelines.core.errors import DataError
from pipelines.core.params import load
from pipelines.engine import history

EXECUTION = load().execution


def test_a_missing_product_names_the_stage_that_writes_it(tmp_path):
    """Without forecasts the backtest says which command makes them."""
    with pytest.raises(DataError, match=r"forecasts\.parquet does not exist; run `python -m pipelines forecast` first"):
        history.read("selection", EXECUTION, tmp_path / "forecasts.parquet")


def test_a_damaged_product_names_the_stage_that_writes_it(tmp_path):
    """A file that is no parquet is named, with the stage that makes it anew."""
    (tmp_path / "markets.parquet").write_bytes(b"PAR1 half")
    with pytest.raises(DataError, match=r"markets\.parquet cannot be read .*run `python -m pipelines pull` again"):
        history.read_markets(tmp_path / "markets.parquet")
