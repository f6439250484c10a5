"""Becomes another command, with this machine's secrets in its environment and on no disk: with_secrets.py COMMAND ...

Reads ODDSMITH_TRADING_SECRET and ODDSMITH_FEEDS_SECRET (KEY=value lines), ODDSMITH_DATABASE_SECRET (made by RDS).
"""

import json
import os
import sys
from collections.abc import Mapping
from urllib.parse import quote

import boto3
from botocore.exceptions import BotoCoreError, ClientError

WRITTEN_BY_HAND = ("ODDSMITH_TRADING_SECRET", "ODDSMITH_FEEDS_SECRET")


def secrets_of(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that the secrets hold, and the journal's URL."""
    found: dict[str, str] = {}
    for variable in WRITTEN_BY_HAND:
        for line in (secret(environment.get(variable, "")) or "").splitlines():
            key, separator, value = line.strip().partition("=")
            if separator and not key.startswith("#"):
                found[key.strip()] = value.strip()
    database = secret(environment.get("ODDSMITH_DATABASE_SECRET", ""))
    if database:
        found["ODDSMITH_JOURNAL_URL"] = journal_url(json.loads(database), environment["ODDSMITH_DATABASE_HOST"])
    return found


def journal_url(login: Mapping[str, str], host: str) -> str:
    """SQLAlchemy URL of the journal; RDS makes passwords with characters that a URL reserves."""
    user, password = quote(login["username"], safe=""), quote(login["password"], safe="")
    return f"postgresql+psycopg://{user}:{password}@{host}:5432/oddsmith?sslmode=require"


def secret(name: str) -> str | None:
    """A secret's text; None where nothing was put into it yet, or no name is given."""
    if not name:
        return None
    client = boto3.client("secretsmanager")
    try:
        return str(client.get_secret_value(SecretId=name)["SecretString"])
    except client.exceptions.ResourceNotFoundException:
        return None


if __name__ == "__main__":
    if len(sys.argv) == 1:
        sys.exit(__doc__)
    try:
        os.environ |= secrets_of(os.environ)
    except (BotoCoreError, ClientError, ValueError, KeyError) as error:
        sys.exit(f"with_secrets: the secrets could not be read: {error!r}")
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606 - the unit file names the command
