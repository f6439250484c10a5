"""`oddsmith doctor`: everything that trading needs, checked without placing an order."""

import asyncio
import json
import os
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from eth_account import Account

from pipelines.core.errors import OddsmithError
from pipelines.core.settings import Mode, Settings
from pipelines.messages import messenger
from pipelines.venue import gamma, wallets
from pipelines.venue.clob_gateway import ClobGateway
from pipelines.venue.http import VenueHttp
from serving import champion
from serving.account import migrations
from serving.account.database import connect, default_url
from serving.loaded_model import open_model
from serving.paths import parameters
from serving.safety import preconditions
from serving.safety.preconditions import Failed
from serving.start import check_mode

MIN_FREE_MB: Final = 500


class Odd(Exception):
    """A check found something that a person has to know, and that may be meant so."""


async def _settings(settings: Settings) -> str:
    check_mode(settings)
    key = "a key" if settings.private_key else "a new key at each start"
    funds = settings.funder or "the key's own address"
    return f"mode {settings.mode.value} with {key}, signature type {settings.signature_type}, funds at {funds}"


async def _disk(settings: Settings) -> str:
    settings.var.mkdir(parents=True, exist_ok=True)
    free_mb = shutil.disk_usage(settings.var).free // 1_000_000
    if free_mb < MIN_FREE_MB or not os.access(settings.var, os.W_OK):
        raise Failed(f"{settings.var} has {free_mb} MB free or is not writable; the journal needs {MIN_FREE_MB} MB")
    return f"{free_mb / 1000:.1f} GB free in {settings.var}"


async def _journal(settings: Settings) -> str:
    engine = connect(settings.journal_url or default_url(settings.var))
    found = migrations.version_of(engine)
    engine.dispose()
    if found < migrations.VERSION:
        raise Odd(
            f"{engine.dialect.name} answers; schema {found} is copied and migrated to {migrations.VERSION} at the start"
        )
    migrations.refuse_newer(found)
    return f"{engine.dialect.name} answers, schema {found}"


async def _bundle(settings: Settings) -> str:
    found = champion.find(settings)
    if found is None:
        raise Odd(f"NO MODEL, nothing is ordered: {champion.NO_MODEL}")
    model = open_model(found, parameters())
    whole = f"bundle {model.bundle.hash[:12]} ({model.policy_kind}) is whole"
    if found.override:
        raise Odd(f"{whole}. {found.why}")
    if not found.armed:
        does = "it opens nothing and sells what it holds" if found.sells else "it orders nothing"
        raise Odd(f"{whole} and NOT ARMED, {does}: {found.why}")
    return f"{whole} and armed"


async def _gamma(settings: Settings) -> str:
    async with VenueHttp(settings.gamma_url, attempts=2) as http:
        markets = await gamma.tradable(http, 5)
    if not markets:
        raise Failed(f"{settings.gamma_url} lists no open market")
    return f"lists markets ({markets[0].question[:40]!r}, ...)"


async def _account(settings: Settings) -> str:
    if settings.mode is Mode.PAPER:
        return "paper: our own fills, no account"
    gateway = await asyncio.to_thread(ClobGateway.connect, settings)
    cash = await asyncio.to_thread(gateway.cash_micro)
    orders = await asyncio.to_thread(gateway.open_orders)
    return f"account {gateway.account}: {cash / 1e6:.2f} pUSD, {len(orders)} open orders"


async def _allowances(settings: Settings) -> str:
    if settings.mode is Mode.PAPER:
        return "paper: our own fills, no account"
    gateway = await asyncio.to_thread(ClobGateway.connect, settings)
    return await preconditions.allowances(gateway)


async def _redemption(settings: Settings) -> str:
    if settings.mode is Mode.PAPER:
        return "paper: payouts are booked as the venue decides, no account"
    gateway = await asyncio.to_thread(ClobGateway.connect, settings)
    if not gateway.batches.offered:
        raise Odd(
            f"decided markets are not redeemed by the bot: {gateway.batches.kind}. Redeem at "
            "https://polymarket.com/portfolio, or set ODDSMITH_RELAYER_KEY for a proxy, Safe or deposit wallet; "
            "what is not redeemed is shown and cannot be spent"
        )
    return f"decided markets are redeemed through {settings.relayer_address} as {gateway.batches.kind}"


async def _wallet(settings: Settings) -> str:
    if settings.private_key is None or settings.funder is None:
        return "the funds are at the key's own wallet"
    owner = Account.from_key(settings.private_key.get_secret_value()).address
    kind, own = wallets.NAMES[settings.signature_type], wallets.addresses(owner, settings.signature_type)
    if settings.funder.lower() not in {address.lower() for address in own}:
        raise Odd(
            f"ODDSMITH_FUNDER was {settings.funder}, but the {kind} of the key's address {owner} is "
            f"{' or '.join(own)}; set that or another ODDSMITH_SIGNATURE_TYPE, unless the wallet was given this key"
        )
    return f"{settings.funder} is the {kind} of the key's address {owner}"


async def _secrets(settings: Settings) -> str:
    files = [Path(".env"), settings.var, settings.var / "service.token", settings.var / "prefect.auth"]
    seen = [str(path) for path in files if path.exists() and path.stat().st_mode & 0o077]
    if seen:
        raise Odd(f"others of this machine can read {', '.join(seen)}; chmod 700 folders and 600 files")
    return "only this user can read the files with secrets"


async def _messages(settings: Settings) -> str:
    names = await asyncio.to_thread(messenger.check, settings)
    if not names:
        return "no messages are sent (ODDSMITH_MESSAGES is empty)"
    return f"{len(names)} receivers: {', '.join(names)}; `oddsmith messages test` writes to them"


CHECKS: Final[tuple[tuple[str, Callable[[Settings], Awaitable[str]]], ...]] = (
    ("settings", _settings),
    ("disk", _disk),
    ("secrets", _secrets),
    ("messages", _messages),
    ("journal", _journal),
    ("bundle", _bundle),
    ("markets", _gamma),
    *preconditions.CHECKS,
    ("wallet", _wallet),
    ("account", _account),
    ("allowances", _allowances),
    ("redemption", _redemption),
)


def examine(settings: Settings, *, as_json: bool = False) -> int:
    """Run every check and print a line for each, or one JSON document; exit status 1 if one failed."""
    found = asyncio.run(_examine(settings, quiet=as_json))
    if as_json:
        print(json.dumps({"checks": found, "ok": all(one["ok"] for one in found)}, indent=2))  # noqa: T201
    return 0 if all(one["ok"] for one in found) else 1


async def _examine(settings: Settings, *, quiet: bool) -> list[dict[str, Any]]:
    found = []
    for name, check in CHECKS:
        try:
            line, level = await check(settings), "ok"
        except Odd as odd:
            line, level = str(odd), "WARN"
        except (OddsmithError, Failed) as error:
            line, level = str(error), "FAIL"
        found.append({"check": name, "ok": level != "FAIL", "level": level.lower(), "says": line})
        if not quiet:
            print(f"{level:<4}  {name:<10} {line}")  # noqa: T201 - a report for a person
    return found
