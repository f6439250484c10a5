"""Runs a second bundle on the same bars without orders: a challenger, or the predecessor of a new champion.

The flows name it in `var/challenger.json`. Results go to `var/shadow.json` after every bar: evidence from paired
losses, which is valid at any time, paper P&L, drawdowns, and the champion's share of failed orders. The flow `shadow`
reads it and promotes, dismisses or rolls back; the swap itself is `model_watch`'s, between two bars.
"""

import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pipelines.core import log
from pipelines.core.artifacts import write_json
from pipelines.core.domain import Quote
from pipelines.core.errors import OddsmithError
from pipelines.core.money import MICRO
from pipelines.core.params import Params
from pipelines.core.settings import Settings
from pipelines.inference import champion_record, shadow_record
from pipelines.inference.shadow_record import Seen, advice
from serving import champion as champions
from serving import metrics
from serving.loaded_model import LoadedModel, Turn, WarmMarket, open_model
from serving.safety.paired_losses import PairedLosses
from serving.safety.shadow_account import ShadowAccount
from serving.threads import Threads

POINTS = 5_000
"""Number of points of the line on the dashboard; the newest are kept."""

_log = log.get("shadow")


@dataclass(frozen=True, slots=True)
class Champions:
    """The real account at a bar, to compare the paper account with."""

    equity_micro: int
    placed: int
    failed: int
    """Orders that were refused, or whose result is unknown."""


class Shadow:
    """The bundle in shadow. `refresh` is called between bars and is cheap while nothing has changed."""

    def __init__(self, settings: Settings, params: Params, threads: Threads) -> None:
        self._settings = settings
        self._params = params
        self._threads = threads
        self._record: dict[str, Any] | None = None
        self._watched: _Watched | None = None
        self.model: LoadedModel | None = None
        self.trouble = ""

    async def refresh(self, present: LoadedModel | None) -> None:
        """Load the bundle that challenger.json names. A bundle that cannot be used is reported and left out."""
        try:
            record = shadow_record.challenger(self._settings.var)
            if record == self._record and self.trouble == "" and self._fits(present):
                return
            self._record, self.model, self._watched, self.trouble = record, None, None, ""
            if record is not None and present is not None:
                self.model = await self._threads.in_model_thread(self._open, record, present)
        except OddsmithError as error:
            self.trouble = f"the bundle in shadow is left out: {error}"
            _log.warning("not in shadow", why=str(error))

    def _fits(self, present: LoadedModel | None) -> bool:
        """Whether the comparison was begun with the present champion."""
        if self._watched is None:
            return self.model is None and self._record is None
        return present is not None and self._watched.champion == present.bundle.hash

    def _open(self, record: dict[str, Any], present: LoadedModel) -> LoadedModel | None:
        if record["hash"] == present.bundle.hash:
            return None
        folder = champion_record.bundle_folder(record, self._settings.var)
        if folder is None:
            raise OddsmithError(f"{record['hash'][:12]} is not on this machine; `oddsmith champions install BUNDLE`")
        model = open_model(champions.judge(self._settings, folder, record.get("bento_tag")), self._params)
        if (model.length_s, model.lookback) != (present.length_s, present.lookback):
            raise OddsmithError(f"{record['hash'][:12]} has another bar length or lookback than the champion")
        self._watched = _Watched.begin(self._settings, self._params, record, model, present)
        _log.info("in shadow", bundle=record["hash"][:12], role=record["role"], bars=self._watched.bars)
        return model

    def take_limits(self, params: Params) -> None:
        """The bundle in shadow decides under other limits from now on."""
        self._params = params
        if self.model is not None:
            self.model = self.model.with_limits(params.risk)

    def observe(self, turn: Turn, seen: Sequence[WarmMarket], quotes: Mapping[str, Quote], real: Champions) -> None:
        """Decide a bar, which the champion has decided, with the shadow too; score both and save the results."""
        if self.model is None or self._watched is None:
            return
        self._watched.observe(self.model, turn, seen, quotes, real)
        write_json(shadow_record.seen_file(self._settings.var), self._watched.document(self._params))

    def state(self, *, whole: bool = False) -> dict[str, Any] | None:
        """For the dashboard, with all points of its line or the newest; None when nothing is in shadow."""
        if self._watched is None:
            return {"trouble": self.trouble} if self.trouble else None
        points = list(self._watched.points)
        return self._watched.shown(self._params) | {"points": points if whole else points[-1:]}


