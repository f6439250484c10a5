"""What a training begins from: models/start, which the window command writes and the stages depend on.

    start.json        the champion's hash, or why the training begins from scratch
    forecaster.json   the champion's state-space filter
    forecaster.npz    weights of its network, in the order of Keras
    agent.npz         parameters of its agent, by name

Arrays and JSON, never pickles: a file from another machine runs no code here. `keep` copies the parts from the stages'
products when a bundle is promoted, because later nights replace these.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipelines.core.artifacts import read_json, replaced_folder, write_json
from pipelines.core.products import AGENT, BUNDLE, CHOICE, FORECASTER, START
from pipelines.inference import champion_record

WEIGHTS: Final = "weights.npz"
OFF: Final = "forecast.warm_start and agent.warm_start are off"
KEPT: Final = 5
"""Champions whose parts are kept on a machine."""
AGENT_PART: Final = "agent.npz"
PARTS: Final = (
    (FORECASTER / "meta.json", "forecaster.json"),
    (FORECASTER / WEIGHTS, "forecaster.npz"),
    (AGENT / WEIGHTS, AGENT_PART),
)


@dataclass(frozen=True)
class StartPoint:
    """The champion that a training begins from."""

    bundle: str
    filter: dict[str, Any] | None
    """Its state-space filter as in meta.json; None without one."""
    network: list[NDArray[Any]] | None
    """Weights in the order of Keras; None where it has no network of Keras."""
    agent: dict[str, NDArray[Any]] | None
    """Parameters of the agent by name."""


def save_weights(path: Path, arrays: list[Any] | dict[str, Any]) -> None:
    """Write arrays into a file that `read` takes: equal arrays are equal bytes."""
    given = arrays if isinstance(arrays, dict) else {f"v{k}": value for k, value in enumerate(arrays)}
    named: dict[str, Any] = {name: np.asarray(value) for name, value in given.items()}
    np.savez(path, **named)


def keep(var: Path, bundle_hash: str) -> bool:
    """Keep the parts of a bundle that the last run made, for later nights; False where the products are another's."""
    manifest = BUNDLE / champion_record.MANIFEST
    if not manifest.is_file() or champion_record.hash_of(BUNDLE) != bundle_hash:
        return False
    choice = CHOICE / "choice.json"
    policy_from = read_json(choice).get("kept") if choice.is_file() else None
    with replaced_folder(_kept(var, bundle_hash)) as folder:
        for made, name in PARTS:
            # A policy that was kept from the champion before was trained in that one's night.
            source = _kept(var, policy_from) / name if policy_from and name == AGENT_PART else made
            if source.is_file():
                shutil.copyfile(source, folder / name)
    others = sorted((var / "start").glob("*"), key=lambda path: path.stat().st_mtime)
    for old in others[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)
    return True


def note(var: Path, *, wanted: bool, scratch: bool = False, fresh: bool = True, folder: Path = START) -> None:
    """Write models/start for the next training: the champion's parts, or the reason why it begins from scratch.

    It stays as it is while the window does (`fresh`), unless a warm start was turned on or off: an unchanged night
    trains nothing again.
    """
    present = champion_record.champion(var)
    name = None if present is None else str(present["hash"])
    known = read_json(folder / "start.json") if (folder / "start.json").is_file() else None
    if known is not None and not fresh and wanted == (known["why"] != OFF):
        return
    why = OFF if not wanted else _why_not(var, name, scratch=scratch)
    document = {"champion": None if why else name, "why": why}
    if known == document:
        return
    with replaced_folder(folder) as made:
        if not why and name is not None:
            shutil.copytree(_kept(var, name), made, dirs_exist_ok=True)
        write_json(made / "start.json", document)


def _why_not(var: Path, name: str | None, *, scratch: bool) -> str:
    if scratch:
        return "this night begins from scratch (flows.scratch_every_nights)"
    if name is None:
        return "nothing trades yet"
    return "" if _kept(var, name).is_dir() else f"the weights of {name[:12]} are not on this machine"


def read(folder: Path = START) -> StartPoint | None:
    """The champion to begin from; None where the training begins from scratch."""
    document = read_json(folder / "start.json") if (folder / "start.json").is_file() else {}
    if not document.get("champion"):
        return None
    meta = folder / "forecaster.json"
    network, agent = _arrays(folder / "forecaster.npz"), _arrays(folder / AGENT_PART)
    return StartPoint(
        str(document["champion"]),
        read_json(meta).get("filter") if meta.is_file() else None,
        None if network is None else [network[f"v{k}"] for k in range(len(network))],
        agent,
    )


def _arrays(path: Path) -> dict[str, NDArray[Any]] | None:
    if not path.is_file():
        return None
    with np.load(path, allow_pickle=False) as kept:
        return {name: kept[name] for name in kept.files}


def _kept(var: Path, bundle_hash: str) -> Path:
    return var / "start" / bundle_hash[:12]
