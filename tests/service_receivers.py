"""Slack, Discord, Telegram and PagerDuty on this machine: an HTTPS proxy answers in their names, by the rules of their
interfaces, and keeps what it took. Clients reach it as documented: HTTPS_PROXY and REQUESTS_CA_BUNDLE."""

import datetime
import json
import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOSTS = ("hooks.slack.com", "discord.com", "api.telegram.org", "events.pagerduty.com")


@dataclass
class Services:
    """What each service took, by host, and the variables with which a client gets here."""

    environment: dict[str, str] = field(default_factory=dict)
    taken: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {host: [] for host in HOSTS})
    refused: list[str] = field(default_factory=list)


def answer(host: str, path: str, body: dict[str, Any]) -> tuple[int, bytes]:
    """Status and body of a service; 4xx for what its documentation does not allow."""
    if host == "hooks.slack.com":  # https://api.slack.com/messaging/webhooks
        good = re.fullmatch(r"/services/T\w+/B\w+/\w+", path) and (body.get("text") or body.get("attachments"))
        return (200, b"ok") if good else (400, b"invalid_payload")
    if host == "discord.com":  # https://discord.com/developers/docs/resources/webhook#execute-webhook
        good = re.fullmatch(r"/api/webhooks/\d+/[\w-]+(\?wait=true)?", path) and (
            body.get("content") or body.get("embeds")
        )
        long = len(body.get("content") or "") > 2_000
        return (204, b"") if good and not long else (400, b'{"code": 50035}')
    if host == "api.telegram.org":  # https://core.telegram.org/bots/api#sendmessage
        good = re.fullmatch(r"/bot\d+:[\w-]+/sendMessage", path) and body.get("chat_id")
        good = good and 0 < len(body.get("text", "")) <= 4_096
        return (200, b'{"ok": true, "result": {}}') if good else (400, b'{"ok": false, "error_code": 400}')
    # https://developer.pagerduty.com/docs/events-api-v2/trigger-events/
    event, said = body.get("event_action"), body.get("payload", {})
    good = path == "/v2/enqueue" and len(body.get("routing_key", "")) == 32
    if event == "trigger":
        good = good and said.get("source") and said.get("severity") in ("critical", "error", "warning", "info")
        good = good and 0 < len(said.get("summary", "")) <= 1_024
    else:
        good = good and event == "resolve" and body.get("dedup_key")
    return (202, b'{"status": "success"}') if good else (400, b'{"status": "invalid event"}')


@contextmanager
def services(folder: Path) -> Iterator[Services]:
    """The four services behind a proxy on a free port, with certificates of an authority of their own."""
    found, context = Services(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_certificate(folder))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        host = ""

        def do_CONNECT(self) -> None:
            self.host = self.path.partition(":")[0]
            if self.host not in HOSTS:
                self.send_error(403)
                return
            self.send_response(200)
            self.end_headers()
            self.connection = context.wrap_socket(self.connection, server_side=True)
            self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", buffering=0)
            self.close_connection = False

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            status, said = answer(self.host, self.path, body)
            if status < 300:
                found.taken[self.host].append(body)
            else:
                found.refused.append(f"{self.host}{self.path}: {body}")
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    found.environment = {
        "HTTPS_PROXY": f"http://127.0.0.1:{server.server_port}",
        "REQUESTS_CA_BUNDLE": str(folder / "services.pem"),
    }
    yield found
    server.shutdown()
    server.server_close()


def _certificate(folder: Path) -> Path:
    """A key with a certificate that is its own authority, for the names of the services."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "services of the tests")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in HOSTS]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "services.pem"
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path
