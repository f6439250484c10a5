"""A policy is one file: how it is found, what its parameters may be, and what is said where it cannot be used."""

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from pipelines.agent.imitation import WHOLE_CAP, Teacher
from pipelines.core import money
from pipelines.core.errors import ArtifactError, ParameterError, StrategyError
from pipelines.core.params import parse
from pipelines.trading import compiled, kernel, policies, threshold_rule
from pipelines.trading.policies import registry, sealed

SHIPPED = yaml.safe_load((Path(__file__).parents[4] / "params.yaml").read_text())
FADE = '''
from pipelines.core.domain import Direction
from pipelines.trading.policies import DeclaredPolicy, PolicyParameters, Target, given_by


class Fade(DeclaredPolicy):
    """Always short."""

    kind = "fade"
    candidate = True

    class Parameters(PolicyParameters):
        strength: float = 0.5
        """How much."""
        impact: float = given_by("execution.impact_share")

    def target(self, inputs, position, observation):
        return Target(Direction.SHORT, self.parameters.strength)
'''


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A folder outside the repository with the strategy `fade`, as the working folder."""
    (tmp_path / "strategies").mkdir()
    (tmp_path / "strategies/fade.py").write_text(FADE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def given(**policy):
    """The shipped parameters with other keys in `policy`."""
    return parse(SHIPPED | {"policy": SHIPPED["policy"] | policy}, origin="params.yaml")


def test_the_policies_of_the_repository_declare_themselves():
    """Kind, use and place in tables are what each file says; the order of tables is that of their ranks."""
    assert list(registry.builtin())[:6] == ["cash", "buy_and_hold", "threshold", "tuned", "threshold_plain", "kelly"]
    trained = ("dqn", "ppo", "qrdqn", "sac")
    bots = ("ensemble", "spike_fading", "temporal_arbitrage", "micro_trades", "systematic")
    assert policies.candidates(given()) == ("threshold", "tuned", "kelly", *bots, *trained)
    assert {kind for kind, one in registry.builtin().items() if one.baseline} == {"buy_and_hold", "random_matched"}
    assert not {"random_matched", "ppo"} & set(policies.compared(given()))


def test_every_parameter_has_a_meaning_and_stands_in_params_yaml():
    """A number that a person may set is in the shipped file, with its default, and its file says what it means."""
    for kind, one in registry.builtin().items():
        if not one.compared:
            continue
        shipped = SHIPPED["policy"].get(kind, {})
        fields = one.Parameters.model_fields
        assert {name for name, field in fields.items() if not field.description} == set()
        assert shipped == {name: field.default for name, field in fields.items() if not field.is_required()}


def test_a_strategy_of_the_working_folder_is_found(workplace):
    """A file in strategies/ is a policy like ours: its section of params.yaml counts, other sections give the rest."""
    params = given(fade={"strength": 0.25})
    policies.check(params)
    policies.check(given(fade=None))
    assert policies.compared(params)[-1] == "fade"
    assert policies.parameters(policies.find("fade", params), params) == {"strength": 0.25, "impact": 0.125}
    with pytest.raises(ArtifactError, match=r"unknown policy kind 'fade'; known are cash, "):
        policies.load("fade", {})


@pytest.mark.parametrize("name", ["mine/fade.py", "mine.fade"])
def test_a_strategy_named_in_params_yaml_is_found(workplace, name):
    """`policy.strategies` names a file or a module; what begins with an underscore in strategies/ is left out."""
    (workplace / "mine").mkdir()
    (workplace / "strategies/fade.py").rename(workplace / "mine/fade.py")
    (workplace / "strategies/_notes.py").write_text("raise SystemError")
    assert "fade" in policies.known(given(strategies=[name]))


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ({"fade": {"force": 1.0}}, r"unknown key policy\.fade\.force \(value 1\.0\); known keys are strength"),
        ({"fade": {"strength": "much"}}, r"policy\.fade\.strength was 'much'"),
        ({"fade": {"impact": 0.1}}, r"policy\.fade\.impact is execution\.impact_share; remove the key"),
        ({"fad": {}}, r"unknown key policy\.fad .*known keys are min_price, strategies, cash.*fade"),
        ({"threshold": {"cost_multiple": -1.0}}, r"policy\.threshold\.cost_multiple was -1\.0"),
    ],
)
def test_a_key_that_no_policy_declares_is_refused(workplace, policy, message):
    """Unknown, misspelt and impossible parameters are named, with what is allowed."""
    with pytest.raises(ParameterError, match=message):
        policies.check(given(**policy))


def test_a_key_of_before_says_where_it_is_now():
    """`policy.cost_multiple`, which stood for all rules at once, is refused with the key to write."""
    with pytest.raises(ParameterError, match=r"unknown key policy\.cost_multiple .*policy\.threshold\.cost_multiple"):
        given(cost_multiple=0.85)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\nclass (\n", r"fade\.py, line 2: SyntaxError"),
        ("import numpy\n\n1 / 0\n", r"fade\.py, line 3: ZeroDivisionError.*correct it, or move the file out"),
        ("import sys\nsys.exit(3)\n", r"fade\.py, line 2: SystemExit"),
        ("import no_such_package\n", r"fade\.py, line 1: ModuleNotFoundError"),
        ("from . import helper\n", r"fade\.py, line 1: imports \., which a bundle would not hold"),
        ("import helper\n", r"fade\.py, line 1: imports helper, which a bundle would not hold"),
        ("x = 1\n", r"fade\.py declares no policy; write a class with DeclaredPolicy"),
        (FADE.replace('"fade"', '"threshold"'), r"the kind 'threshold' is that of pipelines\.trading\.policies\.thres"),
        (FADE.replace('"fade"', '"Fade it"'), r"Fade has the kind 'Fade it'; a kind is a word"),
        (FADE.replace("def target", "def targets"), r"Fade has no method target"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(workplace, monkeypatch, text, message):
    """File, line and what to do are in the message, whatever is wrong with the file."""
    (workplace / "helper.py").write_text("")
    monkeypatch.syspath_prepend(str(workplace))
    (workplace / "strategies/fade.py").write_text(text)
    with pytest.raises(StrategyError, match=message):
        policies.known(given())


def test_a_forecaster_beside_strategies_is_not_run(workplace):
    """A file of strategies/ that declares a forecaster is left to the forecast stage."""
    (workplace / "strategies/ahead.py").write_text("FORECASTER = no_name_of_this_process\n")
    assert list(policies.own(given())) == ["fade"]


def test_a_strategy_that_is_not_there_is_named(workplace):
    """An entry of `policy.strategies` that leads nowhere is an error for people."""
    with pytest.raises(StrategyError, match=r"neither .*gone/away\.py nor installed"):
        policies.known(given(strategies=["gone.away"]))
    with pytest.raises(StrategyError, match=r"mine/fade\.py does not exist; correct params\.yaml"):
        policies.known(given(strategies=["mine/fade.py"]))


def test_a_strategy_travels_to_another_process(workplace):
    """A worker that has none of the files gets the code with the policy."""
    params = given()
    policy = policies.made(policies.find("fade", params), {"strength": 0.75, "impact": 0.1}, None)
    (workplace / "strategies/fade.py").unlink()
    code = "import pickle, sys; print(pickle.load(sys.stdin.buffer).target(None, None, None).fraction)"
    done = subprocess.run([sys.executable, "-c", code], input=pickle.dumps(policy), capture_output=True, check=False)
    assert done.stdout == b"0.75\n", done.stderr


def test_the_sealed_code_runs_and_none_other(workplace):
    """A sealed policy is what was sealed when the working folder's file has changed; altered code is refused."""
    params = given()
    section = policies.seal(policies.find("fade", params), {"strength": 1.0, "impact": 0.1}, workplace)
    (workplace / "strategies/fade.py").write_text(FADE.replace("SHORT", "LONG"))
    assert policies.of_bundle(section, workplace).target(None, None, None).direction == -1
    (workplace / sealed.STRATEGY).write_text(FADE.replace("SHORT", "LONG"))
    with pytest.raises(ArtifactError, match=r"strategy\.py is not the code of policy fade that was sealed"):
        policies.of_bundle(section, workplace)
    (workplace / sealed.STRATEGY).unlink()
    with pytest.raises(ArtifactError, match=r"strategy\.py is missing"):
        policies.of_bundle(section, workplace)


