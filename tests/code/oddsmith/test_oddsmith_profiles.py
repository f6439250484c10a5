"""Profiles: several bots of one clone, each with parameters, settings, account, journal and port of its own."""

import os
from dataclasses import replace

import pytest
import yaml

from flows.edit_params import change
from oddsmith import __main__ as program
from oddsmith import commands, families, profile_training, profiles
from oddsmith.commands import FAMILIES
from pipelines.core import params, profile_paths
from pipelines.core.artifacts import write_json
from pipelines.core.domain import FeeSchedule, Market
from pipelines.core.errors import ArtifactError, ParameterError, SettingError
from pipelines.core.settings import Mode, Settings
from pipelines.venue.listing_facts import ListingFacts
from pipelines.venue.wanted import matches
from serving.champion import champion_record
from serving.start import journal_url
from simulator.markets.events import EPOCH_S
from simulator.series.source import parse
from simulator.series.underlying import Underlying
from simulator.series.windows import windows_from

MARKET = Market(
    market_id="0x1",
    event_id="event",
    question="Bitcoin Up or Down?",
    token_yes="1",
    token_no="2",
    tick_units=100,
    min_size_micro=5_000_000,
    fee=FeeSchedule(0.07),
    start_s=None,
    end_s=None,
    topic="crypto",
)


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A folder with parameters, settings of an account, and an environment that a test may change."""
    shipped = (program.ROOT / "params.yaml").read_text()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(shipped)
    (tmp_path / "dvc.yaml").symlink_to(program.ROOT / "dvc.yaml")
    before = dict(os.environ)
    yield tmp_path
    os.environ.clear()
    os.environ.update(before)


def test_a_profile_has_all_of_its_own(clone):
    """Parameters, journal, kill switch, key, port and settings are the profile's; those of the clone stay."""
    (clone / ".env").write_text("ODDSMITH_MODE=paper\nODDSMITH_PRIVATE_KEY=" + "ab" * 32)
    said = profiles.add("careful", "simulated", None, "", "shared")
    profiles.add("bold", "paper", None, "kelly", "own")
    profiles.enter("careful", "serve")
    settings = Settings()
    change(["risk.max_markets=2"])

    assert "http://127.0.0.1:3001/profiles" in said
    assert (settings.profile, settings.mode, settings.service_port) == ("careful", Mode.SIMULATED, 3001)
    assert settings.private_key is None
    folder = clone / "profiles" / "careful" / "var"
    assert settings.var == folder
    assert settings.kill_switch == folder / "KILL"
    assert settings.simulated_key == folder / "simulated.key"
    assert str(folder) in journal_url(settings)
    assert (settings.champion, settings.champion_var) == ("shared", clone / "var")
    assert params.read(profile_paths.parameters_file()).risk.max_markets == 2
    assert params.read(clone / "params.yaml").risk.max_markets == 5
    os.environ.pop(profile_paths.VARIABLE)
    profiles.enter("bold", "serve")
    other = Settings()
    assert (other.mode, other.service_port, other.pinned_policy) == (Mode.PAPER, 3002, "kelly")
    assert other.champion_var == other.var == clone / "profiles" / "bold" / "var"


def test_the_clones_account_never_reaches_a_profile(clone, monkeypatch):
    """A key, a funder, a journal or a port that the clone exported is not the profile's; what the profile's own
    file sets is."""
    for name, value in {"PRIVATE_KEY": "cd" * 32, "FUNDER": "0xf", "LIVE": "yes", "MODE": "live"}.items():
        monkeypatch.setenv(f"ODDSMITH_{name}", value)
    monkeypatch.setenv("ODDSMITH_JOURNAL_URL", "postgresql://clone/journal")
    monkeypatch.setenv("ODDSMITH_SERVICE_PORT", "3000")
    profiles.add("second", "paper", 3055, "", "shared")
    with (clone / "profiles/second/.env").open("a") as own:
        own.write("ODDSMITH_FUNDER=0xown\n")
    profiles.enter("second", "doctor")
    settings = Settings()

    assert (settings.private_key, settings.funder, settings.live, settings.mode) == (None, "0xown", "", Mode.PAPER)
    assert journal_url(settings).startswith("sqlite")
    assert settings.service_port == 3055


def test_a_profiles_files_are_its_owners_alone(clone):
    """Keys and tokens of a profile can be read by nobody else."""
    profiles.add("one", "live", None, "", "own")

    assert (clone / "profiles/one/.env").stat().st_mode & 0o077 == 0
    assert (clone / "profiles/one/var").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("name", ["", "Two", "../x", "a b", "default", "x" * 40, "-a"])
def test_what_is_no_name_makes_no_profile(clone, name):
    """A name is a folder of its own and a label; anything else is refused and nothing is made."""
    with pytest.raises(SettingError):
        profiles.add(name, "simulated", None, "", "shared")
    assert not (clone / "profiles").exists() or not list((clone / "profiles").iterdir())


