"""`python -m flows <command>`: the local stack and the flows by hand."""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from pipelines.core.errors import OddsmithError
from pipelines.core.settings import Settings, Source


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="python -m flows", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text, default in (
        ("up", "the whole system on this machine", Source.SIMULATED),
        ("nightly", "the nightly flow, once; its source is the last one where none is named", None),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("--source", type=Source, choices=list(Source), default=default)
        command.add_argument("--recording", help="parquet file or folder of the recorded source")
        command.add_argument("--fresh", action="store_true", help="advance the data window to now")
    serving = commands.add_parser("serve", help="all flows on their schedules, with the Prefect UI")
    serving.add_argument("--attached", action="store_true", help="to the server of PREFECT_API_URL alone")
    commands.add_parser("ingest", help="the ingest flow, once")
    commands.add_parser("drift", help="the drift flow, once")
    commands.add_parser("promote", help="the candidate becomes champion, if the gate's verdict allows it")
    deploying = commands.add_parser("deploy", help="install a promoted bundle on the service of this machine")
    deploying.add_argument("--hash", help="how the bundle's hash begins; the champion when absent")
    back = commands.add_parser("rollback", help="the champion before the present one trades again")
    back.add_argument("--to", help="how the wanted bundle's hash begins; the one before when absent")
    back.add_argument("--reason", default="", help="kept in var/champions.jsonl and shown in the UI")
    numbers = commands.add_parser("params", help="change numbers of params.yaml, comments kept")
    numbers.add_argument("assignments", nargs="+", metavar="section.key=value")
    keeping = commands.add_parser("backup", help="an archive of what only this machine has; the bot goes on")
    keeping.add_argument("--keep", type=int, default=14, help="how many archives stay in var/backups")
    bringing = commands.add_parser("restore", help="put a backup into var/; what was there is moved aside")
    bringing.add_argument("archive", nargs="?", help="the newest here or in the store when absent")
    spot = commands.add_parser("spot", help="the training machine: its group, a job for it, its own work")
    spot.add_argument("action", choices=["status", "raise", "lower", "train", "work"])
    commands.choices["up"].add_argument(
        "--duration", type=float, default=None, help="stop this many seconds after the first decision"
    )
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: 0 when all went well, 1 with one line that says why not."""
    arguments = parser().parse_args(argv)
    try:
        if arguments.command == "up":
            from flows.local.up import up  # noqa: PLC0415 - the supervisor stays free of Prefect

            return up(arguments.source, arguments.recording, fresh=arguments.fresh, duration_s=arguments.duration)
        if arguments.command == "params":
            from flows.edit_params import change  # noqa: PLC0415 - needs ruamel.yaml, which the supervisor does not

            change(arguments.assignments)
            return 0
        if arguments.command == "spot":
            from flows.remote_training import act  # noqa: PLC0415 - needs boto3, which one machine does without

            return act(arguments.action)
        if arguments.command in {"backup", "restore"}:
            _keep_or_bring_back(arguments)
            return 0
        if arguments.command == "serve" and not arguments.attached:
            from flows.local.serve import serve  # noqa: PLC0415 - starts servers and stays free of Prefect

            return serve()
        _run_here(arguments)
    except OddsmithError as error:
        print(f"oddsmith: {error}", file=sys.stderr)
        return 1
    return 0


def _keep_or_bring_back(arguments: argparse.Namespace) -> None:
    from flows import backup  # noqa: PLC0415 - needs boto3, which one machine does without

    settings = Settings()
    if arguments.command == "backup":
        print(f"wrote {backup.backup(settings, keep=max(arguments.keep, 1))}")
        return
    archive = Path(arguments.archive) if arguments.archive else backup.newest(settings)
    print(f"restored {archive}; what was there before is in {backup.restore(settings, archive)}")


def _run_here(arguments: argparse.Namespace) -> None:
    """A flow in this process. Prefect and MLflow read their settings when they are loaded: those come first."""
    from flows.local.attach import surroundings  # noqa: PLC0415

    os.environ.update(surroundings(Settings()))
    if arguments.command == "serve":
        importlib.import_module("flows.deployments").serve_all()
        return
    flow = getattr(importlib.import_module(f"flows.{arguments.command}"), arguments.command)
    match arguments.command:
        case "nightly":
            flow(arguments.source, arguments.recording, arguments.fresh)
        case "deploy":
            flow(arguments.hash)
        case "rollback":
            flow(arguments.to, arguments.reason)
        case _:
            flow()


if __name__ == "__main__":
    sys.exit(main())
