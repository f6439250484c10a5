"""This machine as end-to-end tests use it: free ports, PostgreSQL's programs, what an address answers."""

import json
import socket
import urllib.request
from base64 import b64encode
from pathlib import Path
from typing import Any


def free_ports(count: int) -> list[int]:
    """Free ports of this machine in a row."""
    for _ in range(100):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            first = int(probe.getsockname()[1])
        try:
            for port in range(first, first + count):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return list(range(first, first + count))
    raise AssertionError("no free ports")


def postgres_programs() -> str:
    """The folder with PostgreSQL's programs, where Debian puts them; empty where it is not there."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    return str(found[-1].parent) if found else ""


def read(url: str, login: str = "") -> Any:
    """What an address answers, as JSON; `login` is user:password."""
    request = urllib.request.Request(url)
    if login:
        request.add_header("Authorization", f"Basic {b64encode(login.encode()).decode()}")
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)
