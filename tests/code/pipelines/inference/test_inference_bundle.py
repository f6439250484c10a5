"""The sealed bundle: one hash over every byte."""

import shutil

import pytest
from onnx_forecaster import write_forecaster

from pipelines.core.artifacts import read_json, write_json
from pipelines.core.errors import ArtifactError
from pipelines.features.spec import FEATURE_NAMES, FEATURE_VERSION
from pipelines.inference.bundle import Bundle, seal


@pytest.fixture
def folder(tmp_path):
    """A sealed bundle without a learned policy."""
    folder = write_forecaster(tmp_path / "bundle")
    write_json(folder / "sizing.json", {"win_probability": 0.5})
    seal(folder, {"feature_version": FEATURE_VERSION, "features": list(FEATURE_NAMES), "policy": {"kind": "threshold"}})
    return folder


def test_a_sealed_bundle_opens_and_predicts(folder):
    """What was sealed opens with its hash, predictor, scaler and sizing."""
    bundle = Bundle.open(folder)
    assert bundle.hash == read_json(folder / "manifest.json")["hash"]
    assert bundle.predictor().horizon == 6
    assert bundle.sizing() == {"win_probability": 0.5}
    assert bundle.scaler().names[0] == "price"


def test_the_hash_follows_the_content_alone(folder, tmp_path):
    """The same files elsewhere have the same hash; another manifest has another."""
    copy = shutil.copytree(folder, tmp_path / "elsewhere")
    manifest = {k: v for k, v in read_json(copy / "manifest.json").items() if k not in ("hash", "files", "format")}
    assert seal(copy, manifest) == Bundle.open(folder).hash
    assert seal(copy, manifest | {"created_s": 1}) != Bundle.open(folder).hash


@pytest.mark.parametrize("name", ["forecaster.onnx", "sizing.json", "conformal.json", "manifest.json"])
def test_an_altered_file_is_named(folder, name):
    """One changed byte in any file stops the bundle from opening, and the error names the file."""
    path = folder / name
    content = path.read_bytes()
    path.write_bytes(content.replace(b"threshold", b"kelly") if name == "manifest.json" else content + b" ")
    with pytest.raises(ArtifactError, match=name):
        Bundle.open(folder)


def test_a_missing_file_and_a_stranger_are_named(folder):
    """A file that is gone, and one that was added, are refused by name."""
    (folder / "stranger.txt").write_text("x")
    with pytest.raises(ArtifactError, match=r"stranger\.txt"):
        Bundle.open(folder)
    (folder / "stranger.txt").unlink()
    (folder / "meta.json").unlink()
    with pytest.raises(ArtifactError, match=r"meta\.json is missing"):
        Bundle.open(folder)


def test_other_features_and_formats_are_refused(folder):
    """A bundle of another feature version or manifest format is refused, naming both versions."""
    manifest = {k: v for k, v in read_json(folder / "manifest.json").items() if k not in ("hash", "files", "format")}
    seal(folder, manifest | {"feature_version": "0"})
    with pytest.raises(ArtifactError, match="feature version '0'"):
        Bundle.open(folder)
    write_json(folder / "manifest.json", {"format": 99})
    with pytest.raises(ArtifactError, match="format 99"):
        Bundle.open(folder)
    with pytest.raises(ArtifactError, match="does not exist"):
        Bundle.open(folder.parent / "nowhere")
