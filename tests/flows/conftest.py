"""An emulated AWS and an emulated metadata address, both on loopback."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
import pytest

REGION = "us-east-1"


@pytest.fixture(scope="session")
def moto_address() -> Iterator[str]:
    """Address of a moto server that answers for every AWS service."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def aws(moto_address: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every AWS client of this process and its children speaks to the emulator."""
    for name, value in {
        "AWS_ENDPOINT_URL": moto_address,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    return moto_address


@pytest.fixture
def bucket(aws: str, request: pytest.FixtureRequest) -> str:
    """A bucket of this test alone."""
    name = f"store-{abs(hash(request.node.nodeid)):x}"[:40]
    boto3.client("s3").create_bucket(Bucket=name)
    return name


@dataclass
class Metadata:
    """A metadata address: what it tells, and what it was asked."""

    url: str = ""
    notice: dict[str, str] | None = None
    paths: list[str] = field(default_factory=list)


@pytest.fixture
def metadata() -> Iterator[Metadata]:
    """A metadata address that answers to a token alone, as AWS does with IMDSv2."""
    state = Metadata()

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            self._answer(200 if self.headers.get("X-aws-ec2-metadata-token-ttl-seconds") else 400, b"a-token")

        def do_GET(self) -> None:
            state.paths.append(self.path)
            if self.headers.get("X-aws-ec2-metadata-token") != "a-token":
                self._answer(401, b"")
            elif self.path == "/latest/meta-data/spot/instance-action" and state.notice:
                self._answer(200, json.dumps(state.notice).encode())
            else:
                self._answer(404, b"")

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    yield state
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    """A Prefect API with a database of its own, for all tests of the session that run flows."""
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=120):
        yield
