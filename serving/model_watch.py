"""The bundle that decides, and its change between two bars when the champion changes."""

from dataclasses import replace

from pipelines.core import log
from pipelines.core.errors import OddsmithError
from pipelines.core.params import Params
from pipelines.core.settings import Settings
from serving import champion
from serving.champion import Champion
from serving.dashboard.status import Status
from serving.loaded_model import LoadedModel, open_model
from serving.threads import Threads

_log = log.get("model")


class ModelWatch:
    """The model of now. `refresh` is called between bars and is cheap while nothing has changed."""

    def __init__(self, settings: Settings, params: Params, threads: Threads, status: Status) -> None:
        self._settings = settings
        self._params = params
        self._threads = threads
        self._status = status
        self._champion: Champion | None = None
        self.model: LoadedModel | None = None

    @property
    def armed(self) -> bool:
        """Whether orders of this model may be sent."""
        return self.model is not None and self.model.champion.armed

    @property
    def sells(self) -> bool:
        """Whether what is held may be sold: an expired or withdrawn bundle still closes what it opened."""
        return self.model is not None and (self.model.champion.armed or self.model.champion.sells)

    @property
    def geometry(self) -> tuple[int, int]:
        """Bar length and lookback that the windows need."""
        if self.model is None:
            return self._params.bars.length_s, self._params.forecast.lookback_bars
        return self.model.length_s, self.model.lookback

    def take_limits(self, params: Params) -> None:
        """Decide under other limits from now on, with the present bundle and the next ones."""
        self._params = params
        if self.model is not None:
            self.model = self.model.with_limits(params.risk)

    async def refresh(self) -> bool:
        """Take over a new champion, or what the present one may do now; whether the model changed.

        An unusable one leaves the one before, with an alarm, and with what that one may do by its own verdict.
        """
        try:
            found = champion.find(self._settings)
            if found == self._champion and (found is None or self.model is not None):
                return False
            # An expiry or a withdrawal must not depend on files that can be read: they may be gone.
            if self._same_files(found):
                self._take(replace(self.model, champion=found), found)  # type: ignore[type-var]
                return True
            model = await self._threads.in_model_thread(open_model, found, self._params) if found else None
        except OddsmithError as error:
            self._status.alarm("champion", str(error))
            return self._judge_present()
        self._take(model, found)
        return True

    def _same_files(self, found: Champion | None) -> bool:
        """Whether only the right to trade changed: what was verified is in memory and stays."""
        present = self._champion
        return (
            self.model is not None
            and found is not None
            and present is not None
            and (found.folder, found.bundle) == (present.folder, present.bundle)
        )

    def _judge_present(self) -> bool:
        """Ask again what the bundle in memory may do: the one that should replace it cannot be used."""
        present, model = self._champion, self.model
        if present is None or model is None:
            return False
        try:
            now = champion.judge(self._settings, present.folder, present.bento, present.version)
        except OddsmithError as error:
            now = replace(present, armed=False, why=str(error))
        # What is in memory is no longer what lies there, so the verdict that lies there says nothing of it.
        if now.bundle != present.bundle:
            now = replace(present, armed=False, why="its files were replaced by another bundle's")
        if now == present:
            return False
        self.model, self._champion = replace(model, champion=now), now
        self._show()
        return True

    def _take(self, model: LoadedModel | None, found: Champion | None) -> None:
        self._status.clear_alarm("champion")
        self.model, self._champion = model, found
        self._show()

    def _show(self) -> None:
        """Say in the state, the metrics and the log what decides, and in large letters when it may not order."""
        model = self.model
        self._status.show_model(model)
        if model is None:
            _log.warning("NO MODEL: nothing is ordered", why=champion.NO_MODEL)
            return
        facts = {"bundle": model.bundle.hash[:12], "policy": model.policy_kind, "armed": model.champion.armed}
        if model.champion.armed and not model.champion.override:
            _log.info("model", **facts)
        elif model.champion.armed:
            _log.warning("ARMED BY HAND", why=model.champion.why, **facts)
        else:
            said = "NOT ARMED: nothing is opened" if model.champion.sells else "NOT ARMED: nothing is ordered"
            _log.warning(said, why=model.champion.why, **facts)
