"""API keys: create, derive, list, delete, and read-only ones."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from simulator.api.http import answer, body_json, guarded
from simulator.api.private import Private
from simulator.engine.errors import Refused
from simulator.signing.credentials import Credentials


class ClobKeys(Private):
    """The routes under /auth."""

    def routes(self) -> list[BaseRoute]:
        """All of them."""
        table: list[tuple[str, str, Any]] = [
            ("POST", "/auth/api-key", self.create_key),
            ("GET", "/auth/derive-api-key", self.derive_key),
            ("GET", "/auth/api-keys", self.keys),
            ("DELETE", "/auth/api-key", self.delete_key),
            ("GET", "/auth/ban-status/closed-only", self.closed_only),
            ("POST", "/auth/readonly-api-key", self.create_readonly),
            ("GET", "/auth/readonly-api-keys", self.readonly),
            ("DELETE", "/auth/readonly-api-key", self.delete_readonly),
            ("GET", "/auth/validate-readonly-api-key", self.validate_readonly),
            ("POST", "/auth/builder-api-key", self.create_readonly),
            ("GET", "/auth/builder-api-key", self.readonly),
            ("DELETE", "/auth/builder-api-key", self.delete_readonly),
        ]
        return [Route(path, guarded(handler), methods=[method]) for method, path, handler in table]

    async def create_key(self, request: Request) -> Response:
        """A new API key; an address that has this nonce's key already must derive it."""
        address, nonce = self._gate().login(request)
        if self.venue.keys.find(address, nonce) is not None:
            raise Refused("Could not create api key")
        self.venue.open_account(address)
        return answer(_credentials(self.venue.keys.issue(address, nonce)))

    async def derive_key(self, request: Request) -> Response:
        """The existing API key of an address and nonce."""
        address, nonce = self._gate().login(request)
        known = self.venue.keys.find(address, nonce)
        if known is None:
            raise Refused("Could not derive api key!")
        return answer(_credentials(known))

    async def keys(self, request: Request) -> Response:
        """Names of the address's keys."""
        caller = await self._caller(request)
        return answer({"apiKeys": [c.key for c in self.venue.keys.of(caller.address)]})

    async def delete_key(self, request: Request) -> Response:
        """Delete the key that signed the request; its open orders are cancelled."""
        caller = await self._caller(request, writes=True)
        self.venue.cancel_owner(caller.key)
        self.venue.keys.by_key.pop(caller.key, None)
        return answer("OK")

    async def closed_only(self, request: Request) -> Response:
        """Whether the address may only close positions."""
        caller = await self._caller(request)
        return answer({"closed_only": self.venue.open_account(caller.address).closed_only})

    async def create_readonly(self, request: Request) -> Response:
        """A key that can read but not trade."""
        caller = await self._caller(request, writes=True)
        count = len(self.venue.keys.of(caller.address, readonly=True))
        return answer(_credentials(self.venue.keys.issue(caller.address, count, readonly=True)))

    async def readonly(self, request: Request) -> Response:
        """Names of the read-only keys."""
        caller = await self._caller(request)
        return answer({"readonlyApiKeys": [c.key for c in self.venue.keys.of(caller.address, readonly=True)]})

    async def delete_readonly(self, request: Request) -> Response:
        """Delete a read-only key of the address."""
        caller = await self._caller(request, writes=True)
        document = await body_json(request, "Invalid payload")
        name = document.get("key") if isinstance(document, dict) else None
        known = self.venue.keys.by_key.get(name) if isinstance(name, str) else None
        if known is None or not known.readonly or known.address != caller.address:
            raise Refused("api key not found", 404)
        del self.venue.keys.by_key[known.key]
        return answer("OK")

    async def validate_readonly(self, request: Request) -> Response:
        """Whether a read-only key exists for an address."""
        query = request.query_params
        known = self.venue.keys.by_key.get(query.get("key", ""))
        return answer(known is not None and known.address.lower() == query.get("address", "").lower())


def _credentials(made: Credentials) -> dict[str, str]:
    return {"apiKey": made.key, "secret": made.secret, "passphrase": made.passphrase}
