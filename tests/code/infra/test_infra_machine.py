"""What runs beside the bot on a machine of the cloud: secrets into the environment, logs to CloudWatch."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import boto3
import pytest
from moto import mock_aws

INFRA = Path(__file__).parents[3] / "infra"


def script(name: str) -> ModuleType:
    """A script of infra as a module."""
    spec = importlib.util.spec_from_file_location(name, INFRA / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def emulated(monkeypatch: pytest.MonkeyPatch):
    """AWS in this process."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    with mock_aws():
        yield


def test_secrets_become_variables(emulated: None) -> None:
    """Lines of the hand-written secret become variables; comments and empty lines do not."""
    manager = boto3.client("secretsmanager")
    manager.create_secret(Name="trading", SecretString="# the key\nODDSMITH_PRIVATE_KEY=0xabc=\n\nODDSMITH_LIVE=yes\n")

    found = script("with_secrets").secrets_of({"ODDSMITH_TRADING_SECRET": "trading"})

    assert found == {"ODDSMITH_PRIVATE_KEY": "0xabc=", "ODDSMITH_LIVE": "yes"}


def test_the_journal_url_survives_any_password(emulated: None) -> None:
    """The password that RDS made is quoted for the URL, and the connection is encrypted."""
    from sqlalchemy import make_url

    login = {"username": "oddsmith", "password": "a/b@c:d?e#f%g"}
    boto3.client("secretsmanager").create_secret(Name="database", SecretString=json.dumps(login))

    found = script("with_secrets").secrets_of(
        {"ODDSMITH_DATABASE_SECRET": "database", "ODDSMITH_DATABASE_HOST": "journal.example"}
    )
    url = make_url(found["ODDSMITH_JOURNAL_URL"])

    assert (url.password, url.host, url.query["sslmode"]) == (login["password"], "journal.example", "require")


def test_an_empty_drawer_is_no_error(emulated: None) -> None:
    """A secret that nobody filled yet leaves the bot without a key: it starts in paper mode."""
    assert script("with_secrets").secrets_of({"ODDSMITH_TRADING_SECRET": "trading"}) == {}


def test_the_command_takes_the_place_of_the_script() -> None:
    """Without secrets to read, the command simply runs, with its own status."""
    command = [sys.executable, str(INFRA / "with_secrets.py"), sys.executable, "-c", "raise SystemExit(7)"]

    assert subprocess.run(command, check=False, env={"PATH": "/usr/bin"}).returncode == 7


def test_what_the_units_say_reaches_cloudwatch(emulated: None) -> None:
    """Journal lines arrive with their unit and time; what is no journal line is left out."""
    logs = boto3.client("logs")
    logs.create_log_group(logGroupName="/oddsmith")
    # CloudWatch refuses what is older than two weeks.
    import time

    now_us = int(time.time() * 1e6)
    lines = [
        json.dumps(
            {"MESSAGE": text, "_SYSTEMD_UNIT": "oddsmith-service.service", "__REALTIME_TIMESTAMP": str(now_us + i)}
        )
        for i, text in enumerate(["second", "first"])
    ]
    script("aws/ship_logs").ship([*lines, "no json", json.dumps({"MESSAGE": None})], "/oddsmith", "machine")
    events = logs.get_log_events(logGroupName="/oddsmith", logStreamName="machine")["events"]

    assert [entry["message"] for entry in events] == ["oddsmith-service second", "oddsmith-service first"]


def test_a_secret_that_sets_another_mode_is_refused(emulated: None) -> None:
    """The flows read no trading secret: a mode that only the bot knows would let both read different markets."""
    boto3.client("secretsmanager").create_secret(Name="trading", SecretString="ODDSMITH_MODE=live\n")

    with pytest.raises(ValueError, match=r"a secret sets ODDSMITH_MODE=live and this machine's environment has paper"):
        script("with_secrets").secrets_of({"ODDSMITH_TRADING_SECRET": "trading", "ODDSMITH_MODE": "paper"})


def test_the_pagers_key_becomes_a_file_of_its_reader(emulated: None, tmp_path: Path) -> None:
    """The secret is written whole, for its owner alone; without a secret the file that a person wrote stays."""
    boto3.client("secretsmanager").create_secret(Name="alerts", SecretString="0123abc\n")
    write, target = script("with_secrets").write, tmp_path / "pagerduty_key"

    write("ODDSMITH_ALERTS_SECRET", target, {"ODDSMITH_ALERTS_SECRET": "alerts"})
    assert (target.read_text(), target.stat().st_mode & 0o777) == ("0123abc", 0o600)

    target.write_text("by hand")
    write("ODDSMITH_ALERTS_SECRET", target, {})
    assert target.read_text() == "by hand"
