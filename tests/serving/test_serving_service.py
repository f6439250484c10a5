"""The service as people run it: `bentoml serve`, its routes, its page in a browser, its end."""

import argparse
import getpass
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from serving_venue import promote, simulator

from pipelines.core.command_line import Command
from serving import commands

pytestmark = pytest.mark.slow

CHROMIUM = "/usr/bin/chromium"

SECRETS = {
    "ODDSMITH_PRIVATE_KEY": "c0ffee" + "5a" * 29,
    "ODDSMITH_SERVICE_TOKEN": "canary-service-token-0123456789",
    "ODDSMITH_OPENAI_KEY": "canary-openai-key-0123456789",
    "ODDSMITH_INFLUX_TOKEN": "canary-influx-token-0123456789",
}
"""Planted in the environment of the running service; found nowhere else."""


@dataclass
class Service:
    """A running service."""

    url: str
    process: subprocess.Popen[bytes]
    environment: dict[str, str]
    log: Path

    def get(self, path: str) -> tuple[int, str]:
        """Status and body."""
        return _ask(urllib.request.Request(self.url + path))

    def post(self, path: str, body: Any) -> tuple[int, str]:
        """Status and body of a JSON request."""
        data = json.dumps(body).encode()
        return _ask(urllib.request.Request(self.url + path, data, {"content-type": "application/json"}))

    def state(self) -> dict[str, Any]:
        """The state."""
        return dict(json.loads(self.get("api/state")[1]))

    def until(self, condition: Callable[[dict[str, Any]], bool], limit_s: float = 60) -> dict[str, Any]:
        """Wait for a state."""
        deadline = time.monotonic() + limit_s
        while True:
            state = self.state()
            if condition(state):
                return state
            assert time.monotonic() < deadline, f"not within {limit_s:g} s: {_short(state)}"
            time.sleep(0.2)


def _short(state: dict[str, Any]) -> dict[str, Any]:
    names = ("alarms", "orders", "decisions", "decided_bars", "ledger_equals_venue", "armed", "bar", "feed")
    return {name: state[name] for name in names} | {"positions": len(state["positions"])}


def _ask(request: urllib.request.Request) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """`bentoml serve` on a machine with a champion, against a simulator of its own."""
    folder = tmp_path_factory.mktemp("machine")
    promote(folder)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    with simulator(speed=120) as venue:
        environment = os.environ | venue | SECRETS | {
            "ODDSMITH_VAR": str(folder / "var"),
            "ODDSMITH_KILL_SWITCH": str(folder / "KILL"),
            "BENTOML_HOME": str(folder / "var" / "bento"),
            "BENTOML_DO_NOT_TRACK": "True",
        }  # fmt: skip
        command = [str(Path(sys.executable).parent / "bentoml"), "serve", "serving.service:Oddsmith"]
        command += ["--port", str(port)]
        log, shipped = folder / "service.log", Path("params.yaml").read_text()
        with log.open("wb") as stream:
            Path("params.yaml").write_text(_wider(shipped))
            process = subprocess.Popen(command, env=environment, stdout=stream, stderr=stream)
        made = Service(f"http://127.0.0.1:{port}/", process, environment, log)
        try:
            _await_livez(made)
            Path("params.yaml").write_text(shipped)
            yield made
        finally:
            Path("params.yaml").write_text(shipped)
            process.terminate()
            process.wait(timeout=40)


def _wider(text: str) -> str:
    """Parameters with a wider limit of the day: its loss is a matter of luck, and at the limit nothing is bought."""
    return text.replace("  daily_loss_fraction: 0.05", "  daily_loss_fraction: 0.5")


def _await_livez(made: Service) -> None:
    for _ in range(400):
        try:
            if made.get("livez")[0] == 200:
                return
        except OSError:
            pass
        assert made.process.poll() is None, made.log.read_text()
        time.sleep(0.2)
    raise AssertionError(made.log.read_text())


def test_it_trades_and_answers(service: Service) -> None:
    """State, health, metrics and the forecast call, while orders are matched and the ledger equals the venue."""
    state = service.until(lambda s: s["orders"]["matched"] >= 2 and s["ledger_equals_venue"] is True)

    assert service.get("readyz")[0] == 200
    metrics = service.get("metrics")[1]
    assert "portfolio_value_usd" in metrics
    assert "pid=" not in metrics.split("portfolio_value_usd", 1)[1].split("\n", 1)[0]
    market = state["markets"][0]["market_id"]
    status, body = service.post("forecast", {"market": market, "horizon": 3})
    answer = json.loads(body)
    assert status == 200
    assert market == answer["market_id"]
    assert len(answer["predictions"]) == 3
    assert {"current_price", "interval", "confidence", "model_type"} <= set(answer)


