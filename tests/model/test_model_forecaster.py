"""A small forecaster trained end to end: it starts at persistence, resumes, exports, calibrates and packs.

One process: TensorFlow is imported once and must not meet torch.
"""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent


def _run(tmp_path, name):
    script = HERE / "forecaster_script.py"
    done = subprocess.run(
        [sys.executable, str(script), name, str(tmp_path), str(Path("params.yaml").resolve())],
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert done.returncode == 0, textwrap.indent(done.stderr[-3000:], "    ")
    return done.stdout


def test_a_signal_is_learned_and_packed(tmp_path):
    """On bars that revert, a short training beats persistence out of sample; coverage is near 90 %; ONNX says what
    Keras says; a stage that is killed after its training does not train again; the bundle of it opens, and one with
    another Keras source is refused."""
    out = _run(tmp_path, "learn")
    assert "kept ok" in out
    assert "skill ok" in out
    assert "coverage ok" in out
    assert "parity ok" in out
    assert "bundle ok" in out


def test_training_starts_at_persistence_and_resumes_after_a_stop(tmp_path):
    """Untrained and without a ridge the forecast is zero; SIGTERM ends with status 75, and the resumed training
    gives the weights of one that was never stopped."""
    out = _run(tmp_path, "resume")
    assert "persistence ok" in out
    assert "stopped with 75" in out
    assert "resumed equal" in out
