"""`python -m flows <command>`: the local stack and the flows by hand."""

import argparse
import sys
from collections.abc import Sequence

from pipelines.core.errors import OddsmithError
from pipelines.core.settings import Source


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="python -m flows", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in (("up", "the whole system on this machine"), ("nightly", "the nightly flow, once")):
        command = commands.add_parser(name, help=text)
        command.add_argument("--source", type=Source, choices=list(Source), default=Source.SIMULATED)
        command.add_argument("--recording", help="parquet file or folder of the recorded source")
        command.add_argument("--fresh", action="store_true", help="advance the data window to now")
    numbers = commands.add_parser("params", help="change numbers of params.yaml, comments kept")
    numbers.add_argument("assignments", nargs="+", metavar="section.key=value")
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
            from flows.local.run import up  # noqa: PLC0415 - the supervisor stays free of Prefect

            return up(arguments.source, arguments.recording, fresh=arguments.fresh, duration_s=arguments.duration)
        if arguments.command == "params":
            from flows.params import change  # noqa: PLC0415 - needs ruamel.yaml, which the supervisor does not

            change(arguments.assignments)
            return 0
        if arguments.command == "spot":
            from flows.elsewhere import act  # noqa: PLC0415 - needs boto3, which one machine does without

            return act(arguments.action)
        from flows.nightly import nightly  # noqa: PLC0415 - Prefect is loaded only where flows run

        nightly(arguments.source, arguments.recording, arguments.fresh)
    except OddsmithError as error:
        print(f"oddsmith: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
