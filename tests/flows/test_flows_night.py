"""Nights, promotions, rollbacks and drift, run as flows against a Prefect API; the stages are small commands."""

import json
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import boto3
import pytest
from server_rows import rows

from flows import champions
from flows import drift as drift_module
from flows import promote as promote_module
from flows import rollback as rollback_module
from flows.commands import NIGHTLY
from flows.deploy import deploy
from flows.drift import drift
from flows.ingest import ingest
from flows.local.serve import serve
from flows.nightly import nightly, record_verdict
from flows.promote import promote, retire_foreign_champion, retire_losing_champion
from flows.releases import POINTER
from flows.rollback import rollback
from flows.shadow import shadow
from flows.stage_tasks import Failure, StageFailed, run_command
from flows.tracking import Registered
from pipelines.core import params as parameters
from pipelines.core.artifacts import read_json, write_json
from pipelines.core.command_line import Parser
from pipelines.core.errors import ArtifactError, SettingError
from pipelines.core.settings import Source
from pipelines.inference import champion_record
from pipelines.inference import verdict as verdicts

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("prefect_server")]

ROOT = Path(__file__).parents[2]
STAGES = """\
stages:
  pull: {cmd: "echo 'pull: the venue lists no market; is it running?'; exit 1", deps: [data/window.json]}
  package: {cmd: echo never}
  gate: {cmd: echo never}
"""


PARITY = {
    "bars": 9,
    "decisions": 40,
    "identical": 39,
    "different": 1,
    "not_replayed": 3,
    "unreplayable": {"no bundle": 3},
    "fills": {"orders": 2, "cost_gap_pusd": -1.25, "reasons": {"equal": 2}},
}


def _stage(name: str) -> None:
    """What a stage leaves behind; windows with an odd `as_of_s` give a promoting verdict."""
    as_of_s = read_json(Path("data/window.json"))["as_of_s"]
    if name == "package":
        source = read_json(Path("data/window.json"))["source"]
        write_json(Path("models/bundle/manifest.json"), {"hash": _hash(as_of_s), "source": source})
    if name == "gate":
        said = {"verdict": "promote" if as_of_s % 2 else "hold", "bundle": _hash(as_of_s)}
        evidence = {"reasons": ["because"], "evidence": {"skill": 0.02}}
        write_json(Path("reports/gate.json"), {**said, **evidence})
        source = read_json(Path("models/bundle/manifest.json"))["source"]
        verdicts.write(
            Path("models/verdict.json"), **said, source=source, evidence=evidence, as_of_s=as_of_s, valid_days=30
        )


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A folder with three stages and a window that a test chooses; calls of DVC, MLflow and bentos are recorded."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ODDSMITH_VAR", str(tmp_path / "var"))
    monkeypatch.delenv("ODDSMITH_STORE_URL", raising=False)
    monkeypatch.delenv("BENTOML_HOME", raising=False)
    monkeypatch.setenv("ODDSMITH_SERVICE_PORT", "9")
    Path("dvc.yaml").write_text(STAGES)
    shutil.copy2(ROOT / "params.yaml", "params.yaml")
    parameters.load.cache_clear()
    state = SimpleNamespace(
        as_of_s=1, alias=[], commands=[], replayed=[], replay=PARITY, failures=[], ingested=[], lands=True
    )

    def window(*command: str, name: str) -> list[str]:
        if name == "parity":
            if state.replay is None:
                raise StageFailed("parity: the journal holds no decided bar")
            write_json(Path("reports/parity.json"), state.replay)
            return []
        source = command[command.index("--source") + 1]
        write_json(Path("data/window.json"), {"source": source, "as_of_s": state.as_of_s, "recording": None})
        return []

    def command(*words: str, name: str) -> list[str]:
        state.commands.append(words[2:])
        if name != "install":
            return []
        built = read_json(Path(words[-1]) / "manifest.json")["hash"][-4:]
        inside = Path(tmp_path, f"var/bento/bentos/oddsmith/{built}/src/bundle")
        inside.mkdir(parents=True, exist_ok=True)
        (inside / "manifest.json").write_bytes((Path(words[-1]) / "manifest.json").read_bytes())
        (inside / "verdict.json").write_bytes(verdicts.path_of(Path(words[-1])).read_bytes())
        return [f"oddsmith:{built}"]

    monkeypatch.setattr("flows.nightly.run_command", window)

    def stage(*words: str, name: str, **_named) -> list[str]:
        if name == "parity":
            return window(*words, name=name)
        if name != "ingest":
            return _stage(name)
        state.ingested.append((words[-2:], Path("data/window.json").exists()))
        if not state.lands:
            raise StageFailed("ingest: the venue does not answer")
        return []

    monkeypatch.setattr("flows.stage_tasks.run_command", stage)
    monkeypatch.setattr(promote_module, "run_command", command)
    monkeypatch.setattr(rollback_module, "Bundle", SimpleNamespace(open=_sealed))
    monkeypatch.setattr("flows.tracking.log_candidate", lambda _bundle, name: Registered(f"v{int(name, 16)}", None))
    monkeypatch.setattr("flows.tracking.log_failed_night", lambda *said: state.failures.append(said))
    monkeypatch.setattr("flows.tracking.log_verdict", lambda *_: None)
    monkeypatch.setattr("flows.tracking.log_parity", lambda *found: state.replayed.append(found))
    monkeypatch.setattr("flows.tracking.move_champion", state.alias.append)
    monkeypatch.setattr("flows.tracking.retire_champion", lambda: state.alias.append(None))
    return state


