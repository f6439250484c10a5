"""The units of `setup.sh trial monitoring` as systemd would start them: their own commands, variables and files, with
this machine's programs, a folder in place of /opt/oddsmith and free ports."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from database_user import AS_NOBODY, let_in
from e2e_checkout import clone
from e2e_machine import free_ports, postgres_programs, read

pytestmark = [pytest.mark.nightly, pytest.mark.slow, pytest.mark.e2e, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
STARTED = ("simulator", "prefect", "mlflow", "service", "flows", "alertmanager", "prometheus")
"""In the order of setup.sh. Grafana is in no archive of Debian."""
PORTS = ("3000", "4200", "5000", "9090", "9093")
PATIENCE_S = 240


class Units:
    """Units as processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.ports = {port: str(free_ports(1)[0]) for port in PORTS}
        self.exchange = free_ports(4)[0]
        (folder / ".venv").symlink_to(sys.prefix)
        (folder / "var").mkdir()

    def here(self, text: str) -> str:
        """A text of a unit as it holds on this machine."""
        for port, free in self.ports.items():
            text = re.sub(rf"(?<=[: ]){port}\b", free, text)
        return text.replace("/opt/oddsmith", str(self.folder)).replace("/etc/oddsmith", str(self.folder / "etc"))

    def prepare(self) -> None:
        """What setup.sh does before it starts units: files of /etc/oddsmith, a role and a database over the socket."""
        (self.folder / "etc").mkdir()
        text = (self.folder / "infra/server/environment").read_text()
        text = text.replace("ODDSMITH_MODE=paper", "ODDSMITH_MODE=simulated")
        parts = {"CLOB_URL": 0, "GAMMA_URL": 1, "DATA_URL": 2, "NEWS_URL": 3}
        lines = [f"ODDSMITH_{name}=http://127.0.0.1:{self.exchange + at}" for name, at in parts.items()]
        lines[-1] += "/rss"
        lines += [f"ODDSMITH_CLOB_WS_URL=ws://127.0.0.1:{self.exchange}", f"ODDSMITH_SERVICE_PORT={self.ports['3000']}"]
        lines += [f"PGHOST={self.folder / 'database'}", "PGUSER=oddsmith"]
        (self.folder / "etc/environment").write_text(self.here("\n".join([text, *lines, ""])))
        for name in ("secrets", "feeds"):
            (self.folder / f"etc/{name}").touch(0o600)
        login = self.here((self.folder / "infra/prefect_login.sh").read_text())
        subprocess.run(["bash", "-c", login], check=True)
        for name in ("prometheus.yml", "alertmanager.yml"):
            path = self.folder / "infra/monitoring" / name
            path.write_text(self.here(path.read_text()))
        self._database()

    def _database(self) -> None:
        place = self.folder / "database"
        place.mkdir(mode=0o777)
        place.chmod(0o777)
        let_in(self.folder)
        environment = {**os.environ, "PATH": f"{postgres_programs()}:{os.environ['PATH']}"}
        made = [*AS_NOBODY, "initdb", "-D", str(place / "data"), "-U", "oddsmith", "--auth=trust"]
        subprocess.run(made, check=True, capture_output=True, env=environment)
        single = [*AS_NOBODY, "postgres", "--single", "-D", str(place / "data"), "postgres"]
        subprocess.run(
            single, input="CREATE DATABASE oddsmith\n", text=True, check=True, capture_output=True, env=environment
        )
        command = [*AS_NOBODY, "postgres", "-D", str(place / "data"), "-k", str(place)]
        command += ["-c", "fsync=off", "-c", "listen_addresses="]
        self._run("database", command, environment)

    def start(self, name: str) -> None:
        """A unit, with what it does before."""
        unit = self.here((self.folder / f"infra/units/oddsmith-{name}.service").read_text())
        environment = _environment(unit)
        assert Path(_values(unit, "WorkingDirectory")[0]) == self.folder
        for line in _values(unit, "ExecStartPre"):
            subprocess.run(shlex.split(line), cwd=self.folder, env=environment, check=True)
        command = shlex.split(_values(unit, "ExecStart")[0])
        command += ["--port", str(self.exchange)] if name == "simulator" else []
        self._run(name, command, environment)

    def _run(self, name: str, command: list[str], environment: dict[str, str]) -> None:
        with (self.folder / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                command, cwd=self.folder, env=environment, stdout=log, stderr=log, start_new_session=True
            )

    def awaited(self, name: str, url: str, right: Callable[[Any], bool] = bool, login: str = "") -> Any:
        """What a unit tells at an address, once it is there and right; units that end meanwhile are started again."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                if right(found := read(url, login)):
                    return found
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                pass
            assert time.monotonic() < deadline, self.said(name)
            self._restart_what_ended()
            time.sleep(1)

    def _restart_what_ended(self) -> None:
        """What Restart=always does: `flows` ends while Prefect is not there yet."""
        for name in STARTED:
            if name in self.processes and self.processes[name].poll() is not None:
                unit = (self.folder / f"infra/units/oddsmith-{name}.service").read_text()
                assert _values(unit, "Restart") == ["always"]
                time.sleep(float(_values(unit, "RestartSec")[0]))
                self.start(name)

    def said(self, name: str) -> str:
        """The end of what a unit wrote."""
        return f"{name}: " + (self.folder / f"{name}.log").read_text(errors="replace")[-2_000:]

    def stop(self) -> dict[str, int]:
        """End all as systemd does, the last one first; their exit statuses."""
        for process in reversed(self.processes.values()):
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
        return {name: process.wait() for name, process in self.processes.items()}


def _values(unit: str, key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", unit, re.MULTILINE)


def _environment(unit: str) -> dict[str, str]:
    """The variables of a unit: its own, then those of its files; nothing of this process."""
    told = {"LANG": "C.UTF-8", "USER": "oddsmith"}
    for line in _values(unit, "Environment"):
        told |= dict(word.split("=", 1) for word in shlex.split(line))
    for name in _values(unit, "EnvironmentFile"):
        path = Path(name.removeprefix("-"))
        assert path.is_file() or name.startswith("-"), f"{path} is not there"
        lines = path.read_text().splitlines() if path.is_file() else []
        told |= dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    return told


@pytest.fixture(scope="module")
def units(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Units]:
    """All units, started."""
    for program in ("initdb", "prometheus", "prometheus-alertmanager", "setpriv", "openssl"):
        if shutil.which(program, path=f"{postgres_programs()}:{os.environ['PATH']}") is None:
            pytest.skip(
                f"{program} is not installed (Debian: apt install postgresql prometheus prometheus-alertmanager)"
            )
    folder = tmp_path_factory.mktemp("units")
    clone(folder)
    started = Units(folder)
    try:
        started.prepare()
        for name in STARTED:
            started.start(name)
        yield started
    finally:
        started.stop()


def test_the_bot_keeps_its_journal_in_the_database_of_the_machine(units: Units) -> None:
    """The bot follows the local exchange without a model; its tables are in PostgreSQL, reached without a password."""
    state = units.awaited("service", f"http://127.0.0.1:{units.ports['3000']}/api/state", lambda one: one["markets"])
    assert not state["model"].get("bundle")
    with psycopg.connect(host=str(units.folder / "database"), user="oddsmith", dbname="oddsmith") as database:
        tables = {row[0] for row in database.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}
    assert {"orders", "fills", "bars"} <= tables


def test_the_flows_are_served_behind_the_login_of_the_machine(units: Units) -> None:
    """Prefect knows every deployment, refuses who has no login, and the flows' unit runs what is asked for."""
    url = f"http://127.0.0.1:{units.ports['4200']}/api"
    login = dict(line.split("=", 1) for line in (units.folder / "etc/prefect").read_text().split())
    login = login["PREFECT_API_AUTH_STRING"]
    for name in ("nightly", "ingest", "overdue"):
        units.awaited("flows", f"{url}/deployments/name/{name}/{name}", login=login)
    with pytest.raises(urllib.error.HTTPError) as refused:
        read(f"{url}/admin/version")
    assert refused.value.code == 401
    unit = units.here((units.folder / "infra/units/oddsmith-flows.service").read_text())
    asked = subprocess.run(
        [units.folder / ".venv/bin/prefect", "deployment", "run", "overdue/overdue"],
        cwd=units.folder, env=_environment(unit), capture_output=True, text=True, check=True,
    )  # fmt: skip
    run = re.search(r"UUID: ([0-9a-f-]{36})", asked.stdout)
    assert run, asked.stdout
    units.awaited("flows", f"{url}/flow_runs/{run[1]}", lambda one: one["state_type"] == "COMPLETED", login)


