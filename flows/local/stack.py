"""The parts of the local system: how each is started, when it is ready, and in which order all of them stop."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from flows.child_environment import command_environment
from flows.local.children import Child, Children
from flows.local.ports import HOST, SIMULATOR_PORTS, Reservation
from flows.local.screen import Screen
from flows.prefect_access import access
from pipelines.core.artifacts import read_json
from pipelines.core.params import Params
from pipelines.core.products import report_json
from pipelines.core.raw_tables import reference_of
from pipelines.core.settings import Settings, Source, local_exchange, variable
from pipelines.reference import recorded
from pipelines.reference.prices import EXCHANGE

STOP_ORDER = ("nightly", "service", "prefect", "mlflow", "simulator")
"""The bot ends inside the service, before it: resting orders are cancelled while everything else still runs."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where everything listens."""

    simulator: int
    service: int
    prefect: int
    mlflow: int
    held: Mapping[str, Reservation] = field(default_factory=dict)

    @classmethod
    def reserve(cls) -> "Ports":
        """Free ports, or those that the environment fixes, held until the part that listens on them starts.

        Raises:
            SettingError: if a fixed one is taken.
        """
        held = {"simulator": Reservation("simulator", count=SIMULATOR_PORTS)}
        held |= {name: Reservation(name) for name in ("service", "prefect", "mlflow")}
        return cls(**{name: reservation.first for name, reservation in held.items()}, held=held)

    def hand_over(self, name: str) -> int:
        """The port of a part that starts now."""
        if name in self.held:
            return self.held[name].release()
        return int(getattr(self, name))

    def urls(self) -> dict[str, str]:
        """What a person opens."""
        return {
            "dashboard": f"http://{HOST}:{self.service}/",
            "prefect": f"http://{HOST}:{self.prefect}/",
            "mlflow": f"http://{HOST}:{self.mlflow}/",
            "metrics": f"http://{HOST}:{self.service}/metrics",
            "simulator": f"http://{HOST}:{self.simulator}/",
        }


