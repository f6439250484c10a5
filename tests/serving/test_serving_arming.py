"""What may trade: the same rule for a repository, a champion file, an embedded bento and every mode."""

import asyncio
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks import tiny_bundle
from pipelines.core import params
from pipelines.core.artifacts import read_json, write_json
from pipelines.core.errors import ArtifactError, SettingError
from pipelines.core.settings import Mode, Settings
from pipelines.decision_record import rules_document
from pipelines.history.journaled_limits import JournaledLimits
from pipelines.inference import verdict as verdicts
from pipelines.inference.bundle import Bundle, seal
from serving import champion
from serving.champion import Champion
from serving.dashboard.status import Status
from serving.loaded_model import open_model
from serving.model_watch import ModelWatch
from serving.start import check_mode
from serving.threads import Threads

DAY_S = 86_400


def _settings(var: Path, mode: Mode = Mode.SIMULATED, **more: str) -> Settings:
    return Settings(var=var, mode=mode, **more)


class Machine:
    """A machine folder with one bundle that is started in one way: `find` is what that start decides with."""

    def __init__(self, var: Path, way: str, source: str = "simulated") -> None:
        self.var, self.way = var, way
        inside = var / "bento" / "bentos" / "oddsmith" / "tag" / "src" / "bundle"
        self.embedded, self.candidate = var / "none", var / "none"
        self.folder = {
            "embedded": var / "image" / "src" / "bundle",
            "bento": inside,
            "repository": var / "m" / "bundle",
        }[way]
        self.hash = tiny_bundle.make(self.folder, source=source)
        if way == "embedded":
            self.embedded = self.folder
        elif way == "repository":
            self.candidate = self.folder
        if way != "embedded":
            write_json(var / "champion.json", self.record(self.hash))

    @staticmethod
    def record(name: str) -> dict[str, str]:
        return {"hash": name, "bento_tag": "oddsmith:tag", "mlflow_version": "4", "source": "simulated"}

    def find(self, mode: Mode = Mode.SIMULATED, **more: str) -> Champion:
        found = champion.find(_settings(self.var, mode, **more), self.embedded, self.candidate)
        assert found is not None
        return found

    def changed(self, event: str, **more: str) -> None:
        line = self.record(self.hash) | {"event": event, "reason": "loses money", **more}
        with (self.var / "champions.jsonl").open("a") as stream:
            stream.write(json.dumps(line) + "\n")


@pytest.fixture(params=["embedded", "bento", "repository"])
def machine(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """One bundle without a verdict, started inside a bento, by a champion file with a bento, and in a repository."""
    monkeypatch.delenv("BENTOML_HOME", raising=False)
    return Machine(tmp_path, request.param)


def test_a_promoted_bundle_is_armed(machine: Machine) -> None:
    """With the gate's promotion beside it a bundle trades, however it is started."""
    tiny_bundle.approve(machine.folder)

    found = machine.find()

    assert (found.armed, found.sells, found.override, found.why) == (True, True, False, "")
    assert found.bundle == machine.hash


def _none(_machine: Machine) -> None:
    return


def _held(machine: Machine) -> None:
    tiny_bundle.approve(machine.folder, said="hold")


def _of_another(machine: Machine) -> None:
    path = tiny_bundle.approve(machine.folder)
    other = machine.var / "other"
    tiny_bundle.make(other, pull=9.0)
    path.write_bytes(tiny_bundle.approve(other).read_bytes())


def _rewritten(machine: Machine) -> None:
    path = tiny_bundle.approve(machine.folder, said="hold")
    path.write_text(path.read_text().replace('"hold"', '"promote"'))


def _extended(machine: Machine) -> None:
    path = tiny_bundle.approve(machine.folder, now_s=0)
    document = read_json(path)
    write_json(path, document | {"expires_s": document["expires_s"] + 10**9})


def _evidence_changed(machine: Machine) -> None:
    path = tiny_bundle.approve(machine.folder)
    document = read_json(path)
    write_json(path, document | {"evidence": {"skill": 1.0}})


def _cut(machine: Machine) -> None:
    path = tiny_bundle.approve(machine.folder)
    path.write_bytes(path.read_bytes()[:80])


def _of_the_future(machine: Machine) -> None:
    tiny_bundle.approve(machine.folder, now_s=time.time() + 10 * DAY_S)


def _another_source(machine: Machine) -> None:
    path = machine.folder / "verdict.json"
    verdicts.write(
        path, verdict="promote", bundle=machine.hash, source="polymarket", evidence={}, as_of_s=int(time.time()),
        valid_days=9,
    )  # fmt: skip


def _list(machine: Machine) -> None:
    (machine.folder / "verdict.json").write_text("[1]")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_none, "no verdict"),
        (_held, "the gate said hold"),
        (_of_another, "another bundle"),
        (_rewritten, "was altered"),
        (_extended, "was altered"),
        (_evidence_changed, "was altered"),
        (_cut, "is not JSON"),
        (_of_the_future, "in the future"),
        (_another_source, "source polymarket"),
        (_list, "is no verdict"),
    ],
)
def test_what_was_never_approved_orders_nothing(machine: Machine, spoil: Callable[[Machine], None], words: str) -> None:
    """No verdict, a hold, one of another bundle or source, an altered, cut or future one: shown, neither buys nor
    sells, and says why."""
    spoil(machine)

    found = machine.find()

    assert (found.armed, found.sells) == (False, False)
    assert words in found.why


