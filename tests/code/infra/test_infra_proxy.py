"""The proxy of infra/proxy: nothing passes without the login, and the bot learns who asked."""

import base64
import os
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from serving.dashboard.doors import Doors
from serving.dashboard.web import application
from serving.paths import DASHBOARD

ROOT = Path(__file__).parents[3]
TOKEN = "a-token-of-more-than-twenty-characters"
PASSWORD = "secret"
HASH = "$2a$14$4imUaAnwWUvCj2hBpttEdOWVWq6R6IvfyhoHMqnR6uHfzVv2H1FBG"  # caddy hash-password --plaintext secret


class Bot:
    """What the routes ask; remembers who asked for what."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str]] = []

    def state(self, *, whole: bool) -> dict[str, Any]:
        return {"whole": whole}

    async def ask(self, kind: str, asked_by: str, argument: str = "") -> int:
        self.asked.append((kind, asked_by, argument))
        return len(self.asked)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _ask(url: str, body: bytes | None = None, **headers: str) -> tuple[int, str]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, body, {"content-type": "application/json"} | named)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.fixture
def proxied(tmp_path: Path) -> Any:
    """The address of the proxy, and the bot behind it, both as they run on a server."""
    if shutil.which("caddy") is None:
        pytest.skip("Caddy is not installed (Debian package caddy)")
    bot, site, upstream = Bot(), _free_port(), _free_port()
    doors = Doors(application(lambda: bot, DASHBOARD), token=lambda: TOKEN, open_to_others=lambda: False)
    server = uvicorn.Server(uvicorn.Config(doors, host="127.0.0.1", port=upstream, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    environment = {
        "ODDSMITH_PROXY_SITE": f"http://localhost:{site}",
        "ODDSMITH_PROXY_USER": "ann",
        "ODDSMITH_PROXY_HASH": HASH,
        "ODDSMITH_PROXY_UPSTREAM": f"127.0.0.1:{upstream}",
        "ODDSMITH_SERVICE_TOKEN": TOKEN,
        "ODDSMITH_PROXY_LOG": str(tmp_path / "proxy.log"),
        "XDG_DATA_HOME": str(tmp_path / "data"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
    }
    command = ["caddy", "run", "--config", str(ROOT / "infra/proxy/Caddyfile"), "--adapter", "caddyfile"]
    with (tmp_path / "caddy.log").open("wb") as log:
        caddy = subprocess.Popen(command, env=os.environ | environment, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("localhost", site), timeout=1).close()
                break
            except OSError:
                assert time.monotonic() < deadline, (tmp_path / "caddy.log").read_text()
                time.sleep(0.05)
        yield f"http://localhost:{site}", bot
    finally:
        caddy.terminate()
        caddy.wait(20)
        server.should_exit = True
        thread.join(10)


def test_nothing_passes_the_proxy_without_its_login(proxied: Any) -> None:
    """Without the password there is no page and no switch; with it there are both, no token is asked for, and the bot
    journals the name of the login, whatever the browser calls itself."""
    url, bot = proxied
    login = "Basic " + base64.b64encode(f"ann:{PASSWORD}".encode()).decode()
    wrong = "Basic " + base64.b64encode(b"ann:wrong").decode()

    assert _ask(f"{url}/")[0] == 401
    assert _ask(f"{url}/api/state", authorization=wrong)[0] == 401
    assert _ask(f"{url}/pause", b'{"on": true}')[0] == 401
    assert _ask(f"{url}/pause", b'{"on": true}', authorization=f"Bearer {TOKEN}")[0] == 401
    assert bot.asked == []
    assert _ask(f"{url}/", authorization=login)[0] == 200
    assert _ask(f"{url}/pause", b'{"on": true}', authorization=login, x_forwarded_user="bob")[0] == 202
    assert bot.asked == [("pause", "ann (page)", "")]
    foreign = _ask(f"{url}/pause", b'{"on": true}', authorization=login, origin="https://evil.example")
    assert foreign[0] == 403
