"""Ports of the local stack."""

import itertools
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from flows.local import ports
from pipelines.core.errors import SettingError


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A loopback port that a server of somebody else holds."""
    with socket.socket() as server:
        server.bind((ports.HOST, 0))
        server.listen()
        yield server.getsockname()[1]


def test_a_default_port_that_is_taken_moves_to_the_next_free_one(monkeypatch, taken_port):
    """A default is only a wish."""
    monkeypatch.setitem(ports.DEFAULTS, "service", taken_port)

    assert ports.choose("service") > taken_port


def test_consecutive_ports_are_all_free(monkeypatch, taken_port):
    """The simulator's four ports are found behind a taken one in their middle."""
    monkeypatch.setitem(ports.DEFAULTS, "simulator", taken_port - 2)

    first = ports.choose("simulator", count=4)

    assert first > taken_port
    assert all(ports.is_free(port) for port in range(first, first + 4))


def test_an_explicit_port_that_is_taken_is_an_error(monkeypatch, taken_port):
    """A port that a person set is never exchanged silently."""
    monkeypatch.setenv("ODDSMITH_SERVICE_PORT", str(taken_port))

    with pytest.raises(SettingError, match=f"port {taken_port} is taken"):
        ports.choose("service")


@pytest.mark.parametrize("text", ["http", "80", "-1", "65535000"])
def test_an_explicit_port_must_be_a_port(monkeypatch, text):
    """The error names the variable and the value."""
    monkeypatch.setenv("ODDSMITH_MLFLOW_PORT", text)

    with pytest.raises(SettingError, match=f"ODDSMITH_MLFLOW_PORT was '{text}'"):
        ports.choose("mlflow")


CHOOSES = """
import sys
from flows.local import ports
ports.DEFAULTS["simulator"] = int(sys.argv[1])
print(ports.choose("simulator", count=4), flush=True)
sys.stdin.read()
"""


def test_two_systems_that_start_together_choose_different_ports():
    """A chosen port is claimed although nothing listens on it yet, and is free again when its process has ended."""
    command = [sys.executable, "-c", CHOOSES, "21300"]
    started = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    first = [int(one.stdout.readline()) for one in started]
    for one in started:
        one.communicate()
    again = subprocess.run(command, input="", capture_output=True, text=True, check=True)

    assert sorted(first)[0] >= 21300
    assert all(b - a >= 4 for a, b in itertools.pairwise(sorted(first)))
    assert int(again.stdout) == min(first)


def test_an_explicit_port_that_another_system_chose_is_an_error(monkeypatch):
    """Two systems with one fixed port would meet only when the second one cannot listen."""
    command = [sys.executable, "-c", CHOOSES, "21400"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        chosen = other.stdout.readline().strip()
        monkeypatch.setenv("ODDSMITH_SERVICE_PORT", chosen)

        with pytest.raises(SettingError, match=f"ODDSMITH_SERVICE_PORT={chosen}, but another oddsmith has chosen it"):
            ports.choose("service")
        other.communicate()


def test_a_reserved_port_is_taken_for_others_until_it_is_handed_over(monkeypatch):
    """Training takes minutes; the port that the first screen announced is still there afterwards."""
    monkeypatch.setitem(ports.DEFAULTS, "service", 20_300)
    held = ports.Reservation("service")

    assert not ports.is_free(held.first)
    assert ports.choose("service") != held.first
    assert ports.is_free(held.release())


def test_a_port_whose_last_connection_still_lingers_can_be_reserved(monkeypatch):
    """A run that starts right after another one stopped finds its ports in TIME_WAIT; they are free nevertheless."""
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((ports.HOST, 0))
        server.listen(1)
        port = server.getsockname()[1]
        client = socket.create_connection((ports.HOST, port))
        accepted, _ = server.accept()
        accepted.close()  # the side that closes first lingers
        client.close()
    monkeypatch.setenv("ODDSMITH_SERVICE_PORT", str(port))

    held = ports.Reservation("service")

    assert held.first == port
    assert not ports.is_free(port)
    assert held.release() == port
    assert ports.is_free(port)


def test_a_port_of_the_env_file_is_explicit_too(monkeypatch, taken_port, tmp_path):
    """A port in .env holds as one in the environment does."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ODDSMITH_SERVICE_PORT", raising=False)
    (tmp_path / ".env").write_text(f"ODDSMITH_SERVICE_PORT={taken_port}\n")

    with pytest.raises(SettingError, match=f"port {taken_port} is taken"):
        ports.choose("service")

    (tmp_path / ".env").write_text("ODDSMITH_SERVICE_PORT=\n")
    assert ports.choose("service") >= ports.DEFAULTS["service"]
