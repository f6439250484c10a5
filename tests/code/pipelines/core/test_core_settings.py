"""The environment."""

import pytest

from pipelines.core.errors import SettingError
from pipelines.core.settings import Mode, Settings


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
    monkeypatch.setenv("ODDSMITH_PRIVATE_KEY", "0xsecret")

    assert "0xsecret" not in repr(Settings())
