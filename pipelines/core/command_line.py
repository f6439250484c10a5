"""How a command ends: its exit status, and one line for people when it could not do its work."""

import sys
from collections.abc import Callable

from pipelines.core.errors import OddsmithError


def exit_status(name: str, work: Callable[[], object]) -> int:
    """Run a command's work and turn its errors into one line on standard error that begins with `name`.

    Returns 0 when the work was done, the error's own status when it says why not (75: told to stop, state kept),
    1 when the machine refused, and 130 when it was interrupted.
    """
    try:
        work()
    except OddsmithError as error:
        return _say(f"{name}: {error}", error.status)
    except FileNotFoundError as error:
        return _say(f"{name}: {error.filename or error} does not exist; run what writes it", 1)
    except OSError as error:
        return _say(f"{name}: the machine refused: {error}; what was whole before still is", 1)
    except KeyboardInterrupt:
        return _say(f"{name}: interrupted; what was whole before still is", 130)
    return 0


def _say(line: str, status: int) -> int:
    print(line, file=sys.stderr)  # noqa: T201 - the one line a person reads
    return status
