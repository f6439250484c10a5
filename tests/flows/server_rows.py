"""All rows of a kind that a Prefect server has. It answers with 200 at most, in the order of random ids."""

from collections.abc import Mapping
from typing import Any

from prefect.client.orchestration import SyncPrefectClient

PAGE = 200


def rows(client: SyncPrefectClient, route: str, wanted: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """Rows of `/{route}/filter`, page after page; `wanted` is the filter."""
    found: list[dict[str, Any]] = []
    while True:
        body = {**(wanted or {}), "limit": PAGE, "offset": len(found)}
        page = client.request("POST", f"/{route}/filter", json=body).json()
        found += page
        if len(page) < PAGE:
            return found
