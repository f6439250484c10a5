"""`python -m benchmarks <command>`: measurements on the last pull or on a recording, run by people and by flows."""

import sys
from collections.abc import Sequence

from benchmarks.commands import COMMANDS
from pipelines.core.command_line import run_program


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status of the command."""
    return run_program("python -m benchmarks", __doc__, COMMANDS, argv)


if __name__ == "__main__":
    sys.exit(main())