def _sealed(folder: Path) -> SimpleNamespace:
    return SimpleNamespace(hash=read_json(folder / "manifest.json")["hash"])


def _hash(as_of_s: int) -> str:
    return f"{as_of_s:064x}"


def _artifacts(key: str) -> list[str]:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

    wanted = ArtifactFilter(key=ArtifactFilterKey(any_=[key]))
    with get_client(sync_client=True) as client:
        found = rows(client, "artifacts", {"artifacts": wanted.model_dump(mode="json")})
    return [artifact["data"] for artifact in found]


def test_a_promoting_night_makes_the_candidate_champion(desk):
    """Verdict promote: bundle installed, alias moved, champion.json written, the verdict is in the UI."""
    outcome = nightly(Source.SIMULATED)

    assert outcome["gate"]["verdict"] == "promote"
    assert champions.champion()["hash"] == _hash(1)
    assert champions.champion()["bento_tag"] == "oddsmith:0001"
    assert desk.alias == ["v1"]
    assert any(_hash(1)[:12] in text and "PROMOTE" in text for text in _artifacts("gate"))
    assert read_json(Path("var/nightly.json"))["champion"]["hash"] == _hash(1)
    assert Path("var/lineage", _hash(1), "lineage.json").is_file()


def test_a_second_night_on_the_same_window_promotes_nothing_again(desk):
    """The champion that trades is not installed a second time."""
    nightly(Source.SIMULATED)
    nightly(None)

    assert desk.alias == ["v1"]
    assert len(champions.history()) == 1


def test_a_failing_stage_ends_the_night_with_its_own_line_and_promotes_nothing(desk, monkeypatch):
    """The stage's one line is the flow's failure, through DVC; the champion of yesterday goes on."""
    nightly(Source.SIMULATED)
    monkeypatch.setattr("flows.stage_tasks.run_command", run_command)
    subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "-q"], check=True)

    state = nightly(None, return_state=True)

    assert state.is_failed()
    assert "pull: the venue lists no market; is it running?" in state.message
    with pytest.raises(StageFailed, match=r"^pull: the venue lists no market; is it running\?$"):
        state.result()
    assert champions.champion()["hash"] == _hash(1)
    assert desk.alias == ["v1"]
    assert [step for step, _ in desk.failures] == ["pull"]
    assert "is it running?" in desk.failures[0][1]
    assert not Path("var/night.json").exists()


