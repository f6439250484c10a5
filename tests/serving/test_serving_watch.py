"""The preconditions of trading: asked before the first order and again, anything off buys nothing and says why."""

import asyncio
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from time import time
from typing import Any

import msgspec
import pytest
from py_clob_client_v2.client import ClobClient
from serving_desk import CASH, FakeVenue
from serving_venue import until

from pipelines.core import params
from pipelines.core.errors import SettingError, VenueUnavailable
from pipelines.core.settings import Mode, Settings
from pipelines.venue.pins import CONTRACTS
from serving.dashboard.status import Status
from serving.safety import preconditions
from serving.safety.preconditions import Failed
from serving.safety.venue_watch import NOT_YET, UNANSWERED, VenueWatch
from serving.start import check_mode


class Venue:
    """A CLOB that answers three routes as a test decides."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {
            "/time": lambda: int(time()),
            "/version": lambda: {"version": 2},
            "/api/geoblock": lambda: {"blocked": False, "country": "CH", "region": "ZH"},
        }
        self.asked: list[str] = []
        answers, asked = self.answers, self.asked

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path
                asked.append(path)
                body = msgspec.json.encode(answers[path]())
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def venue() -> Iterator[Venue]:
    """A venue where all is well."""
    made = Venue()
    yield made
    made.server.shutdown()
    made.server.server_close()


class Account(FakeVenue):
    """An account whose allowances a test decides."""

    given: dict[str, int] = dict.fromkeys(CONTRACTS.values(), 2**256 - 1)

    def allowances(self) -> dict[str, int]:
        return self.given


def _settings(venue: Venue, tmp_path: Path, mode: Mode = Mode.SIMULATED) -> Settings:
    return Settings(
        _env_file=None, mode=mode, clob_url=venue.url, geoblock_url=f"{venue.url}/api/geoblock", var=tmp_path,
        kill_switch=tmp_path / "KILL",
    )  # fmt: skip


def _watch(settings: Settings, **more: Any) -> tuple[VenueWatch, Status]:
    status = Status(settings, params.read(Path("params.yaml")))
    return VenueWatch(settings, status, **more), status


def test_nothing_is_bought_before_the_first_checks_are_answered(venue: Venue, tmp_path: Path) -> None:
    """Reduce only until region, clock, protocol, client, contracts and allowances were asked; then it trades."""
    watch, status = _watch(_settings(venue, tmp_path))
    assert watch.reduce_only == NOT_YET

    asyncio.run(watch.examine(Account()))

    assert watch.reduce_only == ""
    assert set(venue.asked) == {"/time", "/version", "/api/geoblock"}
    assert status.state(whole=True)["alarms"] == []


OFF: list[tuple[str, Callable[[], Any], str]] = [
    ("/api/geoblock", lambda: {"blocked": True, "country": "US", "region": "NY"}, "blocks trading from US NY"),
    ("/api/geoblock", lambda: {"error": "moved"}, "does not say whether trading is allowed"),
    ("/api/geoblock", lambda: {"blocked": "false"}, "does not say whether trading is allowed"),
    ("/version", lambda: {"version": 3}, "speaks protocol version 3"),
    ("/version", lambda: {}, "speaks protocol version None"),
    ("/time", lambda: int(time()) - 60, "synchronise it"),
    ("/time", lambda: "soon", "cannot be read"),
    ("/time", lambda: "nan", "synchronise it"),
]


@pytest.mark.parametrize(("route", "answer", "words"), OFF)
def test_what_is_off_is_an_alarm_and_reduce_only_until_it_is_well(
    venue: Venue, tmp_path: Path, route: str, answer: Callable[[], Any], words: str
) -> None:
    """A block, another protocol, a wrong clock: nothing is bought; when it is well again trading goes on."""
    watch, status = _watch(_settings(venue, tmp_path))
    well = venue.answers[route]
    venue.answers[route] = answer

    asyncio.run(watch.examine(Account()))

    assert words in watch.reduce_only
    assert any("REDUCE ONLY" in text and words in text for text in status.state(whole=True)["alarms"])
    venue.answers[route] = well
    asyncio.run(watch.examine(Account()))
    assert watch.reduce_only == ""
    assert status.state(whole=True)["alarms"] == []


def test_it_is_asked_again_while_the_bot_runs(venue: Venue, tmp_path: Path) -> None:
    """What turns off an hour after the start is found, in the same process."""
    watch, _ = _watch(_settings(venue, tmp_path), every_s=0.05, again_s=0.05)

    async def live() -> None:
        task = asyncio.create_task(watch.run(Account()))
        await until(lambda: not watch.reduce_only, 60, "the first examination")
        venue.answers["/version"] = lambda: {"version": 3}
        await until(lambda: "protocol" in watch.reduce_only, 60, "the next one")
        task.cancel()

    asyncio.run(live())


def test_silence_after_a_good_answer_is_not_off(tmp_path: Path) -> None:
    """A venue that is away for a moment changes nothing that is known; before the first answer nothing is bought."""
    answers: list[Any] = [VenueUnavailable("away"), "fine", VenueUnavailable("away")]

    async def check(_settings: Settings) -> str:
        found = answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return str(found)

    watch, _ = _watch(Settings(_env_file=None, var=tmp_path), checks=[("region", check)])
    seen = []
    for _ in range(3):
        asyncio.run(watch.examine(Account()))
        seen.append(bool(watch.reduce_only))

    assert seen == [True, False, False]


def test_a_route_that_never_answers_again_is_off(tmp_path: Path) -> None:
    """A check that passed once counts as failed when its route stays silent; one answer makes it well."""
    answers: list[Any] = ["fine", *[VenueUnavailable("410")] * UNANSWERED, "fine"]

    async def check(_settings: Settings) -> str:
        found = answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return str(found)

    watch, _ = _watch(Settings(_env_file=None, var=tmp_path), checks=[("version", check)])
    seen = []
    while answers:
        asyncio.run(watch.examine(Account()))
        seen.append(bool(watch.reduce_only))

    assert seen == [False] * UNANSWERED + [True, False]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "may take nothing"),
        ({CONTRACTS["exchange_v2"]: 10**30}, "neg_risk_exchange_v2"),
        ({CONTRACTS["exchange_v2"]: 0, CONTRACTS["neg_risk_exchange_v2"]: 10**30}, "exchange_v2"),
        (dict.fromkeys(CONTRACTS.values(), CASH - 1), "of 10000.00 pUSD"),
        ({"0x4bFb41d5B3570DeFd03C39a9A4D8dE6Bd8B8982E": 10**30}, "may take nothing"),
    ],
)
def test_an_allowance_that_is_missing_is_named(given: dict[str, int], words: str) -> None:
    """None, one exchange of two, too little, or only the retired contract: the exchange and the sums are said."""
    account = Account()
    account.given = given

    with pytest.raises(Failed, match=words):
        preconditions.check_allowances(account)


def test_addresses_are_compared_without_case() -> None:
    """Checksummed and plain addresses are the same account."""
    account = Account()
    account.given = {name.lower(): CASH for name in CONTRACTS.values()}

    assert "may take the 10000.00 pUSD" in preconditions.check_allowances(account)


def test_a_client_whose_methods_changed_is_refused(
    venue: Venue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A method with other parameters, or without: named, and the tested version is said."""
    monkeypatch.setattr(ClobClient, "cancel_orders", lambda self, payload: None)
    monkeypatch.delattr(ClobClient, "post_heartbeat")

    with pytest.raises(Failed, match=r"\(cancel_orders, post_heartbeat\).*requirements\.lock"):
        asyncio.run(preconditions.client(_settings(venue, tmp_path)))


