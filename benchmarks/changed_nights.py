"""Nights in a world that changes twice, with the champions that the rules of the nightly flow make.

The world is the simulator's at its default edge, written as data/raw; on two nights the relation between errors,
headlines and later prices changes, and changes back. Every night runs the stages after the pull as processes, names its
opponent by the rule of the window command, and lets `flows.nightly.may_be_promoted` decide on the gate's verdict. The
drift verdict looks every six hours; by the rules of the flows the window follows it, and it begins a night. Two things
are less than a night's: the forecaster is the state-space filter and the agent is trained little, and a bundle is put
where its bento would have it without a bento being built.
"""

import contextlib
import itertools
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import drift_world, stage_runs
from benchmarks.changed_markets import FOREVER_S, ChangedMarkets, Regime, model_of
from flows import champions, changed_world
from flows.drift import is_news
from flows.edit_params import change
from flows.nightly import may_be_promoted
from pipelines.core import params as parameters
from pipelines.core.artifacts import read_json, write_json
from pipelines.core.products import BUNDLE, FORECASTER, VERDICT, WINDOW, report_json
from pipelines.core.settings import Settings, Source
from pipelines.drift import recent, reference, verdict
from pipelines.gate import evidence, forecasts
from pipelines.gate.contender import trade
from pipelines.inference import champion_record, rival
from pipelines.inference import verdict as verdicts
from pipelines.inference.bundle import Bundle
from pipelines.inference.predictor import Predictor
from pipelines.pull.window import starts_s
from pipelines.replay import market_history
from simulator.markets.events import EPOCH_S, Family
from simulator.markets.price_model import Model

SETTLED_DAYS = 4
"""Length of the world that a forecaster of a regime is trained on."""
EVENT_LENGTH_MIN = 720
EVENT_EVERY_MIN = 60
"""As in params.yaml: 24 events a day."""
DAY_S, LENGTH_S = 86_400, 60
LOOK_H = 14
"""Hours of bars that the drift verdict reads: its window, and what features need before it."""
LOOKS_H = (18, 12, 6, 0)
"""Hours before a night at which the drift flow looks."""
TRAINS = ("validate", "featurize", "forecast")
ENOUGH = 0.8
"""Share of the skill of a forecaster that was fitted on the present regime at which a champion is back."""


