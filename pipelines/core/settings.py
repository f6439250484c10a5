"""Where and who: URLs, keys and ports from the environment. Never in params.yaml, never logged."""

import difflib
import ipaddress
import os
import re
import socket
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from pipelines.core import profile_paths
from pipelines.core.errors import SettingError


class Mode(StrEnum):
    """Where the bot trades."""

    SIMULATED = "simulated"
    """Orders go to the local exchange."""
    PAPER = "paper"
    """Market data of the live venue, fills of our own."""
    LIVE = "live"
    """Real orders; needs ODDSMITH_LIVE=yes and a key."""


class Source(StrEnum):
    """Where a pull reads."""

    SIMULATED = "simulated"
    RECORDED = "recorded"
    POLYMARKET = "polymarket"


LOCAL_PORT: Final = 8640
"""First of the four ports of `oddsmith simulate`."""


def local_exchange(port: int = LOCAL_PORT) -> dict[str, str]:
    """Where `oddsmith simulate --port PORT` listens on this machine: field of `Settings` -> address."""
    stream = f"ws://127.0.0.1:{port}"
    return {
        "clob_url": f"http://127.0.0.1:{port}",
        "clob_ws_url": stream,
        **local_sockets(stream),
        "gamma_url": f"http://127.0.0.1:{port + 1}",
        "data_url": f"http://127.0.0.1:{port + 2}",
        "news_url": f"http://127.0.0.1:{port + 3}/rss",
    }


def local_sockets(stream: str) -> dict[str, str]:
    """The sockets of reference prices of the local exchange whose market channel is at `stream`."""
    return {"rtds_url": f"{stream}/rtds", "exchange_url": f"{stream}/exchange/ws"}


VENUE_RELAYER: Final = "https://relayer-v2.polymarket.com"


PREFIX: Final = "ODDSMITH_"

OTHER_VARIABLES: Final = frozenset(
    {
        "ODDSMITH_HOME",  # prefect.yaml: the folder of a worker
        "ODDSMITH_RECORDINGS",  # the tests: a folder of real recordings
        "ODDSMITH_LOG_GROUP",  # infra/aws: where the logs go
        "ODDSMITH_TRADING_SECRET",  # infra/with_secrets.py: the names of secrets
        "ODDSMITH_FEEDS_SECRET",
        "ODDSMITH_ALERTS_SECRET",
        "ODDSMITH_DATABASE_SECRET",
        "ODDSMITH_DATABASE_HOST",
        "ODDSMITH_PROXY_SITE",  # infra/proxy/Caddyfile
        "ODDSMITH_PROXY_USER",
        "ODDSMITH_PROXY_HASH",
        "ODDSMITH_PROXY_UPSTREAM",
        "ODDSMITH_PROXY_LOG",
    }
)
"""Variables with our prefix that are no settings, each with its reader."""

Port = Annotated[Annotated[int, Field(ge=1, le=65_535)] | None, BeforeValidator(lambda text: text or None)]


