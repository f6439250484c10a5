"""Nights of real processes that are disturbed: killed with -9 at a step, and on a full disk.

The night after has the products of an undisturbed one; until then the old champion trades; and people are told."""

import random
import signal
import time

import pytest
from message_receiver import receiver
from night_desk import STEPS, Desk, awaited, drained, killed, with_children

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
        time.sleep(random.Random(step).uniform(0.0, 1.5))
        with_children(process, signal.SIGKILL)
    at = desk.present()
    assert at in STEPS
    assert desk.champion()["hash"] in {before, undisturbed["champion"]}

    desk.night()

    assert desk.products() == undisturbed
    assert f"it had been at {at}" in told(desk)


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
