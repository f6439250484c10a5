"""`python -m pipelines <command>`: the stages as DVC runs them, and the commands that the flows call."""

import sys
from collections.abc import Sequence

from pipelines.commands import COMMANDS
from pipelines.core.command_line import run_program


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: 0 when the command did its work, 1 when it says why it could not, 75 when it was told to stop and
    kept its state, 130 when interrupted."""
    return run_program("python -m pipelines", __doc__, COMMANDS, argv)


if __name__ == "__main__":
    sys.exit(main())
