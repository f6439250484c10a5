"""The environment."""

import re
from pathlib import Path

import pytest

from pipelines.core.errors import SettingError
from pipelines.core.settings import OTHER_VARIABLES, PREFIX, Mode, Settings, Source

ROOT = Path(__file__).parents[4]


def test_the_default_mode_is_simulated(monkeypatch, tmp_path):
    """Without any variable nothing can trade for real."""
    monkeypatch.chdir(tmp_path)
    for name in ("ODDSMITH_MODE", "ODDSMITH_LIVE", "ODDSMITH_PRIVATE_KEY"):
        monkeypatch.delenv(name, raising=False)

    settings = Settings()

    assert (settings.mode, settings.live, settings.private_key) == (Mode.SIMULATED, "", None)


def test_a_wrong_value_names_the_variable_and_what_is_allowed(monkeypatch):
    """Every wrong variable is in one line, with its value."""
    monkeypatch.setenv("ODDSMITH_MODE", "lvie")
    monkeypatch.setenv("ODDSMITH_SIGNATURE_TYPE", "9")

    with pytest.raises(SettingError, match=r"ODDSMITH_MODE was 'lvie'.*'live'.*ODDSMITH_SIGNATURE_TYPE was '9'"):
        Settings()


def test_a_key_is_never_shown(monkeypatch):
    """Printing the settings hides the key."""
    monkeypatch.setenv("ODDSMITH_PRIVATE_KEY", "0x" + "5e" * 32)

    assert "5e5e" not in repr(Settings())


@pytest.mark.parametrize("key", ["0x1234", "twelve words of a seed phrase are no key", "0x" + "5g" * 32])
def test_what_is_no_key_is_refused_without_being_shown(key, monkeypatch):
    """A key that is cut short, or a phrase, is one line that names the variable and what a key looks like."""
    monkeypatch.setenv("ODDSMITH_PRIVATE_KEY", key)

    with pytest.raises(SettingError, match=r"ODDSMITH_PRIVATE_KEY was not shown: .*64 hexadecimal digits") as refused:
        Settings()
    assert key not in str(refused.value)


def test_an_empty_key_is_no_key(monkeypatch):
    """A line `ODDSMITH_PRIVATE_KEY=` in the environment file is the same as none."""
    monkeypatch.setenv("ODDSMITH_PRIVATE_KEY", "")

    assert Settings().private_key is None


@pytest.mark.parametrize("url", ["https://clob.polymarket.com", "http://8.8.8.8:80", "http://no-such-host.invalid"])
def test_simulated_orders_go_to_a_private_address_alone(url, monkeypatch):
    """A key and a real venue's address are not enough for a real order: simulated mode refuses the address."""
    monkeypatch.setenv("ODDSMITH_PRIVATE_KEY", "0x" + "11" * 32)
    monkeypatch.setenv("ODDSMITH_CLOB_URL", url)

    with pytest.raises(SettingError, match="local exchange alone, and ODDSMITH_CLOB_URL was"):
        Settings().for_trading()


def test_simulated_trading_finds_the_local_exchange_and_keeps_what_is_set(monkeypatch, tmp_path):
    """Without addresses the exchange's default ones are taken; a set one wins; other modes keep the venue's own."""
    monkeypatch.chdir(tmp_path)
    for name in ("ODDSMITH_CLOB_URL", "ODDSMITH_CLOB_WS_URL", "ODDSMITH_GAMMA_URL", "ODDSMITH_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ODDSMITH_DATA_URL", "http://127.0.0.1:9002")

    trading = Settings().for_trading()

    assert (trading.clob_url, trading.gamma_url) == ("http://127.0.0.1:8640", "http://127.0.0.1:8641")
    assert trading.data_url == "http://127.0.0.1:9002"
    assert Settings(mode=Mode.PAPER).for_trading().clob_url == "https://clob.polymarket.com"


