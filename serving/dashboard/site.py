"""The pages around the bot that need none: reports of the flows, glossary, description of the API."""

from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from pipelines.core.products import REPORTS
from serving.dashboard import api_description, glossary, layout, report_pages

NOT_KEPT: Final = {"Cache-Control": "no-store", "Cross-Origin-Resource-Policy": "same-origin"}


def json_response(document: Any) -> Response:
    """A JSON answer that nobody keeps."""
    return Response(msgspec.json.encode(document), media_type="application/json", headers=NOT_KEPT)


def routes(folder: Path, var: Callable[[], Path], all_routes: Callable[[], list[BaseRoute]]) -> list[BaseRoute]:
    """`/reports`, `/glossary` and `/docs` with the JSON behind them; `var` is asked when a page is."""

    async def reports(_request: Request) -> Response:
        """The last night in short, with links to everything that it wrote."""
        return layout.page(folder, "reports")

    def reports_data(_request: Request) -> Response:
        """The last night, the newest reports in short, and the links to Prefect and MLflow."""
        return json_response(report_pages.document(REPORTS, var()))

    def report(request: Request) -> Response:
        """A report as a page: backtest, validation or drift."""
        name = request.path_params["name"]
        html = report_pages.page(name)
        if html is None:
            return HTMLResponse(report_pages.missing(name), status_code=404, headers=report_pages.HEADERS)
        return HTMLResponse(html, headers=report_pages.HEADERS)

    async def glossary_page(_request: Request) -> Response:
        """The words of the pages and what they mean."""
        return layout.page(folder, "glossary")

    def glossary_data(_request: Request) -> Response:
        """Word -> meaning, for tooltips."""
        return JSONResponse(glossary.terms(), headers=layout.HEADERS)

    async def docs(_request: Request) -> Response:
        """The API with every route, to read and to try."""
        return layout.page(folder, "docs")

    async def openapi(_request: Request) -> Response:
        """The OpenAPI document of every route."""
        return json_response(api_description.document(all_routes(), _version()))

    return [
        Route("/reports", reports),
        Route("/reports/{name}", report),
        Route("/glossary", glossary_page),
        Route("/docs", docs),
        Route("/api/reports", reports_data),
        Route("/api/glossary", glossary_data),
        Route("/docs.json", openapi),
    ]


def _version() -> str:
    try:
        return metadata.version("oddsmith")
    except metadata.PackageNotFoundError:
        return "of a clone"