def test_a_killed_night_is_noted_by_the_next_one(desk):
    """The step that a killed night was at is in var/night.json; the next night leaves its MLflow run and goes on."""
    write_json(Path("var/night.json"), {"step": "agent", "since": "2026-01-10T02:10:00+00:00"})
    assert nightly(Source.SIMULATED)["gate"]["verdict"] == "promote"
    ((step, why),) = desk.failures
    assert (step, "it was killed" in why) == ("agent", True)
    assert not Path("var/night.json").exists()


def test_a_night_fails_with_its_own_reason_where_mlflow_is_away(desk, monkeypatch):
    """A broken MLflow does not hide why the night failed, and does not stop one that goes on after a killed one."""

    def away(*_said: str) -> None:
        raise ConnectionError("MLflow is away")

    monkeypatch.setattr("flows.tracking.log_failed_night", away)
    write_json(Path("var/night.json"), {"step": "agent", "since": "then"})
    nightly(Source.SIMULATED)
    monkeypatch.setattr("flows.stage_tasks.run_command", run_command)
    subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "-q"], check=True)
    assert "the venue lists no market" in nightly(None, return_state=True).message


def test_a_night_replays_the_day_that_was_traded(desk):
    """With a journal the day is decided again first; the gap stands in the UI, in MLflow and in var/nightly.json."""
    assert nightly(Source.SIMULATED)["parity"] is None
    assert desk.replayed == []
    Path("var/journal.sqlite").touch()

    outcome = nightly(None)

    shown = {"decisions": 40, "not_replayed": 3, "different": 1, "cost_gap_pusd": -1.25}
    assert outcome["parity"] == shown == read_json(Path("var/nightly.json"))["parity"]
    assert any(
        "decisions differ" in text and outcome["gate"]["verdict"].upper() in text for text in _artifacts("night")
    )
    assert outcome["steps"].keys() >= {"parity", "window"}
    assert desk.replayed == [(_hash(1), PARITY)]
    assert any("1 decisions differ" in text for text in _artifacts("parity"))


@pytest.mark.parametrize("lands", [True, False])
def test_a_night_brings_its_history_into_the_landing_zone_before_its_window(desk, lands):
    """The days of a window are fetched into the landing zone once; a night goes on where that fails."""
    desk.lands = lands

    outcome = nightly(Source.SIMULATED)

    assert desk.ingested == [(("--days", f"{parameters.load().pull.history_days:g}"), False)]
    assert ("ingest" in outcome["steps"]) is lands
    assert outcome["gate"]["verdict"] == "promote"


def test_a_night_of_the_venue_is_not_read_into_the_zone_of_a_simulator(desk):
    """Where this machine simulates, a night of another source leaves its landing zone alone."""
    desk.as_of_s = 2
    nightly(Source.POLYMARKET)
    assert desk.ingested == []


def test_a_journal_that_cannot_be_replayed_stops_no_night(desk):
    """A replay that fails is said; models are trained and judged all the same."""
    Path("var").mkdir()
    Path("var/journal.sqlite").touch()
    desk.replay = None

    outcome = nightly(Source.SIMULATED)

    assert outcome["parity"] is None
    assert outcome["gate"]["verdict"] == "promote"


def test_a_hold_leaves_the_champion(desk):
    """A verdict that holds installs nothing."""
    nightly(Source.SIMULATED)
    desk.as_of_s = 4
    outcome = nightly(None)

    assert outcome["gate"]["verdict"] == "hold"
    assert champions.champion()["hash"] == _hash(1)


def test_promotion_is_refused_without_a_promoting_verdict_for_that_very_bundle(desk):
    """Neither a held bundle nor another one than the gate judged can be made champion."""
    desk.as_of_s = 4
    nightly(Source.SIMULATED)

    with pytest.raises(ArtifactError, match="the gate said hold"):
        promote()
    with pytest.raises(ArtifactError, match="has no promoting verdict"):
        promote(Path("models/bundle"), _hash(7), "v7")
    assert champions.champion() is None
    assert not any(words[0] == "serving" for words in desk.commands)


