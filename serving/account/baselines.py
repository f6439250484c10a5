"""What a person may ask of an account: a new day or peak baseline, the order breaker released. Audited in the journal.

A request is a row; the account applies it at its next bar, or when it starts. So it works while the bot trades.
"""

from typing import Final

from sqlalchemy import insert, select

from pipelines.core.errors import ParameterError
from serving.account import schema
from serving.account.database import connect
from serving.account.journal import wall_ms

DAY, PEAK, BREAKER = "day", "peak", "breaker"
KINDS: Final = (DAY, PEAK, BREAKER)
"""The equity at the start of the day, the highest equity, and the breaker of the orders."""


def reset(url: str, kind: str, asked_by: str, account: str = "") -> list[str]:
    """Ask for a baseline to be set to the equity of now, or for the breaker to be released; the accounts it concerns.

    `account` "" means every account of the journal. Nothing changes before the account's next bar or start.

    Raises:
        ParameterError: for another kind, without a name of who asks, or for an account that the journal does not know.
        ArtifactError: if the journal cannot be used.
    """
    if kind not in KINDS:
        raise ParameterError(f"{kind!r} cannot be reset; use one of {', '.join(KINDS)}")
    if not asked_by.strip():
        raise ParameterError("say who resets it: the journal keeps the name")
    engine = connect(url)
    try:
        with engine.begin() as db:
            known = sorted(str(one) for one in db.execute(select(schema.SESSIONS.c.account).distinct()).scalars())
            accounts = [one for one in known if not account or one == account]
            if not accounts:
                names = ", ".join(known) or "none: start the bot first"
                raise ParameterError(f"the journal knows no account {account!r}; it knows {names}")
            for one in accounts:
                row = {"account": one, "kind": kind, "asked_by": asked_by.strip()[:80], "asked_ms": wall_ms()}
                db.execute(insert(schema.REQUESTS).values(row | {"text": ""}))
    finally:
        engine.dispose()
    return accounts