class Stack:
    """The running system."""

    def __init__(self, var: Path, params: Params, ports: Ports, screen: Screen) -> None:
        self.var = var.resolve()
        self._params = params
        self._screen = screen
        self.ports = ports
        self.children = Children(self.var)
        self._account: dict[str, str] = {}
        self._has_trades = True
        """Whether the exchange has a stream of trades: a replay has one where the recording does."""
        self._state_file: int | None = None
        """Inode of the saved state that was there when the exchange was started."""

    def environment(self) -> dict[str, str]:
        """What every child knows: where the others listen, and where this machine keeps things."""
        return {
            **command_environment(),
            "ODDSMITH_VAR": str(self.var),
            **self._account,
            **{variable(field): url for field, url in local_exchange(self.ports.simulator).items()},
            **({} if self._has_trades else {variable("exchange_url"): ""}),
            "ODDSMITH_SERVICE_PORT": str(self.ports.service),
            "ODDSMITH_PAGE_URL": Settings().page_url or f"http://{HOST}:{self.ports.service}",
            "PREFECT_API_URL": f"http://{HOST}:{self.ports.prefect}/api",
            "PREFECT_HOME": str(self.var / "prefect"),
            **access(self.var, f"http://{HOST}:{self.ports.prefect}"),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
            "PREFECT_CLI_PROMPT": "false",
            "MLFLOW_TRACKING_URI": f"http://{HOST}:{self.ports.mlflow}",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "GIT_PYTHON_REFRESH": "quiet",
            "BENTOML_HOME": str(self.var / "bento"),
            "BENTOML_DO_NOT_TRACK": "True",
        }

    def start_simulator(self, *, replay: Path | None = None) -> Child:
        """The local exchange: synthetic markets, or a recording that is replayed bar by bar."""
        world = self._params.simulator
        command = [sys.executable, "-m", "simulator", "--port", str(self.ports.hand_over("simulator"))]
        command += ["--deposit", str(world.deposit_pusd)]
        if replay is None:
            command += ["--seed", str(world.seed), "--edge", str(world.edge), "--speed", str(world.speed)]
            command += ["--world", world.world, "--size-lean", str(world.size_lean)]
            command += ["--large-account", str(world.large_account)]
            command += ["--history-days", str(world.history_days), "--event-length-min", str(world.event_length_min)]
            command += ["--event-every-min", str(world.event_every_min)]
            command += ["--markets-per-event", str(world.markets_per_event)]
            state = self.var / "simulator.json"
            self._state_file = state.stat().st_ino if state.is_file() else None
            command += ["--profile", world.profile, "--state", str(state)]
        else:
            self._has_trades = any(one.source == EXCHANGE for one in recorded.read(reference_of(replay)))
            length_s = int(read_json(report_json("pull"))["length_s"])
            lookback = self._params.forecast.lookback_bars
            command += ["--replay", str(replay), "--bar-length-s", str(length_s), "--warm-bars", str(2 * lookback)]
            # The replay shows as many bars a wall second as the synthetic markets do, whatever the length of a bar.
            command += ["--speed", str(world.speed * length_s / 60)]
        return self.children.start("simulator", command, self.environment(), stop_s=10)

    def keep_account(self, *, fresh: bool) -> bool:
        """Let the simulated account of the last run go on, or begin a new one; whether it goes on.

        Call it when the exchange of the synthetic markets is ready. The account is new where `fresh` asks for it and
        where the exchange did not keep it: without a saved state, or with the state of other markets.
        """
        key = self.var / "simulated.key"
        if fresh or not self._state_kept:
            key.unlink(missing_ok=True)
        self._account = {"ODDSMITH_SIMULATED_KEY": str(key)}
        return key.is_file()

    @property
    def _state_kept(self) -> bool:
        """Whether the exchange went on with the state that was there before it started: what it cannot use, it
        renames."""
        renamed = [self.var / f"simulator.json.{suffix}" for suffix in ("other", "unreadable")]
        return self._state_file is not None and not any(
            path.exists() and path.stat().st_ino == self._state_file for path in renamed
        )

    def start_prefect(self) -> Child:
        """The Prefect server with its UI."""
        binary = str(Path(sys.executable).parent / "prefect")
        command = [binary, "server", "start", "--host", HOST, "--port", str(self.ports.hand_over("prefect"))]
        return self.children.start("prefect", command, self.environment(), stop_s=10)

    def start_mlflow(self) -> Child:
        """The MLflow server with its UI, on SQLite."""
        self.var.mkdir(parents=True, exist_ok=True)
        binary = str(Path(sys.executable).parent / "mlflow")
        command = [binary, "server", "--host", HOST, "--port", str(self.ports.hand_over("mlflow")), "--workers", "1"]
        command += ["--backend-store-uri", f"sqlite:///{self.var / 'mlflow.db'}"]
        command += ["--artifacts-destination", str(self.var / "mlartifacts")]
        return self.children.start("mlflow", command, self.environment(), stop_s=10)

    def start_nightly(self, source: Source, recording: str | None, *, fresh: bool) -> Child:
        """The nightly flow, its progress on this screen."""
        command = [sys.executable, "-m", "flows", "nightly", "--source", source.value]
        command += ["--recording", recording] if recording else []
        command += ["--fresh"] if fresh else []
        return self.children.start("nightly", command, self.environment(), stop_s=15, shown=True)

    def start_service(self) -> Child:
        """The BentoML service: bot, dashboard, metrics."""
        binary = str(Path(sys.executable).parent / "bentoml")
        command = [
            binary,
            "serve",
            "serving.service:Oddsmith",
            "--host",
            HOST,
            "--port",
            str(self.ports.hand_over("service")),
        ]
        return self.children.start("service", command, self.environment(), stop_s=30)

    def await_ready(self, child: Child, url: str, limit_s: float) -> None:
        """Wait until a part answers, saying so while it takes long.

        Raises:
            ChildFailed: if it ends or does not answer in time.
        """
        self.children.wait_ready(child, url, limit_s=limit_s, on_wait=lambda s: self._screen.waiting(child.name, s))
        self._screen.event(f"{child.name} is ready at {url}")

    def stop(self) -> None:
        """Stop everything in order, each part within its own limit."""
        for name in STOP_ORDER:
            seconds = self.children.stop(name)
            if seconds > 0.05:
                self._screen.event(f"{name} stopped in {seconds:.1f} s", "dim")