def test_an_expired_verdict_opens_nothing_and_still_closes(machine: Machine) -> None:
    """After its days a bundle buys nothing more; what it holds keeps its stops."""
    tiny_bundle.approve(machine.folder, valid_days=30, now_s=time.time() - 31 * DAY_S)

    found = machine.find()

    assert (found.armed, found.sells) == (False, True)
    assert "expired on" in found.why


def test_a_champion_in_cash_opens_nothing_and_still_closes(machine: Machine) -> None:
    """Where the gate promoted the forecasts alone nothing is bought; what an earlier champion holds keeps its stops."""
    tiny_bundle.approve(machine.folder, said="promote_in_cash")

    found = machine.find()

    assert (found.armed, found.sells) == (False, True)
    assert "stays in cash" in found.why


def test_a_rollback_and_a_retirement_reach_every_way_of_starting(machine: Machine) -> None:
    """What was taken off on this machine opens nothing, an embedded bento too; a deployment by a person lifts it."""
    tiny_bundle.approve(machine.folder)
    machine.changed("promoted")
    assert machine.find().armed

    machine.changed("rolled_back", hash="ab" * 32, withdrawn=machine.hash)
    rolled_back = machine.find()
    machine.changed("deployed")
    deployed = machine.find()
    machine.changed("retired")
    retired = machine.find()

    assert (rolled_back.armed, rolled_back.sells) == (False, True)
    assert "rolled back: loses money" in rolled_back.why
    assert deployed.armed
    assert (retired.armed, "retired: loses money" in retired.why) == (False, True)


@pytest.mark.parametrize("mode", [Mode.PAPER, Mode.LIVE])
@pytest.mark.parametrize(("source", "armed"), [("simulated", False), ("recorded", False), ("polymarket", True)])
@pytest.mark.parametrize("way", ["embedded", "bento", "repository"])
def test_only_what_learned_from_the_venue_trades_on_the_venue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: Mode, source: str, armed: bool, way: str
) -> None:
    """On the venue's markets a demonstration champion is shown and orders nothing; it says what to do."""
    monkeypatch.delenv("BENTOML_HOME", raising=False)
    machine = Machine(tmp_path, way, source)
    tiny_bundle.approve(machine.folder)

    found = machine.find(mode)

    assert (found.armed, found.sells, "--source polymarket" in found.why) == (armed, armed, not armed)


def test_a_person_arms_one_bundle_by_name(machine: Machine) -> None:
    """The override arms the named bundle, says on whose word, and no other one; with real orders it counts nothing."""
    named = machine.hash[:12]

    assert not machine.find(arm_unapproved="ab" * 8).armed
    found = machine.find(arm_unapproved=named.upper())
    assert (found.armed, found.override) == (True, True)
    assert found.why.startswith("ARMED BY HAND")
    assert "no verdict" in found.why
    assert not machine.find(Mode.LIVE, arm_unapproved=named).armed


