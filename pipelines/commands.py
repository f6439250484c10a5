"""The commands of the pipelines: the stages, and what is computed from their products. Each is loaded when it runs."""

import argparse
import importlib
from pathlib import Path

from pipelines.core.command_line import SOURCES, Command, above_zero, whole

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


def run_stage(name: str) -> None:
    """Run one stage on the products that are there."""
    importlib.import_module(f"pipelines.{name}.stage").run()


def _stage(name: str, text: str) -> Command:
    return Command(name=name, help=text, work=lambda _arguments: run_stage(name))


def _window_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--source", choices=SOURCES, default="simulated", help="where the pull reads (simulated)")
    parser.add_argument("--recording", type=Path, help="parquet file or folder of the recorded source")
    parser.add_argument("--fresh", action="store_true", help="advance to now although a window is there")
    parser.add_argument("--scratch", action="store_true", help="train from scratch also where params say warm start")
    parser.add_argument(
        "--since", type=whole(0), metavar="S", help="begin where the world changed (Unix seconds of market time)"
    )


def _window(arguments: argparse.Namespace) -> None:
    from pipelines.core.settings import Source  # noqa: PLC0415 - loaded by commands that run

    window, source = importlib.import_module("pipelines.pull.window"), Source(arguments.source)
    changed = window.run(source, arguments.recording, fresh=arguments.fresh, since_s=arguments.since)
    importlib.import_module("pipelines.inference.rival").note(source, fresh=changed)
    params = importlib.import_module("pipelines.core.params").load()
    wanted = params.forecast.warm_start or params.agent.warm_start
    var = importlib.import_module("pipelines.core.settings").Settings().var
    start_point = importlib.import_module("pipelines.inference.start_point")
    start_point.note(var, wanted=wanted, scratch=arguments.scratch, fresh=changed)


WINDOW = Command(
    name="window",
    help="choose what the next pull reads (data/window.json)",
    work=_window,
    arguments=_window_arguments,
    example="oddsmith data window --source recorded --recording data/recordings/prices.parquet",
)


def _json_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON document instead of text")


def _costs(arguments: argparse.Namespace) -> None:
    importlib.import_module("pipelines.costs.stage").run(as_json=arguments.json)


COSTS = Command(
    name="costs",
    help="monthly cost, break-even return and return on capital; the guide's figures checked",
    work=_costs,
    arguments=_json_argument,
    example="oddsmith costs --json",
)


def _ingest_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--days", type=above_zero("days"), help="also what is missing of so many market days before")


def _ingest(arguments: argparse.Namespace) -> None:
    importlib.import_module("pipelines.pull.landing").run(arguments.days)


INGEST = Command(
    name="ingest",
    help="append bars, books and headlines since the last time to var/landing",
    work=_ingest,
    arguments=_ingest_arguments,
    example="oddsmith ingest",
)


def _drift_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--bundle", type=Path, default=Path("models/bundle"), help="sealed bundle (models/bundle)")
    parser.add_argument("--landing", type=Path, help="folder of bars, markets and headlines (var/landing)")
    parser.add_argument("--remember", action="store_true", help="only keep the bundle's training window for later")


def _drift(arguments: argparse.Namespace) -> None:
    stage = importlib.import_module("pipelines.drift.stage")
    if arguments.remember:
        stage.remember(arguments.bundle)
    else:
        stage.run(arguments.bundle, arguments.landing)


DRIFT = Command(
    name="drift",
    help="compare the newest bars of var/landing with a bundle's training window -> reports/drift.json",
    work=_drift,
    arguments=_drift_arguments,
    example="oddsmith drift --bundle models/bundle",
)


def _parity_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--hours", type=above_zero("hours"), default=24.0, help="market hours back from the newest bar (24)"
    )


def _parity(arguments: argparse.Namespace) -> None:
    importlib.import_module("pipelines.parity.stage").run(arguments.hours)


PARITY = Command(
    name="parity",
    help="repeat the decisions of the bot's journal and compare decisions and fills -> reports/parity.json",
    work=_parity,
    arguments=_parity_arguments,
    example="oddsmith parity --hours 6",
)


