"""The commands of the local system, of the flows, of champions and of backups. Each is loaded when it runs."""

import argparse
import importlib
import os
from pathlib import Path
from typing import Any

from pipelines.core.command_line import SOURCES, Command, above_zero, whole

FLOWS = {
    "nightly": "the nightly flow: the last day replayed, new data and models, a verdict, promotion",
    "ingest": "the ingest flow: `oddsmith ingest`, repeated while the venue does not answer",
    "drift": "the drift flow: ingest, `oddsmith drift`, and the event that starts a night after drift",
    "shadow": "what the evidence says of the bundle in shadow is done: promotion, dismissal, rollback",
    "promote": "the candidate becomes champion, if the gate's verdict allows it",
    "deploy": "a promoted bundle is installed on the service of this machine",
    "rollback": "the champion before the present one trades again",
    "alive": "people are told when the bot has given no sign of life for flows.silent_min minutes",
    "overdue": "people are told when no night has ended for flows.overdue_h hours",
    "parity": "the bot's journal decided again, with its page in the Prefect UI",
    "backfill": "the last market days into the landing zone, where they are missing",
}
"""Flow -> what one run of it does, with a record in the Prefect UI."""


def run_flow(name: str, *arguments: Any) -> None:
    """Run a flow in this process: at the servers of the running system, else without any.

    What the flow would refuse is refused first, before Prefect starts anything. Prefect and MLflow read their settings
    when they are loaded: those are set first.
    """
    from flows.local.attach import surroundings  # noqa: PLC0415 - loaded by commands that run
    from pipelines.core.settings import Settings  # noqa: PLC0415

    os.environ.update(surroundings(Settings()))
    importlib.import_module("flows.refusals").CHECKS[name](*arguments)
    try:
        getattr(importlib.import_module(f"flows.{name}"), name)(*arguments)
    except Exception as error:
        importlib.import_module("flows.watched_flow").raise_if_lost(name, error)
        raise


def _source_arguments(parser: argparse.ArgumentParser, default: str | None) -> None:
    last = f" ({default})" if default else " (the one of the last window)"
    parser.add_argument("--source", choices=SOURCES, default=default, help=f"where data comes from{last}")
    parser.add_argument("--recording", help="parquet file or folder of the recorded source")
    parser.add_argument("--fresh", action="store_true", help="advance the data window to now")


def _ui_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-ui", action="store_true", help="the Prefect server without its pages")


def _set_ui(arguments: argparse.Namespace) -> None:
    """The server reads its settings from the environment, which every part inherits."""
    if arguments.no_ui:
        os.environ["PREFECT_SERVER_UI_ENABLED"] = "false"


def _up_arguments(parser: argparse.ArgumentParser) -> None:
    _source_arguments(parser, "simulated")
    _ui_argument(parser)
    parser.add_argument(
        "--duration", type=above_zero("seconds"), help="stop this many seconds after the first decision"
    )


def _up(arguments: argparse.Namespace) -> int:
    from flows.local.up import up  # noqa: PLC0415 - the supervisor stays free of Prefect
    from pipelines.core.settings import Source  # noqa: PLC0415

    _set_ui(arguments)
    source = Source(arguments.source)
    return up(source, arguments.recording, fresh=arguments.fresh, duration_s=arguments.duration)


UP = Command(
    name="up",
    help="the whole system on this machine: simulate, train, judge, trade, until Ctrl-C or `oddsmith stop`",
    work=_up,
    arguments=_up_arguments,
    example="oddsmith run --duration 120",
)


def _json_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON document instead of text")


def _status(arguments: argparse.Namespace) -> None:
    importlib.import_module("flows.local.status").show(as_json=arguments.json)


STATUS = Command(
    name="status",
    help="what runs in this folder: URLs, mode, equity, whether orders are sent, the last verdict, alarms",
    work=_status,
    arguments=_json_argument,
    example="oddsmith status --json",
)


def _stop_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--timeout", type=above_zero("seconds"), default=120.0, help="seconds to wait (120)")


def _stop(arguments: argparse.Namespace) -> None:
    importlib.import_module("flows.local.status").stop(arguments.timeout)


STOP = Command(
    name="stop",
    help="end what `oddsmith run` or `oddsmith flows serve` started in this folder, in order",
    work=_stop,
    arguments=_stop_arguments,
    example="oddsmith stop",
)


def _nightly(arguments: argparse.Namespace) -> None:
    from pipelines.core.settings import Source  # noqa: PLC0415

    source = Source(arguments.source) if arguments.source else None
    run_flow("nightly", source, arguments.recording, arguments.fresh)


NIGHTLY = Command(
    name="nightly",
    help="run the nightly flow once: new data, new models, the gate's verdict, and promotion if the verdict allows it",
    work=_nightly,
    arguments=lambda parser: _source_arguments(parser, None),
    example="oddsmith nightly --source polymarket --fresh",
)


