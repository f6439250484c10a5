"""`python -m pipelines <command>`: every stage and command of the pipelines, each loaded only when it is asked for."""

import argparse
import importlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from pipelines.core import log
from pipelines.core.command_line import exit_status
from pipelines.core.products import BUNDLE, RAW
from pipelines.core.settings import Settings, Source

STAGES = {
    "pull": "read markets, bars and headlines of data/window.json into data/raw",
    "validate": "check data/raw with Great Expectations",
    "featurize": "compute the features and cut time into slices",
    "forecast": "train and calibrate the price forecaster",
    "agent": "train the trading agent",
    "backtest": "compare strategies on the selection slice",
    "package": "seal the model bundle",
    "gate": "judge the candidate on the gate slice",
}


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="python -m pipelines", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    window = commands.add_parser("window", help="choose what the next pull reads (data/window.json)")
    window.add_argument("--source", type=Source, choices=list(Source), default=Source.SIMULATED)
    window.add_argument("--recording", type=Path, help="parquet file or folder of the recorded source")
    window.add_argument("--fresh", action="store_true", help="advance to now although a window is there")
    costs = commands.add_parser("costs", help="monthly cost, break-even return, ROI; the guide's figures checked")
    costs.add_argument("--json", action="store_true", help="one JSON document instead of text")
    commands.add_parser("ingest", help="append what happened since the last time to the landing zone")
    drift = commands.add_parser("drift", help="compare the landing zone's newest bars with a bundle's training window")
    drift.add_argument("--bundle", type=Path, default=BUNDLE, help="sealed bundle (models/bundle)")
    drift.add_argument("--landing", type=Path, help="folder of bars, markets and headlines (the landing zone)")
    drift.add_argument("--remember", action="store_true", help="only keep the bundle's training window for later")
    parity = commands.add_parser("parity", help="replay the running bot's journal: decisions identical, fills beside")
    parity.add_argument("--hours", type=float, default=24.0, help="market hours back from the newest bar (24)")
    query = commands.add_parser("query", help="SQL over bars, markets, headlines and books; prints CSV")
    query.add_argument("sql", help="for example: SELECT count(*) FROM bars")
    query.add_argument("--folder", type=Path, default=RAW, help="data/raw, or var/landing")
    export = commands.add_parser("export", help="bars and headlines in InfluxDB line protocol")
    export.add_argument("--influx", metavar="TARGET", required=True, help="file, - for standard output, or a write URL")
    export.add_argument("--folder", type=Path, default=RAW, help="data/raw, or var/landing")
    for name, text in STAGES.items():
        commands.add_parser(name, help=text)
    return top


def _window(arguments: argparse.Namespace) -> None:
    window = importlib.import_module("pipelines.pull.window")
    window.run(arguments.source, arguments.recording, fresh=arguments.fresh)


def _parity(arguments: argparse.Namespace) -> None:
    importlib.import_module("pipelines.parity.stage").run(arguments.hours)


def _query(arguments: argparse.Namespace) -> None:
    importlib.import_module("pipelines.export.stage").query(arguments.folder, arguments.sql)


def _export(arguments: argparse.Namespace) -> None:
    token = Settings().influx_token
    secret = token.get_secret_value() if token else None
    importlib.import_module("pipelines.export.stage").export(arguments.folder, arguments.influx, secret)


def _costs(arguments: argparse.Namespace) -> None:
    importlib.import_module("pipelines.costs.stage").run(as_json=arguments.json)


def _ingest(_arguments: argparse.Namespace) -> None:
    importlib.import_module("pipelines.pull.landing").run()


def _drift(arguments: argparse.Namespace) -> None:
    stage = importlib.import_module("pipelines.drift.stage")
    if arguments.remember:
        stage.remember(arguments.bundle)
    else:
        stage.run(arguments.bundle, arguments.landing)


def _stage(arguments: argparse.Namespace) -> None:
    importlib.import_module(f"pipelines.{arguments.command}.stage").run()


COMMANDS: dict[str, Callable[[argparse.Namespace], None]] = {
    "query": _query,
    "export": _export,
    "window": _window,
    "costs": _costs,
    "ingest": _ingest,
    "drift": _drift,
    "parity": _parity,
    **dict.fromkeys(STAGES, _stage),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: 0 when the command did its work, 1 when it says why it could not, 75 when it was told to stop and
    kept its state, 130 when interrupted."""
    arguments = parser().parse_args(argv)
    log.configure(json=not sys.stderr.isatty())
    return exit_status(arguments.command, lambda: COMMANDS[arguments.command](arguments))


if __name__ == "__main__":
    sys.exit(main())
