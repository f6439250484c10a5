"""From a recording to data/raw: what is held out stays out, equal input gives equal bytes."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.__main__ import main
from pipelines.core import artifacts, params
from pipelines.core.errors import DataError
from pipelines.core.settings import Source
from pipelines.pull import stage, window
from pipelines.replay import market_history

T0 = 1_735_689_600
DAY = 86_400
PARAMS = Path(__file__).parents[4] / "params.yaml"
Recorder = Callable[..., Path]


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory with the shipped parameters, shortened so that small recordings are long enough."""
    text = (
        PARAMS.read_text()
        .replace("lookback_bars: 60", "lookback_bars: 10")
        .replace("horizon_bars: 24", "horizon_bars: 5")
    )
    (tmp_path / "params.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    params.load.cache_clear()
    yield tmp_path  # type: ignore[misc]
    params.load.cache_clear()


def record(path: Path, events: int = 4, markets: int = 2, bars: int = 40, label: str = "Yes") -> Path:
    """A recording of consecutive events."""
    rng = np.random.default_rng(3)
    rows: dict[str, list[object]] = {"market_id": [], "timestamp": [], "price": [], "event": [], "resolved_outcome": []}
    for event in range(events):
        for market in range(markets):
            for bar in range(bars):
                rows["market_id"].append(f"event {event} market {market}")
                rows["timestamp"].append(T0 + event * bars * 60 + bar * 60)
                rows["price"].append(round(0.5 + 0.01 * int(rng.integers(-5, 6)), 2))
                rows["event"].append(f"event {event}")
                rows["resolved_outcome"].append(label)
    pq.write_table(pa.table(rows), path)
    return path


def pull(recording: Path) -> None:
    """Window and pull of a recording."""
    window.run(Source.RECORDED, recording, fresh=True)
    stage.run()


def raw_bars() -> pa.Table:
    """All bars of data/raw."""
    return pa.concat_tables(pq.ParquetFile(p).read() for p in sorted(Path("data/raw/bars").glob("day=*/part.parquet")))


def test_the_newest_event_is_only_in_the_replay(work: Path) -> None:
    """No bar of the newest event, and no bar after its replay begins, is in data/raw; the replay has all of it."""
    pull(record(work / "r.parquet"))

    report = artifacts.read_json(stage.REPORT)
    held = pq.ParquetFile("data/replay/markets.parquet").read()
    raw = pq.ParquetFile("data/raw/markets.parquet").read()

    assert report["held_out_event"] == "event 3"
    assert set(held["event_id"].to_pylist()) == {"event 3"}
    assert set(raw["event_id"].to_pylist()) == {"event 0", "event 1", "event 2"}
    assert max(raw_bars()["ts_s"].to_pylist()) <= report["as_of_s"] == T0 + 3 * 40 * 60 + 10 * 60
    assert pq.ParquetFile("data/replay/bars.parquet").metadata.num_rows == 80


def test_bars_of_brackets_are_counted(work: Path) -> None:
    """The report counts the bars whose market names its levels, and none of a recording that names no level."""
    pull(record(work / "r.parquet"))
    assert artifacts.read_json(stage.REPORT)["brackets_observed_share"] == 0.0

    table = pq.read_table(work / "r.parquet")
    second = [name.endswith("1") for name in table["market_id"].to_pylist()]
    levels = pa.array([5.0 if one else None for one in second], pa.float64())
    pq.write_table(table.append_column("lower_price", levels), work / "levels.parquet")
    pull(work / "levels.parquet")

    report = artifacts.read_json(stage.REPORT)
    assert report["brackets_observed_share"] == pytest.approx(0.5)
    assert report["exclusive_share"] == 0.0


def test_one_event_is_cut_by_time(work: Path) -> None:
    """With a single event the last fifth of time is the replay, warm with the lookback before it."""
    pull(record(work / "r.parquet", events=1, markets=3, bars=200))

    report = artifacts.read_json(stage.REPORT)
    replay = pq.ParquetFile("data/replay/bars.parquet").read()

    assert report["held_out_event"] is None
    assert max(raw_bars()["ts_s"].to_pylist()) == report["as_of_s"]
    assert min(replay["ts_s"].to_pylist()) == report["as_of_s"] - 10 * 60
    assert report["replay"]["markets"] == 3


def test_labels_change_no_byte(work: Path) -> None:
    """The same prices under another outcome give byte-equal products."""
    pull(record(work / "r.parquet", label="Yes"))
    first = artifacts.sha256_path(stage.RAW), artifacts.sha256_path(stage.REPLAY)
    pull(record(work / "r.parquet", label="No"))

    assert (artifacts.sha256_path(stage.RAW), artifacts.sha256_path(stage.REPLAY)) == first


def test_what_was_paid_lies_apart_and_not_for_the_newest_event(work: Path) -> None:
    """`resolved_price` goes to payouts.parquet, for the markets of data/raw alone, and changes nothing else."""
    plain = record(work / "r.parquet")
    pull(plain)
    before = artifacts.sha256_path(Path("data/raw/bars")), artifacts.sha256_path(Path("data/raw/markets.parquet"))
    assert pq.ParquetFile("data/raw/payouts.parquet").read().num_rows == 0
    table = pq.ParquetFile(plain).read()
    paid = [1.0 if name.endswith("market 0") else 0.0 for name in table["market_id"].to_pylist()]
    pq.write_table(table.append_column("resolved_price", pa.array(paid)), work / "labelled.parquet")
    pull(work / "labelled.parquet")

    labels = pq.ParquetFile("data/raw/payouts.parquet").read()
    assert set(labels["market_id"].to_pylist()) == set(market_history.read_markets())
    assert sorted(labels["payout_micro"].to_pylist()) == [0, 0, 0, 1_000_000, 1_000_000, 1_000_000]
    after = artifacts.sha256_path(Path("data/raw/bars")), artifacts.sha256_path(Path("data/raw/markets.parquet"))
    assert after == before


def test_a_recording_that_is_read_again_is_no_other_window(work: Path) -> None:
    """What rests on the window (the champion to beat, the start of a training) stays, and nothing is judged again."""
    path = record(work / "r.parquet", bars=8)

    assert window.run(Source.RECORDED, path, fresh=True)
    assert not window.run(Source.RECORDED, path, fresh=True)
    assert not window.run(Source.RECORDED, path, fresh=False)
    assert window.run(Source.RECORDED, record(work / "other.parquet", bars=9), fresh=True)


def test_a_window_that_was_cut_off_is_replaced_by_a_fresh_one(work: Path) -> None:
    """A file that is no window is no reason to refuse the command that writes a new one."""
    path = record(work / "r.parquet", bars=8)
    window.PATH.parent.mkdir(parents=True, exist_ok=True)
    window.PATH.write_text('{"source": ')

    assert window.run(Source.RECORDED, path, fresh=True)
    assert window.read().source is Source.RECORDED


def test_too_short_is_one_clear_error(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """When no market has the least lookback and a bar after it the command says the counts and the remedy in one line,
    exit status 1."""
    window.run(Source.RECORDED, record(work / "r.parquet", bars=8), fresh=True)

    status = main(["pull"])
    said = capsys.readouterr().err

    assert status == 1
    assert "none of 8 markets has 9 bars of 60 s" in said
    assert "the longest has 8" in said
    assert not stage.RAW.exists()


def test_markets_shorter_than_lookback_and_horizon_are_learned_from(work: Path) -> None:
    """One bar after the lookback is enough where markets are short; long ones keep the whole horizon."""
    for bars, ahead in ((12, 1), (200, 5)):
        pull(record(work / "r.parquet", events=6, bars=bars))

        assert artifacts.read_json(stage.REPORT)["ahead_bars"] == ahead
        assert artifacts.read_json(stage.RAW / "lookback.json")["ahead_bars"] == ahead
        assert len(raw_bars()) > 0


def test_a_window_is_kept_until_a_fresh_one_is_asked_for(work: Path) -> None:
    """The same recording keeps its window; a changed one, or --fresh, writes a new one."""
    path = record(work / "r.parquet")
    main(["window", "--source", "recorded", "--recording", str(path)])
    window.PATH.write_text(window.PATH.read_text().replace("event 3", "event 2"))

    main(["window", "--source", "recorded", "--recording", str(path)])
    kept = window.read().held_out_event
    main(["window", "--source", "recorded", "--recording", str(path), "--fresh"])
    fresh = window.read().held_out_event

    assert (kept, fresh) == ("event 2", "event 3")


def test_a_recording_that_changed_is_refused(work: Path) -> None:
    """A pull never mixes a window with another content of its recording."""
    path = record(work / "r.parquet")
    window.run(Source.RECORDED, path, fresh=True)
    record(work / "r.parquet", events=5)

    with pytest.raises(DataError, match="changed since"):
        stage.run()


def test_a_failed_pull_leaves_the_old_products(work: Path) -> None:
    """What was whole before a failure is whole after it."""
    pull(record(work / "r.parquet"))
    before = artifacts.sha256_path(stage.RAW)
    (work / "r.parquet").write_bytes(b"nothing")

    with pytest.raises(DataError):
        stage.run()

    assert artifacts.sha256_path(stage.RAW) == before


def test_a_full_disk_is_one_line(
    work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """When the machine refuses a write, the command says so in one line and the old products stay whole."""
    pull(record(work / "r.parquet"))
    before = artifacts.sha256_path(stage.RAW)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "data/.raw.partial/bars")

    monkeypatch.setattr(stage.raw_tables, "write_raw", full)
    status = main(["pull"])

    assert status == 1
    assert "No space left on device" in capsys.readouterr().err
    assert artifacts.sha256_path(stage.RAW) == before
    assert not Path("data/.raw.partial").exists()


def test_the_recorded_source_needs_a_recording(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a path the command says how to give one."""
    assert main(["window", "--source", "recorded"]) == 1
    assert "--recording PATH" in capsys.readouterr().err


def test_the_window_is_json_with_the_recordings_hash(work: Path) -> None:
    """data/window.json names source, time and content, so that equal windows are equal files."""
    path = record(work / "r.parquet")
    window.run(Source.RECORDED, path, fresh=True)

    document = json.loads(window.PATH.read_text())

    assert document["recording_sha256"] == artifacts.sha256_path(path)
    known = {"source", "start_s", "as_of_s", "recording", "recording_sha256", "held_out_event", "changed_s"}
    assert set(document) == known


def test_a_window_begins_with_a_changed_world() -> None:
    """It begins where the drift was seen first: at least `drift.least_days` before its end, long enough for a window
    and an embargo in each slice, and never before `pull.history_days`; a change that is still to come is of another
    world."""
    shipped = params.read(PARAMS)
    now_s, whole_s = 100 * window.DAY_S, shipped.pull.history_days * window.DAY_S
    least_s = round(shipped.drift.least_days * window.DAY_S)
    assert window.starts_s(now_s, shipped, None) == now_s - whole_s
    assert window.starts_s(now_s, shipped, now_s - 3 * window.DAY_S) == now_s - 3 * window.DAY_S
    assert window.starts_s(now_s, shipped, now_s - 3_600) == now_s - least_s
    assert window.starts_s(now_s, shipped, 0) == now_s - whole_s
    assert window.starts_s(now_s, shipped, now_s + 60) == now_s - whole_s
    long = shipped.model_copy(update={"forecast": shipped.forecast.model_copy(update={"lookback_bars": 240})})
    embargo_s = 2 * (240 + shipped.forecast.horizon_bars) * shipped.bars.length_s
    assert 0.12 * window.least_s(long) > embargo_s
