"""The bundle that decides, and its change between two bars when the champion changes."""

from pathlib import Path

from pipelines.core import log
from pipelines.core.errors import OddsmithError
from pipelines.core.params import Params
from pipelines.core.settings import Mode
from serving import champion
from serving.champion import Champion
from serving.dashboard.status import Status
from serving.loaded_model import LoadedModel, open_model
from serving.threads import Threads

_log = log.get("model")


class ModelWatch:
    """The model of now. `refresh` is called between bars and is cheap while nothing has changed."""

    def __init__(self, mode: Mode, var: Path, params: Params, threads: Threads, status: Status) -> None:
        self._mode = mode
        self._var = var
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
    def geometry(self) -> tuple[int, int]:
        """Bar length and lookback that the windows need."""
        if self.model is None:
            return self._params.bars.length_s, self._params.forecast.lookback_bars
        return self.model.length_s, self.model.lookback

    async def refresh(self) -> bool:
        """Take over a new champion; whether the model changed. An unusable one leaves the one before, with an alarm."""
        try:
            found = champion.find(self._mode, self._var)
            if found == self._champion and (found is None or self.model is not None):
                return False
            model = await self._threads.in_model_thread(open_model, found, self._params) if found else None
        except OddsmithError as error:
            self._status.alarm("champion", str(error))
            return False
        self._status.clear_alarm("champion")
        self.model, self._champion = model, found
        self._status.show_model(model)
        if model is not None:
            _log.info("model", bundle=model.bundle.hash[:12], policy=model.policy_kind, armed=model.champion.armed)
        return True
