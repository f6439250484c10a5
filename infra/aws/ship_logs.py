"""Follows the machine's journal and sends what oddsmith's units say to CloudWatch, in batches of two seconds.

Usage: journalctl --follow --output=json --unit='oddsmith-*' | python ship_logs.py GROUP STREAM
"""

import json
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from queue import Empty, Queue
from threading import Thread
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

BATCH_S = 2.0
BATCH_LINES = 1_000
LINE_CHARACTERS = 60_000


def event(line: str) -> dict[str, Any] | None:
    """A journal line as a CloudWatch event; None where it says nothing."""
    try:
        entry = json.loads(line)
    except json.JSONDecodeError:
        return None
    message = entry.get("MESSAGE")
    if not isinstance(message, str) or not message.strip():
        return None
    unit = str(entry.get("_SYSTEMD_UNIT", "")).removesuffix(".service")
    text = f"{unit} {message}"[:LINE_CHARACTERS]
    return {"timestamp": int(entry["__REALTIME_TIMESTAMP"]) // 1000, "message": text}


def batches(stream: Iterable[str]) -> Iterator[list[dict[str, Any]]]:
    """Events as they come, in time order, at most BATCH_S apart."""
    queue: Queue[dict[str, Any] | None] = Queue()

    def read() -> None:
        for line in stream:
            found = event(line)
            if found:
                queue.put(found)
        queue.put(None)

    Thread(target=read, daemon=True).start()
    ended = False
    while not ended:
        batch: list[dict[str, Any]] = []
        deadline = time.monotonic() + BATCH_S
        while len(batch) < BATCH_LINES and (left := deadline - time.monotonic()) > 0:
            try:
                item = queue.get(timeout=left)
            except Empty:
                break
            if item is None:
                ended = True
                break
            batch.append(item)
        if batch:
            yield sorted(batch, key=lambda one: int(one["timestamp"]))


def ship(stream: Iterable[str], group: str, name: str) -> None:
    """Send everything; a batch that AWS does not take is said and dropped, for the journal still has it."""
    client = boto3.client("logs")
    with suppress(client.exceptions.ResourceAlreadyExistsException):
        client.create_log_stream(logGroupName=group, logStreamName=name)
    for batch in batches(stream):
        try:
            client.put_log_events(logGroupName=group, logStreamName=name, logEvents=batch)
        except (BotoCoreError, ClientError) as error:
            sys.stderr.write(f"ship_logs: {len(batch)} lines were not sent: {error}\n")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    ship(sys.stdin, sys.argv[1], sys.argv[2])
