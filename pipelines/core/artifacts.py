"""Products on disk: whole or not there. Files and folders are swapped into place; hashes are content hashes."""

import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from pipelines.core import full_disk
from pipelines.core.errors import ArtifactError, OddsmithError

MAX_DEPTH = 100
_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]')


def write_bytes(path: Path, content: bytes) -> None:
    """Replace a file by rename, so that a reader sees the old or the new content, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _replace(path, content, lambda partial: partial.open("wb"))


def _replace(path: Path, content: bytes, opened: Callable[[Path], IO[bytes]]) -> None:
    partial = path.with_name(f".{path.name}.partial")
    try:
        with opened(partial) as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise _refused(path, error) from error


def _refused(path: Path, error: OSError) -> ArtifactError:
    return ArtifactError(
        f"could not write {path}: {error.strerror}; nothing was changed. Make room or give write access, then run "
        "the same command again"
    )


def append_lines(path: Path, text: str, mode: int = 0o644) -> None:
    """Append whole lines to a file that only grows, or nothing; after a line that a crash cut off, on a line of their
    own. One process appends at a time.

    Raises:
        ArtifactError: if they cannot be written whole.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, mode)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        size = os.fstat(descriptor).st_size
        cut = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        content = (b"\n" if cut else b"") + text.encode()
        try:
            # A disk with room for a part takes the part and says nothing.
            if os.write(descriptor, content) < len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(descriptor)
        except OSError as error:
            os.ftruncate(descriptor, size)
            raise _refused(path, error) from error
    finally:
        os.close(descriptor)


def write_json(path: Path, document: Any) -> None:
    """Replace a JSON file by rename; keys sorted, so that equal content has equal bytes."""
    write_bytes(path, (json.dumps(document, indent=2, sort_keys=True) + "\n").encode())


def read_json(path: Path) -> Any:
    """Parsed JSON.

    Raises:
        ArtifactError: if the file is missing or is not JSON.
    """
    try:
        text = path.read_text(encoding="utf-8")
        if _depth(text) > MAX_DEPTH:
            raise ValueError(f"it is nested more than {MAX_DEPTH} deep")
        return json.loads(text)
    except FileNotFoundError:
        raise ArtifactError(f"{path} does not exist; run the stage that writes it") from None
    except ValueError as error:
        raise ArtifactError(f"{path} is not JSON ({error}); delete it and run the stage that writes it") from None
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error.strerror}; look at its rights and its disk") from error


def _depth(text: str) -> int:
    """How deep brackets are nested, counted without recursion: the parser's own ends the process where it is deep."""
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return 0
    depth = deepest = 0
    for mark in _BRACKETS.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(mark[0], 0)
        deepest = max(deepest, depth)
    return deepest


@contextmanager
def replaced_folder(path: Path) -> Iterator[Path]:
    """A fresh folder to fill, swapped into place when the block ends; on an error the old folder stays.

    Raises:
        ArtifactError: in place of what a library raised because the disk was full.
    """
    partial = path.with_name(f".{path.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
    except OddsmithError:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    except BaseException as error:
        full = full_disk.sentence(error, partial) if isinstance(error, Exception) else None
        shutil.rmtree(partial, ignore_errors=True)
        if full is not None:
            raise ArtifactError(f"could not write {path}: {full}") from error
        raise
    shutil.rmtree(path, ignore_errors=True)
    partial.replace(path)


def private_folder(path: Path) -> Path:
    """A folder that only its owner enters, made where it is missing; one that belongs to somebody else stays so."""
    path.mkdir(parents=True, exist_ok=True)
    with suppress(PermissionError):
        path.chmod(0o700)
    return path


def write_secret(path: Path, text: str) -> None:
    """Replace a file that only its owner reads."""
    private_folder(path.parent)
    _replace(path, text.encode(), _opened_private)


def _opened_private(partial: Path) -> IO[bytes]:
    partial.unlink(missing_ok=True)
    return os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def sha256_file(path: Path) -> str:
    """Hex SHA-256 of a file's content."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sha256_path(path: Path) -> str:
    """Hex SHA-256 of a file, or of a folder's relative names and contents."""
    if path.is_file():
        return sha256_file(path)
    digest = hashlib.sha256()
    for file in sorted(p for p in path.rglob("*") if p.is_file()):
        digest.update(file.relative_to(path).as_posix().encode() + b"\0" + sha256_file(file).encode())
    return digest.hexdigest()
