"""Files that two machines share: a prefix of a bucket, read and written whole."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from pipelines.core import log
from pipelines.core.artifacts import write_bytes
from pipelines.core.errors import OddsmithError, SettingError
from pipelines.core.settings import Settings

MAX_BYTES = 8 * 2**30
"""No file that machines share is larger; a backup of a year is not."""


class StoreFailed(OddsmithError):
    """The shared bucket cannot be read or written."""


@dataclass(frozen=True, slots=True)
class Store:
    """Files below a prefix of a bucket."""

    bucket: str
    prefix: str

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The store that ODDSMITH_STORE_URL names.

        Raises:
            SettingError: if it is no s3:// URL.
        """
        parts = urlsplit(settings.store_url)
        if parts.scheme != "s3" or not parts.netloc:
            raise SettingError(
                f"ODDSMITH_STORE_URL was {settings.store_url!r}; set it to s3://bucket or s3://bucket/prefix"
            )
        return cls(parts.netloc, parts.path.strip("/"))

    def put(self, name: str, content: bytes) -> None:
        """Write a file; a reader sees the old or the new content."""
        self._call("put_object", name, Body=content)

    def get(self, name: str, limit: int = MAX_BYTES) -> bytes | None:
        """A file's content, None when there is none.

        Raises:
            StoreFailed: if it has more than `limit` bytes; it was not read then.
        """
        try:
            answer = self._call("get_object", name)
        except FileNotFoundError:
            return None
        if answer["ContentLength"] > limit:
            raise StoreFailed(
                f"s3://{self.bucket}/{self._key(name)} has {answer['ContentLength']:,} bytes, more than the {limit:,} "
                "that are read; look at who wrote it"
            )
        return bytes(answer["Body"].read(limit))

    def delete(self, name: str) -> None:
        """Remove a file; one that is not there stays so."""
        self._call("delete_object", name)

    def names(self, below: str) -> list[str]:
        """Names of all files whose name begins so."""
        try:
            pages = boto3.client("s3").get_paginator("list_objects_v2")
            found = pages.paginate(Bucket=self.bucket, Prefix=self._key(below))
            cut = len(self._key(""))
            return [entry["Key"][cut:] for page in found for entry in page.get("Contents", [])]
        except (BotoCoreError, ClientError) as error:
            raise StoreFailed(f"s3://{self.bucket} could not be listed: {error}") from error

    def put_files(self, below: str, patterns: Sequence[str]) -> None:
        """Copy the files that match, relative to the working directory."""
        for pattern in patterns:
            for path in sorted(p for p in Path().glob(pattern) if p.is_file()):
                self.put(f"{below}/{path.as_posix()}", path.read_bytes())

    def get_files(self, below: str, patterns: Sequence[str]) -> None:
        """Copy back what `put_files` copied, by the same patterns; files are replaced by rename.

        What does not match is left where it is: who can write into the bucket must not place code or pickles here.
        """
        for name in self.names(f"{below}/"):
            path = inside(name.removeprefix(f"{below}/"))
            if any(fnmatchcase(path.as_posix(), pattern) for pattern in patterns):
                write_bytes(path, self.get(name) or b"")
            else:
                log.get("bucket").warning("not fetched: no file that machines share", name=name)

    def _key(self, name: str) -> str:
        return f"{self.prefix}/{name}" if self.prefix else name

    def _call(self, operation: str, name: str, **arguments: Any) -> Any:
        try:
            client = boto3.client("s3")
            return getattr(client, operation)(Bucket=self.bucket, Key=self._key(name), **arguments)
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                raise FileNotFoundError(name) from None
            raise StoreFailed(f"{operation} of s3://{self.bucket}/{self._key(name)} failed: {error}") from error
        except BotoCoreError as error:
            raise StoreFailed(f"{operation} of s3://{self.bucket}/{self._key(name)} failed: {error}") from error


def inside(name: str) -> Path:
    """A carried name as a path.

    Raises:
        StoreFailed: if it leads out of the working directory.
    """
    path = Path(name)
    if path.is_absolute() or ".." in path.parts:
        raise StoreFailed(f"the store holds {name!r}, which leads out of the repository; it was not written")
    return path
