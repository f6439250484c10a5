"""Commands: how one is declared, mounted on a parser and ended. It imports nothing heavy: every `--help` waits for it.

A package declares its commands in its `commands.py`. `python -m <package>` and the program `oddsmith` mount the same
declarations, so a command has one set of arguments and one effect wherever it is called.
"""

import argparse
import difflib
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from pipelines.core import full_disk
from pipelines.core.errors import OddsmithError

SOURCES = ("simulated", "recorded", "polymarket")
"""The values of `settings.Source`, which is too heavy to import for a help text."""


OURS = frozenset({"pipelines", "serving", "flows", "simulator", "benchmarks", "drills", "oddsmith"})
"""A module of ours that is missing is an error of the program, and no missing part of the installation."""


def _no_arguments(_parser: argparse.ArgumentParser) -> None:
    """A command without arguments."""


def _name_a_command(_arguments: argparse.Namespace) -> NoReturn:
    raise AssertionError("a group without work of its own demands one of its commands")


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command, or a group of them.

    `work` gets the parsed arguments and gives the exit status, or None for 0. `example` is a whole command line of
    `oddsmith`. A group has `commands`; with `optional` its own work runs where none of them is named.
    """

    name: str
    help: str
    work: Callable[[argparse.Namespace], int | None] = _name_a_command
    arguments: Callable[[argparse.ArgumentParser], None] = _no_arguments
    example: str = ""
    commands: tuple["Command", ...] = ()
    optional: bool = False


class Parser(argparse.ArgumentParser):
    """A parser that refuses in one line and names the nearest thing that it knows."""

    def error(self, message: str) -> NoReturn:
        """Print the refusal and end with status 2."""
        choice = re.search(r"invalid choice: '?([^'\s]+)'?.* \(choose from (.*)\)", message)
        if choice:
            known = re.findall(r"[\w:-]+", choice[2])
            near = difflib.get_close_matches(choice[1], known, n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; give one of {', '.join(known)}"
            message = f"{message.split(':', maxsplit=1)[0].removeprefix('argument ')} was {choice[1]!r}{hint}"
        self.exit(2, f"{self.prog}: {message} (`{self.prog} --help` shows what it takes)\n")


def mount(parser: argparse.ArgumentParser, commands: Sequence[Command], *, optional: bool = False) -> None:
    """Add commands, and those of groups below them, to a parser.

    The parsed arguments carry `command`, a Command, and `prog`, the words that name it.
    """
    below = parser.add_subparsers(required=not optional, metavar="COMMAND", title="commands", parser_class=Parser)
    for command in commands:
        made = below.add_parser(
            command.name,
            help=command.help,
            description=f"{command.help[0].upper()}{command.help[1:]}.",
            epilog=f"Example: {command.example}" if command.example else None,
        )
        made.set_defaults(command=command, prog=made.prog)
        command.arguments(made)
        if command.commands:
            mount(made, command.commands, optional=command.optional)


def run_program(prog: str, description: str, commands: Sequence[Command], argv: Sequence[str] | None) -> int:
    """Parse and run one command of a package: `python -m <package>`; its exit status."""
    parser = Parser(prog=prog, description=description)
    mount(parser, commands)
    arguments = parser.parse_args(argv)
    return run(arguments, arguments.command.name)


def run(arguments: argparse.Namespace, name: str) -> int:
    """Run the command that was parsed; a refusal is one line that begins with `name`. The exit status."""
    from pipelines.core import log  # noqa: PLC0415 - a help text needs no log

    log.configure(json=not sys.stderr.isatty())
    return exit_status(name, lambda: arguments.command.work(arguments))


def above_zero(unit: str) -> Callable[[str], float]:
    """A parser of an argument: a finite number above 0."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = 0.0
        if not 0.0 < value < float("inf"):
            raise argparse.ArgumentTypeError(f"was {text!r}; give a number of {unit} above 0")
        return value

    return parse


def number(low: float, high: float) -> Callable[[str], float]:
    """A parser of an argument: a number from `low` to `high`; anything else is refused with both."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"was {text!r}; give a number {_span(low, high)}")
        return value

    return parse


def whole(low: int, high: int | None = None) -> Callable[[str], int]:
    """A parser of an argument: a whole number from `low` to `high`; anything else is refused with both."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"[+-]?\d+", text) or not low <= int(text) <= (high if high is not None else int(text)):
            raise argparse.ArgumentTypeError(f"was {text!r}; give a whole number {_span(low, high)}")
        return int(text)

    return parse


def _span(low: float, high: float | None) -> str:
    return f"from {low:g} on" if high is None else f"from {low:g} to {high:g}"


def exit_status(name: str, work: Callable[[], object]) -> int:
    """Run a command's work and turn its errors into one line on standard error that begins with `name`.

    Returns what the work gives where that is a whole number and 0 else, the error's own status when it says why not
    (75: told to stop, state kept; 69: the venue did not answer), 1 when the machine refused, and 130 when it was
    interrupted.
    """
    try:
        status = work()
    except OddsmithError as error:
        return _say(f"{name}: {error}", error.status)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in OURS:
            raise
        return _say(
            f"{name}: this installation has no {package}: it has the bot alone (`make install ONLY=serve`); "
            "`make install` brings what nights, training and the local exchange need",
            1,
        )
    except BrokenPipeError:
        return _end_of_pipe()
    except FileNotFoundError as error:
        return _say(f"{name}: {error.filename or error} does not exist; run what writes it", 1)
    except Exception as error:
        if full := full_disk.sentence(error, Path()):
            return _say(f"{name}: {full}", 1)
        if not isinstance(error, OSError):
            raise
        return _say(f"{name}: the machine refused: {error}; what was whole before still is", 1)
    except KeyboardInterrupt:
        return _say(f"{name}: interrupted; what was whole before still is", 130)
    return status if isinstance(status, int) else 0


def _end_of_pipe() -> int:
    """The reader of the output has gone (`| head`): what it did not want is dropped, without a traceback."""
    sys.stdout = open("/dev/null", "w")  # noqa: SIM115, PTH123 - the interpreter flushes it at its end
    return 0


def _say(line: str, status: int) -> int:
    print(line, file=sys.stderr)  # noqa: T201 - the one line a person reads
    return status
