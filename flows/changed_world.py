"""Since when the world is another one than the champion was trained on: var/changed.json.

The drift flow writes it and the next nights read it: their windows begin there, so that two days after a change the
slice that the forecaster is fitted on holds the changed world alone. A window that begins at its middle would be cut by
`pull.history_days` only, and the fit slice, its oldest part, would have the old world for most of a week.
"""

from typing import Any

from pipelines.core.artifacts import read_json, write_json
from pipelines.core.errors import ArtifactError
from pipelines.core.settings import Settings

CHANGED = "changed.json"
"""In var: the bundle that drifted, and the market time at which the bars begin that showed it first."""


def note(drift: dict[str, Any]) -> None:
    """Take up the document of a drift report.

    The first report of a bundle whose forecasts lost their skill, or lie behind a filter of the recent bars, names the
    change; later ones of the same bundle move nothing, for the gate may hold what the nights make. Features that moved
    alone shorten no window: what was learned still holds. A report of that bundle that says stable takes the change
    back.
    """
    path, present = Settings().var / CHANGED, _read()
    same = present is not None and present["bundle"] == drift["bundle"]
    worse = bool(drift["skill"].get("lost")) or bool(drift["refit"].get("behind"))
    lost = drift["verdict"] == "drift" and worse
    if lost and not same and drift["start_s"] is not None:
        write_json(path, {"bundle": drift["bundle"], "since_s": int(drift["start_s"])})
    if drift["verdict"] == "stable" and same:
        path.unlink()


def since_s() -> int | None:
    """Market time since which the world is another one; None where no drift was found, or it is over."""
    present = _read()
    return None if present is None else int(present["since_s"])


def forget() -> None:
    """There is no champion of this world any more."""
    (Settings().var / CHANGED).unlink(missing_ok=True)


def _read() -> dict[str, Any] | None:
    try:
        found = read_json(Settings().var / CHANGED)
        return {"bundle": str(found["bundle"]), "since_s": int(found["since_s"])}
    except (ArtifactError, KeyError, TypeError, ValueError):
        return None
