"""All profiles of a clone on one page: where each is, whether it answers, and its headline figures."""

import asyncio
import json
import os
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from pipelines.core import profile_paths
from pipelines.core.artifacts import read_json, write_json
from pipelines.core.errors import ArtifactError
from pipelines.core.settings import Settings
from serving.dashboard import layout
from serving.dashboard.site import json_response

KEPT_IN: Final = "service.json"
"""File in `var` where a running service says where it listens."""

DEFAULT: Final = "default"
"""What the bot of the clone without a profile is called."""

TIMEOUT_S = 3.0


def routes(folder: Path) -> list[BaseRoute]:
    """`/profiles` and `/api/profiles`."""

    async def profiles(_request: Request) -> Response:
        """The bots of all profiles of this clone, on one page."""
        return layout.page(folder, "profiles")

    async def profiles_data(_request: Request) -> Response:
        """The clone's own bot and every profile, with the figures of those that run."""
        return json_response(await overview(Settings()))

    return [Route("/profiles", profiles), Route("/api/profiles", profiles_data)]


def announce(settings: Settings) -> None:
    """Write where this service listens, for the page of the other profiles."""
    local = f"http://127.0.0.1:{settings.service_port or 3000}/"
    write_json(settings.var / KEPT_IN, {"page": f"{settings.page}/", "local": local, "pid": os.getpid()})


async def overview(settings: Settings) -> list[dict[str, Any]]:
    """A row for the clone's own bot and for every profile, in the order of their names; figures where it answers."""
    main = settings.main_var if settings.profile else settings.var
    places = {DEFAULT: main} | {name: profile_paths.folder(name) / "var" for name in profile_paths.names()}
    return list(await asyncio.gather(*(asyncio.to_thread(_row, name, var) for name, var in places.items())))


def _row(name: str, var: Path) -> dict[str, Any]:
    try:
        place = dict(read_json(var / KEPT_IN))
    except (ArtifactError, ValueError, TypeError):
        return _figures(name, None, None)
    state = _state(str(place.get("local")))
    # A port that another program has taken since answers for somebody else.
    known = state is not None and (state.get("profile") or DEFAULT) == name
    return _figures(name, str(place.get("page")), state if known else None)


def _state(url: str) -> dict[str, Any] | None:
    try:
        with urllib.request.urlopen(f"{url}api/state", timeout=TIMEOUT_S) as answer:  # noqa: S310 - a loopback address
            return dict(json.load(answer))
    except (urllib.error.URLError, OSError, ValueError, TypeError):
        return None


def _figures(name: str, page: str | None, state: dict[str, Any] | None) -> dict[str, Any]:
    found = state or {}
    account, controls = found.get("account") or {}, found.get("controls") or {}
    return {
        "profile": name,
        "page": page,
        "running": state is not None,
        "mode": found.get("mode"),
        "armed": found.get("armed"),
        "policy": found.get("policy"),
        "bundle": (found.get("model") or {}).get("bundle"),
        "champion": found.get("champion"),
        "pinned": bool(found.get("pinned_policy")),
        "account": account.get("address"),
        "equity_pusd": account.get("equity"),
        "daily_pnl_pusd": account.get("daily_pnl"),
        "pnl_pusd": account.get("pnl"),
        "positions": len(found.get("positions", [])) if state is not None else None,
        "paused": controls.get("paused"),
        "kill": found.get("kill"),
        "alarms": found.get("alarms", []),
    }