def test_the_override_needs_a_name_and_is_refused_in_live_mode(tmp_path: Path) -> None:
    """`yes` names no bundle; mode live does not start with it."""
    with pytest.raises(SettingError, match=r"ODDSMITH_ARM_UNAPPROVED was 'yes'.*12 to 64"):
        _settings(tmp_path, arm_unapproved="yes")
    with pytest.raises(SettingError, match="ODDSMITH_ARM_UNAPPROVED was abababababab in mode live"):
        check_mode(_settings(tmp_path, Mode.LIVE, live="yes", private_key="11" * 32, arm_unapproved="ab" * 8))


def test_without_a_champion_a_candidate_is_shown_and_not_armed(tmp_path: Path) -> None:
    """A candidate decides for show even with a promoting verdict: promotion is the record; with neither, no model."""
    assert champion.find(_settings(tmp_path), tmp_path / "none", tmp_path / "none") is None
    made = tiny_bundle.make(tmp_path / "m" / "bundle")
    tiny_bundle.approve(tmp_path / "m" / "bundle")

    found = champion.find(_settings(tmp_path), tmp_path / "none", tmp_path / "m" / "bundle")

    assert found is not None
    assert (made, False, False) == (found.bundle, found.armed, found.sells)
    assert "no champion" in found.why


def test_the_candidates_verdict_lies_beside_its_folder(tmp_path: Path) -> None:
    """DVC owns models/bundle, so the gate writes one folder above; a verdict there about another bundle is none."""
    made = tiny_bundle.make(tmp_path / "bundle")
    tiny_bundle.approve(tmp_path / "bundle").rename(tmp_path / "verdict.json")
    found = verdicts.of(tmp_path / "bundle", made)

    assert found is not None
    assert found.bundle == made
    assert verdicts.of(tmp_path / "bundle", "ab" * 32) is None


@pytest.mark.parametrize(("source", "renewed"), [("polymarket", False), ("simulated", True)])
def test_judging_old_data_of_the_venue_again_renews_nothing(tmp_path: Path, source: str, renewed: bool) -> None:
    """The days count from the end of the venue's data; where the calendar is not ours, from the judgement."""
    now_s = 1_800_000_000
    given = {"verdict": "promote", "bundle": "ab" * 32, "source": source, "evidence": {}, "valid_days": 30.0}

    made = verdicts.write(tmp_path / "v.json", as_of_s=now_s - 40 * DAY_S, now_s=now_s, **given)

    assert (made.expired(now_s) == "") is renewed


def test_a_champion_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A champion whose bundle is on no disk is an error that says how to get it."""
    write_json(tmp_path / "champion.json", {"hash": "ab" * 32, "bento_tag": "oddsmith:x", "mlflow_version": "4"})

    with pytest.raises(ArtifactError, match=r"abab.* is not on this machine; run `oddsmith champions install"):
        champion.find(_settings(tmp_path), tmp_path / "none", tmp_path / "none")


@pytest.mark.parametrize("text", ["[]", "{}", '{"hash": 1}', '{"hash'])
def test_a_champion_file_that_is_none_is_named(tmp_path: Path, text: str) -> None:
    """A champion file that names no bundle is one line, whatever is in it."""
    (tmp_path / "champion.json").write_text(text)

    with pytest.raises(ArtifactError, match=r"champion\.json (names no bundle|is not JSON)"):
        champion.find(_settings(tmp_path), tmp_path / "none", tmp_path / "none")


class Desk:
    """A model watch on a machine, with what it said."""

    def __init__(self, var: Path) -> None:
        self.settings = Settings(var=var)
        parameters = params.read(Path("params.yaml"))
        self.watch = ModelWatch(self.settings, parameters, Threads(), Status(self.settings, parameters))

    async def look(self) -> tuple[bool, bool]:
        """Refresh; whether it is armed and whether it sells."""
        await self.watch.refresh()
        return self.watch.armed, self.watch.sells

    @property
    def state(self) -> dict[str, Any]:
        """What people see."""
        return self.watch._status.state(whole=True)


def test_a_running_bundle_is_disarmed_when_its_right_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rollback, a retirement or the end of its days reach a bot that runs, between two bars, and it says so."""
    monkeypatch.delenv("BENTOML_HOME", raising=False)
    machine = Machine(tmp_path, "bento")
    tiny_bundle.approve(machine.folder)
    desk = Desk(tmp_path)

    async def live() -> None:
        assert await desk.look() == (True, True)
        assert desk.state["armed"]
        machine.changed("retired")
        assert await desk.look() == (False, True)
        assert "retired: loses money" in desk.state["cash_reason"]
        machine.changed("deployed")
        assert await desk.look() == (True, True)
        tiny_bundle.approve(machine.folder, now_s=0)
        assert await desk.look() == (False, True)
        assert desk.state["model"]["verdict"]["verdict"] == "promote"
        (machine.folder / "verdict.json").unlink()
        assert await desk.look() == (False, False)
        await desk.watch._threads.close()

    asyncio.run(live())


