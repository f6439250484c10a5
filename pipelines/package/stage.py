"""Stage package: models/forecaster + models/agent + models/choice -> models/bundle, reports/package.json."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

from pipelines.core import log
from pipelines.core.artifacts import read_json, replaced_folder, write_json
from pipelines.core.errors import ArtifactError
from pipelines.core.params import Params, load
from pipelines.core.products import BUNDLE, CHOICE, FORECASTER, REPORTS, WINDOW
from pipelines.features.spec import FEATURE_NAMES, FEATURE_VERSION
from pipelines.inference.bundle import Bundle, seal
from pipelines.package import parity
from pipelines.package.card import card
from pipelines.trading import policies
from pipelines.trading.policies.sealed import STRATEGY

CHOSEN = CHOICE / "choice.json"

FORECASTER_FILES = (
    "meta.json",
    "scaler.json",
    "conformal.json",
    "confidence.json",
    "observation.json",
)


def run() -> None:
    """Assemble, prove parity, seal, open again. Raises ArtifactError where a part is missing or differs."""
    params = load()
    choice, window = read_json(CHOSEN), read_json(WINDOW)
    policy = policies.class_of(choice["policy"], CHOICE)
    with replaced_folder(BUNDLE) as folder:
        _gather(folder, policy, choice)
        difference = _forecaster_parity(folder)
        write_json(folder / "card.json", card(params, window, REPORTS))
        bundle_hash = seal(folder, manifest(params, choice, window))
    bundle = Bundle.open(BUNDLE)
    measured = {"forecaster": difference} if difference is not None else {}
    # A policy that was kept is the file that the champion's night compared with its source.
    measured |= {"policy": _policy_parity()} if "policy.onnx" in policy.files and not choice.get("kept") else {}
    write_json(
        REPORTS / "package.json",
        {"hash": bundle_hash, "policy": policy.kind, "parity": measured, "files": len(bundle.manifest["files"])},
    )
    log.get("package").info("sealed", hash=bundle_hash[:12], policy=policy.kind, parity=difference)


def _gather(folder: Path, policy: type[policies.DeclaredPolicy], choice: Any) -> None:
    meta = FORECASTER / "meta.json"
    network = not meta.is_file() or read_json(meta).get("network", True)
    names = ("forecaster.onnx",) * network + FORECASTER_FILES
    parts = [FORECASTER / name for name in names] + [CHOICE / name for name in policy.files]
    parts += [CHOICE / STRATEGY] * ("strategy" in choice["policy"])
    for part in parts:
        if not part.is_file():
            raise ArtifactError(f"{part} does not exist; run the stages before package (forecast, agent, backtest)")
        shutil.copyfile(part, folder / part.name)
    write_json(folder / "sizing.json", choice["sizing"])


def _forecaster_parity(packed: Path) -> float | None:
    """Difference between the packed ONNX file and its Keras source; None for a forecaster that has no such source."""
    if not read_json(packed / "meta.json").get("keras"):
        return None
    with tempfile.TemporaryDirectory() as work:
        return parity.forecaster(FORECASTER, packed, Path(work))


def _policy_parity() -> float:
    """Share of observations on which policy.onnx acts otherwise than its source, as the agent stage measured it."""
    return 1.0 - float(read_json(REPORTS / "agent.json")["onnx_agreement"])


def manifest(params: Params, choice: Any, window: Any) -> dict[str, Any]:
    """What the bundle says of itself, before the hashes."""
    meta = read_json(FORECASTER / "meta.json")
    return {
        "created_s": window["as_of_s"],
        "source": window["source"],
        "bar_length_s": meta["bar_length_s"],
        "lookback_bars": meta["lookback"],
        "horizon_bars": meta["horizon"],
        "feature_version": FEATURE_VERSION,
        "features": list(FEATURE_NAMES),
        "forecast_kind": meta["kind"],
        "policy": choice["policy"],
        "sizing": params.sizing.model_dump(),
    }
