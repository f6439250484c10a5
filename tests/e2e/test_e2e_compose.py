"""infra/compose/compose.yaml with this machine's own programs in place of the images: the same commands, variables,
secrets, order and health checks, on free ports."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pytest
import yaml
from database_user import AS_NOBODY, let_in
from e2e_checkout import clone
from e2e_machine import free_ports, postgres_programs, read

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "infra/compose/compose.yaml"
INSTALLED_AS = {"alertmanager": "prometheus-alertmanager"}
LEFT_OUT = {
    "grafana": "Grafana is in no archive of Debian",
    "proxy": "started on demand alone; tests/code/infra/test_infra_proxy.py runs it",
}
PATIENCE_S = 240


def test_every_part_is_named_where_it_is_used() -> None:
    """Each host of an address is a part of the file, each part that is waited for has a health check, every mounted
    file exists, and only loopback addresses of the machine are published."""
    services = yaml.safe_load(COMPOSE.read_text())["services"]
    text = re.sub(r"#.*", "", COMPOSE.read_text())
    hosts = set(re.findall(r"(?:https?|ws)://([a-z]+):\d+", text)) | set(re.findall(r"@([a-z]+):\d+", text))
    assert hosts - {"localhost"} <= set(services)
    for name, service in services.items():
        for wanted, how in service.get("depends_on", {}).items():
            assert how["condition"] == "service_healthy"
            assert "healthcheck" in services[wanted], f"{name} waits for {wanted}"
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            if source.startswith(".") and "secrets" not in source:
                assert (COMPOSE.parent / source).exists(), mount


def test_the_trading_key_reaches_the_bot_alone() -> None:
    """Of all parts only the bot reads the file that holds keys."""
    services = yaml.safe_load(COMPOSE.read_text())["services"]
    assert [name for name, one in services.items() if "secrets/trading.env" in one.get("env_file", [])] == ["bot"]


def test_the_worker_knows_the_bot_its_journal_and_who_is_told() -> None:
    """Nights of the worker's container find the running bot (a promoted candidate goes into its shadow), read its
    journal, and both tell people; the bot takes requests under that name."""
    services = yaml.safe_load(COMPOSE.read_text())["services"]
    worker, bot = services["worker"], services["bot"]
    assert worker["environment"]["ODDSMITH_SERVICE_URL"] == "http://bot:3000"
    assert bot["environment"]["ODDSMITH_ALLOWED_HOSTS"].split(",")[0] == "bot"
    journal = r"ODDSMITH_JOURNAL_URL=\"([^\"]+)\""
    assert len({re.search(journal, " ".join(one["command"]))[1] for one in (worker, bot)}) == 1
    assert all({"secrets/messages.env", "secrets/database.env"} <= set(one["env_file"]) for one in (worker, bot))


class Parts:
    """The parts as processes in a copy of the repository. Ports of the file become free ones of this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.services: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())["services"]
        self.configs = yaml.safe_load(COMPOSE.read_text())["configs"]
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.ports: dict[tuple[str, str], int] = {}
        text = COMPOSE.read_text() + " prefect:4200"
        named = set(re.findall(r"\b([a-z]+):(\d{4,5})\b", text)) & {
            (name, port) for name in self.services for port in re.findall(r"\d{4,5}", text)
        }
        simulator = free_ports(4)
        for name, port in sorted(named):
            self.ports[name, port] = simulator[int(port) - 8640] if name == "simulator" else free_ports(1)[0]

    def here(self, text: str, own: str = "") -> str:
        """A text of the file as it holds on this machine."""
        for (name, port), free in self.ports.items():
            text = re.sub(rf"\b{name}:{port}\b", f"127.0.0.1:{free}", text)
            if name == own:
                text = re.sub(rf"\b{port}\b", str(free), text)
        text = text.replace("0.0.0.0", "127.0.0.1").replace("/opt/oddsmith", str(self.folder)).replace("$$", "$")
        for place in ("/etc/prometheus", "/etc/alertmanager", "/prometheus", "/alertmanager"):
            text = re.sub(rf"(^|=){place}\b", rf"\1{self.folder}/mounted{place}", text)
        return text

    def environment(self, name: str) -> dict[str, str]:
        """Variables of a part, with those of its secret files."""
        service = self.services[name]
        told = {"PATH": f"{Path(sys.executable).parent}:{postgres_programs()}:/usr/local/bin:/usr/bin:/bin"}
        told |= {"HOME": str(self.folder), "PYTHONPATH": str(self.folder), "LANG": "C.UTF-8"}
        told |= {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
        for file in service.get("env_file", []):
            lines = (self.folder / "infra/compose" / file).read_text().splitlines()
            told |= dict(line.split("=", 1) for line in lines if line)
        return told | {key: self.here(str(value), name) for key, value in service.get("environment", {}).items()}

    def start(self, name: str) -> None:
        """A part, after those that it waits for are healthy."""
        for wanted in self.services[name].get("depends_on", {}):
            if wanted not in self.processes:
                self.start(wanted)
        program, *words = self.services[name]["command"]
        command = [INSTALLED_AS.get(program, program), *(self.here(word, name) for word in words)]
        environment = self.environment(name)
        if name == "database":
            command = self._cluster(command, environment)
        for config in self.services[name].get("configs", []):
            self._write(config["target"], self.here(self.configs[config["source"]]["content"]))
        for mount in self.services[name].get("volumes", []):
            source, target = mount.split(":")[:2]
            if source.startswith("../monitoring/") and (COMPOSE.parent / source).is_file():
                self._write(target, self.here((COMPOSE.parent / source).read_text()))
        with (self.folder / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                command, cwd=self.folder, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        self._await_health(name, environment)

    def _write(self, target: str, text: str) -> None:
        path = Path(self.here(target))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def _cluster(self, command: list[str], environment: Mapping[str, str]) -> list[str]:
        """What the image of PostgreSQL does first: a cluster with the named role, password and database."""
        place, secret = self.folder / "database", self.folder / "database.password"
        place.mkdir(mode=0o777)
        place.chmod(0o777)
        secret.write_text(environment["POSTGRES_PASSWORD"])
        secret.chmod(0o644)
        let_in(self.folder)
        made = [*AS_NOBODY, "initdb", "-D", place / "data", "-U", environment["POSTGRES_USER"], "--auth=scram-sha-256"]
        subprocess.run([*made, f"--pwfile={secret}"], check=True, capture_output=True, env=environment)
        single = [*AS_NOBODY, "postgres", "--single", "-D", place / "data", "postgres"]
        subprocess.run(
            single,
            input=f"CREATE DATABASE {environment['POSTGRES_DB']}\n",
            text=True,
            check=True,
            capture_output=True,
            env=environment,
        )
        return [*AS_NOBODY, *command, "-D", str(place / "data"), "-k", str(place), "-c", "fsync=off"]

    def _await_health(self, name: str, environment: Mapping[str, str]) -> None:
        check = self.services[name].get("healthcheck")
        if check is None:
            return
        command = [self.here(word, name) for word in check["test"][1:]]
        command = ["127.0.0.1" if word == name else word for word in command]
        deadline = time.monotonic() + PATIENCE_S
        while subprocess.run(command, env=environment, capture_output=True, check=False).returncode != 0:
            process = self.processes[name]
            assert process.poll() is None and time.monotonic() < deadline, f"{name} is not healthy: {self.said(name)}"
            time.sleep(0.5)

    def said(self, name: str) -> str:
        """The end of what a part wrote."""
        return (self.folder / f"{name}.log").read_text(errors="replace")[-2_000:]

    def url(self, name: str, port: int) -> str:
        """Where a part listens here."""
        return f"http://127.0.0.1:{self.ports[name, str(port)]}"

    def stop(self) -> None:
        """End all, the last one first."""
        for process in reversed(self.processes.values()):
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parts]:
    """All parts that this machine has programs for, healthy."""
    for program in ("initdb", "prometheus", "prometheus-alertmanager", "setpriv"):
        if shutil.which(program, path=f"{postgres_programs()}:{os.environ['PATH']}") is None:
            pytest.skip(
                f"{program} is not installed (Debian: apt install postgresql prometheus prometheus-alertmanager)"
            )
    folder = tmp_path_factory.mktemp("compose")
    clone(folder)
    subprocess.run(["bash", "infra/compose/secrets.sh"], cwd=folder, check=True, capture_output=True)
    started = Parts(folder)
    try:
        for name in started.services:
            if name not in LEFT_OUT and name not in started.processes:
                started.start(name)
        yield started
    finally:
        started.stop()


@pytest.mark.nightly
@pytest.mark.slow
@pytest.mark.e2e
@pytest.mark.timeout(600)
def test_the_bot_of_the_compose_file_decides_nothing_without_a_model(parts: Parts) -> None:
    """The bot is alive on the database of the file, follows the local exchange, has no model and sends no order."""
    state = read(f"{parts.url('bot', 3000)}/api/state")
    password = parts.environment("bot")["POSTGRES_PASSWORD"]
    port = parts.ports["database", "5432"]
    with psycopg.connect(f"postgresql://oddsmith:{password}@127.0.0.1:{port}/oddsmith") as database:
        tables = {row[0] for row in database.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}
        orders = database.execute("SELECT count(*) FROM orders").fetchone()
    assert {"orders", "fills", "bars"} <= tables
    assert orders == (0,)
    assert not state["model"].get("bundle")


@pytest.mark.nightly
@pytest.mark.slow
@pytest.mark.e2e
@pytest.mark.timeout(600)
def test_prometheus_scrapes_the_bot_and_knows_the_alertmanager(parts: Parts) -> None:
    """The target is up, the rules are loaded, and alerts have somewhere to go."""
    url = parts.url("prometheus", 9090)
    deadline = time.monotonic() + 60
    while True:
        up = read(f"{url}/api/v1/query?query=up%7Bjob%3D%22oddsmith%22%7D")["data"]["result"]
        if (up and up[0]["value"][1] == "1") or time.monotonic() > deadline:
            break
        time.sleep(1)
    assert up
    assert up[0]["value"][1] == "1"
    names = {rule["name"] for group in read(f"{url}/api/v1/rules")["data"]["groups"] for rule in group["rules"]}
    assert {"BotIsDown", "DrawdownAbove20Percent"} <= names
    assert len(read(f"{url}/api/v1/alertmanagers")["data"]["activeAlertmanagers"]) == 1


@pytest.mark.nightly
@pytest.mark.slow
@pytest.mark.e2e
@pytest.mark.timeout(600)
def test_a_worker_runs_the_flows_behind_the_login(parts: Parts) -> None:
    """Prefect answers nobody without the login of the secret file; with it, the worker of the file's pool is there, the
    nightly deployment has its schedule, and a run that is asked for is taken by the worker and ends well."""
    url = f"{parts.url('prefect', 4200)}/api"
    with pytest.raises(urllib.error.HTTPError) as refused:
        read(f"{url}/admin/version")
    assert refused.value.code == 401
    environment = parts.environment("worker")
    login = environment["PREFECT_API_AUTH_STRING"]
    _awaited(parts, f"{url}/deployments/name/overdue/overdue", login, lambda _found: True)
    found = _awaited(parts, f"{url}/deployments/name/nightly/nightly", login, lambda _found: True)
    assert found["schedules"]
    assert found["work_pool_name"] == "oddsmith"
    _awaited(parts, f"{url}/work_pools/oddsmith", login, lambda pool: pool["status"] == "READY")
    asked = subprocess.run(
        ["prefect", "deployment", "run", "overdue/overdue"],
        cwd=parts.folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    run = re.search(r"UUID: ([0-9a-f-]{36})", asked.stdout)
    assert run, asked.stdout
    _awaited(parts, f"{url}/flow_runs/{run[1]}", login, lambda one: one["state_type"] == "COMPLETED")


def _awaited(parts: Parts, url: str, login: str, right: Callable[[Any], bool]) -> Any:
    """What Prefect tells at an address, once it is there and right; the worker has to live meanwhile."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            if right(found := read(url, login)):
                return found
        except urllib.error.HTTPError:
            pass
        assert parts.processes["worker"].poll() is None and time.monotonic() < deadline, parts.said("worker")
        time.sleep(1)


@pytest.mark.nightly
@pytest.mark.slow
@pytest.mark.e2e
@pytest.mark.timeout(600)
def test_the_store_takes_a_backup(parts: Parts) -> None:
    """A bucket of the emulator holds what is put there."""
    client = boto3.client(
        "s3",
        endpoint_url=parts.url("store", 9000),
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )
    client.create_bucket(Bucket="oddsmith")
    client.put_object(Bucket="oddsmith", Key="backups/one", Body=b"whole")
    assert client.get_object(Bucket="oddsmith", Key="backups/one")["Body"].read() == b"whole"