@pytest.mark.parametrize(
    ("body", "words"),
    [({"market": "0x1", "horizon": 3}, "not followed"), ({"market": None, "horizon": 99}, "horizon was 99")],
)
def test_a_forecast_that_cannot_be_made_says_why(service: Service, body: dict[str, Any], words: str) -> None:
    """An unknown market or horizon is a 400 with the value and what is allowed."""
    state = service.until(lambda s: bool(s["decided_bars"]))
    known = body["market"] or state["markets"][0]["market_id"]

    status, answer = service.post("forecast", body | {"market": known})

    assert status == 400
    assert words in answer


def test_other_machines_do_not_reach_it(service: Service) -> None:
    """State and kill switch know no password: unless somebody asks for more, the service listens on one loopback
    address and on no other of this machine."""
    port = int(service.url.rstrip("/").rpartition(":")[2])

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", port), timeout=5)


def test_a_foreign_page_reaches_no_route_of_the_running_service(service: Service) -> None:
    """BentoML's own routes too: another Host or Origin is 403; probes and tools of this machine get through."""
    for path in ("", "api/state", "metrics", "livez", "readyz", "docs.json", "forecast", "kill"):
        for headers in ({"host": "evil.example"}, {"origin": "http://evil.example"}):
            body = b"{}" if path in ("forecast", "kill") else None
            asked = urllib.request.Request(service.url + path, body, headers | {"content-type": "application/json"})
            assert _ask(asked)[0] == 403, (path, headers)
    assert service.get("livez")[0] == 200


def test_the_process_manager_has_no_port(service: Service) -> None:
    """Its commands run programs as the bot's user: no TCP port of supervisor or worker but the service's own."""
    supervisor = psutil.Process(service.process.pid)
    processes = [supervisor, *supervisor.children(recursive=True)]
    listening = {
        one.laddr.port for process in processes for one in process.net_connections("tcp") if one.status == "LISTEN"
    }

    assert listening == {int(service.url.rstrip("/").rpartition(":")[2])}


def test_no_secret_leaves_the_environment(service: Service) -> None:
    """Neither log, journal, state, metrics nor the command lines of the machine hold a key or a token."""
    service.until(lambda s: bool(s["decided_bars"]))
    var = Path(service.environment["ODDSMITH_VAR"])
    seen = {str(path): path.read_bytes() for path in [service.log, *var.rglob("*")] if path.is_file()}
    seen |= {path: service.get(path)[1].encode() for path in ("api/state", "metrics", "docs.json")}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            seen[str(folder)] = (folder / "cmdline").read_bytes()

    planted = [value.encode() for value in SECRETS.values()]
    assert [name for name, content in seen.items() if any(value in content for value in planted)] == []
    assert stat.S_IMODE(var.stat().st_mode) == 0o700


def test_the_kill_switch_takes_json_only(service: Service) -> None:
    """A form from another page cannot throw the switch; a wrong value says what is right."""
    form = urllib.request.Request(service.url + "kill", b"on=true")

    assert _ask(form)[0] == 415
    assert service.post("kill", {"on": "yes"})[0] == 400
    assert not service.state()["kill"]


