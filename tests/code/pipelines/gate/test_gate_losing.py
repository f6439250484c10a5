"""A champion that surely loses money on the gate slice."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from pipelines.core.params import load
from pipelines.gate import losing

PARAMS = load()


def champion(pnl, *, in_cash=False):
    """A champion that made so much in each event, one event a period."""
    by = dict(enumerate(pnl))
    traded = SimpleNamespace(by_event=by, by_period=by)
    return SimpleNamespace(in_cash=in_cash, traded=traded)


@pytest.mark.parametrize(("mean", "surely"), [(-20.0, True), (-1.0, False), (0.0, False), (20.0, False)])
def test_a_champion_loses_where_its_upper_bounds_are_below_0(mean, surely):
    """Losses that chance explains are none, and the report has both bounds and a sentence for the ones that it does
    not explain."""
    pnl = mean + np.random.default_rng(1).normal(0.0, 30.0, 60)
    found = losing.judge(champion(pnl), PARAMS)

    assert found.surely is surely
    assert found.pnl_pusd == pytest.approx(pnl.sum())
    assert ("surely loses" in found.document()["text"]) is surely
    assert found.upper_by_event > pnl.sum()


def test_one_kind_of_cluster_is_not_enough():
    """Events that lose in one bad hour leave the bound over periods above 0."""
    traded = SimpleNamespace(by_event=dict.fromkeys(range(40), -10.0), by_period={0: -400.0, 1: 0.0, 2: 0.0})
    found = losing.judge(SimpleNamespace(in_cash=False, traded=traded), PARAMS)

    assert found.upper_by_event < 0.0 < found.upper_by_period
    assert not found.surely


def test_too_little_is_known_of_one_event():
    """No bound is finite there, and the report is JSON all the same."""
    found = losing.judge(champion([-100.0]), PARAMS)

    assert not found.surely
    assert json.loads(json.dumps(found.document(), allow_nan=False))["upper_by_event"] is None


def test_a_champion_in_cash_loses_nothing():
    """It opens nothing already."""
    assert losing.judge(champion([-100.0] * 40, in_cash=True), PARAMS) is None


def test_a_champion_without_an_edge_is_seldom_retired():
    """Of 400 nights on which it is worth nothing on average, at most 30 retire it: 5 % are 20, 30 the 99 % limit."""
    rng = np.random.default_rng(2)
    retired = [losing.judge(champion(rng.normal(0.0, 30.0, 50)), PARAMS).surely for _ in range(400)]

    assert sum(retired) <= 30
