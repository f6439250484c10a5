"""Nights of real processes that are disturbed: killed with -9 at a step, a server that dies, a full disk, two at once.

The night after has the products of an undisturbed one; until then the old champion trades; and people are told."""

import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from message_receiver import receiver
from night_desk import STEPS, Desk, awaited, drained, killed, with_children

from benchmarks.exchange_process import exchange
from flows.local.children import answers

BIN = Path(sys.executable).parent
pytestmark = [pytest.mark.slow, pytest.mark.nightly, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, prefect_server):
    """The products of a second night that nothing disturbed."""
    desk = Desk(tmp_path_factory.mktemp("undisturbed"), {"PREFECT_API_URL": prefect_server})
    desk.night()
    desk.fit(1.5)
    desk.night()
    return desk.products()


@pytest.fixture
def desk(tmp_path, prefect_server):
    """A machine with yesterday's champion, on which tonight's candidate is another one; its messages are caught."""
    with receiver() as caught:
        made = Desk(tmp_path, {"PREFECT_API_URL": prefect_server, "ODDSMITH_MESSAGES": caught.address})
        made.night()
        made.fit(1.5)
        caught.messages.clear()
        made.caught = caught
        yield made


def told(desk):
    """All that people were told."""
    return " ".join(one["message"] for one in desk.caught.messages)


@pytest.mark.parametrize("step", STEPS)
def test_a_night_that_is_killed_at_a_step_is_made_good_by_the_next(desk, undisturbed, step):
    """SIGKILL to everything at a random moment of the step: the champion of yesterday (or, at its very end, tonight's)
    is whole, and the next night has the products of an undisturbed one and tells of the kill."""
    before = desk.champion()["hash"]
    process = desk.start()
    drained(process)
    with killed(process):
        awaited(lambda: desk.present() == step, process)
        # The last step takes less than a second on an idle machine, and after it there is no night to kill.
        time.sleep(random.Random(step).uniform(0.0, 0.3 if step == STEPS[-1] else 1.5))
        with_children(process, signal.SIGKILL)
    at = desk.present()
    assert at in STEPS
    assert desk.champion()["hash"] in {before, undisturbed["champion"]}

    desk.night()

    assert desk.products() == undisturbed
    assert f"it had been at {at}" in told(desk)


@contextmanager
def server(folder, *command, health):
    """A server process on a free port, and its address."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = str(probe.getsockname()[1])
    words = [str(BIN / command[0]), *command[1:], "--host", "127.0.0.1", "--port", port]
    environment = {
        **os.environ,
        "PREFECT_HOME": str(folder / "server"),
        "PREFECT_SERVER_UI_ENABLED": "false",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    with (folder / f"{command[0]}.log").open("wb") as log:
        process = subprocess.Popen(
            words, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True, text=True
        )
    address = f"http://127.0.0.1:{port}"
    with killed(process):
        deadline = time.monotonic() + 120
        while not answers(address + health):
            assert process.poll() is None and time.monotonic() < deadline, (folder / f"{command[0]}.log").read_text()
            time.sleep(0.2)
        yield process, address


@pytest.mark.parametrize("step", ["pull", "promote"])
def test_a_night_whose_prefect_server_dies_keeps_the_champion_or_is_whole(desk, undisturbed, prefect_server, step):
    """The server is killed while the night is at a step: the night ends by itself, with tonight's products or with
    yesterday's champion and a message; the command says what to do, and the next night is as if undisturbed."""
    before = desk.champion()["hash"]
    with server(desk.folder, "prefect", "server", "start", health="/api/health") as (prefect, address):
        desk.more |= {"PREFECT_API_URL": f"{address}/api", "PREFECT_CLIENT_MAX_RETRIES": "2"}
        process = desk.start()
        lines = drained(process)
        with killed(process):
            awaited(lambda: desk.present() == step, process)
            with_children(prefect, signal.SIGKILL)
            process.wait(300)
        said = "".join(lines)
        assert process.returncode == 1, said[-3_000:]
        assert f"the Prefect server {address}/api does not answer" in said
    if desk.champion()["hash"] == before:
        assert re.search(rf"the flow nightly failed.*{re.escape(address)}/api does not answer", told(desk)), said[
            -3_000:
        ]
    else:
        assert desk.products() == undisturbed
    del desk.more["PREFECT_CLIENT_MAX_RETRIES"]
    desk.more["PREFECT_API_URL"] = prefect_server

    desk.night()

    assert desk.products() == undisturbed