def test_other_contracts_than_the_pinned_ones_are_refused(
    venue: Venue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library that signs for another address is named before anything is signed."""
    monkeypatch.setitem(CONTRACTS, "exchange_v2", "0x" + "00" * 20)  # type: ignore[arg-type]

    with pytest.raises(Failed, match=r"\(exchange_v2\)"):
        asyncio.run(preconditions.contracts(_settings(venue, tmp_path)))


@pytest.mark.parametrize(("mode", "asked"), [(Mode.SIMULATED, True), (Mode.LIVE, True), (Mode.PAPER, False)])
def test_the_region_is_asked_where_orders_are_sent(venue: Venue, tmp_path: Path, mode: Mode, asked: bool) -> None:
    """Live asks the website's route, simulated the exchange's own; paper orders nothing."""
    asyncio.run(preconditions.region(_settings(venue, tmp_path, mode)))

    assert ("/api/geoblock" in venue.asked) is asked


@pytest.mark.parametrize("kind", [1, 2, 3])
@pytest.mark.parametrize("mode", list(Mode))
def test_a_wallet_without_its_address_is_refused(tmp_path: Path, mode: Mode, kind: int) -> None:
    """A proxy, Safe or deposit wallet has an address of its own: without ODDSMITH_FUNDER nothing starts."""
    settings = Settings(_env_file=None, mode=mode, signature_type=kind, var=tmp_path, live="yes", private_key="11" * 32)

    with pytest.raises(SettingError, match=f"ODDSMITH_SIGNATURE_TYPE was {kind} without ODDSMITH_FUNDER"):
        check_mode(settings)
