"""data/window.json: what a pull reads. Written by rename, kept until a fresh one is asked for."""

import asyncio
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipelines.core import artifacts, log
from pipelines.core.errors import ArtifactError, DataError, VenueError
from pipelines.core.params import Params, load
from pipelines.core.products import WINDOW
from pipelines.core.settings import Settings, Source
from pipelines.pull import grid, holdout, recording

PATH = WINDOW
DAY_S = 86_400
CLOCK_SLACK_S = 3_600
"""A venue that was killed may come back this much earlier in market time and still be the same world."""


@dataclass(frozen=True)
class Window:
    """Source and market time of a pull; bars in (start_s, as_of_s] may be learned from."""

    source: Source
    start_s: int
    as_of_s: int
    recording: str | None = None
    recording_sha256: str | None = None
    held_out_event: str | None = None
    """Event of the recording that only the replay has; None also where the replay is cut by time."""


def read(path: Path = PATH) -> Window:
    """The window.

    Raises:
        ArtifactError: if it is missing or not a window.
    """
    document: Any = artifacts.read_json(path)
    try:
        return Window(**{**document, "source": Source(document["source"])})
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"{path} is not a window ({error}); run python -m pipelines window --fresh") from None


def run(source: Source, recorded: Path | None, *, fresh: bool) -> None:
    """Keep the window of the same source, recording and length, or write a new one that ends now.

    A window of the venue whose market time has gone back (a simulator begun anew) describes another world, and is
    replaced.
    """
    params = load()
    wanted = _recorded_identity(source, recorded)
    if not fresh and PATH.exists() and _still_holds(read(), source, wanted, params):
        log.get("window").info("kept", source=source.value)
        return
    window = (
        _recorded(params, *wanted) if source is Source.RECORDED else _now(source, params, Settings().for_source(source))
    )
    artifacts.write_json(PATH, asdict(window))
    log.get("window").info("written", source=source.value, start_s=window.start_s, as_of_s=window.as_of_s)


def _still_holds(present: Window, source: Source, wanted: tuple[str | None, str | None], params: Params) -> bool:
    if (present.source, present.recording, present.recording_sha256) != (source, *wanted):
        return False
    if source is Source.RECORDED:
        return True
    if present.as_of_s - present.start_s != params.pull.history_days * DAY_S:
        return False
    from pipelines.pull import live  # noqa: PLC0415 - recordings need no HTTP client

    try:
        now_s = asyncio.run(live.market_time_s(Settings().for_source(source)))
    except (VenueError, DataError) as error:
        log.get("window").warning("kept without asking the venue", error=str(error))
        return True
    return now_s >= present.as_of_s - CLOCK_SLACK_S


def _recorded_identity(source: Source, recorded: Path | None) -> tuple[str | None, str | None]:
    if source is not Source.RECORDED:
        return None, None
    if recorded is None:
        raise DataError("the recorded source needs a recording; give --recording PATH (a parquet file or a folder)")
    if not recorded.exists():
        raise DataError(f"the recording {recorded} does not exist; give the path of a parquet file or of a folder")
    return str(recorded), artifacts.sha256_path(recorded)


def _recorded(params: Params, path: str | None, sha256: str | None) -> Window:
    assert path is not None
    found = recording.read(Path(path))
    length_s = grid.infer_length_s(found.points)
    bars = grid.to_bars(found.points, length_s, params.bars.max_gap_bars, grid.grid_offset_s(found.points, length_s))
    held = holdout.choose(
        found.markets,
        bars,
        lookback=params.forecast.lookback_bars,
        horizon=params.forecast.horizon_bars,
        length_s=length_s,
    )
    start_s = int(found.points.ts_s.min()) - length_s
    return Window(Source.RECORDED, start_s, held.as_of_s, path, sha256, held.event_id)


def _now(source: Source, params: Params, settings: Settings) -> Window:
    from pipelines.pull import live  # noqa: PLC0415 - recordings need no HTTP client

    as_of_s = asyncio.run(live.market_time_s(settings))
    as_of_s -= as_of_s % params.bars.length_s
    return Window(source, as_of_s - params.pull.history_days * DAY_S, as_of_s)
