"""From a sealed bundle to a self-contained bento: the packages of the live process with the bundle inside.

The gate's verdict travels along: without a promoting one the bento shows and orders nothing. The tag is made of the
bundle's hash and the hash of code and verdict, so installing what is installed finds it. A bento is built in a store of
its own and moved into the real one by rename: it is there whole or not at all.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Final

from pipelines.core.artifacts import sha256_path
from pipelines.core.errors import ArtifactError
from pipelines.core.params import read
from pipelines.core.sections import NewsParams
from pipelines.inference import verdict as verdicts
from pipelines.inference.bundle import Bundle
from pipelines.inference.champion_record import bento_store
from pipelines.inference.verdict import VERDICT
from pipelines.news.finbert import NEWS_MODEL, files_of
from serving.paths import HOME

NAME: Final = "oddsmith"

PARTS: Final = (
    "serving",
    "pipelines/__init__.py",
    "pipelines/decide.py",
    "pipelines/decision_record.py",
    "pipelines/reasons.py",
    "pipelines/history",
    "pipelines/core",
    "pipelines/messages",
    "pipelines/venue",
    "pipelines/news",
    "pipelines/reference",
    "pipelines/features",
    "pipelines/trading",
    "pipelines/inference",
    "params.yaml",
    "docs/glossary.md",
)
"""What the live process needs, relative to the repository."""

BENTOFILE: Final = """\
service: serving.service:Oddsmith
include: ["**"]
description: One sealed model bundle with the execution and risk loop of oddsmith.
labels: {{bundle: "{bundle}"}}
python:
  requirements_txt: requirements.txt
  lock_packages: false
"""


def install(bundle_folder: Path, var: Path) -> str:
    """Build the bento of a bundle unless it is there; its tag.

    Raises:
        ArtifactError: if the bundle or its verdict is not whole, or BentoML cannot build.
    """
    bundle = Bundle.open(bundle_folder)
    verdict = verdicts.of(bundle_folder, bundle.hash)
    version = f"{bundle.hash[:12]}-{_code_hash(verdict.digest if verdict else '')[:8]}"
    home = bento_store(var)
    target = home / "bentos" / NAME / version
    if not (target / "bento.yaml").is_file():
        _clear_leftovers(home)
        _build(bundle, version, home, target)
    _write_latest(target)
    return f"{NAME}:{version}"


def _code_hash(verdict_digest: str) -> str:
    digest = hashlib.sha256(verdict_digest.encode())
    for part in PARTS:
        path = HOME / part
        files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if _wanted(p))
        for file in files:
            digest.update(file.relative_to(HOME).as_posix().encode() + b"\0" + file.read_bytes())
    model = finbert_folder(read(HOME / "params.yaml").news)
    if model is not None:
        digest.update(sha256_path(model).encode())
    return digest.hexdigest()


def _wanted(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")


def _clear_leftovers(home: Path) -> None:
    for stale in home.parent.glob("install-*"):
        owner = stale.name.removeprefix("install-")
        if not Path(f"/proc/{owner}").exists():
            shutil.rmtree(stale, ignore_errors=True)


def _build(bundle: Bundle, version: str, home: Path, target: Path) -> None:
    work = home.parent / f"install-{os.getpid()}"
    shutil.rmtree(work, ignore_errors=True)
    try:
        context = work / "context"
        _fill_context(context, bundle)
        _run_bentoml(context, work / "store", version)
        built = work / "store" / "bentos" / NAME / version
        if sha256_path(built / "src" / "bundle") != sha256_path(context / "bundle"):
            raise ArtifactError(f"the bento {NAME}:{version} does not hold the bundle it was built from; install again")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(target, ignore_errors=True)
        built.rename(target)
    except OSError as error:
        raise ArtifactError(f"could not install {bundle.folder}: {error}; nothing was installed") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _fill_context(context: Path, bundle: Bundle) -> None:
    ignored = shutil.ignore_patterns("__pycache__", ".*")
    for part in PARTS:
        source, destination = HOME / part, context / part
        destination.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, destination, ignore=ignored)
        else:
            shutil.copyfile(source, destination)
    shutil.copytree(bundle.folder, context / "bundle")
    if verdicts.of(bundle.folder, bundle.hash) is not None:
        shutil.copyfile(verdicts.path_of(bundle.folder), context / "bundle" / VERDICT)
    news = read(HOME / "params.yaml").news
    model = finbert_folder(news)
    if model is not None:
        shutil.copytree(model, context / NEWS_MODEL)
    (context / "requirements.txt").write_text(requirements(news.scorer), encoding="utf-8")
    (context / "bentofile.yaml").write_text(BENTOFILE.format(bundle=bundle.hash), encoding="utf-8")


def finbert_folder(news: NewsParams) -> Path | None:
    """The files of the model that the scorer finbert needs: the folder that `news.finbert_model` names, or where this
    machine keeps its download; None for another scorer.

    Raises:
        ArtifactError: if the model is not on this machine, for the bento would fail in every session without a network.
    """
    if news.scorer != "finbert":
        return None
    try:
        return files_of(news.finbert_model)
    except (ImportError, OSError, ValueError) as error:
        raise ArtifactError(
            f"news.finbert_model {news.finbert_model!r} is not on this machine ({type(error).__name__}), and a bento"
            " has to carry it; score headlines once with it (`oddsmith stage pull`), or name a folder that holds it"
        ) from None


SCORER_PACKAGES: Final = {"finbert": ("transformers", "torch")}
"""What a scorer of headlines needs in addition, heavy as it is: without it every session of the bento would fail."""


def requirements(scorer: str) -> str:
    """The live process's distributions at the versions that run here, as lines of a requirements file.

    Raises:
        ArtifactError: if one is not installed here.
    """
    names = (
        "apprise",
        "bentoml",
        "coincurve",
        "eth-account",
        "feedparser",
        "httpx2",
        "aiolimiter",
        "msgspec",
        "numpy",
        "onnxruntime",
        "prometheus-client",
        "psutil",
        "psycopg",
        "psycopg-binary",
        "py-clob-client-v2",
        "pydantic",
        "pydantic-settings",
        "pyyaml",
        "sqlalchemy",
        "stamina",
        "starlette",
        "structlog",
        "vaderSentiment",
        "websockets",
        *SCORER_PACKAGES.get(scorer, ()),
    )
    lines = []
    for name in names:
        try:
            # The CPU build of torch has a local version, which no index of released packages knows.
            lines.append(f"{name}=={metadata.version(name).partition('+')[0]}")
        except metadata.PackageNotFoundError:
            extra = "nlp` (make install NLP=1" if name in SCORER_PACKAGES.get(scorer, ()) else "serve` (make install"
            raise ArtifactError(f"{name} is not installed; install the extra `{extra}) before a bundle") from None
    return "\n".join(lines) + "\n"


def _run_bentoml(context: Path, home: Path, version: str) -> None:
    environment = os.environ | {"BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment.get('PATH', '')}"
    # The service is imported from the context, not from the repository that this process runs in.
    environment.pop("PYTHONPATH", None)
    command = [sys.executable, "-m", "bentoml", "build", "--version", version, "--output", "tag", "."]
    done = subprocess.run(command, cwd=context, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()[-1]
        raise ArtifactError(f"bentoml could not build {NAME}:{version}: {said}; nothing was installed")


def _write_latest(target: Path) -> None:
    partial = target.parent / ".latest.partial"
    partial.write_text(target.name, encoding="utf-8")
    partial.replace(target.parent / "latest")
