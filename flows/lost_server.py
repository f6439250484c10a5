"""Flows whose Prefect server has died.

Prefect's hooks run after the server has taken the end of a flow, so without a server they tell nobody, and the flow
ends with a connection error. What people are told then, and what a command says, is here.
"""

import functools
import os
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from flows import notices
from flows.local.children import answers
from pipelines.core.errors import OddsmithError

P = ParamSpec("P")
R = TypeVar("R")


class ServerLost(OddsmithError):
    """A flow ended and its Prefect server could not be told."""


def told(work: Callable[P, R]) -> Callable[P, R]:
    """The same work; when it fails and the Prefect server does not answer, people are told at once."""

    @functools.wraps(work)
    def watched(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return work(*args, **kwargs)
        except Exception as error:
            if address := lost():
                notices.unheard(work.__name__, address, error)
            raise

    return watched


def lost() -> str:
    """The address of the Prefect server that this process has to report to and that does not answer; else ''."""
    address = os.environ.get("PREFECT_API_URL", "").rstrip("/")
    return address if address and not answers(f"{address}/health") else ""


def refused(flow: str, error: Exception) -> None:
    """Raise ServerLost with what to do, when the flow's error comes from a server that does not answer."""
    if isinstance(error, OddsmithError):
        return
    if address := lost():
        raise ServerLost(
            f"the Prefect server {address} does not answer, so the end of the flow {flow} has no record there"
            f" ({type(error).__name__}: {error}); what was finished is kept: start the server and run"
            f" `oddsmith {flow}` again"
        ) from None