@pytest.mark.parametrize("step", ["track", "promote"])
def test_a_night_whose_mlflow_server_dies_keeps_the_champion_or_is_whole(desk, undisturbed, step):
    """The same for MLflow, which a night needs at its end; MLflow's address is in the message."""
    before = desk.champion()["hash"]
    store = f"sqlite:///{desk.folder}/var/mlflow.db"
    with server(desk.folder, "mlflow", "server", "--workers", "1", "--backend-store-uri", store, health="/health") as (
        mlflow,
        address,
    ):
        desk.more |= {"MLFLOW_TRACKING_URI": address, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}
        process = desk.start()
        lines = drained(process)
        with killed(process):
            awaited(lambda: desk.present() == step, process)
            with_children(mlflow, signal.SIGKILL)
            process.wait(300)
    if desk.champion()["hash"] == before:
        assert address.removeprefix("http://") in told(desk), "".join(lines)[-3_000:]
    else:
        assert desk.products() == undisturbed
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_HTTP_REQUEST_MAX_RETRIES"):
        del desk.more[name]

    desk.night()

    assert desk.products() == undisturbed


def test_a_disk_that_is_full_keeps_the_champion_and_is_told(desk, undisturbed):
    """No file may grow beyond 100 kB, in the night and all that it starts: a stage cannot write, no product is half
    there, the champion of yesterday trades, people are told, and with room again the night is as if undisturbed."""
    before = desk.champion()["hash"]
    rows = (desk.folder / "data/raw/rows.json").read_text()
    process = desk.start("prlimit", "--fsize=100000")
    lines = drained(process)
    with killed(process):
        process.wait(300)
    assert process.returncode != 0, "".join(lines)[-3_000:]
    assert desk.champion()["hash"] == before
    if (desk.folder / "data/raw").is_dir():
        assert (desk.folder / "data/raw/rows.json").read_text() == rows
    assert "the flow nightly" in told(desk), "".join(lines)[-3_000:]

    desk.night()

    assert desk.products() == undisturbed


@pytest.mark.parametrize("seconds", [0.2, 0.6, 1.2])
def test_a_night_that_is_killed_while_it_downloads_has_its_bars_the_next_time(tmp_path, prefect_server, seconds):
    """SIGKILL while the history of a real exchange is brought into the landing zone: nothing half-written stays there,
    and the next night pulls what an undisturbed one pulls."""
    names = ("undisturbed", "killed")
    # So many days that the last of the kills still meets the download on a fast machine.
    options = ("--speed", "0", "--history-days", "5", "--event-length-min", "240", "--markets-per-event", "2")
    with exchange(options) as addresses:
        for name in names:
            (tmp_path / name).mkdir()
        more = {"PREFECT_API_URL": prefect_server, "ODDSMITH_MODE": "simulated", **addresses}
        undisturbed, desk = (Desk(tmp_path / name, dict(more), ("--source", "simulated")) for name in names)
        undisturbed.night()
        assert list((undisturbed.folder / "var/landing").rglob("*.parquet")), "the history lies in the landing zone"
        process = desk.start()
        drained(process)
        with killed(process):
            awaited(lambda: desk.present() == "ingest", process)
            time.sleep(seconds)
            with_children(process, signal.SIGKILL)
        assert desk.present() == "ingest"
        desk.night()
        assert desk.products()["raw"] == undisturbed.products()["raw"]


@pytest.mark.parametrize("seconds", [3.0, 4.0, 5.0, 6.0, 8.0])
def test_a_rollback_that_is_killed_leaves_one_whole_champion(desk, seconds):
    """SIGKILL to a rollback: the champion is tonight's or yesterday's, whole; asked again it is yesterday's, and what
    was rolled back does not trade again."""
    yesterday = desk.champion()["hash"]
    said = desk.night()
    tonight = desk.champion()["hash"]
    assert tonight != yesterday, f"the night promoted nothing: {said[-3_000:]}"
    process = desk.start(step="rollback")
    drained(process)
    with killed(process):
        time.sleep(seconds)
        with_children(process, signal.SIGKILL)
    assert desk.champion()["hash"] in {yesterday, tonight}
    if desk.champion()["hash"] == tonight:
        again = desk.start(step="rollback")
        lines = drained(again)
        with killed(again):
            assert again.wait(120) == 0, "".join(lines)[-3_000:]
    assert desk.champion()["hash"] == yesterday
    desk.night()
    assert desk.champion()["hash"] == yesterday


def test_two_promotions_at_once_are_one_after_the_other(desk, undisturbed):
    """Two processes promote the same candidate: both end well or one says who is at work, and the champion is whole."""
    process = desk.start()
    drained(process)
    with killed(process):
        awaited(lambda: desk.present() == "promote", process)
        other = desk.start(step="promote")
        lines = drained(other)
        with killed(other):
            other.wait(300)
            process.wait(300)
    assert process.returncode == 0
    assert other.returncode == 0 or "is at work here" in "".join(lines), "".join(lines)[-3_000:]
    assert desk.products() == undisturbed
    assert (desk.folder / "var/champions.jsonl").read_text().count(undisturbed["champion"]) in {1, 2}