def test_an_altered_bundle_is_never_loaded(machine: Machine) -> None:
    """One changed byte and a promoted bundle is an alarm and no model, however it is started."""
    tiny_bundle.approve(machine.folder)
    (machine.folder / "sizing.json").write_text("{}")

    found = machine.find()
    with pytest.raises(ArtifactError, match=r"sizing\.json was altered"):
        open_model(found, params.read(Path("params.yaml")))


@pytest.mark.parametrize("name", ["sizing.json", "forecaster.onnx", "observation.json", "conformal.json", "meta.json"])
def test_a_sealed_file_that_is_not_what_it_says_is_one_line(tmp_path: Path, name: str) -> None:
    """A hash proves that nobody changed a file; what a foreign hand sealed may still be no model."""
    folder = tmp_path / "bundle"
    tiny_bundle.make(folder)
    manifest = read_json(folder / "manifest.json")
    (folder / name).write_text("[7]")
    made = seal(folder, {key: value for key, value in manifest.items() if key not in ("hash", "files", "format")})
    found = Champion(folder, made, True, "")

    with pytest.raises(ArtifactError, match="bundle"):
        open_model(found, params.read(Path("params.yaml")))


@pytest.mark.parametrize("lost", ["feature_version", "features", "policy", "bar_length_s"])
def test_a_manifest_that_lacks_a_part_is_one_line(tmp_path: Path, lost: str) -> None:
    """The hash fits and a part is missing: refused by name, whatever it is."""
    folder = tmp_path / "bundle"
    tiny_bundle.make(folder)
    manifest = read_json(folder / "manifest.json")
    made = seal(folder, {key: value for key, value in manifest.items() if key not in ("hash", "files", "format", lost)})

    with pytest.raises(ArtifactError, match="bundle"):
        open_model(Champion(folder, made, True, ""), params.read(Path("params.yaml")))


