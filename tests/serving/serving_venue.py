"""A simulator process and a machine folder with a champion: the stage for tests of the whole bot."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import tiny_bundle
from benchmarks.exchange_process import exchange
from pipelines.core import params
from pipelines.core.settings import Settings
from serving.bot import Bot

ROOT = Path(__file__).parents[2]
KEY = "0x" + "42" * 32


@contextmanager
def simulator(*, speed: float = 180.0, faults: Path | None = None, more: str = "") -> Iterator[dict[str, str]]:
    """`python -m simulator` on free ports, with `more` options; the environment that points at it."""
    options = f"--seed 5 --speed {speed} --history-days 1 --event-every-min 240 --markets-per-event 4 {more}".split()
    with exchange([*options, *(["--faults", str(faults)] if faults else [])]) as environment:
        yield environment


def machine(folder: Path, environment: dict[str, str], **settings: Any) -> Settings:
    """Settings of a machine whose `var` lies in a folder; without a champion yet."""
    values = {name.removeprefix("ODDSMITH_").lower(): value for name, value in environment.items()}
    return Settings(var=folder / "var", kill_switch=folder / "KILL", **values, **settings)


def promote(folder: Path, *, pull: float = 1.2, kind: str = "threshold", source: str = "simulated") -> str:
    """Make a tiny bundle the champion of a machine, as the promote flow does; its hash."""
    new = folder / f"bundle-{pull:g}-{kind}"
    tiny_bundle.make(new, pull=pull, kind=kind, source=source)
    return tiny_bundle.promote(new, folder / "var")


def bot(settings: Settings) -> Bot:
    """A bot with the repository's parameters."""
    return Bot(settings, params.read(ROOT / "params.yaml"))


async def until(condition: Callable[[], bool], limit_s: float, what: str) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen within {limit_s:g} s"
        await asyncio.sleep(0.05)
