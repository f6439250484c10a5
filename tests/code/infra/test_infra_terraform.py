"""The infrastructure as code: well-formed, tested against a mocked provider, and equal to what else says the same."""

import importlib
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from pipelines.core import params as parameters
from pipelines.core.settings import Mode, Settings
from pipelines.costs import returns

ROOT = Path(__file__).parents[3]
TERRAFORM = ROOT / "infra/terraform"


def test_the_scripts_are_well_formed() -> None:
    """Every shell script of infra/ parses."""
    for script in sorted((ROOT / "infra").rglob("*.sh")):
        subprocess.run(["bash", "-n", str(script)], check=True)


@pytest.mark.nightly
@pytest.mark.slow
def test_format_validation_and_mocked_tests_pass() -> None:
    """`make infra-test` without its emulator part: fmt, validate, terraform test."""
    if shutil.which("terraform") is None:
        pytest.skip("there is no terraform on PATH; infra/test.sh needs it")
    result = subprocess.run(
        ["bash", "infra/test.sh"], cwd=ROOT, env=environment(QUICK="1"), capture_output=True, text=True, check=False
    )
    if "infra-test skipped" in result.stdout:
        pytest.skip(result.stdout.strip().splitlines()[-1])

    assert result.returncode == 0, result.stdout + result.stderr
    assert "0 failed" in result.stdout


def test_without_terraform_the_reason_is_given() -> None:
    """On a machine without the binary the test ends well and says what is missing and what to set."""
    result = subprocess.run(
        ["bash", "infra/test.sh"],
        cwd=ROOT,
        env=environment(TERRAFORM="/nowhere/terraform"),
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 0
    assert "infra-test skipped: no /nowhere/terraform" in result.stdout
    assert "TERRAFORM" in result.stdout


def environment(**changes: str) -> dict[str, str]:
    """This environment with changes."""
    import os

    return {**os.environ, **changes}


@pytest.mark.parametrize(
    ("part", "resource"),
    [
        ("trading machine", "aws_instance"),
        ("training on spot", "aws_autoscaling_group"),
        ("PostgreSQL", "aws_db_instance"),
        ("object storage", "aws_s3_bucket"),
        ("load balancer", "aws_lb"),
        ("registry", "aws_ecr_repository"),
        ("secrets", "aws_secretsmanager_secret"),
        ("logs", "aws_cloudwatch_log_group"),
        ("budget alarm", "aws_budgets_budget"),
    ],
)
def test_every_part_of_the_guides_list_is_there(part: str, resource: str) -> None:
    """Each part of the guide's infrastructure has its resource."""
    declared = "\n".join(path.read_text() for path in TERRAFORM.glob("*.tf"))

    assert f'resource "{resource}" ' in declared, part


def test_the_budget_is_the_sum_of_the_price_table() -> None:
    """The alarm rings at what `python -m pipelines costs` prints, unless somebody decides otherwise."""
    default = re.search(r'"budget_monthly_usd" \{.*?default\s*= (\d+)', (TERRAFORM / "variables.tf").read_text(), re.S)
    assert default is not None
    costs = parameters.read(ROOT / "params.yaml").costs

    assert float(default[1]) == returns.total(returns.monthly_items(costs))


def test_units_start_modules_that_exist() -> None:
    """A systemd unit names files, modules and subcommands of this repository."""
    commands = "\n".join(unit.read_text() for unit in units())
    for script in re.findall(r"infra/[\w/]+\.py", commands):
        assert (ROOT / script).is_file()
    for module, word in re.findall(r"python -m (\w+) (\w+)", commands):
        known = {one.name for one in importlib.import_module(f"{module}.commands").COMMANDS}
        assert word in known


def units() -> list[Path]:
    """The services that machines run."""
    return sorted(path for folder in ("infra/units", "infra/aws/units") for path in (ROOT / folder).glob("*.service"))


def test_systemd_reads_every_unit(tmp_path: Path) -> None:
    """systemd-analyze finds no unknown key, wrong value or missing program in a unit."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    for unit in units():
        # The programs of another machine are not here: a program that is everywhere takes their place.
        text = re.sub(r"^(ExecStart|ExecStartPre)=\S+", r"\1=/bin/true", unit.read_text(), flags=re.MULTILINE)
        (tmp_path / unit.name).write_text(text)
    files = sorted(str(path) for path in tmp_path.iterdir())
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *files],
        capture_output=True,
        text=True,
        check=False,
    )
    said = [line for line in done.stderr.splitlines() if "oddsmith" in line]
    assert not said, "\n".join(said)


def test_only_the_bot_reads_the_trading_key() -> None:
    """The file of a single server's keys is named by the bot's unit alone, and no unit names the secret's value."""
    assert [unit.name for unit in units() if "/etc/oddsmith/secrets" in unit.read_text()] == [
        "oddsmith-service.service"
    ]


def test_every_unit_listens_on_loopback_or_where_the_environment_says() -> None:
    """No unit opens a port to others by itself: a cloud machine does so in its environment, behind a firewall."""
    for unit in units():
        assert "0.0.0.0" not in unit.read_text(), unit.name


def test_the_servers_environment_is_understood(tmp_path: Path) -> None:
    """Every ODDSMITH variable of infra/server/environment is a setting, and the mode there sends no real order."""
    found = Settings(_env_file=ROOT / "infra/server/environment")
    assert found.mode is Mode.PAPER
