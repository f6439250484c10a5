"""Command lineage: from a decision to bundle, MLflow run, data, parameters and commit, and from a bundle back."""

import json
import sys
from typing import Any

from pipelines.core import params as parameters
from pipelines.core.errors import DataError
from pipelines.core.products import MARKETS
from pipelines.core.settings import Settings
from pipelines.history import lineage
from pipelines.history.journal_reader import JournalReader, url
from pipelines.parity.stage import read_static

EVER_H = 1e6
"""Hours of the journal that are read: all of them."""


def show(decision: str | None, bundle: str | None, *, as_json: bool) -> None:
    """Print where a decision came from, or what a bundle decided.

    Raises:
        DataError: if neither or both are named, or what is named is not there.
    """
    if (decision is None) == (bundle is None):
        raise DataError("name one of the two: a decision (an order id, a fill id or MARKET@TIME), or --bundle HASH")
    found = _of_decision(decision) if decision is not None else _of_bundle(str(bundle))
    text = json.dumps(found, indent=2, default=str) if as_json else "\n".join(lineage.lines(found))
    sys.stdout.write(text + "\n")


def _reader() -> JournalReader:
    settings = Settings()
    return JournalReader(url(settings), read_static(MARKETS), EVER_H, parameters.load())


def _of_decision(text: str) -> dict[str, Any]:
    made = lineage.decision(_reader(), text)
    return made | {"origin": lineage.origin(Settings().var, made["bundle"])}


def _of_bundle(prefix: str) -> dict[str, Any]:
    var = Settings().var
    try:
        reader = _reader()
    except DataError as error:
        bundle_hash = lineage.bundle_named(var, {}, prefix)
        return lineage.origin(var, bundle_hash) | {"decided": None, "no_journal": str(error)}
    journaled = {row[3]: None for row in reader.equity()}
    bundle_hash = lineage.bundle_named(var, journaled, prefix)
    return lineage.origin(var, bundle_hash) | {"decided": lineage.decided_by(reader, bundle_hash)}
