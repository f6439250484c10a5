"""`python -m flows <command>`: the local system and the flows, as units and the system itself call them."""

import sys
from collections.abc import Sequence

from flows.commands import COMMANDS
from pipelines.core.command_line import run_program


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: 0 when all went well, 1 with one line that says why not, 75 when it was told to stop and kept its
    state, 130 when interrupted."""
    return run_program("python -m flows", __doc__, COMMANDS, argv)


if __name__ == "__main__":
    sys.exit(main())
