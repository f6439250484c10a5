"""What may start: mode, key, journal, lock; and the gateway that the mode asks for."""

from collections.abc import Callable

from pipelines.core.domain import Quote
from pipelines.core.errors import SettingError
from pipelines.core.money import MICRO
from pipelines.core.orders import OrderGateway
from pipelines.core.params import Params
from pipelines.core.settings import Mode, Settings
from pipelines.trading.paper_gateway import PaperGateway
from pipelines.venue.clob_gateway import ClobGateway
from serving.account import lock
from serving.account.database import connect, default_url


def check_start(settings: Settings) -> None:
    """Whether a bot could start here now.

    Raises:
        AlreadyRunning: if another bot holds the journal.
        SettingError: if real orders are asked for without the word and the key.
        ArtifactError: if the journal cannot be used.
    """
    check_mode(settings)
    engine = connect(journal_url(settings))
    lock.acquire(engine).release()
    engine.dispose()


def check_mode(settings: Settings) -> None:
    """Refuse real orders without the word and the key.

    Raises:
        SettingError: naming what is missing and the value received.
    """
    if settings.mode is not Mode.LIVE:
        return
    missing = [] if settings.live == "yes" else [f"ODDSMITH_LIVE=yes (it was {settings.live!r})"]
    missing += [] if settings.private_key else ["ODDSMITH_PRIVATE_KEY (it was empty)"]
    if missing:
        raise SettingError(f"mode live places real orders and needs {' and '.join(missing)}; see docs/going-live.md")


def journal_url(settings: Settings) -> str:
    """The journal's URL: the one that is set, else SQLite under `var`."""
    return settings.journal_url or default_url(settings.var)


def make_gateway(settings: Settings, params: Params, quote: Callable[[str], tuple[Quote, int] | None]) -> OrderGateway:
    """The gateway of the mode; paper orders meet what `quote` gives. Blocking.

    Raises:
        VenueError: if the venue refuses the credentials or does not answer.
    """
    if settings.mode is Mode.PAPER:
        return PaperGateway(params.serving.paper_cash_pusd * MICRO, params.execution, quote)
    return ClobGateway.connect(settings)
