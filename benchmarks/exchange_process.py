"""The local exchange in a process of its own, for measurements and tests that trade on it."""

import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO


@contextmanager
def exchange(options: Sequence[str], errors: IO[str] | None = None) -> Iterator[dict[str, str]]:
    """`python -m simulator` with some options, on free ports: the environment that points at it, once it is ready.

    What it says on standard error goes to `errors`, or where this process's goes.
    """
    command = [sys.executable, "-m", "simulator", "--port", "0", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
    try:
        urls: dict[str, str] = {}
        for line in process.stdout or ():
            found = re.match(r"(\w+)\s+(http\S+)", line)
            if found:
                urls[found[1].lower()] = found[2]
            if line.startswith("ready"):
                break
        yield {
            "ODDSMITH_CLOB_URL": urls["clob"],
            "ODDSMITH_CLOB_WS_URL": urls["clob"].replace("http", "ws"),
            "ODDSMITH_GAMMA_URL": urls["gamma"],
            "ODDSMITH_DATA_URL": urls["data"],
            "ODDSMITH_NEWS_URL": f"{urls['news']}/rss",
        }
    finally:
        process.terminate()
        process.wait(timeout=20)