def test_rollback_restores_the_champion_before_and_keeps_the_other_off(desk):
    """The earlier bundle trades again; the withdrawn one is not promoted by the next night, only deployed by hand."""
    nightly(Source.SIMULATED)
    desk.as_of_s = 3
    nightly(None)

    record = rollback(reason="loses money")

    assert record["hash"] == champions.champion()["hash"] == _hash(1)
    assert desk.alias == ["v1", "v3", "v1"]
    assert nightly(None)["champion"]["hash"] == _hash(1)
    with pytest.raises(ArtifactError, match=r"was rolled back \(loses money\)"):
        promote()
    with pytest.raises(ArtifactError, match="no earlier champion can come back"):
        rollback()
    assert deploy(_hash(3))["hash"] == _hash(3) == champions.champion()["hash"]


def test_another_machine_installs_the_champion_of_the_store(desk, bucket, monkeypatch):
    """A promotion publishes bundle and record; `deploy` on a bare machine fetches, verifies and installs them."""
    monkeypatch.setenv("ODDSMITH_STORE_URL", f"s3://{bucket}")
    with pytest.raises(ArtifactError, match="no bundle has been promoted yet"):
        deploy()
    nightly(Source.SIMULATED)
    monkeypatch.setenv("ODDSMITH_VAR", "elsewhere")
    shutil.rmtree("models")

    record = deploy()

    assert record["hash"] == champions.champion()["hash"] == _hash(1)
    assert record["serving"] is False
    assert read_json(Path("elsewhere/bundles", _hash(1), "manifest.json"))["hash"] == _hash(1)


def test_a_bundle_that_was_altered_in_the_store_is_not_installed(desk, bucket, monkeypatch):
    """What comes from the store is verified before anything changes."""
    monkeypatch.setenv("ODDSMITH_STORE_URL", f"s3://{bucket}")
    nightly(Source.SIMULATED)
    boto3.client("s3").put_object(Bucket=bucket, Key=f"bundles/{_hash(1)}/manifest.json", Body=b'{"hash": "other"}')
    monkeypatch.setenv("ODDSMITH_VAR", "elsewhere")
    shutil.rmtree("models")

    with pytest.raises(ArtifactError, match="holds bundle other, not 000"):
        deploy()
    assert champions.champion() is None


def test_no_secret_reaches_prefect(desk, monkeypatch):
    """Keys and tokens of the environment are in no parameter, log line or artifact of a night, nor in its files."""
    planted = {
        "ODDSMITH_PRIVATE_KEY": "c0ffee" + "5a" * 29,
        "ODDSMITH_SERVICE_TOKEN": "canary-service-token-0123456789",
        "ODDSMITH_OPENAI_KEY": "canary-openai-key-0123456789",
        "ODDSMITH_JOURNAL_URL": "sqlite:///canary-journal-0123456789",
    }
    for name, value in planted.items():
        monkeypatch.setenv(name, value)

    nightly(Source.SIMULATED)

    from prefect.client.orchestration import get_client
    from prefect.logging.handlers import APILogWorker

    APILogWorker.instance().drain()
    with get_client(sync_client=True) as client:
        told = {route: json.dumps(rows(client, route)) for route in ("flow_runs", "task_runs", "logs", "artifacts")}
    assert "nightly" in told["flow_runs"] + told["task_runs"]
    told |= {str(path): path.read_text(errors="replace") for path in Path().rglob("*") if path.is_file()}
    assert [name for name, text in told.items() if any(value in text for value in planted.values())] == []


def _judge_again(folder: Path, valid_days: float, now_s: float | None = None) -> None:
    bundle = read_json(folder / "manifest.json")
    verdicts.write(
        folder / "verdict.json",
        verdict="promote",
        bundle=bundle["hash"],
        source=bundle["source"],
        evidence={"reasons": ["because"]},
        as_of_s=1,
        valid_days=valid_days,
        now_s=now_s,
    )


def _installed(as_of_s: int) -> Path:
    return Path(f"var/bento/bentos/oddsmith/{_hash(as_of_s)[-4:]}/src/bundle")