def test_a_parameter_that_a_bundle_should_not_have_is_named():
    """A bundle of a program with other parameters is refused by the key."""
    values = {"cost_multiple": 1.0, "max_hold_bars": 60, "impact_share": 0.1, "bar_length_s": 60}
    assert policies.load("threshold", values).parameters.rule == (1.0, 0.2, 3_600)
    with pytest.raises(ArtifactError, match=r"policy threshold cannot be made: unknown key edge \(value 1\)"):
        policies.load("threshold", values | {"edge": 1})


def test_an_older_bundle_decides_as_it_did(tmp_path):
    """A bundle that was sealed before the rule had hysteresis leaves at every change of sign, as when it was judged."""
    values = {"cost_multiple": 1.0, "max_hold_bars": 60, "impact_share": 0.1, "bar_length_s": 60}
    made = policies.of_bundle({"kind": "threshold", "params": values}, tmp_path)
    assert made.parameters.rule == (1.0, 0.0, 3_600)
    weights = {f"{name}_weight": 0.3 for name in ("forecast", "sentiment", "reversion")}
    ensemble = {"kind": "ensemble", "params": values | weights | {"sentiment_log_odds": 0.2}}
    older = policies.of_bundle(ensemble, tmp_path).parameters
    assert (older.exit_multiple, older.imbalance_weight) == (0.0, 0.0)


