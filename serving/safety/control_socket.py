"""The control socket of BentoML's process manager: in a folder of ours, instead of a port that every user can reach.

Circus takes commands on it without a password, among them new programs to run as the bot's user. BentoML gives no
setting for the address, so it is changed where circus is made.
"""

import atexit
import shutil
import tempfile
from pathlib import Path
from typing import Any

from bentoml._internal.utils.circus import Arbiter


def make_private() -> None:
    """Let the process manager of this process listen on sockets that only its owner can open."""
    made = Arbiter.__init__
    folder = Path(tempfile.mkdtemp(prefix="oddsmith-"))  # 0700
    atexit.register(shutil.rmtree, folder, ignore_errors=True)

    def begin(self: Arbiter, *args: Any, **more: Any) -> None:
        made(self, *args, **more | {"endpoint": f"ipc://{folder}/control", "pubsub_endpoint": f"ipc://{folder}/events"})

    Arbiter.__init__ = begin  # type: ignore[method-assign]
