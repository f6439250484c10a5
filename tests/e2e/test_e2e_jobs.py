"""Jobs of docs/jobs that need a trained model, done by the commands of their pages: first a CSV file of one's own."""

import csv
import json
import os
import re
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from e2e_checkout import clone
from job_pages import blocks, commands, run, started

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.nightly, pytest.mark.timeout(2400)]

ROOT = Path(__file__).parents[2]
SMALL = [
    "forecast.windows=512",
    "forecast.epochs=1",
    "forecast.batch_size=128",
    "conformal.windows=500",
    "ppo_entries.timesteps=4096",
    "ppo_entries.n_envs=8",
    "ppo_entries.n_steps=64",
    "ppo_entries.critic_steps=0",
    "ppo_entries.batch_size=128",
    "backtest.random_seeds=1",
    "gate.bootstrap_samples=200",
    "validate.min_markets=2",
]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tracked files with small parameters, a history of its own, and the CSV file of a user."""
    folder = tmp_path_factory.mktemp("user") / "oddsmith"
    clone(folder)
    (folder / ".venv").symlink_to(Path(sys.prefix))
    run(folder, f"oddsmith params set {' '.join(SMALL)}")
    prices(folder / "prices.csv")
    return folder


def prices(path: Path) -> None:
    """24 events of 2 markets: minutes of a walk, with a column that knows the future."""
    rng = np.random.default_rng(7)
    with path.open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(("market_id", "event", "timestamp", "price", "resolved_price"))
        for event in range(24):
            for market in range(2):
                start = 1_772_323_200 + event * 300 * 60
                walk = np.clip(np.round((0.5 + np.cumsum(rng.normal(0, 0.006, 300))) * 200) / 200, 0.02, 0.98)
                for minute, price in enumerate(walk):
                    at = datetime.fromtimestamp(start + 60 * minute, UTC).isoformat()
                    rows.writerow((f"m{event}-{market}", f"event {event}", at, price, float(walk[-1] > 0.5)))


@pytest.fixture(scope="module")
def first_run(checkout: Path) -> str:
    """What the run of the page "own prices" said, ended eight seconds after the first decision."""
    look, take, train = commands("own-csv")
    assert "price" in run(checkout, look)
    assert not (checkout / "data/recordings/prices.parquet").exists()
    run(checkout, take)
    return run(checkout, train, DURATION="8")


def test_a_recording_is_trained_on_judged_and_replayed(checkout, first_run):
    """One command goes through every step, the bot decides on the event that was kept out, and the ledger is right."""
    report = json.loads((checkout / "var/run.json").read_text())

    assert report["gate"]["verdict"] in {"promote", "hold"}
    assert report["gate"]["reasons"]
    assert report["decisions"] > 0
    assert report["ledger_equals_venue"] is True
    assert {
        "start",
        "pull",
        "validate",
        "featurize",
        "forecast",
        "agent",
        "backtest",
        "package",
        "gate",
        "serve",
    } <= set(report["steps"])
    assert "mode SIMULATED" in first_run
    window = json.loads((checkout / "data/window.json").read_text())
    assert window["held_out_event"] == "event 23"


def test_everything_that_was_started_is_stopped(checkout, first_run):
    """No process of the run outlives it."""
    left = [
        process.info["cmdline"]
        for process in psutil.process_iter(["cmdline", "cwd"])
        if process.info["cwd"] == str(checkout) and process.pid != os.getpid()
    ]

    assert left == []


def test_an_upgrade(checkout, first_run, tmp_path):
    """After the page's commands the new code runs on the journal that version 0.1 wrote, of which a copy is kept; what
    the new version does not change is not computed again, and the same bundle is judged the same."""
    upstream = tmp_path / "upstream"
    git = "git -c user.name=user -c user.email=user@example.org"
    run(checkout, f"git add --all && {git} commit --quiet --message=old && git clone --quiet . {upstream}")
    run(upstream, f"echo newer >> CHANGELOG.md && {git} commit --quiet --all --message=new")
    branch = run(checkout, "git branch --show-current").strip()
    run(checkout, f"git remote add origin {upstream} && git fetch --quiet && git branch -u origin/{branch}")
    before = json.loads((checkout / "models/bundle/manifest.json").read_text())["hash"]
    journal = checkout / "var/journal.sqlite"
    journal.unlink()
    with sqlite3.connect(journal) as db:
        db.executescript((ROOT / "tests/serving/journal_0_1.sql").read_text())
    db.close()
    stop, pull, start = commands("upgrade")

    run(checkout, stop)
    run(checkout, pull)
    said = run(checkout, start, SOURCE="recorded", RECORDED="data/recordings/prices.parquet", DURATION="1")

    assert "newer" in (checkout / "CHANGELOG.md").read_text()
    assert len(list((checkout / "var/backups").glob("journal-schema1-*.sqlite"))) == 1
    assert said.count("is up to date, reused") == 8
    assert json.loads((checkout / "models/bundle/manifest.json").read_text())["hash"] == before


def test_why_no_trade(checkout, first_run):
    """The funnel has a line a step, the query counts every decision of the run, and the status names the verdict."""
    funnel, query, status = commands("why-no-trade")
    decided = json.loads((checkout / "var/run.json").read_text())["decisions"]

    assert "listed" in run(checkout, funnel)
    counted = list(csv.reader(run(checkout, query).splitlines()))
    assert counted[0] == ["refusal", "count_star()"]
    assert sum(int(row[1]) for row in counted[1:]) >= decided > 0
    assert "nothing runs" in run(checkout, status)


def test_my_first_strategy(checkout, first_run):
    """Every block of the tutorial runs in its order; the strategy is played, tested and sealed where it is the best."""
    page = "docs/first-strategy.md"
    code, (test, again, trade) = blocks(page, "python"), blocks(page)
    assert commands("own-strategy") == test.splitlines()
    (checkout / "strategies/buy_the_dip.py").write_text(code[0])

    assert "buy_the_dip" in run(checkout, test)
    change, backtest = again.splitlines()
    assert "500" in run(checkout, change)
    played = json.loads(run(checkout, backtest))
    assert "buy_the_dip" in json.dumps(played)
    for line in trade.splitlines():
        run(checkout, line)
    assert json.loads((checkout / "models/verdict.json").read_text())["verdict"] in {"promote", "hold"}


def test_a_strategy_that_reads_the_clock_is_named(checkout, first_run):
    """The tutorial's promise: such a strategy is refused by name before the backtest plays anything."""
    code = blocks("docs/first-strategy.md", "python")[0]
    clock = "(time.time_ns() // 100 % 7 - 3) * 1_000"
    peeking = code.replace("mean_units - inputs.bar.mid_units", clock).replace('"buy_the_dip"', '"peeking"')
    path = checkout / "strategies/peeking.py"
    path.write_text(peeking.replace("from pipelines.core.domain", "import time\n\nfrom pipelines.core.domain", 1))

    try:
        with pytest.raises(AssertionError, match="peeking"):
            run(checkout, commands("own-strategy")[0])
    finally:
        path.unlink()