def test_a_withdrawn_bundle_does_not_trade_on_because_the_next_one_is_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rollback whose target cannot be opened leaves the withdrawn bundle in memory, and disarmed."""
    monkeypatch.delenv("BENTOML_HOME", raising=False)
    machine = Machine(tmp_path, "bento")
    tiny_bundle.approve(machine.folder)
    desk = Desk(tmp_path)

    async def live() -> None:
        assert await desk.look() == (True, True)
        machine.changed("rolled_back", hash="ab" * 32, withdrawn=machine.hash)
        write_json(tmp_path / "champion.json", machine.record("ab" * 32))
        assert await desk.look() == (False, True)
        assert any("is not on this machine" in text for text in desk.state["alarms"])
        await desk.watch._threads.close()

    asyncio.run(live())


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda folder: (folder / "more").symlink_to("/etc/passwd"), "is a link"),
        (lambda folder: (folder / "more").symlink_to(folder), "is a link"),
        (lambda folder: os.mkfifo(folder / "more"), "no plain file"),
        (lambda folder: (folder / "more").write_text("x"), "not part of the sealed bundle"),
        (lambda folder: _sparse(folder / "more", 2 * 10**9), "more than 200 files or 1000 MB"),
        (lambda folder: _sparse(folder / "manifest.json", 10**8), "more than a manifest has"),
        (lambda folder: (folder / "manifest.json").write_text("[" * 10**5), "is not JSON"),
        (lambda folder: _listing(folder, "../../secret"), "leads out of the bundle"),
        (lambda folder: _listing(folder, "/etc/passwd"), "leads out of the bundle"),
    ],
)
def test_odd_files_in_a_bundle_are_refused_unread(tmp_path: Path, spoil: Callable[[Path], object], words: str) -> None:
    """Links, pipes, names that lead outside and sizes that no bundle has are one line each."""
    tiny_bundle.make(tmp_path / "bundle")
    spoil(tmp_path / "bundle")

    with pytest.raises(ArtifactError, match=words):
        Bundle.open(tmp_path / "bundle")


def _sparse(path: Path, size: int) -> None:
    with path.open("ab") as stream:
        stream.truncate(size)


def _listing(folder: Path, name: str) -> None:
    manifest = read_json(folder / "manifest.json")
    manifest["files"][name] = "ab" * 32
    write_json(folder / "manifest.json", manifest)


# A pinned policy


@pytest.mark.parametrize("mode", [Mode.SIMULATED, Mode.PAPER])
def test_a_pinned_policy_decides_though_nothing_chose_it(tmp_path: Path, mode: Mode) -> None:
    """On paper a person's policy trades with the bundle's forecasts whatever the gate said, and everything names it."""
    machine = Machine(tmp_path, "repository")
    found = machine.find(mode, pinned_policy="kelly")
    model = open_model(found, params.read(Path("params.yaml")))

    assert (found.armed, found.override, found.pinned) == (True, True, "kelly")
    assert "POLICY kelly IS PINNED" in found.why
    assert "no verdict of the gate" in found.why
    assert (model.policy_kind, model.rules.pinned) == ("kelly", True)
    plain = open_model(machine.find(mode), params.read(Path("params.yaml")))
    assert (plain.policy_kind, plain.rules.pinned, plain.champion.armed) == ("threshold", False, False)


def test_a_policy_is_never_pinned_where_orders_are_real(tmp_path: Path) -> None:
    """Mode live with a pinned policy does not start, and the rule of arming would not arm it either."""
    settings = _settings(tmp_path, Mode.LIVE, pinned_policy="kelly", live="yes", private_key="ab" * 32)
    with pytest.raises(SettingError, match="ODDSMITH_PINNED_POLICY was kelly in mode live"):
        check_mode(settings)
    assert not Machine(tmp_path, "repository").find(Mode.LIVE, pinned_policy="kelly").armed


@pytest.mark.parametrize("kind", ["ppo", "nobody"])
def test_a_policy_that_cannot_decide_alone_is_not_pinned(tmp_path: Path, kind: str) -> None:
    """A trained agent without its bundle, or an unknown kind, is refused by name."""
    found = Machine(tmp_path, "repository").find(pinned_policy=kind)
    with pytest.raises(ArtifactError, match=kind):
        open_model(found, params.read(Path("params.yaml")))


def test_a_replay_decides_with_the_policy_that_was_pinned(tmp_path: Path) -> None:
    """The journal keeps the pinned policy with its numbers, so that parity decides the same bars the same way later."""
    today = params.read(Path("params.yaml"))
    machine = Machine(tmp_path, "repository")
    live = open_model(machine.find(pinned_policy="kelly"), today)
    journaled = JournaledLimits.read(rules_document(live.rules), today)
    replayed = journaled.around(open_model(machine.find(), today).rules)

    assert (replayed.policy.kind, replayed.pinned) == ("kelly", True)
    assert replayed.policy.parameters == live.rules.policy.parameters  # type: ignore[attr-defined]
    plain = JournaledLimits.read(rules_document(open_model(machine.find(), today).rules), today)
    assert plain.around(live.rules).pinned is False
