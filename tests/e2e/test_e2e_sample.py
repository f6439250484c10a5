"""`make sample` fetches books that may be passed on, and what it imports is a recording that can be run."""

import subprocess
import sys
from pathlib import Path

import pytest
from e2e_checkout import clone
from job_pages import environment, run

from pipelines.core.artifacts import read_json
from simulator.markets.recorded_source import open_source
from simulator.markets.source import SourceOptions

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

UNREACHABLE = ("Failed to fetch", "error sending request", "dns error", "timed out", "tunnel error")
"""What uv says where it cannot reach the package index."""


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A clone after `make sample`, in the environment of this process."""
    folder = tmp_path / "oddsmith"
    clone(folder)
    (folder / ".venv").symlink_to(Path(sys.prefix))
    # `-o install`: the environment is there, and a test does not change it.
    command, given = ["make", "-o", "install", "sample"], environment(folder, {})
    done = subprocess.run(command, cwd=folder, env=given, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    if done.returncode and any(reason in said for reason in UNREACHABLE):
        pytest.skip(f"the package index cannot be reached: {said.strip().splitlines()[-1]}")
    assert done.returncode == 0, said
    assert "prices of 18 markets" in said
    return folder


def test_the_sample_is_a_recording_of_series_markets(checkout):
    """Each market has its rule and its payout; a window, a pull and a replay are made of it."""
    run(checkout, "oddsmith data window --source recorded --recording data/recordings/btc15m.parquet")
    run(checkout, "oddsmith stage pull")

    report = read_json(checkout / "reports/pull.json")
    assert (report["markets"], report["length_s"], report["markets_with_settlement"]) == (17, 1, 18)
    assert report["reference_prices"] == 0
    source = open_source(SourceOptions(replay=checkout / "data/replay", warm_bars=60))
    (market,) = source.listings()
    assert market.slug.startswith("btc-updown-15m-")
    assert "TWAP" in market.description
    assert source.advance().rows[0].bid_units > 0
