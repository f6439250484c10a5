"""`oddsmith`: every command is there, explained, light to load, and refuses in one line."""

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import ANY

import pytest

from oddsmith import __main__ as program
from oddsmith.commands import COMMANDS
from pipelines.core.command_line import Command

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs/commands.md"
HEAVY = (
    "tensorflow",
    "torch",
    "pandas",
    "mlflow",
    "prefect",
    "numba",
    "boto3",
    "bentoml",
    "numpy",
    "pydantic",
    "duckdb",
)


def _all(commands: tuple[Command, ...] = COMMANDS, words: tuple[str, ...] = ()) -> Iterator[tuple[str, Command]]:
    for command in commands:
        path = (*words, command.name)
        if not command.commands or command.optional:
            yield " ".join(path), command
        yield from _all(command.commands, path)


EVERY = dict(_all())


def oddsmith(*words: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the program in a process of its own."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("ODDSMITH_")}
    return subprocess.run(
        [sys.executable, "-m", "oddsmith", *words],
        cwd=cwd,
        env={**clean, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@cache
def _whole() -> argparse.ArgumentParser:
    return program.parser(whole=True)


def _status(words: str) -> int:
    """The exit status of the program in this process."""
    try:
        return program.main(shlex.split(words))
    except SystemExit as ended:
        return int(ended.code or 0)


@pytest.mark.parametrize("words", EVERY)
def test_every_command_explains_itself(words, capsys):
    """`--help` of every command shows what it takes, and an example that names it."""
    with pytest.raises(SystemExit) as ended:
        _whole().parse_args([*words.split(), "--help"])

    said = " ".join(capsys.readouterr().out.split())
    assert ended.value.code == 0
    assert f"Example: oddsmith {words}" in said


@pytest.mark.parametrize("words", EVERY)
def test_every_example_is_a_command_line_that_parses(words):
    """What a help text shows can be typed."""
    example = EVERY[words].example.split(" > ")[0]

    arguments = _whole().parse_args(shlex.split(example)[1:])

    assert arguments.command.name == EVERY[words].name
    assert arguments.prog == f"oddsmith {words}"


def test_the_page_of_commands_has_every_command_and_no_other():
    """docs/commands.md shows each command once in its tables, with an example that parses."""
    rows = re.findall(r"^\| `(oddsmith [^`]*)` \|", PAGE.read_text(), flags=re.M)
    shown = [_whole().parse_args(shlex.split(row.split(" > ")[0])[1:]).prog for row in rows]

    assert sorted(shown) == sorted(f"oddsmith {words}" for words in EVERY)


@pytest.mark.parametrize(
    "page", sorted(["README.md", *(str(p.relative_to(ROOT)) for p in (ROOT / "docs").rglob("*.md"))])
)
def test_commands_in_pages_parse(page):
    """`oddsmith ...` in a page is a command line that the program takes; `[...]` and placeholders are left out."""
    refused = []
    page_text = (ROOT / page).read_text()
    blocks = "\n".join(re.findall(r"^```\w*\n(.*?)^```", page_text, re.M | re.S))
    lines = re.findall(r"^(?:\.venv/bin/)?(oddsmith .+)$", blocks, re.M) + re.findall(
        r"^ {4}(oddsmith .+)$", page_text, re.M
    )
    for line in lines + re.findall(r"`(?:\.venv/bin/)?(oddsmith [^`]+)`", page_text):
        text = re.split(r"\s+(?:#|>|&&|\|)\s*", line)[0]
        words = shlex.split(re.sub(r"\s*\[.*?\]|\s*\.\.\.", "", text))[1:]
        try:
            if "COMMAND" not in words:
                _whole().parse_args(words)
        except SystemExit as ended:
            refused += [text] if ended.code else []

    assert refused == []


def test_the_program_is_light():
    """`--help` loads no library of the work, so it answers at once."""
    script = f"import sys, oddsmith.__main__ as m; m.parser(); print([n for n in {HEAVY!r} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("words", ["status", "doctor --help", "run --source polymarket"])
def test_what_watches_a_live_bot_loads_nothing_that_trains(words, tmp_path):
    """The commands around the live process, and the one that supervises it, import no library of the training."""
    script = "import sys, contextlib, io; from oddsmith.__main__ import main\n"
    script += (
        f"with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit): main({words.split()!r})\n"
    )
    script += f"print([n for n in {HEAVY[:8]!r} if n in sys.modules])"
    environment = {**os.environ, "ODDSMITH_VAR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"


def test_the_version_is_that_of_the_project():
    """`--version` names the version of pyproject.toml."""
    done = oddsmith("--version")

    assert done.stdout == f"oddsmith {program.version()}\n"
    assert f'version = "{program.version()}"' in (ROOT / "pyproject.toml").read_text()


def test_a_command_that_is_mistyped_is_refused_with_the_nearest():
    """One line, status 2, no usage page."""
    done = oddsmith("stauts")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("oddsmith: COMMAND was 'stauts'; did you mean status?")
    assert done.stderr.count("\n") == 1


# Where it runs


def test_outside_of_a_clone_it_says_where_to_go(tmp_path):
    """The program works on the files of a clone; in another folder it names the clone, and does nothing."""
    done = oddsmith("run", cwd=tmp_path)

    assert done.returncode == 1
    assert done.stderr.startswith(f"oddsmith: {tmp_path} is no clone of oddsmith (params.yaml, dvc.yaml")
    assert f"`cd {ROOT}`" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_below_a_clone_it_names_the_clone():
    """In a folder of the clone the way up is named."""
    assert f"`cd {ROOT}`" in oddsmith("status", cwd=ROOT / "docs").stderr


def test_an_installed_program_without_a_clone_says_that_it_needs_one(tmp_path):
    """A wheel holds packages and no configuration: installed alone, the program says how to get a clone."""
    site = tmp_path / "site"
    for package in ("oddsmith", "pipelines", "flows", "serving", "benchmarks", "drills"):
        shutil.copytree(ROOT / package, site / package, ignore=shutil.ignore_patterns("__pycache__", "dashboard"))
    done = subprocess.run(
        [sys.executable, "-m", "oddsmith", "run"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "clone the repository (`git clone URL`), `cd` there, `make run`" in done.stderr


def test_another_clone_is_refused(tmp_path):
    """Code of one clone never works on the products of another."""
    for name in program.NEEDED:
        (tmp_path / name).mkdir()

    assert f"{tmp_path} is another clone" in program.no_clone(tmp_path)
    assert program.no_clone(ROOT) == ""


@pytest.mark.parametrize("words", [["--help"], ["completion", "bash"]])
def test_help_and_completion_work_everywhere(words, tmp_path):
    """Nothing of a clone is needed to read about the program, or to set up a shell."""
    assert oddsmith(*words, cwd=tmp_path).returncode == 0


# What is dispatched


def test_costs_are_one_json_document():
    """A machine reads the bill."""
    assert json.loads(oddsmith("costs", "--json").stdout)["monthly_usd"] > 0


def test_a_parameter_is_explained():
    """Meaning, unit, range, value and stages, for people and as JSON; a mistyped key is refused with the nearest."""
    said = oddsmith("params", "--explain", "risk.stop_loss").stdout
    found = json.loads(oddsmith("params", "--explain", "risk", "--json").stdout)

    assert said.startswith("risk.stop_loss = ")
    assert "range   a number, at least 0, at most 1" in said
    assert {one["key"] for one in found} >= {"risk.stop_loss", "risk.max_markets"}
    assert "did you mean risk.stop_loss?" in oddsmith("params", "--explain", "risk.stop_los").stderr


def test_an_empty_folder_has_no_champion_and_runs_nothing(tmp_path):
    """Commands that look at a machine's state work before there is any."""
    known = json.loads(oddsmith("champions", "list", "--json", ODDSMITH_VAR=str(tmp_path)).stdout)
    running = json.loads(oddsmith("status", "--json", ODDSMITH_VAR=str(tmp_path)).stdout)

    assert known == {"champion": None, "history": [], "withdrawn": {}}
    assert running["system"] is None
    assert oddsmith("stop", ODDSMITH_VAR=str(tmp_path)).returncode == 0


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("run --source recorded", "oddsmith run: the recorded source needs a recording"),
        ("run --source polymarket", "oddsmith run: the source was polymarket; give simulated or recorded"),
        ("run --source recorded --recording README.md", "oddsmith run: README.md is not readable as parquet"),
        ("run --recording README.md", "oddsmith run: the recording was README.md, but the source is not recorded"),
        ("run --duration 0", "oddsmith run: argument --duration: was '0'; give a number of seconds above 0"),
        ("evaluate --seeds 0", "oddsmith evaluate: argument --seeds: was '0'; give a whole number from 1 to 1000"),
        ("evaluate --edge 5", "oddsmith evaluate: argument --edge: was '5'; give a number from 0 to 1"),
        ("evaluate --agents gpt", "oddsmith evaluate: agent was 'gpt'; known are ppo"),
        ("tune --trials 0", "oddsmith tune: argument --trials: was '0'; give a whole number from 1 on"),
        ("league lstn", "oddsmith league: forecaster was 'lstn'; known are"),
        ("stage featurise", "oddsmith stage: STAGE was 'featurise'; did you mean featurize?"),
        ("simulate --edge 7", "oddsmith simulate: --edge was 7; give 0 to 1"),
        ("params set risk.stop_loss=7", "oddsmith params set: params.yaml: risk.stop_loss was 7"),
    ],
)
def test_arguments_are_refused_before_anything_starts(words, line, in_clone, tmp_path, monkeypatch, capsys):
    """One line names the argument, its value and what is allowed; nothing is written."""
    monkeypatch.setenv("ODDSMITH_VAR", str(tmp_path / "var"))

    status = _status(words)

    said = capsys.readouterr().err
    assert status in (1, 2)
    assert said.startswith(line), said
    assert said.count("\n") == 1
    assert not (tmp_path / "var").exists()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("champions promote", "oddsmith champions promote: models/bundle/manifest.json does not exist"),
        ("champions deploy --hash abc", "oddsmith champions deploy: no promoted bundle's hash begins with abc"),
        ("champions deploy", "oddsmith champions deploy: no bundle has been promoted yet"),
        ("champions rollback", "oddsmith champions rollback: there is no champion to roll back"),
        ("flows run drift", "oddsmith flows run: there is no bundle whose training window could be left"),
        ("nightly --source recorded", "oddsmith nightly: the recorded source needs a recording"),
        ("nightly --source recorded --recording x", "oddsmith nightly: the recording x does not exist"),
        ("nightly --recording x", "oddsmith nightly: the recording was x, but the source is not recorded"),
    ],
)
def test_a_flow_that_would_fail_is_refused_without_prefect(words, line, tmp_path, monkeypatch, capsys):
    """No temporary server is started, and no failed run hides the line."""
    for name in (*program.NEEDED, "prefect.yaml"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(program, "ROOT", tmp_path)
    monkeypatch.setattr("flows.local.attach.surroundings", lambda _settings: {})
    monkeypatch.setenv("ODDSMITH_VAR", str(tmp_path / "var"))
    monkeypatch.delenv("ODDSMITH_STORE_URL", raising=False)

    status = _status(words)

    said = capsys.readouterr().err
    assert status == 1
    assert said.startswith(line), said
    assert said.count("\n") == 1
    assert not (tmp_path / "var").exists()


class Having:
    """Equal to a namespace that has these values, whatever else it has."""

    def __init__(self, **values):
        self.values = values

    def __eq__(self, other):
        return self.values.items() <= vars(other).items()

    __hash__ = None


CALLS = {
    "stage featurize": ("pipelines.featurize.stage", "run", (), {}),
    "ingest": ("pipelines.pull.landing", "run", (None,), {}),
    "parity --hours 6": ("pipelines.parity.stage", "run", (6.0,), {}),
    "drift --bundle b --landing l": ("pipelines.drift.stage", "run", (Path("b"), Path("l")), {}),
    "drift --bundle b --remember": ("pipelines.drift.stage", "remember", (Path("b"),), {}),
    "data query --folder f SELECT": ("pipelines.export.stage", "query", (Path("f"), "SELECT"), {}),
    "data export --influx -": ("pipelines.export.stage", "export", (Path("data/raw"), "-", None), {}),
    "league hybrid gru": ("benchmarks.league", "run", (Having(kinds=["hybrid", "gru"], keep_limit=False),), {}),
    "league --edge 0 1 --keep-limit": ("benchmarks.league", "run", (Having(edge=[0.0, 1.0], keep_limit=True),), {}),
    "tune --trials 3 --timesteps 9": ("benchmarks.tune", "run", (3, 9), {}),
    "sweep": ("benchmarks.sweep", "run", (), {}),
    "stacks one two": ("benchmarks.stacks", "run", (["one", "two"],), {}),
    "bots file.parquet": ("benchmarks.guide_bots.run", "run", (Path("file.parquet"),), {}),
    "spot status": ("flows.remote_training", "act", ("status",), {}),
    "params latency": ("oddsmith.parameters", "set_latency", (None,), {}),
    "params latency --from r.json": ("oddsmith.parameters", "set_latency", (Path("r.json"),), {}),
    "params set a.b=1 c.d=2": ("oddsmith.parameters", "set_values", (["a.b=1", "c.d=2"],), {}),
    "flows serve": ("flows.local.serve", "serve", (), {}),
    "flows serve --attached": ("flows.deployments", "serve_all", (), {}),
    "stop --timeout 5": ("flows.local.status", "stop", (5.0,), {}),
    "doctor --json": ("serving.safety.doctor", "examine", (ANY,), {"as_json": True}),
    "reset-baseline day --account a": ("serving.account.requests", "ask", (ANY, "day", ANY, "a"), {}),
    "serve --port 3005": ("oddsmith.live", "serve", ("127.0.0.1", 3005), {}),
    "backtest --json": ("oddsmith.answers", "backtest", (), {"as_json": True}),
}


@pytest.mark.parametrize("words", CALLS)
def test_a_command_calls_what_does_its_work(words, in_clone, monkeypatch, tmp_path):
    """The parsed arguments arrive where the work is done; its exit status is the program's."""
    module, function, positional, keywords = CALLS[words]
    called, answer = [], [] if function == "ask" else 3

    def record(*given, **named):
        called.append((given, named))
        return answer

    loaded = SimpleNamespace(**{function: record})
    monkeypatch.setitem(sys.modules, module, loaded)
    monkeypatch.setattr("flows.local.attach.surroundings", lambda _settings: {})
    monkeypatch.setenv("ODDSMITH_VAR", str(tmp_path))

    assert program.main(words.split()) in (0, 3)
    assert called == [(positional, keywords)]


@pytest.mark.parametrize(("words", "where"), [("flows serve", "serve"), ("run", "up")])
def test_without_its_pages_the_prefect_server_is_told_so(words, where, in_clone, monkeypatch, tmp_path):
    """With `--no-ui` every part inherits the setting that turns the pages of the server off; without it none does."""
    seen = []
    told = {where: lambda *_given, **_named: seen.append(os.environ.get("PREFECT_SERVER_UI_ENABLED")) or 0}
    monkeypatch.setitem(sys.modules, f"flows.local.{where}", SimpleNamespace(**told))
    monkeypatch.setenv("PREFECT_SERVER_UI_ENABLED", "")
    monkeypatch.delenv("PREFECT_SERVER_UI_ENABLED")
    monkeypatch.setenv("ODDSMITH_VAR", str(tmp_path))
    for flag in ([], ["--no-ui"]):
        assert program.main([*words.split(), *flag]) == 0
    assert seen == [None, "false"]


@pytest.mark.parametrize(
    ("words", "flow", "given"),
    [
        ("nightly --fresh", "nightly", (None, None, True)),
        ("flows run ingest", "ingest", ()),
        ("champions promote", "promote", ()),
        ("champions deploy --hash ab", "deploy", ("ab",)),
        ("champions rollback --to cd --reason why", "rollback", ("cd", "why")),
    ],
)
def test_a_flow_is_called_after_its_check(words, flow, given, in_clone, monkeypatch):
    """The check sees the arguments first, then the flow."""
    called = []
    monkeypatch.setitem(sys.modules, f"flows.{flow}", SimpleNamespace(**{flow: lambda *a: called.append(("flow", a))}))
    checks = {flow: lambda *a: called.append(("check", a))}
    monkeypatch.setitem(sys.modules, "flows.refusals", SimpleNamespace(CHECKS=checks))
    monkeypatch.setattr("flows.local.attach.surroundings", lambda _settings: {})

    assert program.main(words.split()) == 0
    assert called == [("check", given), ("flow", given)]


def test_every_flow_has_a_check():
    """No flow that a person can start goes unchecked."""
    from flows.commands import FLOWS
    from flows.refusals import CHECKS

    assert set(FLOWS) == set(CHECKS)


# Completion


@cache
def _script(shell: str) -> str:
    return oddsmith("completion", shell).stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script_names_every_command_and_option(shell):
    """The script of every shell has the commands, the options of the exchange and the keys of params.yaml."""
    script = _script(shell)

    words = {word for path in EVERY for word in path.split()}
    assert {word for word in words if word not in script} == set()
    assert "event-length-min" in script
    assert "risk.stop_loss" in script


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("oddsmith sta", {"status", "stage", "stacks"}),
        ("oddsmith champions ro", {"rollback"}),
        ("oddsmith stage feat", {"featurize"}),
        ("oddsmith run --so", {"--source"}),
        ("oddsmith params --explain risk.stop_l", {"risk.stop_loss"}),
    ],
)
def test_bash_completes(typed, offered, tmp_path):
    """A real bash with the script offers what fits the words."""
    script = tmp_path / "oddsmith.bash"
    script.write_text(_script("bash"))
    words = typed.split()
    ask = (
        f"source {script}; COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}; "
        '$(complete -p oddsmith | sed -E "s/.*-F ([^ ]+) .*/\\1/"); printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", ask], capture_output=True, text=True, check=True)

    assert {word.strip() for word in done.stdout.split()} == offered


def test_a_parser_of_the_simulator_is_the_same_in_both_programs():
    """`oddsmith simulate` and `python -m simulator` take the same options."""
    from simulator.__main__ import parser

    both = [parser(), argparse.ArgumentParser(prog="python -m simulator")]
    program.REMOTE_PARSERS["simulate"](both[1])
    assert [action.option_strings for action in both[0]._actions] == [
        action.option_strings for action in both[1]._actions
    ]
