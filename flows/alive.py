"""Every two minutes: has the bot given a sign of life within `flows.silent_min`? Else people are told.

A process that has died cannot report it; this flow can. It reads a file in `var`, so it watches the bot of its machine.
"""

import time

from prefect import flow

from pipelines.core import params as parameters
from pipelines.core import sign_of_life
from pipelines.core.artifacts import read_json, write_json
from pipelines.core.errors import ArtifactError
from pipelines.core.settings import Settings
from pipelines.messages.message import Kind
from pipelines.messages.messenger import tell

TOLD = "silence.json"


@flow(name="alive", persist_result=False)
def alive(now_s: float | None = None) -> str:
    """Tell of a silence, again after each `messages.repeat_after_min`, and of its end; what was told, or empty.

    A bot that ended in order, and one that never traded here, are no silence.
    """
    now_s, var, limits = time.time() if now_s is None else now_s, Settings().var, parameters.load()
    sign, limit_s = sign_of_life.read(var), limits.flows.silent_min * 60
    told_s = _told_s()
    if sign is None or sign.stopped or limit_s <= 0 or now_s - sign.at_s < limit_s:
        return _over(sign, told_s)
    if told_s is not None and now_s - told_s < max(limits.messages.repeat_after_min * 60, limit_s):
        return ""
    minutes = int((now_s - sign.at_s) // 60)
    text = (
        f"the bot has given no sign of life for {minutes:,} minutes (process {sign.pid}): it died, hangs, or cannot "
        "reach the venue. The venue cancels its resting orders, positions are kept; look at `oddsmith status` and the "
        "log"
    )
    tell(Kind.DEATH, text)
    write_json(var / TOLD, {"told_s": now_s})
    return text


def _over(sign: sign_of_life.Sign | None, told_s: float | None) -> str:
    """Tell once that a silence has ended."""
    if told_s is None or sign is None:
        return ""
    (Settings().var / TOLD).unlink(missing_ok=True)
    text = "the bot ended in order" if sign.stopped else "the bot gives signs of life again"
    tell(Kind.NOTICE, text)
    return text


def _told_s() -> float | None:
    try:
        return float(read_json(Settings().var / TOLD)["told_s"])
    except (ArtifactError, KeyError, TypeError, ValueError):
        return None
