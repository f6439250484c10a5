"""The linear path: it finds what unseen events confirm, keeps nothing else, and joins the filter in price."""

from dataclasses import replace

import numpy as np
import pytest

from pipelines.core.errors import ArtifactError
from pipelines.features.scale import price_after
from pipelines.forecast.linear_fit import Sample, fit
from pipelines.inference.linear_path import (
    BEFORE_LADDER,
    BEFORE_ORDER_FLOW,
    BOOK,
    INPUTS,
    LAGS,
    PLACED,
    SEEN,
    LinearPath,
    design,
    joined,
)

WIDTH = design(np.zeros((1, LAGS, len(SEEN)))).shape[1]


def _sample(seed, weights, events=30, bars=300):
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(events * bars, WIDTH)) * 0.01
    moved = inputs @ weights + rng.normal(size=(len(inputs), 2)) * 0.02
    at = 60 * np.arange(len(inputs))
    return Sample(inputs, moved, np.zeros_like(moved), np.repeat(np.arange(events), bars), at)


def test_a_relation_is_found_and_kept():
    """Weights of two inputs come back, and unseen events keep nearly all of the forecast."""
    weights = np.zeros((WIDTH, 2))
    weights[3, 0], weights[7, 1] = 0.8, -0.6
    path, shrink = fit(_sample(1, weights), _sample(2, weights, events=8), 30)
    found = path.weights / path.scale[:, None]
    assert found[3, 0] == pytest.approx(0.8, rel=0.2)
    assert found[7, 1] == pytest.approx(-0.6, rel=0.2)
    assert (shrink > 0.9).all()


def test_of_noise_nothing_is_kept():
    """Where nothing is to be found, what is kept costs new bars less than a thousandth of their squared moves."""
    path, shrink = fit(_sample(3, np.zeros((WIDTH, 2))), _sample(4, np.zeros((WIDTH, 2)), events=8), 30)
    new = _sample(8, np.zeros((WIDTH, 2)))
    kept = shrink * path.forecast(new.inputs)
    assert np.sum((new.left - kept) ** 2) < 1.001 * np.sum(new.left**2)


def test_a_book_alone_is_weighed_alone():
    """With few bars and a relation to the book alone, the columns of the book are chosen, and no other weighs."""
    weights = np.zeros((WIDTH, 2))
    weights[BOOK[1]] = 1.0
    path, _ = fit(_sample(5, weights, events=6, bars=120), _sample(6, weights, events=4), 10)
    others = np.delete(path.weights, BOOK, axis=0)
    assert not others.any()
    assert path.weights[BOOK[1]].all()


def test_one_event_proves_nothing():
    """A path that was fitted on one event has no shrink above 0 without others to judge it."""
    weights = np.zeros((WIDTH, 2))
    weights[0] = 1.0
    one = _sample(7, weights, events=1)
    _, shrink = fit(one, one, 1)
    assert not shrink.any()


def test_filter_and_path_add_up_in_price():
    """The joined change is the filter's price plus the path's change; without one it is the filter's to the bit."""
    mid, filtered = np.array([3_000, 9_000]), np.array([[0.1, -0.2], [0.05, 0.0]])
    moved = np.array([[0.01, 0.0], [-0.02, 0.005]])
    made = joined(mid, filtered, moved)
    assert price_after(mid[:, None], made) == pytest.approx(price_after(mid[:, None], filtered) + moved, abs=1e-12)
    assert made[0, 1] == filtered[0, 1]


def test_the_document_brings_the_same_path():
    """What is written into a bundle forecasts the same numbers."""
    path = LinearPath(np.full(WIDTH, 0.5), np.random.default_rng(1).normal(size=(WIDTH, 3)))
    inputs = np.random.default_rng(2).normal(size=(4, WIDTH))
    assert np.array_equal(LinearPath.parse(path.document()).forecast(inputs), path.forecast(inputs))


def test_a_path_of_before_the_ladder_forecasts_as_it_did():
    """A bundle whose path names no inputs weighs the first ones, in their order, and the place among brackets not."""
    assert INPUTS[BEFORE_LADDER:BEFORE_ORDER_FLOW] == PLACED
    assert len(INPUTS) == WIDTH
    rng = np.random.default_rng(1)
    scale, weights, inputs = (
        rng.uniform(1, 2, BEFORE_LADDER),
        rng.normal(size=(BEFORE_LADDER, 3)),
        rng.normal(size=(4, WIDTH)),
    )
    path = LinearPath.parse({"scale": scale.tolist(), "weights": weights.tolist()})
    assert np.array_equal(path.forecast(inputs), (inputs[:, :BEFORE_LADDER] / scale) @ weights)
    assert path.document()["inputs"] == list(INPUTS[:BEFORE_LADDER])


@pytest.mark.parametrize("names", [["unknown", *INPUTS[1:]], list(INPUTS[:-1]), list(reversed(INPUTS))])
def test_a_path_of_other_inputs_is_refused(names):
    """A bundle whose path weighs inputs that are not made here, or are made in another order, says so."""
    document = LinearPath(np.ones(WIDTH), np.ones((WIDTH, 2))).document() | {"inputs": names}
    with pytest.raises(ArtifactError, match="train again"):
        LinearPath.parse(document)


def test_inputs_that_are_absent_change_nothing():
    """A recording without brackets has the path that it had before there were inputs for them."""
    weights = np.zeros((WIDTH, 2))
    weights[0], weights[4] = 0.5, -0.3
    samples = [_sample(seed, weights, events=12, bars=100) for seed in (1, 2)]
    for one in samples:
        one.inputs[:, BEFORE_LADDER:] = 0.0
    path, shrink = fit(*samples, 12)
    less, same = fit(*(replace(one, inputs=one.inputs[:, :BEFORE_LADDER]) for one in samples), 12)
    assert path.weights[:BEFORE_LADDER] == pytest.approx(less.weights, rel=1e-9)
    assert not path.weights[BEFORE_LADDER:].any()
    assert shrink == pytest.approx(same, rel=1e-9)


@pytest.mark.parametrize("recorded", [False, True])
def test_order_flow_is_weighed_where_it_was_recorded(recorded):
    """Without a record of it the path is the one of before to the bit, and the live process need not make it; with one
    that tells the next move it is weighed."""
    weights = np.zeros((WIDTH, 2))
    weights[0], weights[BEFORE_ORDER_FLOW] = 0.5, 0.8
    samples = [_sample(seed, weights, events=12, bars=100) for seed in (1, 2)]
    if not recorded:
        for one in samples:
            one.inputs[:, BEFORE_ORDER_FLOW:] = 0.0
    path, shrink = fit(*samples, 12)
    assert path.reads_order_flow is recorded
    if recorded:
        assert (path.weights[BEFORE_ORDER_FLOW] / path.scale[BEFORE_ORDER_FLOW] > 0.3).all()
        return
    less, same = fit(*(replace(one, inputs=one.inputs[:, :BEFORE_ORDER_FLOW]) for one in samples), 12)
    assert np.array_equal(path.weights, less.weights)
    assert np.array_equal(shrink, same)
