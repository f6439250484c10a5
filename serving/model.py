"""The bundle that decides, and its change between two bars when the champion changes."""

from pathlib import Path

from pipelines.core import log
from pipelines.core.errors import OddsmithError
from pipelines.core.params import Params
from pipelines.core.settings import Mode
from serving import champion
from serving.brain import Brain, open_brain
from serving.champion import Champion
from serving.status import Status
from serving.threads import Threads

_log = log.get("model")


class Model:
    """The brain of now. `refresh` is called between bars and is cheap while nothing has changed."""

    def __init__(self, mode: Mode, var: Path, params: Params, threads: Threads, status: Status) -> None:
        self._mode = mode
        self._var = var
        self._params = params
        self._threads = threads
        self._status = status
        self._champion: Champion | None = None
        self.brain: Brain | None = None

    @property
    def armed(self) -> bool:
        """Whether orders of this model may be sent."""
        return self.brain is not None and self.brain.champion.armed

    @property
    def geometry(self) -> tuple[int, int]:
        """Bar length and lookback that the windows need."""
        if self.brain is None:
            return self._params.bars.length_s, self._params.forecast.lookback_bars
        return self.brain.length_s, self.brain.lookback

    async def refresh(self) -> bool:
        """Take over a new champion; whether the model changed. An unusable one leaves the one before, with an alarm."""
        try:
            found = champion.find(self._mode, self._var)
            if found == self._champion and (found is None or self.brain is not None):
                return False
            brain = await self._threads.in_mind(open_brain, found, self._params) if found else None
        except OddsmithError as error:
            self._status.alarm("champion", str(error))
            return False
        self._status.calm("champion")
        self.brain, self._champion = brain, found
        self._status.show_model(brain)
        if brain is not None:
            _log.info("model", bundle=brain.bundle.hash[:12], policy=brain.policy_kind, armed=brain.champion.armed)
        return True
