"""Flows whose failure people are told of: `watched_flow` is the one definition of their names, records and messages.

Prefect's hooks run after the server has taken the end of a flow, so with a server that has died they tell nobody, and
the flow ends with a connection error. Then the flow tells it itself, and its command says what to do.
"""

import functools
import os
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from prefect import Flow, flow

from flows import notices, run_names
from flows.local.children import answers
from pipelines.core.errors import OddsmithError

P = ParamSpec("P")
R = TypeVar("R")


class ServerLost(OddsmithError):
    """A flow ended and its Prefect server could not be told."""


def watched_flow(work: Callable[P, R]) -> Flow[P, R]:
    """A function as the flow of its name; when it fails or crashes people are told, also without a server."""

    @functools.wraps(work)
    def watched(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return work(*args, **kwargs)
        except Exception as error:
            if address := _lost():
                notices.unheard(work.__name__, address, error)
            raise

    return flow(
        name=work.__name__,
        flow_run_name=run_names.timed,
        persist_result=False,
        on_failure=[notices.failed],
        on_crashed=[notices.failed],
    )(watched)


def raise_if_lost(name: str, error: Exception) -> None:
    """Raise ServerLost with what to do, where the error of a flow comes from a server that does not answer."""
    if isinstance(error, OddsmithError):
        return
    if address := _lost():
        raise ServerLost(
            f"the Prefect server {address} does not answer, so the end of the flow {name} has no record there"
            f" ({type(error).__name__}: {error}); what was finished is kept: start the server and run"
            f" `oddsmith {name}` again"
        ) from None


def _lost() -> str:
    """The address of the Prefect server that this process reports to, where it does not answer; else ''."""
    address = os.environ.get("PREFECT_API_URL", "").rstrip("/")
    return address if address and not answers(f"{address}/health") else ""
