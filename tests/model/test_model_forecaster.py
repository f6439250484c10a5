"""A small forecaster trained end to end: it starts at persistence, resumes, exports, calibrates and packs.

One process: TensorFlow is imported once and must not meet torch.
"""

import pytest
import training_script

pytestmark = [pytest.mark.slow, pytest.mark.nightly]


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """What the cases `learn` and `resume` said."""
    return training_script.said("forecaster_script.py", tmp_path_factory.mktemp("forecaster"))


def test_a_signal_is_learned_and_packed(said):
    """On bars that revert, a short training beats persistence out of sample; coverage is near 90 %; ONNX says what
    Keras says; a stage that is killed after its training does not train again; the bundle of it opens, and one with
    another Keras source is refused."""
    assert "kept ok" in said
    assert "skill ok" in said
    assert "coverage ok" in said
    assert "parity ok" in said
    assert "bundle ok" in said


def test_training_starts_at_persistence_and_resumes_after_a_stop(said):
    """Untrained and without a ridge the forecast is zero; SIGTERM ends with status 75, and the resumed training
    gives the weights of one that was never stopped."""
    assert "persistence ok" in said
    assert "stopped with 75" in said
    assert "resumed equal" in said
