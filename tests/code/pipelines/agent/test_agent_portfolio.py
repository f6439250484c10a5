"""Rules of the multi-agent account: PettingZoo's API, the compiled replay's money, and the allocator's claims."""

import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pettingzoo.test import parallel_api_test

from pipelines.agent.portfolio_env import ACTIONS, NOTHING, SHARED, PortfolioEnv
from pipelines.replay.account import AccountTape, play_policy, play_rule, play_shared, rule_numbers
from pipelines.replay.lanes import decoded, field, parameters
from pipelines.replay.policy_search import POPULATION, Trained, search_allocator
from pipelines.trading import allocator, compiled
from pipelines.trading import compiled_account as code
from pipelines.trading.threshold_rule import Rule

sys.path.insert(0, str(Path(__file__).parents[1] / "replay"))
from test_replay_identity import CASH, PARAMS, TABLE, history, scaler

PAR = parameters(PARAMS, TABLE, 60)
RULE = rule_numbers(Rule(1.0, 0.2, 3_600))
NEUTRAL = np.zeros(len(allocator.NAMES))


@pytest.fixture(scope="module")
def tape():
    """Eight random markets of one account, the largest expected move first."""
    past = [history(seed) for seed in range(8)]
    flat = field(past, scaler(), PARAMS.execution.impact_share, forecast_block=True)
    return AccountTape.of(past, flat, PARAMS.execution.impact_share, turn="move")


def test_the_environment_keeps_the_parallel_api(tape):
    """PettingZoo's own test of the parallel API passes without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parallel_api_test(PortfolioEnv(tape, PAR, RULE), num_cycles=400)


def test_markets_as_agents_earn_what_the_compiled_replay_earns(tape):
    """The rewards of a fixed policy sum to the P&L of the same policy in the compiled replay, at every market's end."""
    env = PortfolioEnv(tape, PAR, RULE, CASH)
    seen, _ = env.reset()
    total = 0.0
    while env.agents:
        actions = {name: (one["observation"][:15].sum() > 0) * 2 for name, one in seen.items() if name in env.agents}
        seen, rewards, *_ = env.step(actions)
        total += next(iter(rewards.values()))
        assert len(set(rewards.values())) == 1
    played = play_policy(
        tape, PAR, lambda rows, _: decoded((rows[:, :15].sum(axis=1) > 0).astype(np.int64) * 2), CASH, RULE
    )
    assert played.entries > 0
    assert total * CASH / 100.0 == pytest.approx(played.equity_micro[-1] - CASH, abs=1.0)


def test_only_markets_that_are_asked_have_a_choice(tape):
    """A market that the limits leave no entry has one action; one that is asked has nine, and sees its rivals."""
    env = PortfolioEnv(tape, PAR, RULE)
    seen, _ = env.reset()
    asked = [name for name, one in seen.items() if one["action_mask"].sum() == ACTIONS]
    idle = [name for name in seen if name not in asked]
    assert asked and idle
    for name in idle:
        assert seen[name]["action_mask"].tolist() == [int(at == NOTHING) for at in range(ACTIONS)]
    for name in asked:
        assert seen[name]["observation"][-len(SHARED) + 2] == pytest.approx((len(asked) - 1) / 5)


def test_a_neutral_allocator_is_the_order_of_moves(tape):
    """With all its numbers at 0 the allocator changes nothing of `execution.turn: move`, to the base unit."""
    plain, shared = play_rule(tape, PAR, RULE, CASH), play_shared(tape, PAR, RULE, NEUTRAL, CASH)
    assert plain.entries > 0
    assert np.array_equal(plain.equity_micro, shared.equity_micro)


@pytest.mark.parametrize("name", ["least", "used", "rivals", "behind", "related"])
def test_a_dearer_claim_is_refused(tape, name):
    """Each of the numbers that say what a claim needs refuses some of what was entered before."""
    dear = NEUTRAL.copy()
    dear[allocator.NAMES.index(name)] = 50.0
    wide, about = PAR.copy(), tape.about.copy()
    wide[compiled.MAX_RELATED] = 5
    about[:, code.EVENT] = 0
    one = replace(tape, about=about)
    free, tight = (play_shared(one, wide, RULE, numbers, CASH).entries for numbers in (NEUTRAL, dear))
    assert tight < free


def test_the_limits_hold_whatever_the_allocator_prefers(tape):
    """Without exposure or without places nothing is entered, however large the scores are."""
    eager = NEUTRAL.copy()
    eager[allocator.NAMES.index("least")] = -1e6
    for column in (compiled.EXPOSURE, compiled.MAX_MARKETS):
        closed = PAR.copy()
        closed[column] = 0.0
        assert play_shared(tape, closed, RULE, eager, CASH).entries == 0


def test_the_search_never_returns_less_than_the_neutral_allocator(tape):
    """What a search finds earns at least what the order of moves earns on the tapes that it used."""
    found = search_allocator([Trained(tape, PAR)], RULE, CASH, seed=1, generations=2)
    free = PAR.copy()
    free[[compiled.DAILY_LOSS, compiled.DRAWDOWN]] = 1.0
    assert found.mean_pnl_pusd >= play_rule(tape, free, RULE, CASH).pnl_pusd - 1e-6
    assert found.trials == 1 + 2 * POPULATION + 2
