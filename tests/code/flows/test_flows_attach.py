"""Commands find the exchange of the system that runs here, whatever its ports are."""

from flows.local.attach import venue_of_running
from flows.local.folder_lock import SYSTEM, held
from pipelines.core.settings import Mode, Settings

URLS = {
    "simulator": "http://127.0.0.1:9640/",
    "dashboard": "http://127.0.0.1:9300/",
    "prefect": "http://127.0.0.1:9420/",
    "mlflow": "http://127.0.0.1:9500/",
}


def test_a_running_system_names_its_exchange(tmp_path):
    """While a system holds the folder, its exchange is asked; what was set by hand stays; without one nothing is
    said, and paper trading keeps the venue."""
    plain = Settings(_env_file=None, var=tmp_path)
    assert venue_of_running(plain) == {}
    with held(tmp_path / SYSTEM, "oddsmith run") as sign:
        assert venue_of_running(plain) == {}
        sign(URLS)
        found = venue_of_running(plain)
        own = venue_of_running(Settings(_env_file=None, var=tmp_path, gamma_url="http://127.0.0.1:1"))
        paper = venue_of_running(Settings(_env_file=None, var=tmp_path, mode=Mode.PAPER))

    assert found["ODDSMITH_CLOB_URL"] == "http://127.0.0.1:9640"
    assert found["ODDSMITH_GAMMA_URL"] == "http://127.0.0.1:9641"
    assert found["ODDSMITH_DATA_URL"] == "http://127.0.0.1:9642"
    assert found["ODDSMITH_RTDS_URL"] == "ws://127.0.0.1:9640/rtds"
    assert found["ODDSMITH_EXCHANGE_URL"] == "ws://127.0.0.1:9640/exchange/ws"
    assert "ODDSMITH_GAMMA_URL" not in own
    assert own["ODDSMITH_DATA_URL"] == "http://127.0.0.1:9642"
    assert paper == {}
    assert venue_of_running(plain) == {}