def test_the_local_exchange_has_a_stream_of_trades_and_the_venue_needs_an_address(monkeypatch, tmp_path):
    """Its sockets of reference prices are on the port of its market channel; an empty address turns the stream off; in
    the other modes there is none without one."""
    monkeypatch.chdir(tmp_path)
    for name in ("ODDSMITH_CLOB_WS_URL", "ODDSMITH_RTDS_URL", "ODDSMITH_EXCHANGE_URL", "ODDSMITH_MODE"):
        monkeypatch.delenv(name, raising=False)
    elsewhere = Settings(clob_ws_url="ws://simulator:9000").for_trading()

    assert Settings().for_trading().exchange_url == "ws://127.0.0.1:8640/exchange/ws"
    assert elsewhere.exchange_url == "ws://simulator:9000/exchange/ws"
    assert elsewhere.rtds_url == "ws://simulator:9000/rtds"
    assert Settings(exchange_url="").for_trading().exchange_url == ""
    for mode in (Mode.PAPER, Mode.LIVE):
        assert Settings(mode=mode).for_trading().exchange_url == ""


def test_a_source_is_read_where_it_is(monkeypatch, tmp_path):
    """Simulated data come from the local exchange alone, and in the default mode the venue's from public addresses
    alone: a bundle's source says what its numbers were learned from."""
    monkeypatch.chdir(tmp_path)
    for name in ("ODDSMITH_GAMMA_URL", "ODDSMITH_MODE"):
        monkeypatch.delenv(name, raising=False)

    assert Settings().for_source(Source.SIMULATED).gamma_url == "http://127.0.0.1:8641"
    assert Settings().for_source(Source.POLYMARKET).gamma_url == "https://gamma-api.polymarket.com"
    with pytest.raises(SettingError, match="--source polymarket"):
        Settings(gamma_url="https://gamma-api.polymarket.com").for_source(Source.SIMULATED)
    local = {"gamma_url": "http://127.0.0.1:8641"}
    with pytest.raises(SettingError, match="ODDSMITH_MODE=paper"):
        Settings(**local).for_source(Source.POLYMARKET)
    assert Settings(**local, mode=Mode.PAPER).for_source(Source.POLYMARKET).gamma_url == local["gamma_url"]


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("ODDSMITH_KILL_SWICH", "ODDSMITH_KILL_SWITCH"),
        ("ODDSMITH_MOD", "ODDSMITH_MODE"),
        ("oddsmith_clob_ulr", "ODDSMITH_CLOB_URL"),
        ("ODDSMITH_SERVICES_PORT", "ODDSMITH_SERVICE_PORT"),
    ],
)
@pytest.mark.parametrize("place", ["environment", ".env"])
def test_a_mistyped_setting_is_refused_with_the_nearest(name, nearest, place, monkeypatch, tmp_path):
    """A variable that nothing reads would be a kill switch or a limit that does not hold."""
    monkeypatch.chdir(tmp_path)
    if place == ".env":
        (tmp_path / ".env").write_text(f"OTHER=1\n{name}=x\n")
    else:
        monkeypatch.setenv(name, "x")

    with pytest.raises(SettingError, match=rf"{name} in .*{place} is no setting .*did you mean {nearest}\?"):
        Settings()


def test_variables_of_others_are_left_alone(monkeypatch, tmp_path):
    """Other programs' variables, and ours that are read elsewhere, are no concern of the settings."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text(
        "# ODDSMITH_NONSENSE=1\nHOME_URL=x\nODDSMITH_MODE=paper\nODDSMITH_MLFLOW_PORT=5050\n"
    )
    monkeypatch.delenv("ODDSMITH_MODE", raising=False)
    monkeypatch.setenv("ODDSMITH_HOME", "/opt/oddsmith")

    settings = Settings()

    assert (settings.mode, settings.mlflow_port) == (Mode.PAPER, 5050)


def test_every_variable_of_the_repository_is_known():
    """A name with our prefix that code, units or pages mention is a setting, or is listed with its reader."""
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields} | OTHER_VARIABLES
    places = ("pipelines", "simulator", "serving", "flows", "benchmarks", "drills", "oddsmith", "infra", "docs", ".ci")
    files = [path for place in places for path in (ROOT / place).rglob("*") if path.is_file()]
    files += [path for path in ROOT.iterdir() if path.suffix in {"", ".yaml", ".toml", ".example"} and path.is_file()]
    texts = [path.read_text(errors="ignore") for path in files if "__pycache__" not in path.parts]
    found = {name for text in texts for name in re.findall(r"ODDSMITH_[A-Z][A-Z_]*[A-Z]", text)}

    assert found - known == set()
    assert OTHER_VARIABLES - found <= {"ODDSMITH_RECORDINGS"}