def test_an_expired_verdict_is_neither_promoted_nor_deployed_nor_rolled_back_to(desk):
    """Past its days a bundle becomes champion by no command; the kill switch is named, and the champion stays."""
    nightly(Source.SIMULATED)
    desk.as_of_s = 3
    nightly(None)
    _judge_again(_installed(1), 30, now_s=0)

    with pytest.raises(ArtifactError, match=r"its verdict expired on 1970-01-31.*touch var/KILL|expired.*KILL"):
        rollback()
    with pytest.raises(ArtifactError, match="expired on 1970-01-31"):
        deploy(_hash(1))
    assert champions.champion()["hash"] == _hash(3)

    _judge_again(Path("models/bundle"), 30, now_s=0)
    with pytest.raises(ArtifactError, match="expired on 1970-01-31"):
        promote()


def test_a_verdict_that_expired_is_renewed_by_the_next_judgement(desk):
    """The same bundle judged again is installed again: its verdict counts anew."""
    nightly(Source.SIMULATED)
    _judge_again(_installed(1), 30, now_s=0)

    assert nightly(None)["champion"]["hash"] == _hash(1)
    assert champions.approved(_installed(1), _hash(1))


def test_a_verdict_that_was_altered_deploys_nothing(desk, bucket, monkeypatch):
    """A verdict that somebody rewrites fits its digest no longer; the store is trusted no more than the disk."""
    monkeypatch.setenv("ODDSMITH_STORE_URL", f"s3://{bucket}")
    nightly(Source.SIMULATED)
    key = f"bundles/{_hash(1)}/verdict.json"
    document = json.loads(boto3.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read())
    changed = json.dumps(document | {"expires_s": document["expires_s"] + 1}).encode()
    boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=changed)
    monkeypatch.setenv("ODDSMITH_VAR", "elsewhere")
    shutil.rmtree("models")

    with pytest.raises(ArtifactError, match="was altered after the gate wrote it"):
        deploy()
    assert champions.champion() is None


def test_a_person_can_deploy_by_name_what_the_gate_did_not_promote(desk, monkeypatch):
    """The override names one bundle; another one stays refused."""
    nightly(Source.SIMULATED)
    _judge_again(_installed(1), 30, now_s=0)
    monkeypatch.setenv("ODDSMITH_ARM_UNAPPROVED", "ab" * 8)
    with pytest.raises(ArtifactError, match="ODDSMITH_ARM_UNAPPROVED=000"):
        deploy(_hash(1))
    monkeypatch.setenv("ODDSMITH_ARM_UNAPPROVED", _hash(1))

    assert deploy(_hash(1))["hash"] == _hash(1)


def test_rollback_without_champions_says_so(desk):
    """With nothing to go back to, the answer is the kill switch."""
    with pytest.raises(ArtifactError, match="there is no champion to roll back"):
        rollback()
    nightly(Source.SIMULATED)
    with pytest.raises(ArtifactError, match="touch var/KILL"):
        rollback()


def test_a_champion_of_another_source_is_retired(desk):
    """Skill on synthetic markets says nothing about recordings: the champion goes before the night begins."""
    nightly(Source.SIMULATED)

    assert not retire_foreign_champion("simulated")
    assert retire_foreign_champion("recorded")
    assert champions.champion() is None
    assert desk.alias[-1] is None


def losing(champion, text="it surely loses"):
    """What a gate says that looked at a champion and saw it lose."""
    return {"champion": champion, "champion_pnl": {"surely": True, "text": text}}


def test_a_champion_that_surely_loses_is_retired(desk):
    """The account goes on in cash, also where nobody follows: with a notice, without an alias, and a rollback does not
    bring it back. A champion that the gate did not look at, or that does not surely lose, stays."""
    nightly(Source.SIMULATED)
    present = champions.champion()["hash"]

    assert not retire_losing_champion(losing("another"))
    assert not retire_losing_champion({"champion": present, "champion_pnl": {"surely": False, "text": ""}})
    assert not retire_losing_champion({"champion": present})
    assert champions.champion()["hash"] == present
    assert retire_losing_champion(losing(present))
    assert champions.champion() is None
    assert desk.alias[-1] is None
    assert champions.withdrawn() == {present: "it surely loses"}
    assert present not in [one["hash"] for one in champions.earlier()]
    assert "surely loses" in champion_record.taken_off(Path("var"))[present]


