"""data/window.json: what a pull reads. Written by rename, kept until a fresh one is asked for."""

import asyncio
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipelines.core import artifacts, log, lookback
from pipelines.core.errors import ArtifactError, DataError, VenueError
from pipelines.core.params import Params, load
from pipelines.core.products import WINDOW
from pipelines.core.settings import Settings, Source
from pipelines.pull import grid, holdout, recording

PATH = WINDOW
DAY_S = 86_400
MARGIN = 1.1
"""The bars of a window span a little less than the window."""
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
    changed_s: int | None = None
    """When drift first saw the world that the window is meant for; None where no drift was found."""


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


def run(source: Source, recorded: Path | None, *, fresh: bool, since_s: int | None = None) -> bool:
    """Keep the window of the same source, recording and length, or write a new one that ends now.

    A window of the venue whose market time has gone back (a simulator begun anew) describes another world, and is
    replaced. With `since_s` a new window of a venue begins there, as far as `pull.history_days` and `least_s` let it.
    What comes back is whether it is another one now: a recording that is read again has the same.
    """
    params, before = load(), PATH.read_bytes() if PATH.exists() else b""
    wanted = _recorded_identity(source, recorded)
    if not fresh and PATH.exists() and _still_holds(read(), source, wanted, params):
        log.get("window").info("kept", source=source.value)
        return False
    window = (
        _recorded(params, *wanted)
        if source is Source.RECORDED
        else _now(source, params, Settings().for_source(source), since_s)
    )
    artifacts.write_json(PATH, asdict(window))
    log.get("window").info("written", source=source.value, start_s=window.start_s, as_of_s=window.as_of_s)
    return PATH.read_bytes() != before


def _still_holds(present: Window, source: Source, wanted: tuple[str | None, str | None], params: Params) -> bool:
    if (present.source, present.recording, present.recording_sha256) != (source, *wanted):
        return False
    if source is Source.RECORDED:
        return True
    if present.start_s != starts_s(present.as_of_s, params, present.changed_s):
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
    return str(recorded), recording.sha256(recorded)


def _recorded(params: Params, path: str | None, sha256: str | None) -> Window:
    assert path is not None
    found = recording.read(Path(path))
    length_s = grid.infer_length_s(found.points)
    bars = grid.to_bars(found.points, length_s, params.bars.max_gap_bars, grid.grid_offset_s(found.points, length_s))
    horizon = params.forecast.horizon_bars
    bars_read = lookback.fitting(bars.counts(len(found.markets)), params.forecast.lookback_bars, horizon)
    held = holdout.choose(found.markets, bars, lookback=bars_read, horizon=horizon, length_s=length_s)
    start_s = int(found.points.ts_s.min()) - length_s
    return Window(Source.RECORDED, start_s, held.as_of_s, path, sha256, held.event_id)


def least_s(params: Params) -> int:
    """Shortest window that begins with a changed world, in market seconds: `drift.least_days`, and as long as the
    shortest slice needs for a window and an embargo; never longer than `pull.history_days`."""
    needed_bars = params.forecast.lookback_bars + params.forecast.horizon_bars
    shares: dict[str, float] = params.slices.model_dump(exclude={"max_bars"})
    shortest = min(shares.values())
    embargo_s = MARGIN * 2 * needed_bars * params.bars.length_s
    wanted_s = max(params.drift.least_days * DAY_S, embargo_s / shortest)
    return min(round(wanted_s), params.pull.history_days * DAY_S)


def starts_s(as_of_s: int, params: Params, since_s: int | None) -> int:
    """Where a window of a venue that ends at `as_of_s` begins: `pull.history_days` earlier, or with a world that
    changed at `since_s` there, but `least_s` earlier at the latest."""
    earliest_s = as_of_s - params.pull.history_days * DAY_S
    # A change that is still to come was seen in another world: a simulator that began anew.
    return (
        earliest_s
        if since_s is None or since_s >= as_of_s
        else max(earliest_s, min(since_s, as_of_s - least_s(params)))
    )


def _now(source: Source, params: Params, settings: Settings, since_s: int | None) -> Window:
    from pipelines.pull import live  # noqa: PLC0415 - recordings need no HTTP client

    as_of_s = asyncio.run(live.market_time_s(settings))
    as_of_s -= as_of_s % params.bars.length_s
    return Window(source, starts_s(as_of_s, params, since_s), as_of_s, changed_s=since_s)
