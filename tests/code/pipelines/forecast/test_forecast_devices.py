"""Where TensorFlow trains."""

import pytest

pytest.importorskip("tensorflow", reason="tensorflow (extra train) is not installed")

from pipelines.forecast.devices import idle_gpu


@pytest.mark.parametrize(("gpus", "driver", "says"), [(0, True, True), (1, True, False), (0, False, False)])
def test_a_gpu_that_is_not_used_is_said(tmp_path, gpus, driver, says):
    """With a driver and without a GPU in TensorFlow a person reads what to install; else nothing is said."""
    place = tmp_path / "version"
    if driver:
        place.write_text("NVRM version")
    assert ("GPU=1 make install" in idle_gpu(gpus, place)) is says
