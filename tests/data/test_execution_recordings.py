"""The execution model's numbers against the recordings that they were fitted to; skipped where there are none."""

import os
from pathlib import Path
from typing import Any

import pytest

from benchmarks.calibrate import lines
from pipelines.core.params import read

RECORDINGS = Path(os.environ["ODDSMITH_RECORDINGS"])
LISTING = RECORDINGS / "meta/gamma_open_markets_sample.parquet"
NAMES = (
    "mlb_2026_full_depth_sample.jsonl.gz",
    "clob_books_run_20260311T214149Z.jsonl.gz",
    "mlb_2025_ws_events.parquet",
)
BOOKS = [RECORDINGS / "books" / name for name in NAMES]
EXECUTION = read(Path("params.yaml")).execution

pytestmark = pytest.mark.skipif(
    not all(path.exists() for path in (LISTING, *BOOKS)),
    reason=f"no recordings at {RECORDINGS}; set ODDSMITH_RECORDINGS to the folder that holds meta/ and books/",
)


@pytest.fixture(scope="module")
def fitted() -> dict[str, dict[str, Any]]:
    """The fits of the spread and of the fills."""
    return {line["fit"]: line for line in lines(LISTING, [], BOOKS, EXECUTION)}


def test_the_modelled_spread_lies_in_its_interval(fitted: dict[str, dict[str, Any]]) -> None:
    """`execution.model_spread` lies within the 95 % interval of the traded markets' mean, on its dear side; the touch
    that it makes on the grid is no narrower than theirs."""
    found = fitted["spread"]
    assert found["mean"] <= EXECUTION.model_spread <= found["high"]
    assert found["mean"] <= found["mean_params"]


def test_impact_and_depth_lie_in_their_intervals(fitted: dict[str, dict[str, Any]]) -> None:
    """`execution.impact_share` and `model_depth_shares` lie within the 95 % intervals of the fit, on its prudent side:
    no less impact and no more depth than fits best, and dearer than the books on average."""
    found = fitted["fills"]
    assert found["impact_share"] <= EXECUTION.impact_share <= found["impact_high"]
    assert found["depth_low"] <= EXECUTION.model_depth_shares <= found["depth_shares"]
    assert found["mean_error_ticks_params"] > 0.0
