"""A network that begins from the champion's weights, and one that computes with float16.

One process: TensorFlow is imported once and must not meet torch.
"""

import pytest
import training_script

pytestmark = [pytest.mark.slow, pytest.mark.nightly]


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the script said."""
    return training_script.said("start_script.py", tmp_path_factory.mktemp("start"))


def test_a_training_begins_from_the_champions_weights(said: str) -> None:
    """Its first step has a smaller loss than one from scratch, and the report names the champion; weights of another
    form are left, and the training is the one from scratch to the bit."""
    assert "begins from the champion" in said
    assert "another form begins from scratch" in said


def test_mixed_precision_changes_no_byte_on_a_cpu_and_trains_where_it_is_used(said: str) -> None:
    """Wanted on a CPU, it gives the very weights of float32 and the report says so; on devices that have tensor cores
    weights stay float32, come near those of float32, and the ONNX file says what Keras says."""
    assert "a CPU computes the same bytes" in said
    assert "mixed precision trains" in said
