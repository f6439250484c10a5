"""From the event of a drift to the running service: night, gate, promotion, installation, swap; positions unchanged.

The path from a changed regime to the event is proven in tests/code/pipelines/drift; here the event is the beginning.
The system is the real one, small. Two of its judgements are fixed, because they are not what is tested: the gate
promotes, and the policy buys and holds, so that there are positions.
"""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from e2e_checkout import clone

from flows.prefect_access import access

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.nightly, pytest.mark.timeout(1500)]

ROOT = Path(__file__).parents[2]
SMALL = [
    "simulator.history_days=3",
    "simulator.event_every_min=240",
    "simulator.markets_per_event=3",
    "pull.history_days=3",
    "forecast.kind=gru",
    "forecast.replicas=1",
    "forecast.windows=512",
    "forecast.epochs=1",
    "forecast.batch_size=128",
    "conformal.windows=500",
    "ppo.timesteps=2048",
    "ppo.n_steps=64",
    "ppo.batch_size=128",
    "agent.imitation_epochs=0",
    "backtest.random_seeds=1",
    "shadow.enabled=false",
    "risk.min_confidence=0.5",
    "risk.stop_loss=1.0",
    "risk.take_profit=1.0",
    "risk.trailing_stop=1.0",
]
FIXED = """\
import json, sys
from pathlib import Path
if sys.argv[1] == "choice":
    path = Path("models/choice/choice.json")
    sizing = {"win_probability": 0.9, "mean_win": 0.1, "mean_loss": 0.05, "signals": 99, "events": 9}
    document = json.loads(path.read_text()) | {"policy": {"kind": "buy_and_hold", "params": {}}, "sizing": sizing}
else:
    path = Path("reports/gate.json")
    bundle = json.loads(Path("models/bundle/manifest.json").read_text())["hash"]
    document = {"verdict": "promote", "reasons": ["fixed by the test"], "evidence": {}, "bundle": bundle}
    from pipelines.gate.stage import write_record
    write_record(document, 30.0)
path.write_text(json.dumps(document))
"""
COUNT = """\
from prefect.client.orchestration import get_client
with get_client(sync_client=True) as client:
    print(len(client.read_deployments()))
"""
EMIT = """\
from prefect.events import emit_event
from prefect.events.worker import EventsWorker
from flows.drift import EVENT
emit_event(event=EVENT, resource={"prefect.resource.id": "oddsmith.bundle.0123456789ab"}, payload={"reasons": ["test"]})
EventsWorker.instance().drain()
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the working tree with small parameters, a fixed choice and a fixed verdict."""
    folder = tmp_path_factory.mktemp("chain") / "oddsmith"
    clone(folder)
    (folder / "fixed.py").write_text(FIXED)
    stages = yaml.safe_load((folder / "dvc.yaml").read_text())
    stages["stages"]["backtest"]["cmd"] += " && python fixed.py choice"
    stages["stages"]["gate"]["cmd"] = "python fixed.py verdict"
    (folder / "dvc.yaml").write_text(yaml.safe_dump(stages, sort_keys=False))
    subprocess.run([sys.executable, "-m", "flows", "params", *SMALL], cwd=folder, env=_environment(folder), check=True)
    return folder


