"""What may start: mode, key, journal, lock; and the gateway that the mode asks for."""

from collections.abc import Callable

from pipelines.core.artifacts import private_folder
from pipelines.core.domain import Quote
from pipelines.core.errors import SettingError
from pipelines.core.money import MICRO
from pipelines.core.orders import OrderGateway
from pipelines.core.params import Params
from pipelines.core.settings import Mode, Settings
from pipelines.messages import messenger
from pipelines.trading.paper_gateway import PaperGateway
from pipelines.venue.clob_gateway import ClobGateway
from serving.account import lock, migrations
from serving.account.database import connect, default_url


def check_start(settings: Settings) -> None:
    """Whether a bot could start here now.

    Raises:
        AlreadyRunning: if another bot holds the journal.
        SettingError: if real orders are asked for without the word and the key, or an address of messages is none.
        ArtifactError: if the journal cannot be used.
    """
    check_mode(settings)
    messenger.check(settings)
    private_folder(settings.var)
    engine = connect(journal_url(settings))
    held = lock.acquire(engine)
    try:
        migrations.bring_up(engine)
    finally:
        held.release()
        engine.dispose()


def check_mode(settings: Settings) -> None:
    """Refuse real orders without the word and the key or with an unapproved bundle, and wallets without an address.

    Raises:
        SettingError: naming what is missing and the value received.
    """
    if settings.signature_type and not settings.funder:
        raise SettingError(
            f"ODDSMITH_SIGNATURE_TYPE was {settings.signature_type} without ODDSMITH_FUNDER: the funds of a proxy, "
            "Safe or deposit wallet lie at its own address; set ODDSMITH_FUNDER to it, or ODDSMITH_SIGNATURE_TYPE=0"
        )
    if settings.mode is not Mode.LIVE:
        return
    if settings.arm_unapproved:
        raise SettingError(
            f"ODDSMITH_ARM_UNAPPROVED was {settings.arm_unapproved[:12]} in mode live: real orders are placed for "
            "bundles that the gate promoted alone; unset it"
        )
    if settings.pinned_policy:
        raise SettingError(
            f"ODDSMITH_PINNED_POLICY was {settings.pinned_policy} in mode live: real orders are placed by policies "
            "that were chosen and judged alone; unset it"
        )
    missing = [] if settings.live == "yes" else [f"ODDSMITH_LIVE=yes (it was {settings.live!r})"]
    missing += [] if settings.private_key else ["ODDSMITH_PRIVATE_KEY (it was empty)"]
    if missing:
        raise SettingError(f"mode live places real orders and needs {' and '.join(missing)}; see docs/going-live.md")


def journal_url(settings: Settings) -> str:
    """The journal's URL: the one that is set, else SQLite under `var`."""
    return settings.journal_url or default_url(settings.var)


def make_gateway(
    settings: Settings,
    params: Params,
    quote: Callable[[str], tuple[Quote, int] | None],
    fair: Callable[[str], float | None],
) -> OrderGateway:
    """The gateway of the mode; paper orders meet what `quote` gives, `fair` is as in `PaperGateway`. Blocking.

    Raises:
        VenueError: if the venue refuses the credentials or does not answer.
    """
    if settings.mode is Mode.PAPER:
        return PaperGateway(params.serving.paper_cash_pusd * MICRO, params.execution, quote, fair=fair)
    return ClobGateway.connect(settings)
