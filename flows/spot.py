"""Training on a machine that may be taken away: raise and lower its group, see the notice, end the stage in time.

A stage that is told to stop saves and exits with status 75; the same command on the next machine goes on from there.
"""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType
from typing import Any, Self

import boto3
import httpx2
import psutil
from botocore.exceptions import BotoCoreError, ClientError

from flows.child_environment import command_environment
from pipelines.core import log
from pipelines.core.errors import OddsmithError, SettingError
from pipelines.core.sections import SpotParams
from pipelines.core.settings import Settings

INTERRUPTED_STATUS = 75
"""EX_TEMPFAIL: stopped on request, saved, to be run again."""

TOKEN_LIFE_S = 600
_ASK_S = 2.0


class SpotFailed(OddsmithError):
    """The auto-scaling group cannot be read or changed."""


@dataclass(frozen=True, slots=True)
class Group:
    """The auto-scaling group of the training machine, 0..1."""

    name: str

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The group that ODDSMITH_SPOT_GROUP names.

        Raises:
            SettingError: if it names none.
        """
        if not settings.spot_group:
            raise SettingError("ODDSMITH_SPOT_GROUP was empty; set it to the output training_group of Terraform")
        return cls(settings.spot_group)

    def machines(self) -> tuple[int, int]:
        """Machines wanted, and machines in service.

        Raises:
            SpotFailed: if there is no such group, or AWS does not answer.
        """
        group = self._read()
        serving = [machine for machine in group["Instances"] if machine["LifecycleState"] == "InService"]
        return int(group["DesiredCapacity"]), len(serving)

    def want(self, machines: int) -> None:
        """Ask for this many machines; asking for what is wanted already changes nothing.

        Raises:
            SpotFailed: if there is no such group, the number is outside its bounds, or AWS does not answer.
        """
        group = self._read()
        if not group["MinSize"] <= machines <= group["MaxSize"]:
            bounds = f"{group['MinSize']}..{group['MaxSize']}"
            raise SpotFailed(f"{machines} machines were asked of group {self.name}, which takes {bounds}")
        if group["DesiredCapacity"] == machines:
            return
        with _explained(f"group {self.name} could not be set to {machines} machines"):
            boto3.client("autoscaling").set_desired_capacity(
                AutoScalingGroupName=self.name, DesiredCapacity=machines, HonorCooldown=False
            )
        log.get("spot").info("wanted", group=self.name, machines=machines)

    def _read(self) -> dict[str, Any]:
        with _explained(f"group {self.name} could not be read"):
            found = boto3.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[self.name])
        if not found["AutoScalingGroups"]:
            raise SpotFailed(f"there is no auto-scaling group {self.name!r} in this account and region")
        return dict(found["AutoScalingGroups"][0])


@contextmanager
def _explained(what: str) -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise SpotFailed(f"{what}: {error}") from error


class Notices:
    """The machine's metadata address, asked for the two-minute notice (IMDSv2: a token first)."""

    def __init__(self, url: str) -> None:
        self._client = httpx2.Client(base_url=url, timeout=_ASK_S)
        self._token: tuple[str, float] | None = None
        self._silent = False

    def seen(self) -> dict[str, Any] | None:
        """The notice ({"action": "terminate", "time": ...}), None without one.

        An address that does not answer is said once and read as no notice: this machine is then no spot machine.
        """
        try:
            answer = self._client.get("/latest/meta-data/spot/instance-action", headers=self._headers())
            if answer.status_code == httpx2.codes.UNAUTHORIZED:
                self._token = None
            if answer.status_code != httpx2.codes.OK:
                return None
            return dict(answer.json())
        except (httpx2.HTTPError, ValueError) as error:
            if not self._silent:
                log.get("spot").warning("no notices", url=str(self._client.base_url), error=str(error))
            self._silent = True
            return None

    def _headers(self) -> dict[str, str]:
        if self._token is None or time.monotonic() > self._token[1]:
            wish = {"X-aws-ec2-metadata-token-ttl-seconds": str(TOKEN_LIFE_S)}
            answer = self._client.put("/latest/api/token", headers=wish).raise_for_status()
            self._token = (answer.text, time.monotonic() + TOKEN_LIFE_S / 2)
        return {"X-aws-ec2-metadata-token": self._token[0]}


class _Asked:
    """Whether this process itself was told to stop (systemd, a shutdown)."""

    def __init__(self) -> None:
        self.to_stop = False

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        self.to_stop = True


def supervise(command: Sequence[str], notices: Notices, params: SpotParams) -> int:
    """Run a command until it ends or the machine is to go; the command's status, 75 when it was stopped.

    On a notice, or a SIGTERM of our own, the running stage gets SIGTERM and `grace_s` to save and end.
    """
    asked = _Asked()
    before = signal.signal(signal.SIGTERM, asked)
    child = subprocess.Popen(command, env=command_environment(), start_new_session=True)
    try:
        while (status := _wait(child, params.poll_s, asked)) is None:
            notice = None if asked.to_stop else notices.seen()
            if notice or asked.to_stop:
                log.get("spot").warning("stopping", notice=notice or "SIGTERM", command=" ".join(command))
                status = _stop(child, params.grace_s)
                return INTERRUPTED_STATUS if status else 0
        return status
    finally:
        signal.signal(signal.SIGTERM, before)
        _kill_group(child)


def _wait(child: subprocess.Popen[bytes], seconds: float, asked: _Asked) -> int | None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not asked.to_stop:
        try:
            return child.wait(min(0.5, seconds))
        except subprocess.TimeoutExpired:
            continue
    return child.poll()


def _stop(child: subprocess.Popen[bytes], grace_s: float) -> int:
    # DVC runs between us and the stage, and would die of the signal before the stage has saved: the stage gets it.
    for process in _stages_below(child.pid) or [psutil.Process(child.pid)]:
        process.terminate()
    try:
        return child.wait(grace_s)
    except subprocess.TimeoutExpired:
        log.get("spot").error("killed", after_s=grace_s)
        _kill_group(child)
        return child.wait()


def _stages_below(pid: int) -> list[psutil.Process]:
    found: dict[int, psutil.Process] = {}
    for process in psutil.Process(pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            # A stage's own workers carry its command line after a fork; they are the stage's to stop.
            if {"-m", "pipelines"} <= set(process.cmdline()) and process.ppid() not in found:
                found[process.pid] = process
    return list(found.values())


def _kill_group(child: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
