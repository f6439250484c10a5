"""Recordings as tapes that an agent learns on; skipped where there are none."""

import os
from pathlib import Path

import numpy as np
import pytest

from benchmarks import learning_varied
from benchmarks.learning_worlds import LENGTH_S
from pipelines.core.params import read
from pipelines.trading import compiled
from pipelines.trading.compiled_account import ROUND_TRIP

PRICES = Path(os.environ["ODDSMITH_RECORDINGS"]) / "prices"
SHORT = PRICES / "mlb_2026_top_of_book.parquet"


@pytest.mark.nightly
@pytest.mark.skipif(
    not SHORT.exists(), reason=f"no recordings at {PRICES}; set ODDSMITH_RECORDINGS to the folder that holds prices/"
)
def test_a_recording_is_learned_on_after_what_its_forecaster_saw(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both slices of a recording are tapes of minutes with books of its own, one after the other, and round trips that
    cost no less than the spread."""
    params = read(Path("params.yaml"))
    monkeypatch.setattr(learning_varied, "KEPT", tmp_path)
    assert SHORT in learning_varied.recordings()
    agent, selection = (one.tape.field.bars for one in learning_varied.recorded(SHORT, params))
    assert agent[:, compiled.TS].min() < selection[:, compiled.TS].min()
    for one in learning_varied.recorded(SHORT, params):
        bars = one.tape.field.bars
        assert len(set(one.tape.events)) > 100
        assert np.bincount(np.diff(bars[:, compiled.TS]).clip(0, 10**6)).argmax() == LENGTH_S
        assert (one.tape.signals[:, ROUND_TRIP] >= bars[:, compiled.ASK] - bars[:, compiled.BID]).all()
        assert one.tape.field.observation_size == 27
