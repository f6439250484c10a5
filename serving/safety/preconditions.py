"""What has to be true before an order is sent: region, clock, protocol, client library, contracts, allowances.

The doctor asks once; the running bot asks before its first order and every hour (`venue_watch`). A check returns a
line for people, or raises `Failed` with the reason; if the venue does not answer it raises `VenueError`.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol

from pipelines.core.money import MICRO
from pipelines.core.settings import Mode, Settings
from pipelines.venue import client_unified, pins
from pipelines.venue.http import VenueHttp
from pipelines.venue.pins import CONTRACTS, PROTOCOL, SPENDERS

MAX_SKEW_S: Final = 5.0
"""Largest error of our clock: signatures contain wall time, and the venue refuses a larger difference."""


class Failed(Exception):
    """A check found something that stops trading."""


class Funded(Protocol):
    """An account at the venue. The calls block and raise `VenueError`."""

    def cash_micro(self) -> int:
        """Collateral in base units."""
        ...

    def allowances(self) -> Mapping[str, int]:
        """Address of a spender -> base units of the collateral that it may take."""
        ...


async def region(settings: Settings) -> str:
    """Ask the venue's region route whether this address may trade; in simulated mode the simulator's route."""
    if settings.mode is Mode.PAPER:
        return "not asked in paper mode: nothing is ordered"
    url = f"{settings.clob_url}/api/geoblock" if settings.mode is Mode.SIMULATED else settings.geoblock_url
    base, _, name = url.rpartition("/")  # without a slash at the end, which would make it another route
    async with VenueHttp(base, attempts=2) as http:
        answer = await http.get(f"/{name}", dict)
    blocked, place = answer.get("blocked"), f"{answer.get('country')} {answer.get('region') or ''}".strip()
    if blocked is True:
        raise Failed(f"the venue blocks trading from {place}; nothing here works around it")
    if blocked is not False:
        raise Failed(
            f"{url} does not say whether trading is allowed from here (blocked: {blocked!r}); look at the route"
        )
    return f"trading is allowed from {place}"


async def clock(settings: Settings) -> str:
    """Compare this machine's clock with the venue's."""
    async with VenueHttp(settings.clob_url, attempts=2) as http:
        before = time.time()
        theirs = float(await http.get("/time", int | str))  # type: ignore[arg-type]
        after = time.time()
    # The answer has whole seconds and was made between sending and receiving, so a slow answer proves less.
    skew, unsure = theirs + 0.5 - (before + after) / 2, 0.5 + (after - before) / 2
    if not abs(skew) <= MAX_SKEW_S + unsure:  # what is no number is off too
        raise Failed(f"this clock is {-skew:+.1f} s off the venue's; synchronise it (NTP)")
    return f"clock within {abs(skew):.1f} s of the venue"


async def protocol(settings: Settings) -> str:
    """Compare the protocol that the venue speaks with the one that orders are signed for."""
    if settings.clob_client == "v1":
        return "not checked for the old client, which trades only on a simulator"
    async with VenueHttp(settings.clob_url, attempts=2) as http:
        answer = await http.get("/version", dict)
    if answer.get("version") != PROTOCOL:
        raise Failed(
            f"the venue speaks protocol version {answer.get('version')!r}, orders here are signed for {PROTOCOL}; "
            "update oddsmith before it trades again"
        )
    return f"the venue speaks protocol version {PROTOCOL}"


async def client(settings: Settings) -> str:
    """Compare the installed client library's methods with those that were tested."""
    if settings.clob_client == "v1":
        return "py-clob-client, which trades only on a simulator"
    unified = settings.clob_client == "unified"
    name, parts = ("polymarket-client", client_unified.PARTS) if unified else ("py-clob-client-v2", pins.CLIENT)
    changed = client_unified.changed_parts() if unified else pins.changed_methods()
    if changed:
        again = f"run `{client_unified.INSTALL}`" if unified else "install the version of requirements.lock"
        raise Failed(f"{name} has other methods than the tested ones ({', '.join(changed)}); {again}")
    return f"{name} has the {len(parts)} methods that orders go through"


async def contracts(settings: Settings) -> str:
    """Compare the addresses that the client library signs for with the pinned ones."""
    if settings.clob_client == "v1":
        return "those of the old protocol, which is only for a simulator"
    other = pins.other_contracts(client_unified.contracts() if settings.clob_client == "unified" else None)
    if other:
        raise Failed(
            f"the client library names other contracts than the pinned ones ({', '.join(other)}); compare both with "
            "docs.polymarket.com before anything is signed"
        )
    return f"the {len(CONTRACTS)} contract addresses are the pinned ones"


CHECKS: Final[tuple[tuple[str, Callable[[Settings], Awaitable[str]]], ...]] = (
    ("region", region),
    ("clock", clock),
    ("protocol", protocol),
    ("client", client),
    ("contracts", contracts),
)
"""Every check with its name, for the doctor and the running bot. Allowances need the account (`allowances`)."""


async def allowances(account: Any) -> str:
    """Check that the exchanges may take the collateral; paper accounts have no allowances."""
    if not hasattr(account, "allowances"):
        return "none: our own fills"
    return await asyncio.to_thread(check_allowances, account)


def check_allowances(account: Funded) -> str:
    """Compare the allowances of the pinned exchanges with the cash. Blocking.

    Raises:
        Failed: naming the exchange whose allowance is smaller than the cash.
    """
    cash, given = account.cash_micro(), {key.lower(): value for key, value in account.allowances().items()}
    for name in SPENDERS:
        allowed = given.get(CONTRACTS[name].lower())
        if allowed is None or allowed < cash:
            raise Failed(
                f"{name} ({CONTRACTS[name]}) may take {'nothing' if not allowed else f'{allowed / MICRO:.2f}'} of "
                f"{cash / MICRO:.2f} pUSD; approve it from the account that holds the funds"
            )
    return f"the exchanges may take the {cash / MICRO:.2f} pUSD"
