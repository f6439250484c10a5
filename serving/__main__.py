"""python -m serving install BUNDLE | doctor: the commands around the live service."""

import argparse
import sys
from pathlib import Path

from pipelines.core import log
from pipelines.core.errors import OddsmithError
from pipelines.core.settings import Settings


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m serving", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    install = commands.add_parser("install", help="build the bento of a sealed bundle and print its tag")
    install.add_argument("bundle", type=Path, help="folder of a sealed bundle, such as models/bundle")
    commands.add_parser("doctor", help="check everything that trading needs, without placing an order")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run one command; exit status 0, or 1 with one line on standard error."""
    options = _parser().parse_args(arguments)
    log.configure(json=False)
    try:
        if options.command == "install":
            from serving.install import install  # noqa: PLC0415 - the doctor needs no BentoML

            print(install(options.bundle, Settings().var))
            return 0
        from serving.doctor import examine  # noqa: PLC0415 - installing needs no venue

        return examine(Settings().for_trading())
    except OddsmithError as error:
        print(f"oddsmith: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