class Settings(BaseSettings):
    """Everything that the environment decides; each field is the variable ODDSMITH_<FIELD>, in the environment or in
    the file .env of the working folder.

    Raises:
        SettingError: naming the variable, the value (never a key) and what is allowed; a variable that nothing reads is
            refused with the nearest name, because it is a setting that would not hold.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_file=".env", extra="ignore", frozen=True)

    def __init__(self, **values: Any) -> None:
        values.setdefault("_env_file", profile_paths.settings_file())
        _refuse_unknown(values["_env_file"], type(self).model_fields)
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise SettingError("; ".join(_explain(detail) for detail in error.errors())) from None

    @field_validator("private_key")
    @classmethod
    def _is_a_key(cls, key: SecretStr | None) -> SecretStr | None:
        """Refuse what cannot sign before anything is built on it; an empty variable is no key."""
        if not key:
            return None
        if not re.fullmatch(r"(0x)?[0-9a-fA-F]{64}", key.get_secret_value()):
            raise ValueError("a private key is 32 bytes: 64 hexadecimal digits, with or without 0x")
        return key

    @field_validator("arm_unapproved")
    @classmethod
    def _names_a_bundle(cls, text: str) -> str:
        """Refuse what could name more than one bundle."""
        if text and not re.fullmatch(r"[0-9a-fA-F]{12,64}", text):
            raise ValueError("give 12 to 64 hexadecimal digits, the beginning of one bundle's hash")
        return text

    @field_validator("service_token")
    @classmethod
    def _is_long_enough(cls, token: SecretStr | None) -> SecretStr | None:
        """Refuse a token that can be guessed; an empty variable counts as not set."""
        if not token:
            return None
        if len(token.get_secret_value()) < 20:
            raise ValueError("a token has 20 characters or more, such as `openssl rand -hex 32` gives")
        return token

    mode: Mode = Mode.SIMULATED
    live: str = ""
    """Real orders need the word yes here and mode live."""
    private_key: SecretStr | None = None
    funder: str | None = None
    """Address that holds the funds; the key's own address when absent."""
    signature_type: int = Field(default=0, ge=0, le=3)
    clob_client: Literal["v2", "unified", "v1"] = "v2"
    """Library that orders go through: v2 (py-clob-client-v2), unified (polymarket-client, installed by itself), or v1
    (py-clob-client), which works on a simulator that takes orders of version 1."""
    clob_url: str = "https://clob.polymarket.com"
    clob_ws_url: str = "wss://ws-subscriptions-clob.polymarket.com"
    rtds_url: str = "wss://ws-live-data.polymarket.com"
    """The venue's socket of reference prices; read while a followed market settles on one."""
    exchange_url: str = ""
    """An exchange's public stream of trades, such as wss://stream.binance.com:9443/ws: it checks the venue's
    reference prices and knows their moves earlier; empty turns it off. Simulated mode reads the local exchange's."""
    gamma_url: str = "https://gamma-api.polymarket.com"
    data_url: str = "https://data-api.polymarket.com"
    relayer_url: str = ""
    """Relayer of smart wallets; empty: the venue's, in simulated mode the local exchange's."""
    relayer_key: SecretStr | None = None
    """Relayer API key of the signing key's account; without one a live account redeems by hand."""
    news_url: str = ""
    """Addresses of headline sources, separated by spaces: RSS or Atom, or KIND+URL; empty turns headlines off."""
    x_bearer_token: SecretStr | None = None
    """Token of the X API v2, for sources `x+https://api.x.com/2/tweets/search/recent?query=...`."""
    openai_url: str = "https://api.openai.com/v1"
    """Endpoint of the openai scorer: anything that answers /chat/completions."""
    openai_key: SecretStr | None = None
    influx_token: SecretStr | None = None
    """Token of the server that `oddsmith data export --influx URL` writes to."""
    messages: SecretStr | None = None
    """Addresses of people who are told what happens (apprise URLs), separated by spaces; empty: nobody is told."""
    page_url: str = ""
    """Address of the dashboard in links of messages; empty: where it listens on this machine."""
    service_url: str = ""
    """Address of the service that trades, for the flows of another container; empty: it is looked for on this
    machine."""
    geoblock_url: str = "https://polymarket.com/api/geoblock"
    var: Path = Path("var")
    """What a running machine keeps: journal, champion.json, logs, databases."""
    journal_url: str = ""
    """SQLAlchemy URL of the journal; empty means SQLite under `var`."""
    profile: str = ""
    """Name of the profile that this process belongs to (`profiles/NAME`); empty: the clone itself. `oddsmith --profile`
    sets it."""
    main_var: Path = Path("var")
    """`var` of the clone, where a profile finds the shared champion and the other profiles."""
    champion: Literal["own", "shared"] = "own"
    """Whose champion trades: that of `var`, or shared: the one of `main_var`."""
    pinned_policy: str = ""
    """Kind of a policy that decides instead of the bundle's own, without having been chosen; not live."""
    kill_switch: Path = Path("var/KILL")
    """While this file exists the bot opens nothing and closes what it holds."""
    arm_unapproved: str = ""
    """How the hash of one bundle begins (12 digits or more) that is armed without the gate's promotion; not live."""
    service_token: SecretStr | None = None
    """What changing routes ask for where others can reach the service; empty: made in `var/service.token`."""
    allowed_hosts: str = ""
    """Further names, separated by commas, under which browsers and balancers may ask for the dashboard."""
    store_url: str = ""
    """`s3://bucket` or `s3://bucket/prefix` that machines share; empty on one machine."""
    spot_group: str = ""
    """Auto-scaling group of the training machine; empty means training runs here."""
    spot_metadata_url: str = "http://169.254.169.254"
    """Where a spot machine reads that it will be taken away."""

    simulated_key: Path | None = None
    """File of the key of the simulated account, made where it is missing; empty: a new account at every start.
    `oddsmith run` sets it, so that the account goes on after a restart."""

    simulator_port: Port = None
    """First of the four ports of the local exchange that `oddsmith run` starts; empty: 8640, or the next free ones."""
    service_port: Port = None
    """Port of the dashboard; empty: 3000, or the next free one."""
    prefect_port: Port = None
    """Port of the Prefect UI; empty: 4200, or the next free one."""
    mlflow_port: Port = None
    """Port of the MLflow UI; empty: 5000, or the next free one."""

    @property
    def champion_var(self) -> Path:
        """Where the champion is recorded, and its bento kept."""
        return self.main_var if self.champion == "shared" else self.var

    @property
    def relayer_address(self) -> str:
        """Address of the relayer: the one that is set, else the venue's; the local exchange's in simulated mode."""
        if self.relayer_url:
            return self.relayer_url
        return f"{self.clob_url}/relayer" if self.mode is Mode.SIMULATED else VENUE_RELAYER

    @property
    def page(self) -> str:
        """Where a person opens the dashboard, without a slash at the end."""
        return (self.page_url or f"http://127.0.0.1:{self.service_port or 3000}").rstrip("/")

    def for_trading(self) -> Self:
        """These settings for a process that trades: simulated mode trades on the local exchange, at its default
        addresses where no others are set, and never on a venue outside of this machine's networks.

        Raises:
            SettingError: if simulated mode was given an order address that is not private.
        """
        if self.mode is not Mode.SIMULATED:
            return self
        trading = self._with_local_exchange()
        trading.refuse_simulated_orders_elsewhere()
        return trading

    def for_source(self, source: Source) -> Self:
        """These settings for a process that reads a source: the local exchange, at its default addresses where no
        others are set, or the venue.

        Raises:
            SettingError: if the addresses are the other one's, so that what is learned from them had a wrong name.
        """
        if source is Source.SIMULATED:
            local = self._with_local_exchange()
            if not _is_private(local.gamma_url):
                raise SettingError(
                    f"source simulated reads a local exchange, and ODDSMITH_GAMMA_URL was {local.gamma_url}; unset it, "
                    "or read the venue with --source polymarket"
                )
            return local
        if source is Source.POLYMARKET and self.mode is Mode.SIMULATED and _is_private(self.gamma_url):
            raise SettingError(
                f"source polymarket reads the venue, and ODDSMITH_GAMMA_URL was {self.gamma_url}, a local exchange; "
                "set ODDSMITH_MODE=paper (in .env too, for every command), so that the venue's own addresses are used"
            )
        return self

    def _with_local_exchange(self) -> Self:
        local = local_exchange()
        if "clob_ws_url" in self.model_fields_set:
            local |= local_sockets(self.clob_ws_url)
        return self.model_copy(update={name: url for name, url in local.items() if name not in self.model_fields_set})

    def refuse_simulated_orders_elsewhere(self) -> None:
        """Raise where simulated mode would send orders, signed with whatever key is set, to a public address.

        Raises:
            SettingError: naming the address.
        """
        if self.mode is not Mode.SIMULATED:
            return
        for name, url in (("CLOB", self.clob_url), ("RELAYER", self.relayer_address)):
            if not _is_private(url):
                raise SettingError(
                    f"mode simulated trades on a local exchange alone, and ODDSMITH_{name}_URL was {url}; unset "
                    "it, or set the address of `oddsmith simulate` (http://127.0.0.1:8640). For real markets without "
                    "real orders use ODDSMITH_MODE=paper"
                )