@dataclass(frozen=True)
class Nights:
    """The nights of one world below a folder; every night begins from the state that the one before left."""

    out: Path
    seed: int
    settings: tuple[str, ...]
    """Changes of params.yaml."""
    days: int
    """Length of a night's window while the world stays as it is."""
    markets: int
    """In an event."""
    model: tuple[str, ...]
    """The world: NAME=VALUE of `simulator.markets.price_model.Model`."""
    regime: tuple[str, ...] = ()
    """Numbers of the model that differ in the changed regime: NAME=VALUE."""
    changes: tuple[int, ...] = ()
    """The nights at which the regime changes, and changes back; empty: it never does."""
    every_min: int = EVENT_EVERY_MIN
    """Minutes from the begin of an event to that of the next."""

    @property
    def world(self) -> str:
        """Model, seed, markets, events and regime: the key of what does not depend on the nights of the changes."""
        shape = f"{self.markets}x{self.days}" + (f"e{self.every_min}" if self.every_min != EVENT_EVERY_MIN else "")
        return "-".join((*self.model, str(self.seed), shape, *self.regime))

    @property
    def name(self) -> str:
        """World and nights of the changes: the key under which the nights are kept."""
        return "-".join((self.world, *map(str, self.changes)))

    def settled(self, regime: int) -> dict[str, Any]:
        """Train a forecaster on another world that was always in a regime: what can be reached in it."""
        folder = self._settled(regime)
        with self.working(folder):
            self.raw(
                EPOCH_S,
                EPOCH_S + SETTLED_DAYS * DAY_S,
                Regime(self._other(), EPOCH_S, FOREVER_S if regime else EPOCH_S),
                1_000 + self.seed,
            )
            for stage in TRAINS:
                stage_runs.run(folder, stage)
            return {"skill": read_json(report_json("forecast"))["selection"]["skill_price"]}

    def night(self, number: int) -> dict[str, Any]:
        """One night: the last day judged, drift, window, stages, verdict, perhaps another champion."""
        regime = sum(number > at for at in self.changes) % 2
        settled = Predictor(self._settled(regime) / FORECASTER) if self.changes else None
        with self.working(self._folder() / "work"):
            state, now_s = self._state(number), EPOCH_S + (self.days + number) * DAY_S
            if state.is_dir():
                shutil.copytree(state, "var")
            periods, looks, retrained = [ChampionPeriod(now_s - DAY_S, champions.champion())], [], []
            before = champions.earlier()
            for look_s in (now_s - hours * 3_600 for hours in LOOKS_H):
                looks.append(self._look(look_s))
                if looks[-1] and look_s < now_s and is_news(periods[-1].bundle, look_s):
                    retrained.append(self._retrained(look_s))
                    if retrained[-1]["promoted"]:
                        periods.append(ChampionPeriod(look_s, champions.champion()))
            start_s = self._trained(now_s)
            row = {
                "regime": regime,
                "drift": None if None in looks else any(looks),
                "window_h": round((now_s - start_s) / 3_600.0, 1),
                **_last_day(now_s, periods, before[0] if before else None, settled),
                "retrained": retrained,
            }
            self._judged()
            row |= _decided(deploy=bool(self.changes) and not champions.history())
            left = self._state(number + 1)
            shutil.rmtree(left, ignore_errors=True)
            Path("var").rename(left)
        return row

    def _trained(self, now_s: int) -> int:
        """Train on the window of a night that begins then; where the window begins."""
        start_s = starts_s(now_s, parameters.load(), changed_world.since_s())
        for made in ("data", "models", "reports"):
            shutil.rmtree(made, ignore_errors=True)
        self.raw(start_s, now_s, self.changed(), self.seed)
        rival.note(Source.SIMULATED)
        for stage in TRAINS:
            stage_runs.run(Path.cwd(), stage)
        return start_s

    @staticmethod
    def _judged() -> None:
        for stage in ("agent", "backtest", "package", "gate"):
            stage_runs.run(Path.cwd(), stage)

    def _retrained(self, now_s: int) -> dict[str, Any]:
        """The night that a drift verdict begins, as the automation of the nightly deployment does."""
        self._trained(now_s)
        self._judged()
        return {"hour": now_s % DAY_S // 3_600, **_decided(deploy=False)}

    def _folder(self) -> Path:
        return self.out / f"nights-{self.name}"

    def _settled(self, regime: int) -> Path:
        return self.out / f"settled-{self.world}" / str(regime)

    def _state(self, number: int) -> Path:
        return self._folder() / f"state-{number}"

    @contextlib.contextmanager
    def working(self, folder: Path) -> Iterator[None]:
        """An empty working folder with the parameters of these nights."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        shutil.copy2(stage_runs.ROOT / "params.yaml", folder)
        change([*self.settings, f"pull.history_days={self.days}"], folder / "params.yaml")
        with contextlib.chdir(folder):
            parameters.load.cache_clear()
            try:
                yield
            finally:
                parameters.load.cache_clear()

    def _other(self) -> Model:
        return model_of((*self.model, *self.regime))

    def changed(self) -> Regime:
        """The other regime and its times; one that never holds where nothing changes."""
        from_s, until_s = (EPOCH_S + (self.days + at) * DAY_S for at in self.changes or (-self.days, -self.days))
        return Regime(self._other(), from_s, until_s)

    def raw(self, start_s: int, end_s: int, other: Regime, seed: int, folder: Path | None = None) -> None:
        """Write data/raw, and the other files that the stages read, with the bars in (`start_s`, `end_s`]."""
        family = Family(
            seed,
            model_of(self.model),
            event_length_min=EVENT_LENGTH_MIN,
            event_every_min=self.every_min,
            markets_per_event=self.markets,
        )
        world = ChangedMarkets(family, other, end_s)
        drift_world.write_raw(world, world.events(), folder or Path("data/raw"), start_s, end_s)
        if folder is None:
            write_json(WINDOW, {"source": Source.SIMULATED.value, "start_s": start_s, "as_of_s": end_s})
            write_json(report_json("pull"), {"length_s": LENGTH_S, "as_of_s": end_s, "source": "simulated"})

    def _look(self, now_s: int) -> bool | None:
        """Whether the champion's drift verdict says drift then; None before the first champion. Windows follow it."""
        record = champions.champion()
        folder = None if record is None else champions.bundle_folder(record)
        if folder is None:
            return None
        self.raw(now_s - LOOK_H * 3_600, now_s, self.changed(), self.seed, Path("var/landing"))
        bundle, params = Bundle.open(folder), parameters.load().drift
        predictor = bundle.predictor()
        known = reference.obtain(Path("var/drift"), bundle.hash, predictor.lookback, params)
        now = recent.window(Path("var/landing"), predictor, params)
        found = verdict.judge(known, now, LENGTH_S, params)
        start_s = int(now["ts_s"].min()) if len(now) else None
        changed_world.note({"bundle": bundle.hash, "start_s": start_s, **found})
        shutil.rmtree("var/landing")
        return bool(found["verdict"] == verdict.DRIFT)


@dataclass(frozen=True)
class ChampionPeriod:
    """A champion (the record of it; None without one) from a market time on."""

    from_s: int
    record: dict[str, Any] | None

    @property
    def bundle(self) -> str:
        """Its hash; empty without one."""
        return "" if self.record is None else str(self.record["hash"])


def _last_day(
    now_s: int, periods: Sequence[ChampionPeriod], before: dict[str, Any] | None, settled: Predictor | None
) -> dict[str, float | None]:
    """Skill on the bars of the last day: of the champions that traded it, of the predecessor that the first of them
    had, and of a forecaster that was fitted on this regime, where there is one; and the P&L of the champions."""
    series = list(market_history.read_series(market_history.read_markets()))
    parts = [(one.from_s, _predictor(one.record)) for one in periods]
    return {
        "skill": skill(parts, series, now_s),
        "predecessor_skill": skill([(now_s - DAY_S, _predictor(before))], series, now_s),
        "settled_skill": skill([(now_s - DAY_S, settled)], series, now_s),
        "pnl_pusd": pnl(periods, series, now_s),
    }


def _predictor(record: dict[str, Any] | None) -> Predictor | None:
    folder = None if record is None else champions.bundle_folder(record)
    return None if folder is None else Bundle.open(folder).predictor()


def skill(
    periods: Sequence[tuple[int, Predictor | None]], series: Sequence[market_history.Series], now_s: int
) -> float | None:
    """Skill against the market price, pooled over the gate's horizons, of forecasters each from its market time to the
    next one's, the last until `now_s`; None where one is missing."""
    params, found = parameters.load(), []
    for (from_s, predictor), (until_s, _) in itertools.pairwise([*periods, (now_s, None)]):
        if predictor is None:
            return None
        found += _between(predictor, series, from_s, until_s)
    span = (params.gate.first_horizon, params.gate.last_horizon, LENGTH_S)
    losses = evidence.losses(found, *span, params.gate.periods)
    ours, market = np.array(list(losses.by_event.values())).sum(axis=0)
    return round(float(1.0 - np.sqrt(ours / market)), 5)


def pnl(periods: Sequence[ChampionPeriod], series: Sequence[market_history.Series], now_s: int) -> float:
    """P&L after costs of the champions, each with an account of its own in its time; 0 without one and in cash."""
    params, total = parameters.load(), 0.0
    for period, until_s in zip(periods, [*(one.from_s for one in periods[1:]), now_s], strict=True):
        folder = None if period.record is None else champions.bundle_folder(period.record)
        given = None if folder is None else verdicts.of(folder, period.bundle)
        if folder is None or (given is not None and given.verdict == verdicts.IN_CASH):
            continue
        bundle = Bundle.open(folder)
        traded = _between(bundle.predictor(), series, period.from_s, until_s)
        total += trade(bundle, traded, params, LENGTH_S).figures.pnl_pusd
    return round(total, 2)


def _between(
    predictor: Predictor, series: Sequence[market_history.Series], from_s: int, until_s: int
) -> list[market_history.History]:
    """The bars in (`from_s`, `until_s`] with the forecasts of a bundle."""
    execution = parameters.load().execution
    rows = [np.flatnonzero((one.ts_s > from_s) & (one.ts_s <= until_s)) for one in series]
    found = [forecasts.forecast_rows(predictor, one, at, execution) for one, at in zip(series, rows, strict=True)]
    return [one for one in found if one is not None]


def _decided(*, deploy: bool) -> dict[str, Any]:
    """The gate's verdict, and whether the candidate became champion by the rule of the nightly flow, or because it was
    to be deployed whatever the verdict is, as a person can."""
    gate, bundle = read_json(report_json("gate")), champion_record.hash_of(BUNDLE)
    promoted, lost = may_be_promoted(gate, bundle), champions.loses(gate)
    if lost:
        champions.retire(lost, withdraw=True)
    if promoted:
        champions.require_approval(BUNDLE, bundle)
    if promoted or deploy:
        tag = f"oddsmith:{bundle[:12]}"
        target = champion_record.bento_store(Settings().var) / "bentos" / tag.replace(":", "/") / "src/bundle"
        shutil.copytree(BUNDLE, target)
        shutil.copy2(VERDICT, target)
        reference.obtain(Path("var/drift"), bundle, Bundle.open(target).predictor().lookback, parameters.load().drift)
        record = {"hash": bundle, "bento_tag": tag, "mlflow_version": "", "source": Source.SIMULATED.value}
        champions.promote_record(record, champions.PROMOTED if promoted else champions.DEPLOYED)
    failed = [one["name"] for one in gate["criteria"] if not one["passed"]]
    policy = Bundle.open(BUNDLE).manifest["policy"]["kind"]
    done = {"promoted": promoted, "deployed": deploy and not promoted, "retired": bool(lost)}
    kept = bool(gate["evidence"].get("policy_kept"))
    return {"verdict": gate["verdict"], "failed": failed, "policy": policy, "kept": kept, **done}


def figures(rows: Sequence[dict[str, Any]], changes: Sequence[int], bound: float) -> dict[str, Any]:
    """The keys of the line. `bound` is a share of the skill that a forecaster fitted on the regime has that day.

    `worst_fall` is how far the champion lay below its predecessor on one day, as such a share; `nights_below_bound` the
    longest run of days on which that was more than the bound. `nights_to_80_percent` has an entry for each change: the
    nights that it took until the champion had 80 % of that skill on the day after and on every later day of that
    regime; None where it had less on the last one.
    """
    falls = [
        (row["predecessor_skill"] - row["skill"]) / row["settled_skill"]
        for row in rows
        if row["skill"] is not None and row["predecessor_skill"] is not None and row["settled_skill"] > 0.0
    ]
    longest = run = 0
    for fall in falls:
        run = run + 1 if fall > bound else 0
        longest = max(longest, run)
    back = [row["skill"] is not None and row["skill"] >= ENOUGH * row["settled_skill"] for row in rows]
    edges = (*changes, len(rows))
    waits = [_wait(back[at + 1 : end + 1]) for at, end in itertools.pairwise(edges) if at + 1 < len(rows)]
    return {
        "changed_nights": len(rows),
        "changed_promotions": sum(one["promoted"] for row in rows for one in (row, *row.get("retrained", ()))),
        "fall_bound": bound,
        "worst_fall": round(max(falls), 4) if falls else None,
        "nights_below_bound": longest,
        "nights_to_80_percent": waits,
    }


def _wait(back: Sequence[bool]) -> int | None:
    """Days before the first one from which on all are back; None where the last one is not. On the first day after a
    change most markets are older than it: a champion that is good on that day alone is not back."""
    late = next((n for n in range(len(back) - 1, -1, -1) if not back[n]), -1)
    return None if late == len(back) - 1 else late + 1
