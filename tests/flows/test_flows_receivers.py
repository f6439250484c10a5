"""What a night tells arrives at each service that the handbook names, by the rules of the service's own interface."""

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import pytest
from mail_receiver import mailbox
from message_receiver import receiver
from service_receivers import answer, services

from flows import nights, notices
from flows.overdue import overdue
from pipelines.core import params as parameters

ROOT = Path(__file__).parents[2]
PAGE = "https://bot.example:3000"
KEY = "0123456789abcdef0123456789abcdef"
ADDRESSES = {
    "hooks.slack.com": "slack://T1JJ3T3L2/B1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/",
    "discord.com": "discord://4174216299374/JHMHI8qBe7bk2ZwO5U711o3dV_js/",
    "api.telegram.org": "tgram://123456789:abcdefghijklmnopqrstuvwxyz012345678/12315544/",
    "events.pagerduty.com": f"pagerduty://{KEY}@abcdefghij/oddsmith",
}
SAID = (
    "the flow nightly (brave-fox) failed: gate: no space left on the disk",
    "hold: The look-ahead proof differs.",
    "bundle abababababab is champion",
    "bundle efefefefefef: volume moved",
    "no night has ended well for 27 hours",
)


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """An empty folder with the shipped parameters; messages that may wait are sent at once."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ODDSMITH_VAR", str(tmp_path / "var"))
    monkeypatch.setenv("ODDSMITH_PAGE_URL", PAGE)
    shutil.copy2(ROOT / "params.yaml", "params.yaml")
    parameters.load.cache_clear()
    yield tmp_path
    parameters.load.cache_clear()


def tell_all():
    """A failed night, a hold, a promotion, drift, and no night for 27 hours, as the flows tell them."""
    state = SimpleNamespace(message="Flow run encountered an exception: gate: no space left on the disk")
    notices.failed(SimpleNamespace(name="nightly"), SimpleNamespace(name="brave-fox"), state)
    notices.verdict({"verdict": "hold", "reasons": ["The look-ahead proof differs."]})
    notices.promoted({"hash": "ab" * 32})
    notices.drifted({"bundle": "ef" * 32, "reasons": ["volume moved"]})
    nights.remember("completed", "hold")
    overdue.fn(time.time() + 27 * 3600.0)


@pytest.mark.parametrize("host", ADDRESSES)
def test_each_event_arrives_at_a_service_over_https(desk, monkeypatch, host):
    """Slack, Discord, Telegram and PagerDuty take five requests that follow their documentation, with text and link."""
    monkeypatch.setenv("ODDSMITH_MESSAGES", ADDRESSES[host])
    with services(desk) as local:
        for name, value in local.environment.items():
            monkeypatch.setenv(name, value)
        tell_all()

    assert local.refused == []
    told = [json.dumps(one) for one in local.taken[host]]
    assert len(told) == len(SAID)
    assert all(words in one and PAGE in one for words, one in zip(SAID, told, strict=True))
    if host == "events.pagerduty.com":
        severity = [one["payload"]["severity"] for one in local.taken[host]]
        assert severity == ["critical", "info", "info", "warning", "critical"]
        assert {one["routing_key"] for one in local.taken[host]} == {KEY}


@pytest.mark.parametrize("host", ADDRESSES)
def test_a_long_hold_arrives_too(desk, monkeypatch, host):
    """A verdict with many reasons is longer than some services take: it comes in parts, and PagerDuty gets the
    beginning."""
    monkeypatch.setenv("ODDSMITH_MESSAGES", ADDRESSES[host])
    with services(desk) as local:
        for name, value in local.environment.items():
            monkeypatch.setenv(name, value)
        notices.verdict({"verdict": "hold", "reasons": ["It is not better than the market price." for _ in range(99)]})

    assert local.refused == []
    told = json.dumps(local.taken[host])
    assert "hold: It is not better" in told
    assert PAGE in told


def test_each_event_arrives_by_mail(desk, monkeypatch):
    """A mail server that wants a login takes five mails to the address that was named, each with text and link."""
    with mailbox() as box:
        monkeypatch.setenv(
            "ODDSMITH_MESSAGES",
            f"mailto://bot:hunter2@127.0.0.1:{box.port}/?from=bot@example.org&to=owner@example.org",
        )
        tell_all()

    assert [to for to, _ in box.mails] == [["owner@example.org"]] * len(SAID)
    assert box.mails[0][1]["subject"] == "oddsmith: night failed"
    for words, (_, mail) in zip(SAID, box.mails, strict=True):
        text = mail.get_body(("plain", "html")).get_content()
        assert words in text.replace("\n", " ")
        assert PAGE in text


def test_each_event_arrives_at_a_webhook(desk, monkeypatch):
    """A plain webhook gets each event as JSON, with text and link."""
    with receiver() as caught:
        monkeypatch.setenv("ODDSMITH_MESSAGES", caught.address)
        tell_all()
    told = [one["message"] for one in caught.messages]
    assert all(words in one and PAGE in one for words, one in zip(SAID, told, strict=True))


@pytest.mark.slow
def test_a_missing_night_pages_once_and_resolves(tmp_path):
    """Alertmanager with our file sends PagerDuty a trigger for NightMissing, and a resolve with the same key when a
    night has ended well."""
    program = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    if program is None:
        pytest.skip("Alertmanager is not installed")
    taken = []

    class PagerDuty(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            status, said = answer("events.pagerduty.com", self.path, body)
            taken.append((status, body))
            self.send_response(status)
            self.send_header("content-length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), PagerDuty)
    Thread(target=server.serve_forever, daemon=True).start()
    (tmp_path / "key").write_text(KEY)
    text = (ROOT / "infra/monitoring/alertmanager.yml").read_text()
    text = text.replace("/opt/oddsmith/var/pagerduty_key", str(tmp_path / "key"))
    text = text.replace("group_wait: 10s", "group_wait: 0s").replace("group_interval: 5m", "group_interval: 1s")
    (tmp_path / "alertmanager.yml").write_text(
        f"global: {{pagerduty_url: 'http://127.0.0.1:{server.server_port}/v2/enqueue'}}\n{text}"
    )
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [program, f"--config.file={tmp_path}/alertmanager.yml", f"--storage.path={tmp_path}/data"]
    manager = subprocess.Popen(
        [*command, f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "NO_PROXY": "127.0.0.1"},
    )
    try:
        alert = {
            "labels": {"alertname": "NightMissing", "severity": "critical"},
            "annotations": {"summary": "no night has ended well for 26 hours", "action": "oddsmith nightly"},
        }
        _post_when_up(port, [alert])
        _await(lambda: len(taken) == 1)
        ended = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 1))
        _post_when_up(port, [{**alert, "endsAt": ended}])
        _await(lambda: len(taken) == 2)
    finally:
        manager.terminate()
        manager.wait(20)
        server.shutdown()
        server.server_close()

    (first, trigger), (second, resolve) = taken
    assert (first, second) == (202, 202)
    assert (trigger["event_action"], resolve["event_action"]) == ("trigger", "resolve")
    assert trigger["dedup_key"] == resolve["dedup_key"] != ""
    assert trigger["payload"]["summary"] == "no night has ended well for 26 hours"
    assert trigger["payload"]["severity"] == "critical"


def _post_when_up(port, alerts):
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/v2/alerts",
        json.dumps(alerts).encode(),
        {"content-type": "application/json"},
    )

    def posted():
        try:
            with urllib.request.urlopen(request, timeout=5) as told:
                return told.status == 200
        except OSError:
            return False

    _await(posted)


def _await(true, limit_s=60.0):
    deadline = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.2)
