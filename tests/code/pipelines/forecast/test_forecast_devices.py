"""Where TensorFlow trains."""

from types import SimpleNamespace

import pytest

pytest.importorskip("tensorflow", reason="tensorflow (extra train) is not installed")

from pipelines.forecast import devices
from pipelines.forecast.devices import idle_gpu


@pytest.mark.parametrize(("gpus", "driver", "says"), [(0, True, True), (1, True, False), (0, False, False)])
def test_a_gpu_that_is_not_used_is_said(tmp_path, gpus, driver, says):
    """With a driver and without a GPU in TensorFlow a person reads what to install; else nothing is said."""
    place = tmp_path / "version"
    if driver:
        place.write_text("NVRM version")
    assert ("GPU=1 make install" in idle_gpu(gpus, place)) is says


def test_the_report_names_the_device_that_trained(monkeypatch):
    """The names of the GPUs where TensorFlow has some, else the CPU with its replicas."""
    monkeypatch.setattr(devices.tf.config, "list_physical_devices", lambda _: [])
    assert devices.trained_on(2) == "CPU, 2 replicas"
    monkeypatch.setattr(devices.tf.config, "list_physical_devices", lambda _: [SimpleNamespace(name="one")])
    monkeypatch.setattr(devices.tf.config.experimental, "get_device_details", lambda _: {"device_name": "Tesla T4"})
    assert devices.trained_on(2) == "GPU: Tesla T4"
