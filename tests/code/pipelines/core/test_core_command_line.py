"""What commands have in common: refusals in one line, numbers with bounds, exit statuses."""

import argparse
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.core.command_line import SOURCES, Command, above_zero, exit_status, number, run_program, whole
from pipelines.core.errors import DataError, Stopped
from pipelines.core.settings import Source

LIST = Command(name="list", help="show them", work=lambda _arguments: 0)
SAY = Command(name="say", help="say", work=lambda arguments: print(arguments.command.name))
GROUP = Command(name="group", help="a group", commands=(LIST, SAY))
OPEN = Command(name="open", help="a group with work", work=lambda _arguments: 7, commands=(SAY,), optional=True)


def _run(*words: str) -> int:
    return run_program("prog", "A program.", (GROUP, OPEN), words)


def test_the_sources_of_the_command_line_are_those_of_the_settings():
    """The names that a help text shows are the values of the type that commands parse them to."""
    assert tuple(source.value for source in Source) == SOURCES


def test_a_command_in_a_group_is_dispatched(capsys):
    """The innermost command that was named does the work."""
    assert _run("group", "say") == 0
    assert capsys.readouterr().out == "say\n"
    assert _run("open", "say") == 0
    assert capsys.readouterr().out == "say\n"


def test_a_group_with_work_of_its_own_needs_no_command():
    """Its own work runs, and gives the exit status."""
    assert _run("open") == 7


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["gruop"], "prog: COMMAND was 'gruop'; did you mean group?"),
        (["zzz"], "prog: COMMAND was 'zzz'; give one of group, open"),
        (["group"], "prog group: the following arguments are required: COMMAND"),
        (["group", "lst"], "prog group: COMMAND was 'lst'; did you mean list?"),
        (["group", "say", "--much"], "prog: unrecognized arguments: --much"),
    ],
)
def test_a_command_line_that_is_refused_is_one_line(capsys, words, line):
    """The line names the value and the nearest command; the status is 2."""
    with pytest.raises(SystemExit) as ended:
        _run(*words)

    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert said.startswith(line)
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("parse", "good", "bad"),
    [
        (whole(1, 5), ["1", "5"], ["0", "6", "1.5", "", "x", "1e3"]),
        (whole(0), ["0", "1000000"], ["-1", "nan"]),
        (number(0, 1), ["0", "0.5", "1"], ["-0.1", "1.01", "nan", "inf", "", "x"]),
        (above_zero("seconds"), ["0.1", "1e6"], ["0", "-1", "inf", "nan", "x"]),
    ],
)
def test_a_number_outside_of_its_bounds_is_refused_with_its_value(parse, good, bad):
    """The refusal says what was given and what is allowed."""
    assert [float(parse(text)) for text in good] == [float(text) for text in good]
    for text in bad:
        with pytest.raises(argparse.ArgumentTypeError, match=f"was '{text}'; give a"):
            parse(text)


def _raise(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize(
    ("error", "status"), [(DataError("no rows"), 1), (Stopped("kept"), 75), (KeyboardInterrupt(), 130)]
)
def test_an_error_is_a_status_and_one_line(capsys, error, status):
    """75 says that the work was stopped and kept, 130 that it was interrupted, 1 that it could not be done."""
    assert exit_status("stage", lambda: _raise(error)) == status
    assert capsys.readouterr().err.startswith("stage: ")


def test_a_reader_that_leaves_early_causes_no_traceback():
    """`| head` closes the pipe: the command ends quietly."""
    script = "import sys; from pipelines.core.command_line import exit_status as run\n"
    script += "sys.exit(run('x', lambda: [print('line ' * 50, flush=True) for _ in range(100_000)]))"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.readline()
        child.stdout.close()
        assert child.stderr.read() == b""
        assert child.wait(30) == 0


@pytest.mark.parametrize(("module", "text"), [("no_such_package", "this installation has no no_such_package")])
def test_a_part_that_is_not_installed_is_named(module, text, capsys):
    """A command that needs more than is installed says what to install in one line; a module of ours that is missing is
    an error of the program and is not hidden."""
    assert exit_status("oddsmith night", lambda: importlib.import_module(module)) == 1
    said = capsys.readouterr().err
    assert text in said
    assert "make install" in said
    with pytest.raises(ModuleNotFoundError):
        exit_status("oddsmith night", lambda: importlib.import_module("serving.no_such_module"))


def test_an_install_of_an_unknown_part_is_refused():
    """A mistyped part installs nothing."""
    script = Path(__file__).parents[4] / "infra/install.sh"
    asked = {**os.environ, "ONLY": "serv"}
    made = subprocess.run(["bash", script], env=asked, capture_output=True, text=True, check=False)
    assert made.returncode == 2
    assert "ONLY was serv; it is serve" in made.stderr
