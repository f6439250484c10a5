"""A simulated venue as a process of its own, standing still in market time, and every order gateway on top of it."""

import asyncio
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from pipelines.core import params
from pipelines.core.domain import Market, Quote
from pipelines.core.orders import OrderGateway
from pipelines.core.settings import Settings
from pipelines.trading.paper_gateway import PaperGateway
from pipelines.venue import clob, gamma
from pipelines.venue.clob_gateway import ClobGateway
from pipelines.venue.http import VenueHttp

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Venue:
    """Where the simulator listens, and what it lists."""

    settings: Settings
    quotes: dict[str, tuple[Market, Quote]]

    def market(self, version: str = "v1") -> tuple[Market, Quote]:
        """An open market of a protocol version with a two-sided book near the middle, deep enough for small orders."""
        some = [pair for pair in self.quotes.values() if pair[0].version == version]
        return min(some, key=lambda pair: (abs(pair[1].mid_units - 5_000), pair[0].market_id))


async def _listed(settings: Settings) -> dict[str, tuple[Market, Quote]]:
    async with VenueHttp(settings.gamma_url) as listing, VenueHttp(settings.clob_url) as exchange:
        markets = await gamma.tradable(listing, 50)
        books = await clob.books(exchange, [m.token_yes for m in markets])
    return {m.market_id: (m, clob.top(books[m.token_yes])) for m in markets if m.token_yes in books}


@contextmanager
def _simulator(speed: float) -> Iterator[Venue]:
    """`python -m simulator` on free ports, at this many market minutes per wall minute."""
    command = (
        f"{sys.executable} -m simulator --port 0 --speed {speed:g} --history-days 1 --event-length-min 720"
        " --event-every-min 240 --markets-per-event 3 --order-versions 1,2,3 --admin --protocol-v2-share 0.4"
    )
    process = subprocess.Popen(command.split(), stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        urls: dict[str, str] = {}
        for line in process.stdout:
            found = re.match(r"(\w+)\s+(http\S+)", line)
            if found:
                urls[found[1].lower()] = found[2]
            if line.startswith("ready") or len(urls) == 4:
                break
        settings = Settings(
            clob_url=urls["clob"],
            clob_ws_url=urls["clob"].replace("http", "ws"),
            gamma_url=urls["gamma"],
            data_url=urls["data"],
            news_url=urls["news"],
        )
        _wait_for(f"{settings.clob_url}/ok")
        yield Venue(settings, asyncio.run(_listed(settings)))
    finally:
        process.terminate()
        process.wait(timeout=20)


@pytest.fixture(scope="session")
def venue() -> Iterator[Venue]:
    """A venue that stands still in market time."""
    with _simulator(0) as standing:
        yield standing


@pytest.fixture(scope="module")
def moving() -> Iterator[Venue]:
    """A venue whose market time runs: three market minutes per second."""
    with _simulator(180) as running:
        yield running


class Faults:
    """Switches faults of a simulator on; all are off again after the test."""

    def __init__(self, url: str) -> None:
        self._url = f"{url}/admin/faults"

    def start(self, kind: str, **numbers: float) -> None:
        """Switch a fault on."""
        httpx2.post(self._url, json={"fault": kind, **numbers}).raise_for_status()

    def clear(self) -> None:
        """Switch all faults off."""
        httpx2.delete(self._url).raise_for_status()


@pytest.fixture
def faults(venue: Venue) -> Iterator[Faults]:
    """Faults of the standing venue."""
    switches = Faults(venue.settings.clob_url)
    yield switches
    switches.clear()


@pytest.fixture
def faults_of_moving(moving: Venue) -> Iterator[Faults]:
    """Faults of the venue whose market time runs."""
    switches = Faults(moving.settings.clob_url)
    yield switches
    switches.clear()


def _wait_for(url: str) -> None:
    for _ in range(200):
        try:
            if httpx2.get(url).status_code == 200:
                return
        except httpx2.TransportError:
            pass
        time.sleep(0.1)
    raise TimeoutError(f"{url} never answered 200")


def _clob(venue: Venue) -> OrderGateway:
    return ClobGateway.connect(venue.settings, [market for market, _ in venue.quotes.values()])


def _paper(venue: Venue) -> OrderGateway:
    execution = params.read(ROOT / "params.yaml").execution
    gateway = PaperGateway(
        10_000_000_000,
        execution,
        lambda market_id: (venue.quotes[market_id][1], 1) if market_id in venue.quotes else None,
    )
    gateway.know(market for market, _ in venue.quotes.values())
    return gateway


def _old_clob(venue: Venue) -> OrderGateway:
    settings = venue.settings.model_copy(update={"clob_client": "v1"})
    return ClobGateway.connect(settings, [market for market, _ in venue.quotes.values()])


def _unified(venue: Venue) -> OrderGateway:
    settings = venue.settings.model_copy(update={"clob_client": "unified"})
    return ClobGateway.connect(settings, [market for market, _ in venue.quotes.values()])


UNIFIED = "clob unified"

GATEWAYS: dict[str, Callable[[Venue], OrderGateway]] = {
    "clob": _clob,
    "clob v1": _old_clob,
    UNIFIED: _unified,
    "paper": _paper,
}


@pytest.fixture(scope="session")
def unified_library(request: pytest.FixtureRequest) -> None:
    """polymarket-client as its page says it is installed: by itself, beside the locked versions of what it needs."""
    home = Path(request.config.cache.mkdir("polymarket-client-alone"))
    if not (home / "ready").is_file():
        wanted = ["--no-deps", "--require-hashes", "-r", str(ROOT / "infra" / "polymarket-client.txt")]
        install = [sys.executable, "-m", "pip", "install", "-q", "--target", str(home), *wanted]
        done = subprocess.run(install, check=False, capture_output=True, text=True, timeout=240)
        if done.returncode:
            pytest.skip(f"polymarket-client could not be installed: {done.stderr.strip()[-200:]}")
        (home / "ready").touch()
    if str(home) not in sys.path:
        sys.path.append(str(home))


@pytest.fixture(params=["clob", UNIFIED])
def clob_gateway(request: pytest.FixtureRequest, venue: Venue) -> OrderGateway:
    """A fresh account at each library that production takes orders from."""
    if request.param == UNIFIED:
        request.getfixturevalue("unified_library")
    return GATEWAYS[request.param](venue)


@pytest.fixture(params=sorted(GATEWAYS))
def gateway(request: pytest.FixtureRequest, venue: Venue) -> OrderGateway:
    """A fresh account at each kind of gateway."""
    if request.param == UNIFIED:
        request.getfixturevalue("unified_library")
    return GATEWAYS[request.param](venue)