def _serve_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--attached", action="store_true", help="at the server of PREFECT_API_URL alone")
    _ui_argument(parser)


def _serve(arguments: argparse.Namespace) -> int | None:
    _set_ui(arguments)
    if not arguments.attached:
        from flows.local.serve import serve  # noqa: PLC0415 - starts servers and stays free of Prefect

        return serve()
    from flows.local.attach import surroundings  # noqa: PLC0415
    from pipelines.core.settings import Settings  # noqa: PLC0415

    os.environ.update(surroundings(Settings()))
    importlib.import_module("flows.deployments").serve_all()
    return None


SERVE = Command(
    name="serve",
    help="all flows on their schedules, with the Prefect UI",
    work=_serve,
    arguments=_serve_arguments,
    example="oddsmith flows serve",
)


def _run_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("flow", choices=tuple(FLOWS), help="; ".join(f"{name}: {text}" for name, text in FLOWS.items()))


RUN = Command(
    name="run",
    help="one run of a flow as its schedule would start it, recorded by Prefect",
    work=lambda arguments: run_flow(arguments.flow),
    arguments=_run_arguments,
    example="oddsmith flows run drift",
)

PROMOTE = Command(
    name="promote",
    help="the candidate of models/bundle becomes champion, if the gate's verdict allows it",
    work=lambda _arguments: run_flow("promote"),
    example="oddsmith champions promote",
)


def _deploy_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--hash", help="how the bundle's hash begins; the champion when absent")


DEPLOY = Command(
    name="deploy",
    help="install a promoted bundle on the service of this machine, and wait until it decides with it",
    work=lambda arguments: run_flow("deploy", arguments.hash),
    arguments=_deploy_arguments,
    example="oddsmith champions deploy --hash 3f9a2c",
)


def _rollback_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--to", help="how the wanted bundle's hash begins; the champion before when absent")
    parser.add_argument("--reason", default="", help="kept in var/champions.jsonl and shown in the UI")


ROLLBACK = Command(
    name="rollback",
    help="the champion before the present one trades again; the present one is withdrawn",
    work=lambda arguments: run_flow("rollback", arguments.to, arguments.reason),
    arguments=_rollback_arguments,
    example='oddsmith champions rollback --reason "loses on thin books"',
)


def _backup_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--keep", type=whole(1), default=14, help="how many archives stay in var/backups (14)")


def _backup(arguments: argparse.Namespace) -> None:
    from pipelines.core.settings import Settings  # noqa: PLC0415

    backup = importlib.import_module("flows.backup")  # needs boto3, which one machine does without
    print(f"wrote {backup.backup(Settings(), keep=arguments.keep)}")  # noqa: T201 - the answer


BACKUP = Command(
    name="backup",
    help="write an archive of everything that only this machine has, while the bot runs",
    work=_backup,
    arguments=_backup_arguments,
    example="oddsmith backup --keep 30",
)


def _restore_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("archive", nargs="?", help="the newest here or in the store when absent")


def _restore(arguments: argparse.Namespace) -> None:
    from pipelines.core.settings import Settings  # noqa: PLC0415

    backup, settings = importlib.import_module("flows.backup"), Settings()
    archive = Path(arguments.archive) if arguments.archive else backup.newest(settings)
    aside = backup.restore(settings, archive)
    print(f"restored {archive}; what was there before is in {aside}")  # noqa: T201 - the answer


RESTORE = Command(
    name="restore",
    help="put a backup back into var/; the files of before are moved aside",
    work=_restore,
    arguments=_restore_arguments,
    example="oddsmith restore var/backups/20260301T050000Z.tar.gz",
)


def _spot_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=["status", "raise", "lower", "train", "work"])


def _spot(arguments: argparse.Namespace) -> int:
    return int(importlib.import_module("flows.remote_training").act(arguments.action))  # needs boto3


SPOT = Command(
    name="spot",
    help="the training machine on AWS spot: start and stop its group, give it a job, do its job",
    work=_spot,
    arguments=_spot_arguments,
    example="oddsmith spot status",
)


def _assignments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("assignments", nargs="+", metavar="section.key=value")


def _set(arguments: argparse.Namespace) -> None:
    importlib.import_module("flows.edit_params").change(arguments.assignments)


PARAMS = Command(
    name="params",
    help="change numbers of params.yaml; comments stay, what is not allowed is refused by name",
    work=_set,
    arguments=_assignments,
    example="oddsmith params set simulator.edge=0.5 forecast.epochs=3",
)

COMMANDS = (UP, STATUS, STOP, NIGHTLY, SERVE, RUN, PROMOTE, DEPLOY, ROLLBACK, PARAMS, BACKUP, RESTORE, SPOT)
