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
    requests = importlib.import_module("serving.account.requests")
    for one in requests.ask(url, arguments.kind, getpass.getuser(), arguments.account):
        print(f"{arguments.kind} of {one.account} is reset at its next bar or start")  # noqa: T201 - the answer


RESET = Command(
    name="reset-baseline",
    help="set a new day or peak baseline of the loss limits, or release the order breaker; the journal records it",
    work=_reset,
    arguments=_reset_arguments,
    example="oddsmith reset-baseline day",
)


def _control_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--account", default="", help="address of one account (the one that traded last)")
    parser.add_argument(
        "--wait", type=float, default=20.0, metavar="S", help="wall seconds to wait for the answer (20)"
    )


def _close_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("market", nargs="?", default="", help="beginning of a market's id, or words of its question")
    parser.add_argument("--all", action="store_true", help="every position")
    parser.add_argument("--yes", action="store_true", help="do not ask for a confirmation")
    _control_arguments(parser)


def _close(arguments: argparse.Namespace) -> int:
    if bool(arguments.market.strip()) is arguments.all:
        print("oddsmith: name one market, or write --all", file=sys.stderr)  # noqa: T201
        return 2
    what = "every position" if arguments.all else f"what is held in {arguments.market!r}"
    if not arguments.yes and not _confirmed(f"Sell {what} at the next bar?"):
        print("oddsmith: nothing was asked for; write --yes to close without a question", file=sys.stderr)  # noqa: T201
        return 1
    return _control("close", arguments, arguments.market.strip())


def _confirmed(question: str) -> bool:
    if not sys.stdin.isatty():
        return False
    return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")


def _control(kind: str, arguments: argparse.Namespace, argument: str = "") -> int:
    """Ask the bot and print its answer; 1 where it refused."""
    from pipelines.core.settings import Settings  # noqa: PLC0415 - loaded by commands that run

    url = importlib.import_module("serving.start").journal_url(Settings())
    requests = importlib.import_module("serving.account.requests")
    (asked,) = requests.ask(url, kind, getpass.getuser(), arguments.account, argument)
    answer = requests.answer(url, asked, arguments.wait)
    if answer.text is None:
        print(f"{kind} is asked for; the bot does it at its next bar, or when it starts")  # noqa: T201
        return 0
    print(answer.text, file=sys.stderr if answer.refused else sys.stdout)
    return 1 if answer.refused else 0


PAUSE = Command(
    name="pause",
    help="open nothing until `oddsmith resume`; exits go on, resting purchases are cancelled",
    work=lambda arguments: _control("pause", arguments),
    arguments=_control_arguments,
    example="oddsmith pause",
)

RESUME = Command(
    name="resume",
    help="open positions again after `oddsmith pause`",
    work=lambda arguments: _control("resume", arguments),
    arguments=_control_arguments,
    example="oddsmith resume",
)

CLOSE = Command(
    name="close",
    help="sell what is held in one market, or in all",
    work=_close,
    arguments=_close_arguments,
    example='oddsmith close "bitcoin above" --yes',
)

RELOAD = Command(
    name="reload",
    help="a bot that runs takes over `risk` and `markets` of params.yaml, between two bars",
    work=lambda arguments: _control("reload", arguments),
    arguments=_control_arguments,
    example="oddsmith params reload",
)


def _upgrade_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--check", action="store_true", help="say what would be done, and change nothing")


def _upgrade(arguments: argparse.Namespace) -> None:
    from pipelines.core.settings import Settings  # noqa: PLC0415 - loaded by commands that run

    url = importlib.import_module("serving.start").journal_url(Settings())
    said = importlib.import_module("serving.account.upgrade").upgrade(url, check_only=arguments.check)
    print(said)  # noqa: T201 - the answer


UPGRADE = Command(
    name="upgrade",
    help="copy the journal and migrate it to this version's schema, as the next start would",
    work=_upgrade,
    arguments=_upgrade_arguments,
    example="oddsmith upgrade --check",
)

COMMANDS = (INSTALL, DOCTOR, RESET, PAUSE, RESUME, CLOSE, UPGRADE)