@pytest.fixture
def venue(checkout: Path, tmp_path: Path) -> Iterator[dict[str, str]]:
    """A local exchange in the place of the venue: the variables with its addresses."""
    options = "--port 0 --history-days 3 --event-length-min 300 --event-every-min 150 --markets-per-event 2"
    with (tmp_path / "said").open("w+") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "simulator", *options.split()],
            cwd=checkout,
            env=os.environ | {"PYTHONPATH": str(checkout)},
            stdout=said,
            stderr=subprocess.STDOUT,
        )
        try:
            yield addresses(tmp_path / "said")
        finally:
            process.terminate()
            process.wait(30)


def addresses(said: Path) -> dict[str, str]:
    """The variables of the addresses that the exchange prints before it is ready."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        found = dict(re.findall(r"^(CLOB|Gamma|Data|News) +(\S+)", said.read_text(), flags=re.M))
        if "ready " in said.read_text():
            stream = found["CLOB"].replace("http://", "ws://")
            return {f"ODDSMITH_{name.upper()}_URL": url for name, url in found.items()} | {
                "ODDSMITH_CLOB_WS_URL": stream
            }
        time.sleep(0.2)
    raise AssertionError(said.read_text())


def test_paper_trading_with_a_feature_of_ones_own(checkout, first_run, venue):
    """After the edit of the page on features, the night of the page on paper trading trains on the venue's markets with
    sixteen features, and the bot that is started shows its page in paper mode."""
    family = checkout / "pipelines/features/families/price.py"
    family.write_text(family.read_text() + "\n\n" + blocks("docs/jobs/own-feature.md", "python")[0])
    raise_version, night = commands("own-feature")
    mode, venue_night, serve = commands("paper-trade-the-venue")
    assert venue_night == night.replace("--fresh", "--source polymarket --fresh")

    run(checkout, raise_version)
    run(checkout, mode)
    run(checkout, venue_night, **venue)

    assert json.loads((checkout / "models/verdict.json").read_text())["verdict"] in {"promote", "hold"}
    assert json.loads((checkout / "data/window.json").read_text())["source"] == "polymarket"
    assert "absolute_move" in (checkout / "models/bundle/manifest.json").read_text()
    assert served(checkout, serve, free_port(), venue)["mode"] == "paper"


def test_two_accounts(checkout, first_run, venue):
    """The page's commands make a profile with its own limits and a pinned policy, and its bot shows its own page."""
    add, limit, serve = commands("two-accounts")
    run(checkout, add)
    run(checkout, limit)
    own = checkout / "profiles/careful"
    port = int(re.findall(r"ODDSMITH_SERVICE_PORT=(\d+)", (own / ".env").read_text())[0])

    state = served(checkout, serve, port, venue)

    assert state["mode"] == "paper"
    assert "max_markets: 2" in (own / "params.yaml").read_text()
    assert "max_markets: 2" not in (checkout / "params.yaml").read_text()


def free_port() -> int:
    """A port on which nothing listens now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def served(checkout: Path, line: str, port: int, venue: dict[str, str]) -> dict[str, Any]:
    """What the page of a bot shows that a command line starts; the bot is stopped then."""
    variables = venue | ({} if "--profile" in line else {"ODDSMITH_SERVICE_PORT": str(port)})
    with started(checkout, line, **variables):
        deadline = time.monotonic() + 240
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/state", timeout=5) as answer:
                    return json.load(answer)
            except OSError:
                time.sleep(0.5)
    raise AssertionError(f"nothing answered at port {port}")
