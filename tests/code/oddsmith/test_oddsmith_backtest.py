"""A backtest of one's own: a strategy of the working folder on one's own CSV, kept, compared, checked and searched."""

import csv
import json
import random
from pathlib import Path

import pytest
from job_pages import commands

from oddsmith.__main__ import parser
from pipelines.core.errors import DataError, OddsmithError, ParameterError, StrategyError

START = 1_772_323_200
STRATEGY = '''
"""Goes with a price that leaves its 30-bar mean."""

from typing import Annotated

from pydantic import Field

from pipelines.core.domain import Direction
from pipelines.core.money import PRICE_SCALE
from pipelines.features.spec import FEATURE_NAMES
from pipelines.trading.policies import CASH, DeclaredPolicy, PolicyParameters, Target

AVERAGE = FEATURE_NAMES.index("ma_30")


class Leaver(DeclaredPolicy):
    """Long above the mean, short below it."""

    kind = "leaver"
    candidate = True
    uses_forecast = False

    class Parameters(PolicyParameters):
        """Section policy.leaver."""

        least_units: Annotated[int, Field(ge=1)] = 200
        """Distance to the mean. Unit: 0.0001."""

    def target(self, inputs, position, observation):
        distance = inputs.bar.mid_units - inputs.features[AVERAGE] * PRICE_SCALE
        if abs(distance) < self.parameters.least_units:
            return CASH
        return Target(Direction.LONG if distance > 0 else Direction.SHORT, 1.0)
'''
MEMORY = STRATEGY.replace("leaver", "rememberer").replace("Leaver", "Rememberer").replace(
    "distance = inputs", "self.parameters.__class__.seen = getattr(self.parameters.__class__, 'seen', 0) + 1\n"
    "        if self.parameters.__class__.seen % 7 == 0:\n            return Target(Direction.LONG, 1.0)\n"
    "        distance = inputs"
)  # fmt: skip


def run(*words):
    """One command of `oddsmith backtest`."""
    arguments = parser().parse_args(["backtest", *words])
    arguments.command.work(arguments)


def printed(capsys):
    """The JSON document that was printed; lines of the log may come before it."""
    out = capsys.readouterr().out
    return json.loads(out[out.index("{\n") :])


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working folder with the shipped parameters, a strategy and six markets of three events as CSV."""
    (tmp_path / "params.yaml").write_bytes(Path("params.yaml").read_bytes())
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "strategies").mkdir()
    (tmp_path / "strategies" / "leaver.py").write_text(STRATEGY)
    draw = random.Random(3)
    with (tmp_path / "mine.csv").open("w") as file:
        rows = csv.writer(file)
        rows.writerow(("market_id", "timestamp", "price", "question", "event_id", "end_s"))
        for market in range(6):
            price = 0.5
            for bar in range(400):
                price = min(0.95, max(0.05, price + draw.gauss(0, 0.01)))
                row = (f"m{market}", START + 60 * bar, round(price, 2), f"Will {market} win?", f"event-{market // 2}")
                rows.writerow((*row, START + 60 * 400))
    return tmp_path


def played(capsys, *words):
    """The JSON document of a backtest of one's own."""
    run("--policy", "leaver", "--data", "mine.csv", "--json", "--set", "backtest.random_seeds=1", *words)
    return printed(capsys)


def test_markets_dates_and_numbers_choose_what_is_played(here, capsys):
    """Only the chosen markets and dates are played, with the set numbers; params.yaml stays as it is."""
    before = (here / "params.yaml").read_bytes()
    span = ("--from", "2026-03-01T02:00", "--to", "2026-03-01T05:00")
    whole = played(capsys)
    part = played(
        capsys, *span, "--markets", "event:event-0", "id:m5", "--set", "least_units=400", "risk.stop_loss=0.2"
    )

    assert (whole["markets"], part["markets"]) == (6, 3)
    assert (part["from_s"], part["to_s"]) == (START + 7_200, START + 17_940)
    assert set(part["pnl_by_event_pusd"]) == {"event-0", "event-2"}
    assert part["params"]["least_units"] == 400
    assert part["figures"]["pnl_pusd"] != whole["figures"]["pnl_pusd"]
    assert (here / "params.yaml").read_bytes() == before
    assert whole["pnl"]["lower"] < whole["pnl"]["pusd"] < whole["pnl"]["upper"]
    assert set(whole["compared"]) == {"cash", "buy_and_hold"}


def test_the_page_shows_every_number_of_the_own_policy_and_its_trades(here, capsys):
    """The page and the files are those of the policy that was named, wherever it would have come in a choice."""
    document = played(capsys, "--html", "out.html", "--name", "first")
    page, kept = (here / "out.html").read_text(), here / "var" / "backtests" / "first"
    trades = list(csv.DictReader((kept / "trades.csv").open()))

    assert {row["policy"] for row in trades} == {"leaver"}
    assert len(trades) >= document["figures"]["round_trips"] > 0
    assert "Backtest of leaver" in page
    assert "Newest trades" in page
    assert f"{document['figures']['pnl_pusd']:+,.2f}" in page
    assert (kept / "report.html").read_text() == page


