"""The commands around the live service. Each is loaded when it runs."""

import argparse
import getpass
import importlib
import sys
from pathlib import Path

from pipelines.core.command_line import Command


def _install_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path, help="folder of a sealed bundle, such as models/bundle")


def _install(arguments: argparse.Namespace) -> None:
    from pipelines.core.settings import Settings  # noqa: PLC0415 - loaded by commands that run

    settings = Settings()
    tag = importlib.import_module("serving.install").install(arguments.bundle, settings.var)
    found = importlib.import_module("serving.champion").judge(settings, arguments.bundle)
    if not found.armed:
        print(f"oddsmith: installed, NOT ARMED, it orders nothing: {found.why}", file=sys.stderr)  # noqa: T201
    elif found.override:
        print(f"oddsmith: installed, {found.why}", file=sys.stderr)  # noqa: T201
    print(tag)  # noqa: T201 - the answer


INSTALL = Command(
    name="install",
    help="build the bento of a sealed bundle and print its tag",
    work=_install,
    arguments=_install_arguments,
    example="oddsmith champions install models/bundle",
)


def _doctor_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON document instead of text")


def _doctor(arguments: argparse.Namespace) -> int:
    from pipelines.core.settings import Settings  # noqa: PLC0415 - loaded by commands that run

    doctor = importlib.import_module("serving.safety.doctor")
    return int(doctor.examine(Settings().for_trading(), as_json=arguments.json))


DOCTOR = Command(
    name="doctor",
    help="check settings, disk, journal, bundle, venue, clock, region and account; places no order",
    work=_doctor,
    arguments=_doctor_arguments,
    example="oddsmith doctor --json",
)


def _reset_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "kind", choices=("day", "peak", "breaker"), help="what is set to the equity of now, or released"
    )
    parser.add_argument("--account", default="", help="address of one account (every account of the journal)")


def _reset(arguments: argparse.Namespace) -> None:
    from pipelines.core.settings import Settings  # noqa: PLC0415 - loaded by commands that run

    url = importlib.import_module("serving.start").journal_url(Settings())
    baselines = importlib.import_module("serving.account.baselines")
    for account in baselines.reset(url, arguments.kind, getpass.getuser(), arguments.account):
        print(f"{arguments.kind} of {account} is reset at its next bar or start")  # noqa: T201 - the answer


RESET = Command(
    name="reset-baseline",
    help="a new day or peak baseline of the loss limits, or the order breaker released; kept in the journal",
    work=_reset,
    arguments=_reset_arguments,
    example="oddsmith reset-baseline day",
)

COMMANDS = (INSTALL, DOCTOR, RESET)
