"""The command line says what is wrong in one line, and ends with status 1."""

import pytest

from pipelines import __main__ as command


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (FileNotFoundError("data/features/features.parquet"), "costs: data/features/features.parquet does not exist"),
        (FileNotFoundError(2, "No such file or directory", "a.json"), "costs: a.json does not exist"),
        (
            OSError(28, "No space left on device"),
            "costs: there is no room to write ([Errno 28] No space left on device",
        ),
        (OSError(5, "Input/output error"), "costs: the machine refused: [Errno 5] Input/output error"),
    ],
)
def test_an_error_of_the_machine_is_one_line(monkeypatch, capsys, error, line):
    """A missing file is named as such, a full disk too; anything else is the machine's refusal."""

    def fail(**_arguments):
        raise error

    monkeypatch.setattr("pipelines.costs.stage.run", fail)

    assert command.main(["costs"]) == 1
    assert capsys.readouterr().err.startswith(line)
