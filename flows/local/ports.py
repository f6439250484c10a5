"""Ports on loopback: a default that is taken moves to the next free one, an explicit one that is taken is an error.

A port that this process chose is claimed until the process ends, by a locked file of the user's, so that two systems
that start at the same moment choose different ones although nothing listens yet."""

import fcntl
import os
import socket
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from pipelines.core.errors import SettingError
from pipelines.core.settings import Settings

HOST = "127.0.0.1"
DEFAULTS = {"simulator": 8640, "service": 3000, "prefect": 4200, "mlflow": 5000}
SIMULATOR_PORTS = 4
_SEARCH_LIMIT = 400
_claims: dict[int, IO[str]] = {}


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _claim(wanted: range) -> bool:
    """Lock the file of each port for this process; False, and nothing more is locked, where another one has one."""
    folder = Path(tempfile.gettempdir()) / f"oddsmith-ports-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    with ExitStack() as opened:
        files = {port: opened.enter_context((folder / str(port)).open("w")) for port in wanted if port not in _claims}
        try:
            for file in files.values():
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        _claims.update(files)
        opened.pop_all()
    return True


def choose(name: str, *, count: int = 1) -> int:
    """First of `count` consecutive free ports for a part of the stack.

    ODDSMITH_<NAME>_PORT fixes it, in the environment or in .env; otherwise the search begins at the default.

    Raises:
        SettingError: if the port from the environment is no port, or is taken.
    """
    variable, explicit = f"ODDSMITH_{name.upper()}_PORT", getattr(Settings(), f"{name}_port")
    if explicit is not None:
        return _explicit(variable, explicit, count)
    for first in range(DEFAULTS[name], DEFAULTS[name] + _SEARCH_LIMIT):
        wanted = range(first, first + count)
        if all(is_free(port) for port in wanted) and _claim(wanted):
            return first
    raise SettingError(f"no {count} free ports from {DEFAULTS[name]} on for {name}; set {variable}")


class Reservation:
    """Ports held until the part that listens on them starts, so that nobody takes them while a model trains."""

    def __init__(self, name: str, *, count: int = 1) -> None:
        self.first = choose(name, count=count)
        self._sockets = [socket.socket(socket.AF_INET, socket.SOCK_STREAM) for _ in range(count)]
        for offset, held in enumerate(self._sockets):
            # As `is_free` asks: connections of the run before may linger. Listening is what keeps others away then.
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            held.bind((HOST, self.first + offset))
            held.listen(1)

    def release(self) -> int:
        """Let go; the first port."""
        for held in self._sockets:
            held.close()
        self._sockets.clear()
        return self.first


def _explicit(variable: str, first: int, count: int) -> int:
    if not 1024 <= first <= 65_535 - count:
        raise SettingError(f"{variable} was '{first}'; give a port between 1024 and {65_535 - count}")
    taken = [port for port in range(first, first + count) if not is_free(port)]
    if not taken and not _claim(range(first, first + count)):
        raise SettingError(
            f"{variable}={first}, but another oddsmith has chosen it; stop that one, or unset {variable}"
        )
    if taken:
        raise SettingError(f"{variable}={first}, but port {taken[0]} is taken; free it, or unset {variable}")
    return first