def variable(field: str) -> str:
    """The environment variable of a field of `Settings`."""
    return f"{PREFIX}{field.upper()}"


def _refuse_unknown(env_file: Any, fields: Iterable[str]) -> None:
    known = {variable(name) for name in fields} | OTHER_VARIABLES
    places: dict[str, Iterable[str | None]] = {"the environment": os.environ}
    if env_file is not None and Path(env_file).is_file():
        places[str(env_file)] = dotenv_values(env_file)
    for place, names in places.items():
        for name in filter(None, names):
            if name.upper().startswith(PREFIX) and name.upper() not in known:
                near = difflib.get_close_matches(name.upper(), known, n=1)
                hint = f"did you mean {near[0]}?" if near else ".env.example lists all that there are"
                raise SettingError(f"{name} in {place} is no setting of oddsmith, so it would do nothing; {hint}")


def _is_private(url: str) -> bool:
    """Whether every address of the URL's host is this machine or a private network; unknown hosts are not."""
    try:
        found = socket.getaddrinfo(urlsplit(url).hostname, None)
    except OSError:
        return False
    return all(ipaddress.ip_address(address[0]).is_private for *_, address in found)


def _explain(detail: Any) -> str:
    name = variable(str(detail["loc"][0]))
    value = "not shown" if name.endswith(("KEY", "TOKEN", "SECRET", "MESSAGES")) else repr(detail["input"])
    return f"{name} was {value}: {detail['msg'].removeprefix('Value error, ')}"
