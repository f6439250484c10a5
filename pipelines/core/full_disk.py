"""Errors that come from a disk without room: how they are known, whichever library raises them, and what is said."""

import errno
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

LEAST_FREE: Final = 64 * 1024
"""With fewer bytes an error of a library that hides the machine's own is taken for one of the full disk."""
_NUMBERS: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_TEXTS: Final = re.compile(r"no space left|disk quota exceeded|file too large", re.IGNORECASE)


def sentence(error: BaseException, folder: Path) -> str | None:
    """What happened and what to do, where an error came from a disk without room; None where it did not.

    The error or one of its causes says so, or the disk of `folder` has less than LEAST_FREE bytes.
    """
    free = _free(folder)
    known = any(getattr(one, "errno", None) in _NUMBERS or _TEXTS.search(str(one)) for one in _causes(error))
    if not known and free >= LEAST_FREE:
        return None
    # Where this disk has room, the error is of another disk or of a limit.
    here = f"; {free:,} bytes are free at {folder.resolve()}" if free < LEAST_FREE else ""
    return (
        f"there is no room to write ({str(error) or type(error).__name__}{here}); what was whole before still is. Make "
        "room, or raise the quota or the limit of a file's size, then run the same command again"
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__


def _free(folder: Path) -> int:
    """Bytes that may still be written at a folder, or at the first of its parents that is there."""
    for place in (folder, *folder.resolve().parents):
        with suppress(OSError):
            return shutil.disk_usage(place).free
    return LEAST_FREE