def test_a_position_is_left_only_where_the_move_points_against_it():
    """With hysteresis a forecast that lost its sign keeps the position; one that turned by enough round trips, or its
    age, closes it."""
    rule = threshold_rule.Rule(1.0, 0.2, 600)
    assert [threshold_rule.wanted(move, 100.0, *rule, 1, 60) for move in (50.0, -19.0, -21.0)] == [1, 1, 0]
    assert [threshold_rule.wanted(-move, 100.0, *rule, -1, 60) for move in (50.0, -19.0, -21.0)] == [-1, -1, 0]
    assert threshold_rule.wanted(50.0, 100.0, *rule, 1, 600) == 0
    assert [threshold_rule.wanted(move, 100.0, *rule, 0, 0) for move in (99.0, 101.0, -101.0)] == [0, 1, -1]


def test_the_threshold_rule_is_one_function():
    """The teacher and the compiled lanes want what `threshold_rule.wanted` says, held or not, whatever is expected."""
    rng = np.random.default_rng(0)
    count, hold_s = 4_000, 600
    rule = threshold_rule.Rule(0.85, 0.2, hold_s)
    moves, costs = rng.normal(0.0, 50.0, count) * rng.integers(0, 2, count), rng.uniform(0.0, 60.0, count)
    state = np.zeros((count, compiled.LANE_COLUMNS), dtype=np.int64)
    bars = np.zeros((count, 7), dtype=np.int64)
    bars[:, compiled.TS] = 10_000
    state[:, compiled.ROW], state[:, compiled.DIRECTION] = np.arange(count), rng.integers(-1, 2, count)
    state[:, compiled.OPENED] = 10_000 - rng.integers(0, 2 * hold_s, count)

    class Bars:
        pass

    flat = Bars()
    flat.bars = bars
    taught = Teacher(flat, moves, costs, rule).actions(state) - WHOLE_CAP - 1
    expected = [
        threshold_rule.wanted(moves[k], costs[k], *rule, state[k, compiled.DIRECTION], 10_000 - opened)
        for k, opened in enumerate(state[:, compiled.OPENED].tolist())
    ]
    assert taught.tolist() == expected
    assert set(expected) == {-1, 0, 1}


@pytest.mark.parametrize("exponent", [1.0, 2.0, 0.5])
def test_the_fee_is_one_curve(exponent):
    """Fees of fills, sizes and round trips follow `money.fee_curve`, one price at a time and for arrays, to the bit."""
    prices = np.arange(10, 10_000, 37)
    curve = money.fee_curve(prices.astype(np.float64), exponent)
    trips = kernel.round_trip_units(np.zeros(len(prices)), prices.astype(np.float64), 0.1, 0.07, exponent)
    for k, price in enumerate(prices.tolist()):
        assert curve[k] == pytest.approx((price / 1e4 * (1 - price / 1e4)) ** exponent, rel=1e-15)
        assert kernel.round_trip_units(0, price, 0.1, 0.07, exponent) == pytest.approx(trips[k], rel=1e-15)
        assert compiled.round_trip_units(0, price, 0.1, 0.07, exponent) == pytest.approx(trips[k], rel=1e-15)
        fee = money.fee_micro(10**12, price, 0.07, exponent)
        assert fee / 1e12 == pytest.approx(0.07 * curve[k], abs=1e-11)