def test_a_second_service_is_refused(service: Service) -> None:
    """One line, exit status 1, and the first one keeps its metrics."""
    command = [str(Path(sys.executable).parent / "bentoml"), "serve", "serving.service:Oddsmith", "--port", "0"]

    done = subprocess.run(command, env=service.environment, capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode == 1
    assert "another bot trades with it" in done.stderr
    assert "portfolio_value_usd 0.0" not in service.get("metrics")[1]


@pytest.mark.browser
def _command(service: Service, command: Command, words: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """Exit status of `oddsmith ...` at the journal of the service."""
    for name in ("ODDSMITH_VAR", "ODDSMITH_KILL_SWITCH"):
        monkeypatch.setenv(name, service.environment[name])
    parser = argparse.ArgumentParser()
    command.arguments(parser)
    return int(command.work(parser.parse_args(words.split())) or 0)


def test_a_person_steers_the_running_bot_by_command(
    service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Paused, the bot opens nothing; limits are taken over between two bars; every position is sold when asked; then it
    trades again. Each answer says what happened, and the state who asked."""
    service.until(lambda state: bool(state["positions"]), 120)
    assert _command(service, commands.PAUSE, "--wait 40", monkeypatch) == 0
    shipped = Path("params.yaml").read_text()
    try:
        Path("params.yaml").write_text(_wider(shipped).replace("  stop_loss: 0.02", "  stop_loss: 0.031"))
        assert _command(service, commands.RELOAD, "--wait 40", monkeypatch) == 0
        Path("params.yaml").write_text(shipped.replace("  stop_loss: 0.02", "  stop_loss: -1"))
        assert _command(service, commands.RELOAD, "--wait 40", monkeypatch) == 1
    finally:
        Path("params.yaml").write_text(shipped)
    assert _command(service, commands.CLOSE, "--all", monkeypatch) == 1
    assert _command(service, commands.CLOSE, "--all --yes --wait 40", monkeypatch) == 0
    said = capsys.readouterr()
    empty = service.until(lambda state: not state["positions"], 120)
    later = service.until(lambda state: state["decided_bars"] > empty["decided_bars"] + 3, 60)

    assert "entries are paused" in said.out
    assert "risk.stop_loss 0.02 -> 0.031" in said.out
    assert "risk.stop_loss was -1" in said.err
    assert "write --yes" in said.err
    assert later["positions"] == []
    assert later["controls"]["paused_by"] == getpass.getuser()
    assert later["controls"]["limits"]["risk"]["stop_loss"] == 0.031
    assert "risk.stop_loss was -1" in later["controls"]["limits"]["last_reload"]["refused"]
    assert "paused" in later["orders"]["refused"]
    assert _command(service, commands.RESUME, "--wait 40", monkeypatch) == 0
    service.until(lambda state: bool(state["positions"]), 120)


def test_the_page_asks_before_it_pauses_and_closes(service: Service, tmp_path: Path) -> None:
    """A button opens a dialog, `Back` asks for nothing, and a confirmed pause is shown with who asked for it."""
    if not Path(CHROMIUM).exists() and shutil.which("chromium") is None:
        pytest.skip("Chromium is not installed (Debian package chromium)")
    from playwright.sync_api import sync_playwright

    service.until(lambda state: bool(state["positions"]), 120)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1500, "height": 1400})
        page.goto(service.url, wait_until="domcontentloaded", timeout=90_000)
        page.wait_for_selector("#closes button", timeout=60_000)
        page.get_by_test_id("pause").click()
        page.locator("#ask button[value=no]").click()
        assert not service.state()["controls"]["paused"]
        page.get_by_test_id("pause").click()
        page.get_by_test_id("ask-yes").click()
        service.until(lambda state: state["controls"]["paused"], 30)
        page.get_by_test_id("controls-note").filter(has_text="page at 127").wait_for()
        page.locator("#closes button").first.click()
        page.screenshot(path=tmp_path / "close.png")
        page.get_by_test_id("ask-yes").click()
        service.until(lambda state: any(one["kind"] == "close" for one in state["controls"]["requests"]), 30)
        page.screenshot(path=tmp_path / "controls.png", full_page=True)
        page.get_by_test_id("pause").click()
        page.get_by_test_id("ask-yes").click()
        service.until(lambda state: not state["controls"]["paused"], 30)
        browser.close()


def test_the_page_in_a_browser(service: Service, tmp_path: Path) -> None:
    """The page draws the mode, the curve, positions and reasons, follows the bars, asks nobody else, and kills."""
    if not Path(CHROMIUM).exists() and shutil.which("chromium") is None:
        pytest.skip("Chromium is not installed (Debian package chromium)")
    from playwright.sync_api import expect, sync_playwright

    service.until(lambda s: s["orders"]["matched"] >= 2 and s["positions"])
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        errors: list[str] = []
        asked: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(service.url)
        page.get_by_test_id("mode").filter(has_text="SIMULATED").wait_for()
        page.get_by_test_id("ledger").filter(has_text="ledger = venue").wait_for()
        page.locator("#positions tbody tr td.name").first.wait_for()
        page.locator("#markets tbody tr").nth(5).wait_for()
        before = page.locator("#market-time").inner_text()
        expect(page.locator("#market-time")).not_to_have_text(before)

        assert page.locator("#chart canvas").count() > 0
        assert page.get_by_test_id("mode").evaluate("e => parseFloat(getComputedStyle(e).fontSize)") >= 22
        page.get_by_test_id("kill").click()
        page.get_by_test_id("kill-yes").click()
        page.get_by_test_id("kill").filter(has_text="KILLED").wait_for()
        service.post("kill", {"on": False})
        page.get_by_test_id("kill").filter(has_text="Kill switch").wait_for()
        for width in (390, 820, 1440):
            page.set_viewport_size({"width": width, "height": 844})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        browser.close()

    assert errors == []
    assert all(url.startswith((service.url, service.url.replace("http", "ws"))) for url in asked), asked


def test_it_stops_in_order(service: Service) -> None:
    """SIGTERM ends it within seconds: rests cancelled, account compared, nothing left."""
    began = time.monotonic()
    service.process.send_signal(signal.SIGTERM)
    service.process.wait(timeout=30)

    assert time.monotonic() - began < 20
    assert '"ledger_equals_venue": true' in service.log.read_text()
