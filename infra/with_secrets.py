"""Becomes another command, with this machine's secrets in its environment and on no disk: with_secrets.py COMMAND ...

Reads ODDSMITH_TRADING_SECRET and ODDSMITH_FEEDS_SECRET (KEY=value lines), ODDSMITH_DATABASE_SECRET (made by RDS). A
machine that names none of them, such as a single server, runs the command as it is.

with_secrets.py --write VARIABLE FILE writes the secret that a variable names into a file that its owner alone reads.
"""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import boto3
from botocore.exceptions import BotoCoreError, ClientError

MODE = "ODDSMITH_MODE"

WRITTEN_BY_HAND = ("ODDSMITH_TRADING_SECRET", "ODDSMITH_FEEDS_SECRET")


def secrets_of(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that the secrets hold, and the journal's URL."""
    found: dict[str, str] = {}
    for variable in WRITTEN_BY_HAND:
        for line in (secret(environment.get(variable, "")) or "").splitlines():
            key, separator, value = line.strip().partition("=")
            if separator and not key.startswith("#"):
                found[key.strip()] = value.strip()
    mode, told = found.pop(MODE, None), environment.get(MODE)
    if mode is not None and mode != told:
        raise ValueError(
            f"a secret sets {MODE}={mode} and this machine's environment has {told}; take the line out of the secret "
            "and set the mode for all units (Terraform: -var mode=...; else /etc/oddsmith/environment): the flows read "
            "no trading secret and would take their data from another place than the bot"
        )
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


def write(variable: str, target: Path, environment: Mapping[str, str]) -> None:
    """Put the secret that a variable names into a file, whole and with mode 0600; an empty file where there is none.

    Where the variable is not set, a file that is there stays: a person wrote it.
    """
    if not environment.get(variable) and target.is_file():
        return
    text = (secret(environment.get(variable, "")) or "").strip()
    partial = target.with_name(f".{target.name}.partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(text)
    partial.replace(target)


if __name__ == "__main__":
    if len(sys.argv) == 1:
        sys.exit(__doc__)
    try:
        if sys.argv[1] == "--write":
            variable, file = sys.argv[2:]
            write(variable, Path(file), os.environ)
            sys.exit()
        os.environ |= secrets_of(os.environ)
    except (BotoCoreError, ClientError, ValueError, KeyError) as error:
        sys.exit(f"with_secrets: the secrets could not be read: {error!r}")
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606 - the unit file names the command
