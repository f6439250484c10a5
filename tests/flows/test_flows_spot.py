"""The training machine's group, the notice that it will be taken away, and the stage that has to end in time."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import boto3
import psutil
import pytest

from flows.spot import INTERRUPTED_STATUS, Group, Notices, SpotFailed, supervise
from pipelines.core.errors import SettingError
from pipelines.core.sections import SpotParams
from pipelines.core.settings import Settings

NOTICE = {"action": "terminate", "time": "2026-11-22T02:10:00Z"}
FAST = SpotParams(poll_s=0.1, grace_s=5.0, wait_h=0.01, gpu=False)

# What stands for DVC: it runs the stage, and dies of SIGTERM like DVC does.
LIKE_DVC = (
    "import subprocess, sys; sys.exit(255 if subprocess.call([sys.executable, '-m', 'pipelines', 'forecast']) else 0)"
)
SAVES = """
import os, pathlib, signal, sys, time
def save(*_):
    pathlib.Path('saved').write_text('yes')
    sys.exit(75)
signal.signal(signal.SIGTERM, save)
pathlib.Path('running').write_text(str(os.getpid()))
time.sleep(30)
"""
IGNORES = SAVES.replace("sys.exit(75)", "return")
ENDS = "raise SystemExit(3)"


@pytest.fixture
def group(aws: str) -> Group:
    """An auto-scaling group of 0..1 machines in the emulator."""
    name = "training"
    scaling = boto3.client("autoscaling")
    if not scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"]:
        scaling.create_launch_configuration(
            LaunchConfigurationName=name, ImageId="ami-12c6146b", InstanceType="g4dn.xlarge"
        )
        scaling.create_auto_scaling_group(
            AutoScalingGroupName=name,
            LaunchConfigurationName=name,
            MinSize=0,
            MaxSize=1,
            DesiredCapacity=0,
            AvailabilityZones=["us-east-1a"],
        )
    return Group(name)


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[str]]:
    """Makes a folder in which `python -m pipelines` runs the given code; the command that runs it as DVC would."""
    monkeypatch.chdir(tmp_path)

    def made(code: str) -> list[str]:
        (tmp_path / "pipelines").mkdir()
        (tmp_path / "pipelines" / "__init__.py").touch()  # a package even where PYTHONPATH names another
        (tmp_path / "pipelines" / "__main__.py").write_text(code)
        return [sys.executable, "-c", LIKE_DVC]

    return made


def alive(pid: int) -> bool:
    """Whether a process runs; a dead one that nobody has collected does not."""
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def ends(pid: int, limit_s: float = 5.0) -> bool:
    """Whether a process that was killed is gone soon: the kernel takes its time on a busy machine."""
    deadline = time.monotonic() + limit_s
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not alive(pid)


def when(path: str, then: Callable[[], None]) -> threading.Thread:
    """Does something as soon as a file is there."""

    def wait() -> None:
        while not Path(path).exists():
            time.sleep(0.02)
        then()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


def test_the_group_is_raised_and_lowered(group: Group) -> None:
    """Asking for one machine starts one, asking again changes nothing, asking for none ends it."""
    group.want(1)
    group.want(1)
    assert group.machines() == (1, 1)

    group.want(0)
    assert group.machines()[0] == 0


def test_more_machines_than_the_group_allows_are_refused(group: Group) -> None:
    """The training machine is one: a second would train the same checkpoint. The refusal names group and bounds."""
    with pytest.raises(SpotFailed, match=r"2 machines were asked of group training, which takes 0\.\.1"):
        group.want(2)


def test_a_group_that_is_not_there_is_named(aws: str) -> None:
    """A mistyped group is an error with its name, before anything is changed."""
    with pytest.raises(SpotFailed, match="no auto-scaling group 'trainign'"):
        Group("trainign").want(1)


def test_an_unreachable_aws_is_said(aws: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """When AWS does not answer, the error says what was being done and which address was silent."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")

    with pytest.raises(SpotFailed, match=r"group training could not be read: .*127\.0\.0\.1:9"):
        Group("training").machines()


def test_without_a_group_the_setting_is_named() -> None:
    """Raising a group that no setting names says which setting to fill and from where."""
    with pytest.raises(SettingError, match="ODDSMITH_SPOT_GROUP"):
        Group.of(Settings(_env_file=None, spot_group=""))


def test_a_notice_is_read_with_a_token(metadata) -> None:
    """The address is asked as IMDSv2 wants it; 404 is no notice, a document is one."""
    notices = Notices(metadata.url)
    assert notices.seen() is None

    metadata.notice = NOTICE
    assert notices.seen() == NOTICE


def test_a_silent_metadata_address_is_no_notice() -> None:
    """Off AWS nothing answers at the address; training goes on."""
    assert Notices("http://127.0.0.1:9").seen() is None


def test_a_notice_ends_the_stage_with_what_it_saved(metadata, stage) -> None:
    """On a notice the stage itself gets SIGTERM, saves, and the whole ends with status 75."""
    command = stage(SAVES)
    when("running", lambda: setattr(metadata, "notice", NOTICE))

    assert supervise(command, Notices(metadata.url), FAST) == INTERRUPTED_STATUS
    assert Path("saved").exists()


def test_a_sigterm_of_our_own_is_passed_on(metadata, stage) -> None:
    """A shutdown of the machine reaches the stage in the same way as a notice."""
    command = stage(SAVES)
    when("running", lambda: os.kill(os.getpid(), signal.SIGTERM))

    assert supervise(command, Notices(metadata.url), FAST) == INTERRUPTED_STATUS
    assert Path("saved").exists()
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_stage_that_will_not_end_is_killed_in_time(metadata, stage) -> None:
    """After the grace time the stage is killed; nothing of it is left running."""
    command = stage(IGNORES)
    when("running", lambda: setattr(metadata, "notice", NOTICE))
    started = time.monotonic()

    status = supervise(command, Notices(metadata.url), FAST.model_copy(update={"grace_s": 0.5}))

    assert status == INTERRUPTED_STATUS
    assert time.monotonic() - started < 10
    assert ends(int(Path("running").read_text()))


def test_a_stage_that_fails_by_itself_keeps_its_status(metadata, stage) -> None:
    """A failure is no interruption: its status comes back as it is and nothing is resumed."""
    assert supervise(stage(ENDS), Notices(metadata.url), FAST) == 255


def test_a_stage_that_is_done_is_done(metadata, stage) -> None:
    """Status 0 stays 0."""
    assert supervise(stage("pass"), Notices(metadata.url), FAST) == 0