class _Watched:
    """One pair of champion and shadow. Measurements continue after a restart; paper positions do not."""

    def __init__(self, role: str, shadow: str, champion: str, losses: PairedLosses, params: Params) -> None:
        self.role, self.shadow, self.champion = role, shadow, champion
        self.bars = 0
        self.since_s = int(time.time())
        self._losses = losses
        self._params = params
        self._account: ShadowAccount | None = None
        self._earned = {"shadow": 0.0, "champion": 0.0}
        self._peak = {"shadow": 0.0, "champion": 0.0}
        self._before = {"shadow": 0.0, "champion": 0.0}
        self._cash = 0.0
        self._first: Champions | None = None
        self._real = Champions(0, 0, 0)
        self._orders = [0, 0]
        self.points: deque[tuple[int, float]] = deque(maxlen=POINTS)
        """(market time, pUSD): what the account would be with the shadow's decisions on paper."""

    @classmethod
    def begin(
        cls, settings: Settings, params: Params, record: dict[str, Any], model: LoadedModel, present: LoadedModel
    ) -> "_Watched":
        """Continue the measurements of var/shadow.json if they are of this pair, else begin new ones."""
        horizon = min(params.gate.first_horizon, model.predictor.horizon, present.predictor.horizon)
        made = cls(
            str(record["role"]),
            str(record["hash"]),
            present.bundle.hash,
            PairedLosses(horizon, model.length_s),
            params,
        )
        known = shadow_record.seen(settings.var)
        if known and all(known.get(name) == getattr(made, name) for name in ("role", "shadow", "champion")):
            made.bars, made.since_s = int(known["bars"]), int(known["since_s"])
            made._losses.restore(known["evidence"])
            made._before, made._peak = dict(known["earned_pusd"]), dict(known["peak_pusd"])
            made._earned, made._orders = dict(known["earned_pusd"]), list(known["orders"])
        return made

    def observe(
        self, model: LoadedModel, turn: Turn, seen: Sequence[WarmMarket], quotes: Mapping[str, Quote], real: Champions
    ) -> None:
        """Score the bar and move both accounts."""
        if self._account is None or self._first is None:
            self._account, self._first = ShadowAccount(self._params, real.equity_micro, model.length_s), real
            self._orders = [self._orders[0] - real.placed, self._orders[1] - real.failed]
            self._cash = real.equity_micro / MICRO
        made = self._account.turn(model, turn.ts_s, seen, quotes)
        self._losses.add(turn, made)
        self.bars += 1
        self._earned["shadow"] = self._before["shadow"] + self._account.pnl_pusd
        self._earned["champion"] = self._before["champion"] + (real.equity_micro - self._first.equity_micro) / MICRO
        self._real = real
        self.points.append((turn.ts_s, self._cash + self._account.pnl_pusd))
        for name, earned in self._earned.items():
            self._peak[name] = max(self._peak[name], earned)
        metrics.SHADOW_PNL.set(self._earned["shadow"])
        metrics.SHADOW_EVIDENCE.labels("better").set(self._losses.better.value)
        metrics.SHADOW_EVIDENCE.labels("worse").set(self._losses.worse.value)
        metrics.SHADOW_BARS.set(self.bars)

    def _counted(self) -> tuple[int, int]:
        """Orders of the champion since the beginning: placed, failed."""
        return self._orders[0] + self._real.placed, self._orders[1] + self._real.failed

    def seen(self) -> Seen:
        """The figures that decide about promotion, dismissal and rollback."""
        placed, failed = self._counted()
        falls = {
            name: (self._peak[name] - earned) / max(self._cash + self._peak[name], 1.0)
            for name, earned in self._earned.items()
        }
        return Seen(
            self.role,
            self.bars,
            self._losses.better.value,
            self._losses.worse.value,
            falls["champion"],
            falls["shadow"],
            failed / placed if placed else 0.0,
        )

    def shown(self, params: Params) -> dict[str, Any]:
        """The figures that the dashboard shows."""
        what, why = advice(self.seen(), params.shadow)
        return asdict(self.seen()) | {
            "shadow": self.shadow,
            "champion": self.champion,
            "since_s": self.since_s,
            "pnl_pusd": self._earned["shadow"],
            "champion_pnl_pusd": self._earned["champion"],
            "advice": what,
            "why": why,
            "trouble": "",
        }

    def document(self, params: Params) -> dict[str, Any]:
        """The content of var/shadow.json."""
        return self.shown(params) | {
            "evidence": self._losses.document(),
            "earned_pusd": self._earned,
            "peak_pusd": self._peak,
            "orders": list(self._counted()),
            "written_s": round(time.time(), 3),
        }