def _environment(folder: Path) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("ODDSMITH_", "PREFECT_", "MLFLOW_"))}
    return {**kept, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1", "PREFECT_RUNNER_POLL_FREQUENCY": "1"}


def _start(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    log = folder.parent / f"{arguments[-1]}.log"
    with log.open("wb") as stream:
        return subprocess.Popen(
            [sys.executable, "-m", "flows", *arguments],
            cwd=folder,
            env=_environment(folder),
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )


def _stop(process: subprocess.Popen[bytes]) -> None:
    # SIGTERM ends them as Ctrl-C does; SIGINT is ignored by all that a suite starts which runs in the background.
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(90)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture(scope="module")
def system(checkout: Path) -> Iterator[dict[str, str]]:
    """`make run` with `make flows` with it; its URLs, once the bot holds positions and every flow is served."""
    processes = [_start(checkout, "up")]
    try:
        report = checkout / "var/run.json"
        _await(report.exists, 600, processes[0], checkout)
        urls = _urls(report)
        processes.append(_start(checkout, "serve"))
        entries = len(yaml.safe_load((checkout / "prefect.yaml").read_text())["deployments"])
        _await(lambda: _positions(_state(urls)), 120, processes[0], checkout)
        _await(lambda: _deployments(checkout, urls) == entries, 120, processes[1], checkout)
        yield urls
    finally:
        for process in reversed(processes):
            _stop(process)


def _prefect(checkout: Path, urls: dict[str, str]) -> dict[str, str]:
    """Environment of a process that speaks to the running Prefect server with the login of this folder."""
    environment = {**_environment(checkout), **access(checkout / "var", urls["prefect"])}
    return {**environment, "PREFECT_API_URL": f"{urls['prefect']}api", "PREFECT_HOME": str(checkout / "var/prefect")}


def _deployments(checkout: Path, urls: dict[str, str]) -> int:
    """How many flows the server knows; -1 while it does not answer."""
    command = [sys.executable, "-c", COUNT]
    done = subprocess.run(
        command, cwd=checkout, env=_prefect(checkout, urls), capture_output=True, text=True, check=False
    )
    return int(done.stdout) if done.returncode == 0 else -1


def _urls(report: Path) -> dict[str, str]:
    return dict(json.loads(report.read_text())["urls"])


def _await(found: Callable[[], Any], limit_s: float, process: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + limit_s
    while not found():
        said = "\n".join(log.read_text(errors="replace")[-2_000:] for log in folder.parent.glob("*.log"))
        assert process.poll() is None, said
        assert time.monotonic() < deadline, said
        time.sleep(0.2)


def _ask(url: str) -> Any:
    try:
        with urllib.request.urlopen(url, timeout=10.0) as response:
            return json.load(response)
    except (urllib.error.URLError, OSError, ValueError):
        return {}


def _state(urls: dict[str, str]) -> dict[str, Any]:
    return dict(_ask(f"{urls['dashboard']}api/state"))


def _positions(state: dict[str, Any]) -> dict[tuple[str, str], float]:
    return {(row["market_id"], row["outcome"]): row["shares"] for row in state.get("positions", [])}


def _bundle(state: dict[str, Any]) -> str | None:
    return state.get("model", {}).get("bundle")


def test_drift_ends_in_a_new_bundle_that_trades_with_the_positions_of_the_old(checkout, system):
    """The event alone leads to the swap: nobody starts the night, and no position is touched by the change."""
    first = _state(system)
    assert first["model"]["champion"] is True

    subprocess.run([sys.executable, "-c", EMIT], cwd=checkout, env=_prefect(checkout, system), check=True)
    before, after = _watch_the_swap(system, _bundle(first))

    champion = json.loads((checkout / "var/champion.json").read_text())
    assert _bundle(after) == champion["hash"] != _bundle(first)
    assert champion["bento_tag"].startswith(f"oddsmith:{champion['hash'][:12]}-")
    history = (checkout / "var/champions.jsonl").read_text().splitlines()
    assert [json.loads(line)["hash"] for line in history] == [_bundle(first), champion["hash"]]
    held, kept = _positions(before), _positions(after)
    assert held.keys() & kept.keys()
    assert before["fills_total"] != after["fills_total"] or all(kept[key] == held[key] for key in held.keys() & kept)
    assert after["ledger_equals_venue"] is True


def _watch_the_swap(urls: dict[str, str], old: str | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """The last state with the old bundle and the first with another one."""
    before: dict[str, Any] = {}
    deadline = time.monotonic() + 720
    while time.monotonic() < deadline:
        state = _state(urls)
        if _bundle(state) not in (None, old):
            return before, state
        before = state or before
        time.sleep(0.2)
    raise AssertionError(f"the service still decides with {old} after 720 s")
