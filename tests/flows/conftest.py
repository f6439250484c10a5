"""An emulated AWS, an emulated metadata address and a Prefect server, all on loopback."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import pytest

from flows.local.children import answers

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
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a Prefect server with its schedulers and a database of its own, which this process speaks to.

    What no test reads is left out: the records of tasks, whose writes lock the database so that clients wait two
    seconds for it, and the heartbeats of flows, whose thread every run waits for.
    """
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker
    from prefect.settings import PREFECT_API_URL, PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    with (
        _server(tmp_path_factory.mktemp("prefect")) as url,
        temporary_settings({PREFECT_API_URL: url, PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),
    ):
        yield url
        APILogWorker.instance().drain()
        EventsWorker.drain_all()


@contextmanager
def _server(home: Path) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "1",
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_ENABLED": "false",
        "PREFECT_SERVER_UI_ENABLED": "false",
    }
    command = [str(Path(sys.executable).parent / "prefect"), "server", "start", "--host", "127.0.0.1"]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--port", str(port)],
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd=home,
        )
    url = f"http://127.0.0.1:{port}/api"
    try:
        deadline = time.monotonic() + 120
        while not answers(f"{url}/health"):
            assert process.poll() is None, (home / "log").read_text()
            assert time.monotonic() < deadline, "the Prefect server does not answer"
            time.sleep(0.1)
        yield url
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)
