import json

import numpy as np
import pytest

from pipelines.core.errors import ParameterError
from pipelines.core.params import read
from pipelines.core.sections import ShadowParams
from pipelines.inference.e_process import EProcess, score
from pipelines.inference.shadow_record import (
    CHALLENGER,
    DISMISS,
    KEEP,
    PREDECESSOR,
    PROMOTE,
    ROLLBACK,
    WAIT,
    Seen,
    advice,
)

LIMITS = ShadowParams(enabled=True, min_bars=100, max_bars=1000, e_value=20.0, max_error_rate=0.2, max_drawdown=0.08)


def highest(scores, lag=1):
    """The largest e-value that somebody who looks after every bar would see."""
    process, most = EProcess(lag), 1.0
    for bar, one in enumerate(scores):
        process.add(bar, one)
        most = max(most, process.value)
    return most


@pytest.mark.parametrize("lag", [1, 5])
def test_whoever_looks_at_every_bar_is_seldom_fooled(lag):
    """Equal forecasters exceed 20 at any time in at most 1 of 20 histories: 19 of 200 is far above the limit."""
    rng = np.random.default_rng(3)
    fooled = 0
    for _ in range(200):
        noise = rng.normal(0, 0.2, 600 + lag)
        overlapping = np.convolve(noise, np.ones(lag) / np.sqrt(lag), "valid")
        fooled += highest(overlapping.clip(-1, 1), lag) >= 20.0
    assert fooled <= 10


def test_a_better_forecaster_is_found():
    """A steady advantage of a tenth of a standard deviation and more is enough evidence in a day of bars."""
    rng = np.random.default_rng(4)
    assert highest((rng.normal(0.03, 0.1, 1440)).clip(-1, 1), 5) >= 20.0


def test_a_worse_forecaster_gathers_nothing():
    """Where the second one loses more, no bet is made that could earn evidence by luck for long."""
    process = EProcess(1)
    for bar, one in enumerate(np.random.default_rng(5).normal(-0.05, 0.1, 500)):
        process.add(bar, float(one))
    assert process.value <= 1.0


def test_the_bet_never_reads_the_score_that_it_is_made_on():
    """The first score changes nothing, whatever it is: nothing was known before it."""
    process = EProcess(1)
    process.add(0, 1.0)
    assert process.value == 1.0


def test_evidence_goes_on_after_a_restart():
    """What was written as JSON continues with the same numbers."""
    whole, first = EProcess(3), EProcess(3)
    scores = np.random.default_rng(6).normal(0.05, 0.1, 60).tolist()
    for bar, one in enumerate(scores):
        whole.add(bar, one)
        if bar < 30:
            first.add(bar, one)
    second = EProcess.parse(json.loads(json.dumps(first.document())))
    for bar, one in enumerate(scores[30:], 30):
        second.add(bar, one)
    assert second.value == whole.value


def test_a_score_lies_between_minus_one_and_one():
    """Only the relation of both losses counts, and nothing where nobody lost."""
    assert (score(1.0, 0.0), score(0.0, 2.0), score(0.0, 0.0), score(3.0, 1.0)) == (1.0, -1.0, 0.0, 0.5)


@pytest.mark.parametrize(
    ("seen", "what"),
    [
        (Seen(CHALLENGER, 99, 50.0, 0.1, 0.0, 0.0, 0.0), WAIT),
        (Seen(CHALLENGER, 100, 20.0, 0.1, 0.0, 0.0, 0.0), PROMOTE),
        (Seen(CHALLENGER, 500, 19.9, 0.1, 0.0, 0.0, 0.0), WAIT),
        (Seen(CHALLENGER, 50, 0.1, 20.0, 0.0, 0.0, 0.0), DISMISS),
        (Seen(CHALLENGER, 1000, 3.0, 0.1, 0.0, 0.0, 0.0), DISMISS),
        (Seen(PREDECESSOR, 50, 0.1, 9.0, 0.09, 0.01, 0.0), ROLLBACK),
        (Seen(PREDECESSOR, 50, 0.1, 9.0, 0.09, 0.10, 0.0), WAIT),
        (Seen(PREDECESSOR, 100, 0.1, 9.0, 0.0, 0.0, 0.3), ROLLBACK),
        (Seen(PREDECESSOR, 99, 0.1, 9.0, 0.0, 0.0, 0.3), WAIT),
        (Seen(PREDECESSOR, 100, 25.0, 0.1, 0.0, 0.0, 0.0), ROLLBACK),
        (Seen(PREDECESSOR, 1000, 1.0, 0.1, 0.0, 0.0, 0.0), KEEP),
    ],
)
def test_the_advice_follows_bars_evidence_errors_and_falls(seen, what):
    """A challenger needs bars and evidence; a new champion loses its place on evidence, errors or a deeper fall."""
    found, why = advice(seen, LIMITS)
    assert found == what
    assert why


def test_a_test_that_could_never_end_is_refused(tmp_path):
    """More bars needed than allowed is a mistake in params.yaml, said by name."""
    from pathlib import Path

    text = Path("params.yaml").read_text().replace("min_bars: 240", "min_bars: 99999")
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(ParameterError, match="max_bars"):
        read(tmp_path / "params.yaml")
