"""Products on disk are whole or not there."""

import pytest

from pipelines.core import artifacts
from pipelines.core.errors import ArtifactError


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    """A full disk loses nothing and leaves no partial file."""
    file = tmp_path / "x.json"
    artifacts.write_json(file, {"a": 1})

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(ArtifactError, match="No space left on device; nothing was changed"):
        artifacts.write_json(file, {"a": 2})

    assert artifacts.read_json(file) == {"a": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]


def test_a_folder_appears_only_when_it_is_filled(tmp_path):
    """An error while a folder is being filled leaves the old one."""
    target = tmp_path / "model"
    with artifacts.replaced_folder(target) as folder:
        (folder / "a").write_text("old")

    with pytest.raises(RuntimeError), artifacts.replaced_folder(target) as folder:
        (folder / "a").write_text("new")
        raise RuntimeError

    assert (target / "a").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize(("content", "message"), [(None, "does not exist"), ("{", "is not JSON")])
def test_unreadable_json_says_what_to_do(tmp_path, content, message):
    """Missing and broken files are told apart, each with the next step."""
    file = tmp_path / "x.json"
    if content is not None:
        file.write_text(content)

    with pytest.raises(ArtifactError, match=f"{message}.*run the stage that writes it"):
        artifacts.read_json(file)


def test_the_hash_of_a_folder_sees_names_and_contents(tmp_path):
    """Renaming or changing one file changes the hash; nothing else does."""
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "a").write_text("1")
    first = artifacts.sha256_path(tmp_path / "m")

    assert artifacts.sha256_path(tmp_path / "m") == first
    (tmp_path / "m" / "a").rename(tmp_path / "m" / "b")
    assert artifacts.sha256_path(tmp_path / "m") != first
