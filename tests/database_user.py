"""PostgreSQL does not run as root: where the tests do, its programs run as nobody, who needs a way to their folder."""

import os
import tempfile
from pathlib import Path

AS_NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.getuid() == 0 else []
"""What goes before a command of PostgreSQL."""


def let_in(folder: Path) -> None:
    """Others may write into a temporary folder, and pass through those above it."""
    folder.chmod(0o777)
    top = Path(tempfile.gettempdir()).resolve()
    for above in folder.resolve().parents:
        if above == top or top not in above.parents:
            return
        above.chmod(above.stat().st_mode | 0o011)