def _import_arguments(parser: argparse.ArgumentParser) -> None:
    shapes = "CSV, parquet or JSON (lines, frames, prices-history), gzipped or not"
    parser.add_argument("file", type=Path, help=shapes)
    parser.add_argument("--to", type=Path, help="recording to write (data/recordings/<name>.parquet)")
    renamed = "our name of a column of the file, repeatable: --map price=yes_price"
    parser.add_argument("--map", action="append", default=[], metavar="OURS=THEIRS", help=renamed)
    parser.add_argument(
        "--about", type=Path, help="table with a row per market (names, ends, payouts), joined by its id"
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what the file was understood as")
    parser.add_argument("--replace", action="store_true", help="replace a recording of this name")


def _import(arguments: argparse.Namespace) -> None:
    made = importlib.import_module("pipelines.pull.import_recording")
    made.run(
        arguments.file,
        arguments.to,
        arguments.map,
        replace=arguments.replace,
        dry_run=arguments.dry_run,
        about=arguments.about,
    )


IMPORT = Command(
    name="import",
    help="make a recording of an archive: prices, books, trades, raw frames; --dry-run says what it understood",
    work=_import,
    arguments=_import_arguments,
    example="oddsmith data import prices.csv --map price=yes_price",
)


def _test_messages(arguments: argparse.Namespace) -> int:
    from pipelines.core import params  # noqa: PLC0415 - loaded by commands that run
    from pipelines.core.settings import Settings  # noqa: PLC0415

    messenger = importlib.import_module("pipelines.messages.messenger")
    return int(messenger.report(Settings(), params.load().messages, as_json=arguments.json))


TEST_MESSAGES = Command(
    name="test",
    help="send a test message to every address of ODDSMITH_MESSAGES; exit status 1 if one did not take it",
    work=_test_messages,
    arguments=_json_argument,
    example="oddsmith messages test",
)


def _period_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--from", dest="from_", metavar="DATE", help="first day or time of market time, UTC")
    parser.add_argument("--to", metavar="DATE", help="last day (included), or a time (not included)")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--csv", dest="form", action="store_const", const="csv", default="table", help="CSV")
    form.add_argument("--json", dest="form", action="store_const", const="json", help="one JSON document")


def _trades_arguments(parser: argparse.ArgumentParser) -> None:
    _period_arguments(parser)
    parser.add_argument(
        "--lots", action="store_true", help="disposals with their purchases, first in first out: CSV for the tax office"
    )


def _trades(arguments: argparse.Namespace) -> None:
    answers = importlib.import_module("pipelines.history.answers")
    answers.trades(arguments.from_, arguments.to, arguments.form, lots=arguments.lots)


TRADES = Command(
    name="trades",
    help="closed trades of the bot's journal: entry, exit, fees, slippage, P&L, why it ended, which model",
    work=_trades,
    arguments=_trades_arguments,
    example="oddsmith trades --from 2026-03-01 --to 2026-03-31 --csv",
)


def _pnl_arguments(parser: argparse.ArgumentParser) -> None:
    _period_arguments(parser)
    text = "day, week, month, market, event, topic, policy, model, reason (day)"
    parser.add_argument("--by", default="day", help=text)


def _pnl(arguments: argparse.Namespace) -> None:
    answers = importlib.import_module("pipelines.history.answers")
    answers.pnl(arguments.from_, arguments.to, arguments.form, arguments.by)


PNL = Command(
    name="pnl",
    help="profit and loss of the bot's journal by day, week, month, market, event, topic, policy, model or reason",
    work=_pnl,
    arguments=_pnl_arguments,
    example="oddsmith pnl --by week",
)


def _funnel(arguments: argparse.Namespace) -> None:
    importlib.import_module("pipelines.history.answers").funnel(arguments.from_, arguments.to, arguments.form)


FUNNEL = Command(
    name="funnel",
    help="how many markets each step from listing to fill lost, day by day",
    work=_funnel,
    arguments=_period_arguments,
    example="oddsmith funnel --json",
)


def _record_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=above_zero("seconds"), help="stop after this time (default: never)")


def _record(arguments: argparse.Namespace) -> None:
    import asyncio  # noqa: PLC0415 - loaded by commands that run
    import signal  # noqa: PLC0415

    from pipelines.core.params import load  # noqa: PLC0415
    from pipelines.core.settings import Settings  # noqa: PLC0415

    # A service manager stops it as Ctrl-C does; in the background of a script SIGINT is ignored unless it is set.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    recorder = importlib.import_module("pipelines.pull.recorder")
    asyncio.run(recorder.record(Settings().for_trading(), load(), arguments.seconds))


RECORD = Command(
    name="record",
    help="keep books, trades, reference prices and headlines as they come, in var/landing, until stopped",
    work=_record,
    arguments=_record_arguments,
    example="oddsmith data record --seconds 3600",
)


def _folder_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--folder", type=Path, default=Path("data/raw"), help="data/raw (default), or var/landing")


def _query_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("sql", help="for example: SELECT count(*) FROM bars")
    _folder_argument(parser)


def _query(arguments: argparse.Namespace) -> None:
    importlib.import_module("pipelines.export.stage").query(arguments.folder, arguments.sql)


QUERY = Command(
    name="query",
    help="SQL over bars, markets, headlines, books, orders, fills, trades, decisions and equity; prints CSV",
    work=_query,
    arguments=_query_arguments,
    example='oddsmith data query "SELECT topic, count(*) FROM bars JOIN markets USING (market_id) GROUP BY 1"',
)


def _export_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--influx", metavar="TARGET", required=True, help="file, - for standard output, or a write URL")
    _folder_argument(parser)


def _export(arguments: argparse.Namespace) -> None:
    from pipelines.core.settings import Settings  # noqa: PLC0415 - loaded by commands that run

    token = Settings().influx_token
    secret = token.get_secret_value() if token else None
    importlib.import_module("pipelines.export.stage").export(arguments.folder, arguments.influx, secret)


EXPORT = Command(
    name="export",
    help="bars and headlines in InfluxDB line protocol",
    work=_export,
    arguments=_export_arguments,
    example="oddsmith data export --influx bars.lp",
)

COMMANDS = (
    *(_stage(name, text) for name, text in STAGES.items()),
    *(WINDOW, IMPORT, RECORD, INGEST, DRIFT, PARITY, COSTS, QUERY, EXPORT),
)
