"""Who may ask the service what: foreign pages are refused on every route, changes need a token elsewhere."""

import asyncio
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from pipelines.core import params
from pipelines.core.errors import ArtifactError, OddsmithError, SettingError
from pipelines.core.settings import Settings
from pipelines.history.journal_reader import JournalReader
from serving.account.database import connect
from serving.dashboard import doors
from serving.dashboard.doors import Doors
from serving.dashboard.web import application
from serving.paths import DASHBOARD

TOKEN = "a-token-of-more-than-twenty-characters"
HERE = "http://127.0.0.1:3000"
LOCAL = ("127.0.0.1", 50_000)


class Bot:
    """What the page watches; remembers the kill switch."""

    def __init__(self) -> None:
        self.kills: list[bool] = []
        self.asked: list[tuple[str, str, str]] = []

    def state(self, *, whole: bool) -> dict[str, Any]:
        return {"whole": whole}

    async def changed(self, timeout_s: float) -> None:
        await asyncio.sleep(timeout_s)

    async def kill(self, on: bool) -> None:
        self.kills.append(on)

    async def ask(self, kind: str, asked_by: str, argument: str = "") -> int:
        self.asked.append((kind, asked_by, argument))
        return len(self.asked)


def _client(bot: Bot, *, others: bool = False, base: str = HERE, client: tuple[str, int] = LOCAL) -> TestClient:
    guarded = Doors(
        application(lambda: bot, DASHBOARD), hosts=["bot.example.org", " "], token=lambda: TOKEN,
        open_to_others=lambda: others,
    )  # fmt: skip
    return TestClient(guarded, base_url=base, client=client)


FOREIGN = [
    {"host": "evil.example"},
    {"host": "evil.example:3000"},
    {"host": "127.0.0.1.evil.example:3000"},
    {"host": "127.0.0.1:3000@evil.example"},
    {"host": "203.0.113.5:3000"},
    {"host": ""},
    {"host": "[::1"},
    {"origin": "http://evil.example"},
    {"origin": "null"},
    {"origin": ""},
    {"origin": "http://127.0.0.1:8000"},
    {"origin": "http://localhost:3000"},
    {"origin": "file://127.0.0.1:3000"},
    {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"},
]


@pytest.mark.parametrize("headers", FOREIGN)
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/"), ("GET", "/api/state"), ("GET", "/static/app.js"), ("POST", "/kill"), ("GET", "/x")],
)
def test_a_foreign_page_is_refused_on_every_route(headers: dict[str, str], method: str, path: str) -> None:
    """Another Host or Origin is 403, with the token too, and changes nothing."""
    bot = Bot()
    answer = _client(bot).request(method, path, headers=headers | {"authorization": f"Bearer {TOKEN}"})

    assert answer.status_code == 403
    assert bot.kills == []


@pytest.mark.parametrize("headers", FOREIGN)
def test_a_foreign_page_opens_no_socket(headers: dict[str, str]) -> None:
    """The stream of states is closed before it is accepted."""
    with pytest.raises(WebSocketDisconnect), _client(Bot()).websocket_connect("/ws/state", headers=headers):
        pass


@pytest.mark.parametrize("base", [HERE, "http://localhost:3000", "http://[::1]:3000", "https://bot.example.org"])
def test_our_own_page_and_tools_are_let_in(base: str) -> None:
    """Loopback and the names of the settings, with the page's own Origin or none as curl sends."""
    client = _client(Bot(), base=base)

    assert client.get("/api/state").status_code == 200
    assert client.get("/api/state", headers={"origin": base}).status_code == 200
    with client.websocket_connect(f"{base.replace('http', 'ws')}/ws/state", headers={"origin": base}) as socket:
        assert socket.receive_json() == {"whole": True}


def test_a_link_from_another_site_opens_the_page() -> None:
    """A click that leads here shows the page; what another page embeds is refused."""
    headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}

    assert _client(Bot()).get("/", headers=headers).status_code == 200
    assert _client(Bot()).post("/kill", json={"on": False}, headers=headers).status_code == 403


@pytest.mark.parametrize(
    ("others", "base", "client", "headers"),
    [
        (True, HERE, LOCAL, {}),
        (False, "https://bot.example.org", LOCAL, {}),
        (False, HERE, ("203.0.113.5", 1), {}),
        (False, HERE, LOCAL, {"x-forwarded-for": "203.0.113.5"}),
        (False, HERE, LOCAL, {"forwarded": "for=203.0.113.5"}),
        (False, HERE, LOCAL, {"via": "1.1 proxy"}),
    ],
)
def test_a_change_asks_for_the_token_where_others_reach_the_service(
    others: bool, base: str, client: tuple[str, int], headers: dict[str, str]
) -> None:
    """Listening elsewhere, asked from elsewhere, under another name or through a proxy: 401 without the token."""
    bot = Bot()
    made = _client(bot, others=others, base=base, client=client)

    for wrong in ({}, {"authorization": "Bearer wrong"}, {"authorization": f"Basic {TOKEN}"}, {"authorization": TOKEN}):
        assert made.post("/kill", json={"on": False}, headers=headers | wrong).status_code == 401
    assert bot.kills == []
    right = headers | {"authorization": f"Bearer {TOKEN}"}
    assert made.post("/kill", json={"on": True}, headers=right).status_code == 200
    assert made.get("/api/state", headers=headers).status_code == 200
    assert bot.kills == [True]


