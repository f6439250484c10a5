"""`python -m serving <command>`: the commands around the live service."""

import sys
from collections.abc import Sequence

from pipelines.core.command_line import run_program
from serving.commands import COMMANDS


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; exit status 0, or 1 with one line on standard error."""
    return run_program("python -m serving", __doc__, COMMANDS, argv)


if __name__ == "__main__":
    sys.exit(main())