def test_a_profile_that_cannot_be_is_not_half_made(clone):
    """A taken name, another's port, a pinned policy in mode live, and a policy that needs a training are refused with
    what to do, and leave no folder."""
    profiles.add("one", "simulated", None, "", "shared")
    with pytest.raises(SettingError, match="exists already"):
        profiles.add("one", "simulated", None, "", "shared")
    with pytest.raises(SettingError, match="3001"):
        profiles.add("two", "simulated", 3001, "", "shared")
    with pytest.raises(SettingError, match="mode live"):
        profiles.add("two", "live", None, "kelly", "shared")
    with pytest.raises(ArtifactError, match="is trained"):
        profiles.add("two", "paper", None, "ppo", "shared")
    with pytest.raises(ArtifactError, match="unknown policy"):
        profiles.add("two", "paper", None, "kely", "shared")
    assert profile_paths.names() == ["one"]


def test_a_profile_that_is_not_there_is_named_with_the_nearest(clone):
    """A mistyped profile starts no bot of another name."""
    profiles.add("careful", "simulated", None, "", "shared")
    with pytest.raises(SettingError, match="did you mean careful"):
        profiles.enter("care-ful", "serve")
    assert profile_paths.VARIABLE not in os.environ


@pytest.mark.parametrize("command", ["run", "nightly", "stage", "flows", "data", "league", "backtest"])
def test_what_makes_models_belongs_to_the_clone(clone, command):
    """Data and models are made once for all profiles; the refusal says so."""
    profiles.add("careful", "simulated", None, "", "shared")
    with pytest.raises(SettingError, match="without --profile"):
        profiles.enter("careful", command)


def test_every_command_of_a_profile_is_a_command():
    """The list of what a profile has names no command that is gone."""
    from oddsmith.commands import COMMANDS

    below = {f"{one.name} {inner.name}" for one in COMMANDS for inner in one.commands}
    assert {command.name for command in COMMANDS} | below >= profiles.OF_A_PROFILE


def test_the_program_takes_the_profile_from_its_option_or_the_environment(clone, monkeypatch, capsys):
    """`--profile NAME` and ODDSMITH_PROFILE mean the same; `profiles list` shows every one."""
    profiles.add("careful", "paper", None, "kelly", "shared")
    monkeypatch.setattr(program, "no_clone", lambda _folder: "")
    assert program.main(["--profile", "careful", "params", "set", "risk.max_markets=1"]) == 0
    os.environ.pop(profile_paths.VARIABLE)
    assert program.main(["--profile", "nobody", "status"]) == 1
    monkeypatch.setenv(profile_paths.VARIABLE, "careful")
    assert program.main(["params", "set", "risk.max_related_markets=1"]) == 0
    assert program.main(["profiles", "list"]) == 0

    made = params.read(clone / "profiles/careful/params.yaml").risk
    assert (made.max_markets, made.max_related_markets) == (1, 1)
    said = capsys.readouterr()
    assert "careful          mode paper, shared champion, policy kelly pinned" in said.out
    assert "there is no profile nobody" in said.err
    assert champion_record.record_file(clone / "var").name == "champion.json"


@pytest.mark.parametrize("length", [one for one in commands.FAMILIES if one != "ladder"])
def test_a_family_has_a_geometry_and_markets_of_its_own(clone, length):
    """Bars, lookback, horizon and markets fit in the life of a window, the gate's horizons in the forecast's; the
    champion is the family's."""
    changes = families.assignments(length)
    profiles.add("family", "paper", None, "", "own", changes)
    made = params.read(clone / "profiles/family/params.yaml")
    window_s = {"5m": 300, "15m": 900, "1h": 3_600, "4h": 14_400}[length]

    needed_s = (made.forecast.lookback_bars + made.forecast.horizon_bars) * made.bars.length_s
    assert needed_s < window_s
    assert made.gate.last_horizon <= made.forecast.horizon_bars
    assert made.pull.allow == made.markets.allow
    assert made.markets.max_hours_to_end * 3_600 == pytest.approx(2 * window_s, rel=0.001)
    facts = ListingFacts(series=frozenset({f"btc-up-or-down-{length}"}))
    assert any(matches(one, MARKET, facts) for one in made.pull.allow)
    other = ListingFacts(series=frozenset({"btc-up-or-down-1d"}))
    assert not any(matches(one, MARKET, other) for one in made.pull.allow)