def test_two_backtests_are_compared_event_by_event(here, capsys):
    """The gain is the sum over the events that both have, with its interval, and what differs is named."""
    first = played(capsys, "--name", "first")
    second = played(capsys, "--name", "second", "--set", "least_units=500")
    run("compare", "first", "second", "--json")
    found = printed(capsys)
    run("compare", "first", "first", "--json")
    same = printed(capsys)

    assert found["events"] == 3
    assert found["gain"]["pusd"] == pytest.approx(second["pnl"]["pusd"] - first["pnl"]["pusd"], abs=1e-4)
    assert found["gain"]["lower"] < found["gain"]["pusd"] < found["gain"]["upper"]
    assert found["differs"] == {"params.least_units": [200, 500]}
    assert (same["gain"]["pusd"], same["better"], same["differs"]) == (0.0, None, {})
    with pytest.raises(DataError, match="kept are first, second"):
        run("compare", "first", "third")


def test_the_commands_of_the_page_run_as_they_are_written(here, capsys):
    """The job "backtest mine over dates" is done by the three commands of its page."""
    (here / "mine.csv").rename(here / "prices.csv")
    (here / "strategies" / "leaver.py").rename(here / "strategies" / "mine.py")
    for line in commands("backtest-mine"):
        words = line.split()
        assert words[:2] == ["oddsmith", "backtest"]
        run(*words[2:])
    assert "neither is surely better" in capsys.readouterr().out
    assert (here / "out.html").is_file()


def test_every_trial_is_in_the_ledger_and_deflates_the_next(here, capsys):
    """The deflated Sharpe ratio charges for everything that was tried on the same data, by hand and by a search."""
    assert played(capsys)["deflated_sharpe"]["trials"] == 1
    assert played(capsys, "--set", "least_units=250")["deflated_sharpe"]["trials"] == 2
    run("search", "leaver", "--data", "mine.csv", "--trials", "3", "--space", "least_units=100:900", "--json")
    found = printed(capsys)
    rows = [json.loads(line) for line in (here / "var" / "trials.jsonl").read_text().splitlines()]

    assert (found["trials"], found["as_it_is"]) == (3, {"least_units": 200})
    assert sum(row["settings"].get("study") == found["study"] for row in rows) == 3
    assert found["searched_on"]["events"] + found["later_events"]["events"] == 3
    assert 100 <= found["best"]["least_units"] <= 900
    assert found["set"] == [f"policy.leaver.least_units={found['best']['least_units']}"]
    assert played(capsys)["deflated_sharpe"]["trials"] == 6


def test_a_search_goes_on_where_it_stopped(here, capsys):
    """The same command adds trials to its study; another range is another study."""
    words = ("search", "leaver", "--data", "mine.csv", "--json", "--trials", "1")
    counts, names = [], set()
    for space in ("least_units=100:900", "least_units=100:900", "least_units=100:901"):
        run(*words, "--space", space)
        found = printed(capsys)
        counts.append(found["trials"])
        names.add(found["study"])

    assert (counts, len(names)) == ([1, 2, 1], 2)


def test_a_strategy_that_remembers_is_refused_by_the_check(here, capsys):
    """One command tests a strategy outside the folder of strategies too; a breach names the promise."""
    run("check", "leaver", "--data", "mine.csv", "--json")
    assert printed(capsys)["markets"] == 4
    (here / "mine" / "rememberer.py").write_text(MEMORY)
    with pytest.raises(StrategyError, match="rememberer wants"):
        run("check", "mine/rememberer.py", "--data", "mine.csv")


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        (("--data", "mine.csv"), ParameterError, "--policy"),
        (("--policy", "leaver", "--data", "mine.csv", "--markets", "zebra"), DataError, "0 fit --markets"),
        (("--policy", "leaver", "--data", "mine.csv", "--from", "2027-01-01"), DataError, "2026-03-01"),
        (("--policy", "leaver", "--data", "mine.csv", "--set", "least=3"), ParameterError, "least_units"),
        (("--policy", "leaver", "--data", "mine.csv", "--set", "nothing"), ParameterError, "key=value"),
        (("--policy", "leaver", "--data", "mine.csv", "--name", "../x"), ParameterError, "--name"),
        (("--policy", "leaver", "--data", "other.csv"), OddsmithError, "other.csv"),
        (("--policy", "leaver", "--slice", "gate"), ParameterError, "once per candidate"),
        (("--policy", "threshold", "--data", "mine.csv"), ParameterError, "--bundle"),
        (("search", "leaver", "--data", "mine.csv", "--space", "least=1:2"), ParameterError, "least_units"),
        (("search", "leaver", "--data", "mine.csv", "--space", "least_units=9:2"), ParameterError, "below"),
    ],
)
def test_what_cannot_be_played_is_refused_and_nothing_is_kept(here, words, error, said):
    """Every refusal names what to do, and leaves no backtest behind."""
    with pytest.raises(error, match=said):
        run(*words)
    assert not (here / "var" / "backtests").exists()