def test_a_champion_that_came_while_a_retirement_waited_stays(desk, monkeypatch):
    """The lock may be held by a promotion: who is champion after it was not judged."""
    nightly(Source.SIMULATED)
    present = champions.champion()

    @contextmanager
    def waited(*_said, **_named):
        champions.promote_record({**present, "hash": _hash(3)}, champions.PROMOTED)
        yield

    monkeypatch.setattr(promote_module, "alone", waited)

    assert not retire_losing_champion(losing(present["hash"]))
    assert champions.champion()["hash"] == _hash(3)


def test_a_retirement_needs_no_mlflow(desk, monkeypatch):
    """Where its server does not answer the night fails and says so, and nothing trades all the same."""
    nightly(Source.SIMULATED)

    def down():
        raise ConnectionError("MLflow does not answer")

    monkeypatch.setattr("flows.tracking.retire_champion", down)
    with pytest.raises(ConnectionError):
        retire_losing_champion(losing(champions.champion()["hash"]))
    assert champions.champion() is None


@pytest.mark.parametrize("verdict", ["promote", "hold"])
def test_a_night_retires_a_losing_champion_whoever_follows(desk, monkeypatch, verdict):
    """A candidate that passed becomes champion at once, without days in shadow beside a champion that loses; without
    one nothing trades."""
    nightly(Source.SIMULATED)
    present = champions.champion()["hash"]
    desk.as_of_s = 3 if verdict == "promote" else 2
    monkeypatch.setattr("flows.nightly.record_verdict", lambda *one: record_verdict(*one) | losing(present))
    monkeypatch.setattr("flows.shadow.bundle_served", lambda _: present)
    outcome = nightly(Source.SIMULATED)

    events = [line["event"] for line in champions.history()]
    assert events == ["promoted", "retired", *(["promoted"] if verdict == "promote" else [])]
    assert (outcome["champion"] or {}).get("hash") == (_hash(3) if verdict == "promote" else None)
    assert outcome["shadow"] is None


def test_a_retirement_reaches_the_machine_that_trades(desk, bucket, monkeypatch):
    """Its next deployment retires the champion there too, and says why; the next promotion is deployed again."""
    monkeypatch.setenv("ODDSMITH_STORE_URL", f"s3://{bucket}")
    nightly(Source.SIMULATED)
    monkeypatch.setenv("ODDSMITH_VAR", "elsewhere")
    deploy()
    monkeypatch.setenv("ODDSMITH_VAR", "var")
    assert retire_losing_champion(losing(_hash(1)))
    pointer = boto3.client("s3").head_object(Bucket=bucket, Key=POINTER)
    monkeypatch.setenv("ODDSMITH_VAR", "elsewhere")
    monkeypatch.setattr("flows.releases.Releases.retire", lambda *_: pytest.fail("the store is written by the night"))
    for _ in range(2):
        with pytest.raises(ArtifactError, match=r"was retired \(it surely loses\); nothing is opened here"):
            deploy()
        assert champions.champion() is None
    assert boto3.client("s3").head_object(Bucket=bucket, Key=POINTER)["ETag"] == pointer["ETag"]
    monkeypatch.setenv("ODDSMITH_VAR", "var")
    desk.as_of_s = 3
    nightly(Source.SIMULATED)
    monkeypatch.setenv("ODDSMITH_VAR", "elsewhere")

    assert deploy()["hash"] == _hash(3)


def test_a_night_by_hand_goes_on_with_the_last_source():
    """Without --source the nightly command asks for none, so that a machine on the venue does not turn to another."""
    parser = Parser()
    NIGHTLY.arguments(parser)
    assert parser.parse_args(["--fresh"]).source is None
    assert parser.parse_args(["--source", "polymarket"]).source == Source.POLYMARKET


