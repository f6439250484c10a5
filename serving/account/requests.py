"""What a person may ask of an account, from outside of the bot: rows of the journal, so nothing is lost or unaudited.

A request is answered between two bars, or when the bot starts. So it works while the bot trades and while it does not.
"""

import time
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Engine, insert, select

from pipelines.core.errors import ParameterError
from serving.account import migrations, schema
from serving.account.database import connect
from serving.account.journal import wall_ms

DAY, PEAK, BREAKER = "day", "peak", "breaker"
BASELINES: Final = (DAY, PEAK, BREAKER)
"""The equity at the start of the day, the highest equity, and the breaker of the orders."""

PAUSE, RESUME, CLOSE, RELOAD = "pause", "resume", "close", "reload"
CONTROLS: Final = (PAUSE, RESUME, CLOSE, RELOAD)
"""Open nothing, open again, sell what is held in a market (or in all), take over the limits of params.yaml."""

CLOSING: Final = "closing"
"""A market that is being closed; such a row is answered when nothing is held there any more."""

REFUSED: Final = "refused: "
"""How the answer to a request begins that changed nothing."""

LOOK_AGAIN_S = 0.2


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that was written: its number and the account that it concerns."""

    number: int
    account: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a request: None while the bot has not answered it."""

    asked: Asked
    text: str | None

    @property
    def refused(self) -> bool:
        """Whether the bot changed nothing."""
        return self.text is not None and self.text.startswith(REFUSED)


def ask(url: str, kind: str, asked_by: str, account: str = "", argument: str = "") -> list[Asked]:
    """Write a request; nothing changes before the account's next bar or start.

    `account` "" means every account of the journal for a baseline or the breaker, else the one that traded last.
    `argument` is the market of a close: the beginning of its id or words of its question; "" closes all.

    Raises:
        ParameterError: for another kind, without a name of who asks, or for an account that the journal does not know.
        ArtifactError: if the journal cannot be used, or has another schema than this program writes.
    """
    if kind not in BASELINES + CONTROLS:
        raise ParameterError(f"{kind!r} cannot be asked for; use one of {', '.join(BASELINES + CONTROLS)}")
    if not asked_by.strip():
        raise ParameterError("say who asks: the journal keeps the name")
    engine = connect(url)
    try:
        migrations.check(engine)
        return [_write(engine, one, kind, asked_by, argument) for one in _accounts(engine, kind, account)]
    finally:
        engine.dispose()


def _accounts(engine: Engine, kind: str, account: str) -> list[str]:
    query = select(schema.SESSIONS.c.account).order_by(schema.SESSIONS.c.id.desc())
    with engine.connect() as db:
        known = list(dict.fromkeys(str(one) for one in db.execute(query).scalars()))
    concerned = [one for one in known if not account or one == account]
    if not concerned:
        names = ", ".join(sorted(known)) or "none: start the bot first"
        raise ParameterError(f"the journal knows no account {account!r}; it knows {names}")
    return sorted(concerned) if kind in BASELINES else concerned[:1]


def _write(engine: Engine, account: str, kind: str, asked_by: str, argument: str) -> Asked:
    row = {"account": account, "kind": kind, "asked_by": asked_by.strip()[:80], "asked_ms": wall_ms()}
    with engine.begin() as db:
        key = db.execute(insert(schema.REQUESTS).values(row | {"text": "", "argument": argument})).inserted_primary_key
    return Asked(int(key[0]) if key else 0, account)


def answer(url: str, asked: Asked, limit_s: float) -> Answer:
    """The answer to a request, waited for at most `limit_s` wall seconds.

    Raises:
        ArtifactError: if the journal cannot be read.
    """
    engine, table = connect(url), schema.REQUESTS
    query = select(table.c.text, table.c.done_ms).where(table.c.id == asked.number)
    deadline = time.monotonic() + limit_s
    try:
        while True:
            with engine.connect() as db:
                row = db.execute(query).first()
            if row is not None and row.done_ms is not None:
                return Answer(asked, str(row.text))
            if time.monotonic() >= deadline:
                return Answer(asked, None)
            time.sleep(LOOK_AGAIN_S)
    finally:
        engine.dispose()
