"""A real HTTP server that keeps what apprise posts to it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Caught:
    """What arrived, and how the server answers."""

    address: str = ""
    messages: list[dict] = field(default_factory=list)
    status: int = 200
    arrived: threading.Event = field(default_factory=threading.Event)

    def wait(self, limit_s: float = 10.0) -> dict:
        """The next message that arrives."""
        assert self.arrived.wait(limit_s), "no message arrived"
        self.arrived.clear()
        return self.messages[-1]


@contextmanager
def receiver() -> Iterator[Caught]:
    """A server on a free port; `address` is its apprise URL, with a password."""
    caught = Caught()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            caught.messages.append(json.loads(body))
            self.send_response(caught.status)
            self.end_headers()
            caught.arrived.set()

        def log_message(self, *_arguments) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    caught.address = f"json://owner:hunter2secret@127.0.0.1:{server.server_address[1]}/hook"
    yield caught
    server.shutdown()
    server.server_close()
