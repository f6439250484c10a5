"""A bundle becomes a bento that stands alone, whole or not at all, and the commands say what is wrong."""

import ast
import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from importlib import metadata
from pathlib import Path

import pytest
from serving_venue import simulator

from benchmarks import tiny_bundle
from pipelines.core.errors import ArtifactError
from pipelines.core.params import read
from pipelines.inference import verdict
from pipelines.inference.bundle import Bundle
from pipelines.news.finbert import NEWS_MODEL, place_of
from serving import install as module
from serving.__main__ import main
from serving.install import install
from serving.safety.doctor import CHECKS

ROOT = Path(__file__).parents[2]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine folder."""
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "bento"))
    monkeypatch.setenv("ODDSMITH_VAR", str(tmp_path))
    return tmp_path


@pytest.mark.slow
def test_installing_twice_gives_one_bento(machine: Path) -> None:
    """The tag depends on bundle and code alone; the bento holds the bundle, the packages and nothing of training."""
    tiny_bundle.make(machine / "bundle")

    tags = {install(machine / "bundle", machine) for _ in range(2)}

    assert len(tags) == 1
    folder = machine / "bento" / "bentos" / tags.pop().replace(":", "/")
    assert [folder.name, "latest"] == sorted(p.name for p in folder.parent.iterdir())
    assert json.loads((folder / "src" / "bundle" / "manifest.json").read_text())["hash"]
    packages = {p.name for p in (folder / "src" / "pipelines").iterdir()}
    assert {
        "core",
        "venue",
        "news",
        "features",
        "trading",
        "inference",
        "decide.py",
        "decision_record.py",
        "messages",
        "reasons.py",
        "reference",
        "history",
        "__init__.py",
    } == packages
    assert not list(machine.glob("install-*"))


def test_an_interrupted_build_is_never_taken_for_whole(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stops in the middle leaves no bento, and its remains are cleared by the next install."""
    tiny_bundle.make(machine / "bundle")

    def die(context: Path, home: Path, version: str) -> None:
        (home / "bentos" / module.NAME / version).mkdir(parents=True)
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "_run_bentoml", die)
    leftover = machine / "install-999999999"
    leftover.mkdir()

    with pytest.raises(KeyboardInterrupt):
        install(machine / "bundle", machine)

    assert not list((machine / "bento").glob("bentos/*/*/bento.yaml"))
    assert not leftover.exists()
    assert not list(machine.glob("install-*"))


