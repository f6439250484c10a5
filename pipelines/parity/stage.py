"""Command parity: the journal of the running bot replayed -> reports/parity.json. Decisions have to be identical."""

from dataclasses import replace
from pathlib import Path

from pipelines.core import log
from pipelines.core.artifacts import write_json
from pipelines.core.domain import Market
from pipelines.core.errors import ArtifactError
from pipelines.core.params import Params, load
from pipelines.core.products import BUNDLE, MARKETS, report_json
from pipelines.core.settings import Settings
from pipelines.decide import Rules
from pipelines.history import journal_reader
from pipelines.inference.bundle import Bundle
from pipelines.inference.champion_record import installed_bundles
from pipelines.parity import cash, decisions, fills
from pipelines.replay import bundle_rules, market_history
from pipelines.trading import latency

REPORT = report_json("parity")
STATIC = MARKETS
CASH_TABLES = (("fills", "seq"), ("settlements", "seq"), ("cash_flows", "booked_ms"))


def run(hours: float = 24.0) -> None:
    """Replay the last hours of market time and write what differs. A difference is reported, not raised."""
    params, settings = load(), Settings()
    read = journal_reader.JournalReader(journal_reader.url(settings), read_static(STATIC), hours, params)
    known = {bundle.hash: of_bundle(bundle, params) for bundle in bundles(settings.var)}
    document, book = decisions.decisions(read.turns(), known)
    length_s = next(iter(known.values())).bar_length_s if known else params.bars.length_s
    made = (read.orders(), read.fills(), book, params.execution, length_s, read.payouts_micro())
    document["fills"] = fills.compare(*made)
    compared = cash.compare(read.facts(), *(read.rows(*one) for one in CASH_TABLES))
    document["cash"] = compared | {"lines": cash.lines(compared)}
    document["account"], document["hours"] = read.account, hours
    measured = read.latencies_ms()
    document["latency_ms"] = {"orders": len(measured), "deciles": latency.deciles_ms(measured)}
    document["changed_since"] = list(read.limits.values())[-1].changed(params) if read.limits else {}
    write_json(REPORT, document)
    if document["limits"]["params.yaml"]:
        log.get("parity").warning("bars without journaled limits are decided with params.yaml", **document["limits"])
    shown = {name: document[name] for name in (*decisions.COUNTED, "not_replayed", "unreplayable")}
    gap = document["cash"]["gap_pusd"]
    log.get("parity").info("replayed", **shown, fills=document["fills"], cash_gap_pusd=gap)


def bundles(var: Path) -> list[Bundle]:
    """Bundles on this machine: the candidate and those inside installed bentos."""
    folders = [BUNDLE, *installed_bundles(var)]
    found: dict[str, Bundle] = {}
    for folder in folders:
        try:
            bundle = Bundle.open(folder)
        except ArtifactError as error:
            log.get("parity").info("skipped", folder=str(folder), reason=str(error))
            continue
        found[bundle.hash] = bundle
    return list(found.values())


def of_bundle(bundle: Bundle, params: Params) -> Rules:
    """The rules of a bundle, with the limits of params.yaml; the journal's limits replace those."""
    made = bundle_rules.of_bundle(bundle, params, int(bundle.manifest["bar_length_s"]))
    return replace(made, risk=params.risk, horizon_bars=int(bundle.manifest["horizon_bars"]))


def read_static(path: Path) -> dict[str, Market]:
    """Markets of the last pull, for bars whose journal rows do not describe them; none without a pull."""
    if not path.is_file():
        return {}
    return market_history.read_markets(path)
