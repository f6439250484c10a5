"""`oddsmith serve`: this process becomes BentoML's, so that signals and the exit status are the service's own."""

import os
import sys
from pathlib import Path

from flows.local.ports import DEFAULTS
from pipelines.core.settings import Settings


def serve(host: str, port: int | None) -> None:
    """Serve the bot until Ctrl-C; does not return. What forbids a start is one line of the service."""
    settings = Settings()
    binary = str(Path(sys.executable).parent / "bentoml")
    chosen = port or settings.service_port or DEFAULTS["service"]
    command = [binary, "serve", "serving.service:Oddsmith", "--host", host, "--port", str(chosen)]
    defaults = {"BENTOML_HOME": str(settings.champion_var.resolve() / "bento"), "BENTOML_DO_NOT_TRACK": "True"}
    known = {"ODDSMITH_SERVICE_PORT": str(chosen)}
    os.execve(binary, command, {**defaults, **os.environ, **known})  # noqa: S606 - a fixed command