def test_a_build_that_fails_is_one_line(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """BentoML's last words stand in the error, and nothing was installed."""
    tiny_bundle.make(machine / "bundle")
    monkeypatch.setattr(module, "BENTOFILE", "service: nowhere:Nothing\nlabels: {{bundle: '{bundle}'}}\n")

    with pytest.raises(ArtifactError, match=r"bentoml could not build .*nothing was installed"):
        install(machine / "bundle", machine)


def test_an_altered_bundle_is_not_installed(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`python -m serving install` refuses with exit status 1 and the name of the file."""
    tiny_bundle.make(machine / "bundle")
    (machine / "bundle" / "card.json").write_text("{}")

    status = main(["install", str(machine / "bundle")])

    assert status == 1
    assert "card.json was altered" in capsys.readouterr().err


@pytest.mark.slow
def test_a_held_candidate_is_installed_with_its_verdict_and_says_so(
    machine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The verdict travels into the bento, another verdict makes another bento, and a hold is said in large letters."""
    tiny_bundle.make(machine / "m" / "bundle")
    for said in ("hold", "promote"):
        tiny_bundle.approve(machine / "m" / "bundle", said=said).rename(machine / "m" / "verdict.json")
        assert main(["install", str(machine / "m" / "bundle")]) == 0
        out, err = capsys.readouterr()
        inside = machine / "bento" / "bentos" / out.split()[-1].replace(":", "/") / "src" / "bundle"

        assert verdict.of(inside, Bundle.open(inside).hash).verdict == said
        assert ("NOT ARMED" in err) is (said == "hold")
    assert len(list((machine / "bento" / "bentos" / "oddsmith").glob("*/bento.yaml"))) == 2


def test_a_missing_bundle_is_one_line(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that is not there is named."""
    assert main(["install", str(machine / "nothing")]) == 1
    assert "nothing/manifest.json does not exist" in capsys.readouterr().err


def test_the_doctor_names_what_is_wrong(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every check has a line; without a venue the exit status is 1 and the venue's lines say so."""
    for name in ("CLOB", "GAMMA", "DATA"):
        monkeypatch.setenv(f"ODDSMITH_{name}_URL", "http://127.0.0.1:9")
    done = subprocess.run(
        [sys.executable, "-m", "serving", "doctor"], capture_output=True, text=True, env=os.environ, check=False
    )

    lines = {line.split()[1]: line for line in done.stdout.splitlines() if line[:4] in ("ok  ", "WARN", "FAIL")}
    assert done.returncode == 1, done.stderr
    assert set(lines) == {name for name, _ in CHECKS}
    assert lines["journal"].startswith("ok")
    assert lines["bundle"].startswith("WARN")
    assert lines["markets"].startswith("FAIL")
    assert "127.0.0.1:9" in lines["markets"]


def test_bentoml_needs_uv() -> None:
    """`bentoml build` calls uv: it is among the extras of the live process."""
    assert shutil.which("uv", path=str(Path(sys.executable).parent)) is not None


@pytest.mark.nightly
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_image_of_a_bento_is_reached_from_outside(machine: Path) -> None:
    """The entry point of the image, in a fresh folder with the image's environment, listens on every address and passes
    the health check; the same bento on a machine listens on loopback alone (test_serving_service)."""
    tiny_bundle.make(machine / "bundle")
    tag = install(machine / "bundle", machine)
    inside = machine / "container" / "bento"
    shutil.copytree(machine / "bento/bentos" / tag.replace(":", "/"), inside)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    environment = {
        "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(machine / "container"),
        "BENTO_PATH": str(inside),
        "BENTOML_HOME": str(machine / "container/bentoml"),
        "BENTOML_CONTAINERIZED": "true",
        "BENTOML_PORT": str(port),
        "BENTOML_DO_NOT_TRACK": "True",
    }
    entry = ["bash", str(inside / "env/docker/entrypoint.sh")]
    with (machine / "log").open("wb") as log, simulator() as venue:
        process = subprocess.Popen(entry, cwd=inside, env=environment | venue, stdout=log, stderr=log)
        try:
            answer = _health(f"http://127.0.0.2:{port}/livez", process, machine / "log")
        finally:
            process.terminate()
            process.wait(timeout=60)
    assert answer == 200


def _health(url: str, process: subprocess.Popen[bytes], log: Path) -> int:
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return int(answer.status)
        except OSError:
            time.sleep(0.3)
    raise AssertionError(log.read_text())


@pytest.mark.parametrize(("scorer", "wanted"), [("vader", set()), ("finbert", {"transformers", "torch"})])
def test_a_bento_carries_what_its_scorer_needs(scorer: str, wanted: set[str]) -> None:
    """The packages of a bento follow the parameters that are sealed with it, at released versions that an index has."""
    if wanted and importlib.util.find_spec("transformers") is None:
        pytest.skip("the extra nlp is not installed (make install NLP=1)")

    lines = module.requirements(scorer).splitlines()

    assert {line.split("==")[0] for line in lines} & {"transformers", "torch"} == wanted
    assert not any("+" in line for line in lines)


def test_a_bento_carries_the_model_of_its_scorer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder of `news.finbert_model` is found for the bento, and the scorer reads the copy inside one; another
    scorer carries none, and a model that is nowhere on this machine is refused with what to do."""
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    news = read(ROOT / "params.yaml").news
    finbert = news.model_copy(update={"scorer": "finbert", "finbert_model": str(model)})
    assert module.finbert_folder(news) is None
    assert module.finbert_folder(finbert) == model
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ArtifactError, match="is not on this machine"):
        module.finbert_folder(finbert.model_copy(update={"finbert_model": "nobody/nothing"}))
    assert place_of("ProsusAI/finbert", tmp_path) == "ProsusAI/finbert"
    (tmp_path / NEWS_MODEL).mkdir()
    assert place_of("ProsusAI/finbert", tmp_path) == str(tmp_path / NEWS_MODEL)


def test_a_bento_carries_what_its_scorers_import() -> None:
    """Every distribution that the scorers of headlines import, also the one of a language model, is among a bento's
    packages; FinBERT's come with it alone."""
    of_import = metadata.packages_distributions()
    carried = {line.partition("==")[0].lower().replace("_", "-") for line in module.requirements("openai").splitlines()}
    for name in ("language_model", "scorers"):
        tree = ast.parse((ROOT / f"pipelines/news/{name}.py").read_text())
        imports = [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
        roots = {
            (node.module or "" if isinstance(node, ast.ImportFrom) else node.names[0].name).partition(".")[0]
            for node in imports
        }
        foreign = roots - set(sys.stdlib_module_names) - {"pipelines"}
        missing = [one for one in foreign if not {known.lower() for known in of_import[one]} & carried]
        assert missing == []