@pytest.mark.parametrize(
    ("path", "body", "asked"),
    [
        ("/pause", {"on": True}, ("pause", "")),
        ("/pause", {"on": False}, ("resume", "")),
        ("/close", {"market": "0x12"}, ("close", "0x12")),
        ("/close", {"all": True}, ("close", "")),
        ("/reload", {}, ("reload", "")),
    ],
)
def test_what_a_person_asks_of_the_page_goes_through_the_doors(
    path: str, body: dict[str, Any], asked: tuple[str, str]
) -> None:
    """Pause, close and reload are asked for with who asks, and as the kill switch are they closed to foreign pages, to
    others without the token, and to forms."""
    bot = Bot()
    assert _client(bot).post(path, json=body).status_code == 202
    kind, argument = asked
    assert bot.asked == [(kind, "page at 127.0.0.1", argument)]

    assert _client(bot, others=True).post(path, json=body).status_code == 401
    assert _client(bot).post(path, json=body, headers={"origin": "https://evil.example"}).status_code == 403
    assert _client(bot).post(path, data={"on": "true"}).status_code == 415
    assert _client(bot).get(path).status_code == 405
    named = {"authorization": f"Bearer {TOKEN}", "x-forwarded-user": "ann"}
    assert _client(bot, others=True).post(path, json=body, headers=named).status_code == 202
    assert bot.asked[1:] == [(kind, "ann (page)", argument)]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/close", {}),
        ("/close", {"market": " "}),
        ("/close", {"market": "0x1", "all": True}),
        ("/close", {"markt": "0x1"}),
        ("/pause", {}),
        ("/pause", {"on": "yes"}),
        ("/reload", {"risk": {}}),
        ("/reload", []),
    ],
)
def test_an_odd_request_of_the_page_asks_for_nothing(path: str, body: Any) -> None:
    """A body that could mean more than one thing, or nothing, is answered 400 with what to send."""
    bot = Bot()
    answer = _client(bot).post(path, json=body)

    assert (answer.status_code, bot.asked) == (400, [])
    assert "send" in answer.json()["error"]


def test_on_this_machine_alone_the_switch_needs_no_token() -> None:
    """Loopback from loopback, nothing in between: one command stops the bot."""
    bot = Bot()

    assert _client(bot).post("/kill", json={"on": True}).status_code == 200
    assert bot.kills == [True]


def test_a_listening_socket_decides_who_can_reach_the_service() -> None:
    """A process that listens on all addresses is open to others; one on loopback is not."""
    script = (
        "import socket, sys\nfrom serving.dashboard.doors import listens_to_others\n"
        "s = socket.create_server((sys.argv[1], 0))\nprint(listens_to_others())"
    )
    said = [
        subprocess.run([sys.executable, "-c", script, host], capture_output=True, text=True, check=True).stdout.strip()
        for host in ("127.0.0.1", "0.0.0.0")
    ]

    assert said == ["False", "True"]


def test_the_token_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    """Without a setting a token is made in var, 0600 in a folder of 0700; one that others can read is refused."""
    settings = Settings(var=tmp_path / "var")

    first = doors.token(settings)

    path = tmp_path / "var" / "service.token"
    assert first == doors.token(settings)
    assert len(first) >= 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    path.chmod(0o644)
    with pytest.raises(ArtifactError, match="can be read by others"):
        doors.token(settings)
    assert doors.token(Settings(var=tmp_path, service_token=TOKEN)) == TOKEN


def test_a_short_token_is_refused_and_not_shown(tmp_path: Path) -> None:
    """What can be guessed is no token; the error names the variable and keeps the value."""
    with pytest.raises(SettingError, match="ODDSMITH_SERVICE_TOKEN was not shown") as caught:
        Settings(var=tmp_path, service_token="hunter2")

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://bot:canary-password@127.0.0.1:1/x",
        "postgresql://bot:canary-password@127.0.0.1:1/x",
        "other://bot:canary-password@127.0.0.1/x",
        "postgresql+psycopg://bot:canary-password@127.0.0.1:port/x",
        "canary-password",
    ],
)
def test_a_database_password_is_in_no_error(tmp_path: Path, url: str) -> None:
    """What the service and the replay say of a journal that cannot be opened is one line without the password."""
    today = params.read(Path("params.yaml"))
    for use in (lambda: connect(url), lambda: JournalReader(url, {}, 1.0, today)):
        with pytest.raises(OddsmithError) as caught:
            use()
        assert "canary-password" not in str(caught.value)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_worker_whose_supervisor_is_gone_stops_in_order(tmp_path: Path, number: signal.Signals) -> None:
    """No orphan trades on: the bot is stopped, then the process ends."""
    worker = tmp_path / "worker.py"
    worker.write_text(
        "import asyncio, os, sys\nfrom pathlib import Path\nfrom serving.safety.parent_watch import end_with_parent\n"
        "async def stop():\n    Path('stopped').touch()\n"
        "async def main():\n    Path('ready').write_text(str(os.getpid()))\n"
        "    await end_with_parent(stop, os.getppid(), 0.05)\n    await asyncio.sleep(30)\n"
        "asyncio.run(main())\n"
    )
    parent = f"import subprocess, sys; subprocess.Popen([sys.executable, {str(worker)!r}]).wait()"
    supervisor = subprocess.Popen([sys.executable, "-c", parent], cwd=tmp_path)
    _await(lambda: (tmp_path / "ready").exists() and (tmp_path / "ready").read_text() != "")
    pid = int((tmp_path / "ready").read_text())
    supervisor.send_signal(number)
    supervisor.wait(timeout=10)

    _await((tmp_path / "stopped").exists)
    _await(lambda: not _runs(pid))


def _await(condition: Any, limit_s: float = 60.0) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
