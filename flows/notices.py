"""What people are told of the flows: failures, holds, promotions, rollbacks, drift, a night that did not come.

Messages go through `pipelines.messages` to the receivers of ODDSMITH_MESSAGES (webhook, Slack, Discord, Telegram, mail,
PagerDuty, ...). One that cannot be sent is a line in the log; the flow goes on.
"""

from typing import Any

from flows import nights
from pipelines.inference import verdict as verdicts
from pipelines.messages.message import Kind
from pipelines.messages.messenger import tell


def failed(flow: Any, flow_run: Any, state: Any) -> None:
    """A hook of Prefect: a flow failed or crashed. Its own line is the message."""
    kind = Kind.NIGHT_FAILED if flow.name == "nightly" else Kind.TROUBLE
    told = (state.message or "it said nothing").replace("Flow run encountered an exception: ", "")
    tell(kind, f"the flow {flow.name} ({flow_run.name}) failed: {told}")
    if flow.name == "nightly":
        nights.remember("failed", told)


def unheard(flow: str, address: str, error: Exception) -> None:
    """A flow failed, and the Prefect server cannot be told, so that no hook runs."""
    kind = Kind.NIGHT_FAILED if flow == "nightly" else Kind.TROUBLE
    said = f"{type(error).__name__}: {error}"
    tell(kind, f"the flow {flow} failed: {said}. The Prefect server {address} does not answer; it has no record of it")
    if flow == "nightly":
        nights.remember("failed", said)


def killed(step: str, since: str) -> None:
    """A night was killed, and could not tell it: the next one does."""
    tell(
        Kind.NIGHT_FAILED,
        f"the night before was killed; it had been at {step} since {since}. What it had finished is kept, and this"
        " night goes on from there",
    )


def verdict(gate: dict[str, Any]) -> None:
    """The gate said hold, or promotes the forecasts alone: with the reasons."""
    if gate["verdict"] != verdicts.PROMOTE:
        tell(Kind.VERDICT, f"{gate['verdict'].replace('_', ' ')}: {' '.join(gate['reasons'])}")


def trains_here(reason: str) -> None:
    """The training machine did not train."""
    tell(Kind.TROUBLE, f"the training machine did not train tonight: {reason}. The stages train on this machine")


def promoted(record: dict[str, Any]) -> None:
    """A bundle became champion."""
    tell(Kind.PROMOTION, f"bundle {record['hash'][:12]} is champion; the service swaps between two bars")


def retired(bundle_hash: str, reason: str) -> None:
    """A champion was taken off, and none trades."""
    tell(Kind.ROLLBACK, f"{bundle_hash[:12]} was retired: {reason}")


def rolled_back(record: dict[str, Any], withdrawn: str, reason: str) -> None:
    """An earlier champion is back."""
    tell(Kind.ROLLBACK, f"{withdrawn[:12]} was rolled back to {record['hash'][:12]}: {reason or 'no reason given'}")


def drifted(found: dict[str, Any]) -> None:
    """The world has left the training window."""
    tell(Kind.DRIFT, f"bundle {found['bundle'][:12]}: {' '.join(found['reasons'])}")
