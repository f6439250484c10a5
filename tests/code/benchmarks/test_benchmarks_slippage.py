"""What an order pays on recorded books."""

import json
from pathlib import Path

import pytest

from benchmarks.recordings import books
from benchmarks.slippage import filled, main, measure, model, model_filled, recorded
from pipelines.core.params import read

LEVELS = {
    "bids": [{"price": "0.40", "size": "50"}, {"price": "0.45", "size": "100"}],
    "asks": [{"price": "0.60", "size": "1000"}, {"price": "0.50", "size": "200"}],
    "tick_size": "0.01",
}


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """One book of each form: levels as lists under `books`, and as JSON text."""
    path = tmp_path / "books.jsonl"
    text = {name: json.dumps(value) if name != "tick_size" else value for name, value in LEVELS.items()}
    path.write_text(json.dumps({"books": [LEVELS]}) + "\n" + json.dumps(text) + "\n")
    return path


def test_a_walk_by_hand(recording: Path) -> None:
    """160 pUSD buy 200 at 0.50 and 100 at 0.60: 0.5333 on average, 3.33 ticks beyond the touch; two ticks do not
    fill it. The buyer of the other outcome sees asks at 0.55 and 0.60."""
    ours, other, again, _ = books(recording)

    assert recorded(ours, 160.0) == pytest.approx(10 / 3)
    assert recorded(ours, 100.0) == pytest.approx(0.0)
    assert filled(ours, 160.0, 2) == pytest.approx(100 / 160)
    assert filled(ours, 160.0, 10) == 1.0
    assert other.asks.tolist() == [[5500.0, 100.0], [6000.0, 50.0]]
    assert again.asks.tolist() == ours.asks.tolist()


def test_the_model_pays_its_impact_and_its_levels(recording: Path) -> None:
    """Within one level (1,000 shares over a spread of five ticks) the model pays the share of the spread; beyond it the
    next tick as well."""
    execution = read(Path("params.yaml")).execution.model_copy(update={"impact_share": 0.2, "model_depth_shares": 1000})
    ours = next(iter(books(recording)))

    assert model(ours, 50.0, execution) == pytest.approx(1.0)
    assert model(ours, 200.0, execution) > 1.4
    assert model_filled(ours, 400.0, execution.model_copy(update={"band_ticks": 1})) == pytest.approx(0.5)


def test_bad_recordings_are_named(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line that is no book, and a file that is not there, are one line each; the figures of a good one are whole."""
    assert measure(recording, read(Path("params.yaml")).execution)["books"] == 4
    recording.write_text('{"bids": 3}\n')

    assert main([str(recording)]) == 1
    assert "line 1 of" in capsys.readouterr().err
    assert main([str(recording.with_name("none.jsonl"))]) == 1
    assert "cannot be read" in capsys.readouterr().err