def test_nights_of_the_venue_are_not_served_beside_a_simulator(desk, monkeypatch):
    """`make flows` in the default mode starts a simulator: with a window of the venue it says what to set."""
    monkeypatch.delenv("ODDSMITH_MODE", raising=False)
    write_json(Path("data/window.json"), {"source": "polymarket"})

    with pytest.raises(SettingError, match="ODDSMITH_MODE=paper"):
        serve()


def test_drift_emits_an_event_and_only_then(desk, monkeypatch):
    """The event that starts a night has bundle and reasons, comes once a day per bundle, and never without drift."""
    nightly(Source.SIMULATED)
    emitted = []
    found = {
        "bundle": _hash(1),
        "as_of_s": 5,
        "sample": {"bars": 9, "markets": 2},
        "columns": {},
        "skill": {},
        "refit": {},
    }
    monkeypatch.setattr(drift_module, "emit_event", lambda **event: emitted.append(event))
    monkeypatch.setattr(drift_module, "run_command", lambda *words, name: desk.commands.append(words[3:]) or [name])

    write_json(Path("reports/drift.json"), {**found, "verdict": "stable", "reasons": ["nothing moved"]})
    assert drift(fetch=False)["verdict"] == "stable"
    write_json(Path("reports/drift.json"), {**found, "verdict": "drift", "reasons": ["volume moved"]})
    assert drift(fetch=False)["verdict"] == "drift"

    assert drift(fetch=False)["verdict"] == "drift"
    assert [event["event"] for event in emitted] == ["oddsmith.drift.detected"]
    assert emitted[0]["resource"]["prefect.resource.id"] == f"oddsmith.bundle.{_hash(1)[:12]}"
    assert emitted[0]["payload"]["reasons"] == ["volume moved"]
    assert any("volume moved" in text for text in _artifacts("drift"))
    assert str(champions.bundle_folder(champions.champion())) in desk.commands[-1]


@pytest.mark.parametrize(("every_h", "nights"), [(24.0, 3), (6.0, 9)])
def test_drift_that_the_gate_does_not_answer_starts_a_night_each_retrain_every_h(desk, monkeypatch, every_h, nights):
    """While the gate holds, a bundle that drifts at each of nine looks, six hours apart, starts a night once within
    `drift.retrain_every_h`, and the drift of another bundle starts one at once."""
    nightly(Source.SIMULATED)
    emitted, clock = [], SimpleNamespace(now_s=1.0e9)
    shipped = parameters.load()
    params = shipped.model_copy(update={"drift": shipped.drift.model_copy(update={"retrain_every_h": every_h})})
    monkeypatch.setattr(parameters, "load", lambda: params)
    monkeypatch.setattr(drift_module, "time", SimpleNamespace(time=lambda: clock.now_s))
    monkeypatch.setattr(drift_module, "emit_event", lambda **event: emitted.append(event))
    monkeypatch.setattr(drift_module, "run_command", lambda *_words, name: [name])
    found = {
        "as_of_s": 5,
        "sample": {"bars": 9, "markets": 2},
        "columns": {},
        "skill": {},
        "refit": {},
        "start_s": None,
    }
    said = {**found, "verdict": "drift", "reasons": ["volume moved"]}
    for look in range(9):
        clock.now_s = 1.0e9 + 6 * 3_600.0 * look
        write_json(Path("reports/drift.json"), {**said, "bundle": _hash(1)})
        drift(fetch=False)
    assert len(emitted) == nights
    write_json(Path("reports/drift.json"), {**said, "bundle": _hash(3)})
    drift(fetch=False)
    assert len(emitted) == nights + 1


def test_ingest_is_repeated_when_the_venue_does_not_answer(desk, monkeypatch):
    """Only pulls are repeated: the append that failed once succeeds on its second try."""
    tries = []

    def command(*words: str, name: str, **_: object) -> list[str]:
        tries.append(words)
        if len(tries) == 1:
            raise StageFailed("ingest: the venue did not answer", Failure.UNAVAILABLE)
        return []

    monkeypatch.setattr("flows.ingest.run_command", command)
    monkeypatch.setattr("flows.ingest.append.retry_delay_seconds", 0)

    ingest()

    assert len(tries) == 2


