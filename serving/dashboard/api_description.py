"""The OpenAPI document of the service: every route with what it answers, made from the routes themselves."""

from collections.abc import Callable, Iterable, Mapping
from inspect import getdoc
from typing import Any, Final

from starlette.routing import BaseRoute, Route, WebSocketRoute

Endpoint = Callable[..., Any]

OF_BENTOML: Final[Mapping[str, Mapping[str, Any]]] = {
    "/forecast": {
        "post": {
            "tags": ["model"],
            "summary": "Predicted prices of a followed market at 1 to `horizon` bars, with interval and confidence.",
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {
                        "schema": {
                            "type": "object",
                            "required": ["market"],
                            "properties": {
                                "market": {"type": "string", "description": "Condition id of the market."},
                                "horizon": {"type": "integer", "minimum": 1, "maximum": 24, "default": 24},
                            },
                        },
                        "example": {"market": "0x…", "horizon": 24},
                    }
                },
            },
            "responses": {
                "200": {"description": "Predictions, interval, confidence and current price, as JSON."},
                "400": {"description": "The market is not followed or not warm, or the horizon is not the model's."},
            },
        }
    },
    "/livez": {
        "get": {
            "tags": ["health"],
            "summary": "Whether the loop runs.",
            "responses": {"200": {"description": "It runs."}, "503": {"description": "It has ended."}},
        }
    },
    "/readyz": {
        "get": {
            "tags": ["health"],
            "summary": "Whether decisions are taken on a live feed.",
            "responses": {"200": {"description": "They are."}, "503": {"description": "Not yet, or not any more."}},
        }
    },
    "/metrics": {
        "get": {
            "tags": ["health"],
            "summary": "Everything that Prometheus reads.",
            "responses": {"200": {"description": "The text format of Prometheus."}},
        }
    },
}
"""Routes that BentoML answers next to ours."""

ABOUT: Final = (
    "Pages, state and controls of the bot. Times are Unix seconds, money is in pUSD, prices are in [0, 1]. Reading "
    "needs no token; a change asks for `Authorization: Bearer TOKEN` as soon as other machines can reach the service. "
    "`/ws/state` is a WebSocket: the whole state once, then the state of every bar."
)


def takes(*, body: Any = None, query: Mapping[str, str] | None = None) -> Callable[[Endpoint], Endpoint]:
    """Say what an endpoint reads: an example of its JSON body, and its query parameters with their meaning."""

    def mark(endpoint: Endpoint) -> Endpoint:
        endpoint.takes = (body, dict(query or {}))  # type: ignore[attr-defined]
        return endpoint

    return mark


def document(routes: Iterable[BaseRoute], version: str) -> dict[str, Any]:
    """The OpenAPI 3.1 document of routes, with what BentoML answers; each path is described by its docstring."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        if isinstance(route, Route):
            methods = sorted((route.methods or {"GET"}) - {"HEAD"})
            paths.setdefault(route.path, {}).update({name.lower(): _operation(route, name) for name in methods})
        elif isinstance(route, WebSocketRoute):
            said = {"101": {"description": "A WebSocket of JSON messages."}}
            paths[route.path] = {"get": {"tags": ["data"], "summary": _first(route.endpoint), "responses": said}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "oddsmith", "version": version, "description": ABOUT},
        "paths": dict(sorted({**paths, **OF_BENTOML}.items())),
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    }


def _operation(route: Route, method: str) -> dict[str, Any]:
    body, query = getattr(route.endpoint, "takes", (None, {}))
    changes = method not in ("GET", "HEAD")
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in route.param_convertors
    ]
    parameters += [
        {"name": name, "in": "query", "description": said, "schema": {"type": "string"}} for name, said in query.items()
    ]
    answer = "JSON." if route.path.startswith(("/api", "/docs.json")) or changes else "A page."
    responses = {"200": {"description": answer}}
    if changes:
        responses |= {
            "400": {"description": "The body is not what is asked for; the answer says what is."},
            "401": {"description": "The token is missing or wrong."},
            "403": {"description": "A foreign page or host asked."},
        }
    operation: dict[str, Any] = {
        "tags": ["control" if changes else "data" if answer == "JSON." else "pages"],
        "summary": _first(route.endpoint),
        "responses": responses,
    }
    if parameters:
        operation["parameters"] = parameters
    if body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"example": body}}}
    if changes:
        operation["security"] = [{"token": []}]
    return operation


def _first(endpoint: Endpoint) -> str:
    return " ".join((getdoc(endpoint) or "").partition("\n\n")[0].split())