def test_the_monitoring_of_the_machine_sees_the_bot(units: Units) -> None:
    """MLflow answers, Prometheus scrapes the bot with the rules of the repository, and alerts have somewhere to go."""
    with urllib.request.urlopen(f"http://127.0.0.1:{units.ports['5000']}/health", timeout=10) as answer:
        assert answer.status == 200
    url = f"http://127.0.0.1:{units.ports['9090']}/api/v1"
    query = f"{url}/query?query=up%7Bjob%3D%22oddsmith%22%7D"
    units.awaited("prometheus", query, lambda one: [row["value"][1] for row in one["data"]["result"]] == ["1"])
    groups = read(f"{url}/rules")["data"]["groups"]
    assert {"BotIsDown", "DrawdownAbove20Percent"} <= {rule["name"] for group in groups for rule in group["rules"]}
    assert len(read(f"{url}/alertmanagers")["data"]["activeAlertmanagers"]) == 1


def test_units_end_when_they_are_told_to(units: Units) -> None:
    """SIGTERM ends every unit in time; by then all of them run."""
    assert [name for name, one in units.processes.items() if one.poll() is not None] == []
    statuses = units.stop()
    assert set(statuses.values()) <= {0, -signal.SIGTERM, 128 + signal.SIGTERM}, statuses
