"""`oddsmith <command>`: run, watch and steer the whole system from its folder."""

import argparse
import importlib
import os
import sys
import tomllib
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from oddsmith.commands import COMMANDS, REMOTE_PARSERS
from pipelines.core.command_line import Parser, exit_status, mount, run
from pipelines.core.profile_paths import VARIABLE

ROOT = Path(__file__).resolve().parents[1]
NEEDED = ("params.yaml", "dvc.yaml", "pipelines", "serving")
"""What the working folder of every command holds: the configuration, and the code that DVC hashes."""


def parser(*, whole: bool = False) -> Parser:
    """The command line; `whole` mounts the options of `simulate` too, whose import takes a moment."""
    top = Parser(prog="oddsmith", description=__doc__, epilog="docs/commands.md has an example of every command.")
    # `simulate` has an option of the same name.
    top.add_argument(
        "--profile", dest="own_profile", metavar="NAME", help="the profile that the command is for (ODDSMITH_PROFILE)"
    )
    top.add_argument("--version", action="version", version=f"oddsmith {version()}")
    mount(top, COMMANDS)
    if whole:
        for name, load in REMOTE_PARSERS.items():
            load(_child(top, name))
    return top


def version() -> str:
    """The version of the code that runs: from its pyproject.toml, or of the installed package."""
    project = ROOT / "pyproject.toml"
    if project.is_file():
        return str(tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"])
    return metadata.version("oddsmith")


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: 0 when the command did its work, 1 when it says why it could not, 2 for a command line that is
    refused, 75 when it was told to stop and kept its state, 130 when interrupted."""
    words = list(sys.argv[1:] if argv is None else argv)
    tops: list[Parser] = []
    whole = any(word in REMOTE_PARSERS for word in words[:3])
    if status := exit_status("oddsmith", lambda: tops.append(parser(whole=whole))):
        return status
    (top,) = tops
    if not words:
        top.print_help()
        return 2
    arguments = top.parse_args(words)
    if arguments.command.name != "completion" and (reason := no_clone(Path.cwd())):
        print(f"oddsmith: {reason}", file=sys.stderr)
        return 1
    arguments.parser = parser
    if name := arguments.own_profile or os.environ.get(VARIABLE, ""):
        entered = exit_status("oddsmith", lambda: enter(name, " ".join(arguments.prog.split()[1:])))
        if entered:
            return entered
    return run(arguments, arguments.prog)


def enter(name: str, command: str) -> None:
    """Let this process belong to a profile."""
    importlib.import_module("oddsmith.profiles").enter(name, command)


def no_clone(folder: Path) -> str:
    """Why a folder is no place to run a command in, and where to go; empty in a clone of the repository."""
    if _is_clone(folder) and (folder.resolve() == ROOT or not _is_clone(ROOT)):
        return ""
    if _is_clone(folder):
        return (
            f"this program is that of {ROOT}, and {folder} is another clone; use its own "
            f"{folder}/.venv/bin/oddsmith (`make install` makes it)"
        )
    missing = [name for name in NEEDED if not (folder / name).exists()]
    above = next(filter(_is_clone, folder.parents), None)
    clone = above or (ROOT if _is_clone(ROOT) else None)
    go = f"run it there: `cd {clone}`" if clone else "clone the repository (`git clone URL`), `cd` there, `make run`"
    return (
        f"{folder} is no clone of oddsmith ({', '.join(missing)} missing); the program works on the files of a clone, "
        f"so {go}"
    )


def _is_clone(folder: Path) -> bool:
    return all((folder / name).exists() for name in NEEDED)


def _child(top: argparse.ArgumentParser, name: str) -> argparse.ArgumentParser:
    below = next(action for action in top._actions if isinstance(action, argparse._SubParsersAction))
    return below.choices[name]  # type: ignore[no-any-return]


if __name__ == "__main__":
    sys.exit(main())