@pytest.mark.parametrize(
    ("question", "slug", "is_ladder"),
    [
        ("Will the price of Solana be above $30 on March 14?", "solana-above-30-on-march-14", True),
        ("Will the price of XRP be above $0.90 on March 17?", "xrp-above-0pt90-on-march-17", True),
        ("Bitcoin above 86.5k on December 12?", "bitcoin-above-86pt5k-on-december-12", True),
        ("Will NVIDIA (NVDA) finish week of March 9 above $195?", "nvda-above-195-on-march-13-2026", False),
        ("Will the price of Gold be above $5,200 on March 14?", "gold-above-5200-on-march-14", False),
        ("Will the price of Bitcoin be between $72,000 and $74,000 on March 13?", "", False),
        ("Will the price of Solana be greater than $130 on March 13?", "", False),
        ("Will the price of Bitcoin be below $60,000 on March 13?", "", False),
        ("Will Bitcoin reach $74,000 March 9-15?", "will-bitcoin-reach-74k-march-9-15", False),
        ("Will Ethereum dip to $1,850 on March 11?", "will-ethereum-dip-to-1850-on-march-11", False),
        ("Bitcoin Up or Down - March 11, 3PM ET", "bitcoin-up-or-down-march-11-3pm-et", False),
    ],
)
def test_the_family_of_ladders_has_levels_at_one_moment(clone, question, slug, is_ladder):
    """Of the venue's titles those of a level of a coin on a day are a ladder's: no range, no level that has to be
    touched, no share or metal, whose rules are others."""
    profiles.add("ladder", "paper", None, "", "own", families.assignments("ladder"))
    made = params.read(clone / "profiles/ladder/params.yaml")
    market = replace(MARKET, question=question)

    assert any(matches(one, market, ListingFacts(slug=slug)) for one in made.markets.allow) is is_ladder
    assert made.pull.allow == made.markets.allow
    assert made.markets.max_hours_to_end >= 24 + made.forecast.lookback_bars * made.bars.length_s / 3_600


@pytest.mark.parametrize("name", ["5m", "15m", "1h", "4h", "ladder"])
def test_a_family_takes_its_own_windows_of_the_local_exchange(name):
    """Each window of the local exchange belongs to one family, and is listed long enough before it begins that it is
    warm then."""
    (series,) = parse(name, 0)
    begin_s = EPOCH_S + 57_600
    window, *_ = windows_from(series, begin_s, Underlying(1, series.symbol), 1)
    market = replace(MARKET, question=window.listing.question)
    facts = ListingFacts(slug=window.listing.slug, series=frozenset({window.listing.series}))
    allowed = {one: yaml.safe_load(dict(map(_parted, families.assignments(one)))["pull.allow"]) for one in FAMILIES}
    made = dict(map(_parted, families.assignments(name)))
    warm_s = int(made["forecast.lookback_bars"]) * int(made["bars.length_s"])

    assert [one for one in FAMILIES if any(matches(pattern, market, facts) for pattern in allowed[one])] == [name]
    assert window.listing.start_s + warm_s < begin_s


def _parted(assignment):
    key, _, value = assignment.partition("=")
    return key, value


def test_a_failed_profile_is_no_profile(clone):
    """One whose changes are refused is not listed, keeps no port, and its name can be taken."""
    with pytest.raises(ParameterError):
        profiles.add("one", "paper", None, "", "own", ["bars.length_s=-1"])
    assert profile_paths.names() == []
    profiles.add("one", "paper", None, "", "own", families.assignments("1h"))
    assert profile_paths.names() == ["one"]


def test_training_a_profile_needs_a_champion_of_its_own(clone):
    """A profile that trades the clone's champion, or that is not there, is not trained; the error says what to do."""
    profiles.add("shared", "paper", None, "", "shared")

    with pytest.raises(SettingError, match="ODDSMITH_CHAMPION=own"):
        profile_training.train("shared", "simulated", None, fresh=False)
    with pytest.raises(SettingError, match="profiles add nobody"):
        profile_training.train("nobody", "simulated", None, fresh=False)


def test_a_family_that_is_held_says_why(clone, monkeypatch):
    """The line at the end of a training has the reasons of the gate, whatever the record of the verdict holds."""
    profiles.add("family", "simulated", None, "", "own", ())
    reasons = ["The skill's lower bound is -0.03%.", "The interval covered 95.1% of the moves."]

    def judge(folder, _package, *command):
        if command[0] == "gate":
            write_json(folder / "reports/gate.json", {"verdict": "hold", "reasons": reasons, "bundle": "0" * 64})
            write_json(folder / "models/verdict.json", {"verdict": "hold", "evidence": {"reasons": reasons}})

    monkeypatch.setattr(profile_training, "_run", judge)

    said = profile_training.train("family", "simulated", None, fresh=True)
    assert said == f"profile family: the gate says hold: {' '.join(reasons)}"


def test_a_profile_is_trained_in_its_folder_with_its_settings(clone, monkeypatch):
    """Stages run in the profile's folder, see its variables alone, and stop at the first that fails."""
    profiles.add("family", "paper", None, "", "own", families.assignments("5m"))
    monkeypatch.setenv("ODDSMITH_VAR", str(clone / "elsewhere"))
    monkeypatch.setenv("ODDSMITH_PRIVATE_KEY", "ab" * 32)

    with pytest.raises(ArtifactError, match=r"pipelines window --source recorded.*nothing\.parquet"):
        profile_training.train("family", "recorded", str(clone / "nothing.parquet"), fresh=True)
    assert "nothing.parquet" in (clone / "profiles/family/reports/training.log").read_text()
    seen = profile_training._environment()
    assert "ODDSMITH_PRIVATE_KEY" not in seen
    assert "ODDSMITH_VAR" not in seen
    assert not (clone / "elsewhere").exists()