def test_a_report_of_another_shape_stops_no_night(desk):
    """An artifact that cannot be made is a warning in the log."""
    Path("reports").mkdir()
    Path("reports/validation.json").write_text(json.dumps({"success": True}))
    Path("dvc.yaml").write_text(STAGES + "  validate: {cmd: echo fine}\n")

    assert nightly(Source.SIMULATED)["gate"]["verdict"] == "promote"


def _measured(advice: str, role: str = "challenger", **numbers: float) -> None:
    """What the live service would have written of the bundle in shadow and the present champion."""
    record = read_json(Path("var/challenger.json"))
    seen = {
        "role": role,
        "bars": 5_000,
        "e_better": 50.0 if advice == "better" else 0.1,
        "e_worse": 50.0 if advice == "worse" else 0.1,
        "champion_drawdown": 0.0,
        "shadow_drawdown": 0.0,
        "error_rate": 0.0,
        **numbers,
    }
    write_json(Path("var/shadow.json"), seen | {"shadow": record["hash"], "champion": champions.champion()["hash"]})


@pytest.fixture
def trading(desk, monkeypatch):
    """The same desk, with a bot that runs here and a champion."""
    monkeypatch.setattr("flows.shadow.bundle_served", lambda _url: "some")
    monkeypatch.setattr("flows.deploy.bundle_served", lambda _url: None)
    nightly(Source.SIMULATED)
    desk.as_of_s = 3
    return desk


def test_where_a_bot_trades_a_promoted_candidate_is_watched_first(trading):
    """The champion goes on; the candidate is in shadow, installed, and becomes champion when the evidence is enough."""
    outcome = nightly(None)

    assert outcome["champion"]["hash"] == _hash(1)
    assert outcome["shadow"]["hash"] == _hash(3)
    assert shadow()["advice"] == "wait"
    _measured("nothing")
    assert shadow()["advice"] == "wait"
    _measured("better")
    assert shadow()["advice"] == "promote"
    assert champions.champion()["hash"] == _hash(3)
    assert trading.alias == ["v1", "v3"]


def test_a_challenger_without_evidence_is_dismissed(trading):
    """The champion stays, and nothing is in shadow any more."""
    nightly(None)
    _measured("worse")

    assert shadow()["advice"] == "dismiss"
    assert champions.champion()["hash"] == _hash(1)
    assert not Path("var/challenger.json").exists()


def test_a_challenger_that_gathers_evidence_is_not_replaced_by_the_next_night(trading):
    """The test goes on over nights; one without evidence gives its place to the newer candidate."""
    nightly(None)
    _measured("better")
    trading.as_of_s = 5
    assert nightly(None)["shadow"]["hash"] == _hash(3)
    _measured("nothing")
    assert nightly(None)["shadow"]["hash"] == _hash(5)


@pytest.mark.parametrize(
    "numbers", [{"e_better": 99.0}, {"champion_drawdown": 0.2, "shadow_drawdown": 0.01}, {"error_rate": 0.9}]
)
def test_a_new_champion_that_falls_behind_its_predecessor_is_rolled_back(trading, numbers):
    """Forecasts, a deeper fall and failed orders each bring the former champion back, and the other one stays off."""
    nightly(None)
    _measured("better")
    shadow()
    assert read_json(Path("var/challenger.json"))["role"] == "predecessor"
    _measured("nothing", "predecessor", **numbers)

    assert shadow()["advice"] == "rollback"
    assert champions.champion()["hash"] == _hash(1)
    assert _hash(3) in champions.withdrawn()
    assert not Path("var/challenger.json").exists()


def test_a_new_champion_that_keeps_up_lets_its_predecessor_go(trading):
    """After the longest watch nothing is in shadow, and the champion stays."""
    nightly(None)
    _measured("better")
    shadow()
    _measured("nothing", "predecessor", bars=10**6)

    assert shadow()["advice"] == "keep"
    assert champions.champion()["hash"] == _hash(3)
