"""API keys: create, derive, list, delete, and read-only ones."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from simulator.api import formats
from simulator.api.private import Private
from simulator.api.responses import answer, body_json, guarded
from simulator.engine.refusals import Refused
from simulator.signing.credentials import Credentials, KeyScope


class ClobKeys(Private):
    """The routes under /auth."""

    def routes(self) -> list[BaseRoute]:
        """The routes of this part, with their handlers."""
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
            ("POST", "/auth/builder-api-key", self.create_builder),
            ("GET", "/auth/builder-api-key", self.builders),
            ("DELETE", "/auth/builder-api-key", self.revoke_builder),
        ]
        return [Route(path, guarded(handler), methods=[method]) for method, path, handler in table]

    async def create_key(self, request: Request) -> Response:
        """Create an API key. If the key of this nonce exists, it is refused: derive the key instead."""
        address, nonce = self._authenticator().login(request)
        if self.venue.keys.find(address, nonce) is not None:
            raise Refused("Could not create api key")
        self.venue.open_account(address)
        return answer(_credentials(self.venue.keys.issue(address, nonce)))

    async def derive_key(self, request: Request) -> Response:
        """The existing API key of an address and nonce."""
        address, nonce = self._authenticator().login(request)
        known = self.venue.keys.find(address, nonce)
        if known is None:
            raise Refused("Could not derive api key!")
        return answer(_credentials(known))

    async def keys(self, request: Request) -> Response:
        """Ids of the address's keys."""
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
        """Create a key that can read but not trade."""
        caller = await self._caller(request, writes=True)
        return answer(_credentials(self._issue(caller, KeyScope.READ)))

    def _issue(self, caller: Credentials, scope: KeyScope) -> Credentials:
        keys = self.venue.keys
        keys.issued += 1
        return keys.issue(caller.address, keys.issued, scope, self.venue.wall_s())

    async def readonly(self, request: Request) -> Response:
        """Ids of the address's read-only keys."""
        caller = await self._caller(request)
        return answer({"readonlyApiKeys": [c.key for c in self.venue.keys.of(caller.address, KeyScope.READ)]})

    async def delete_readonly(self, request: Request) -> Response:
        """Delete a read-only key of the address."""
        caller = await self._caller(request, writes=True)
        document = await body_json(request, "Invalid payload")
        name = document.get("key") if isinstance(document, dict) else None
        known = self.venue.keys.by_key.get(name) if isinstance(name, str) else None
        if known is None or known.scope is not KeyScope.READ or known.address != caller.address:
            raise Refused("api key not found", 404)
        del self.venue.keys.by_key[known.key]
        return answer("OK")

    async def validate_readonly(self, request: Request) -> Response:
        """Whether a read-only key exists for an address."""
        query = request.query_params
        known = self.venue.keys.by_key.get(query.get("key", ""))
        owner = known.address.lower() if known is not None and known.scope is KeyScope.READ else None
        return answer(owner is not None and owner == query.get("address", "").lower())

    # -- builder keys

    async def create_builder(self, request: Request) -> Response:
        """Create a builder key, which attributes orders to an application."""
        made = self._issue(await self._caller(request, writes=True), KeyScope.BUILDER)
        return answer({"key": made.key, "secret": made.secret, "passphrase": made.passphrase})

    async def builders(self, request: Request) -> Response:
        """Builder keys of the address, revoked ones included, without their secrets."""
        caller = await self._caller(request)
        keys = self.venue.keys
        return answer(
            [
                {"key": c.key, "createdAt": _iso(c.created_s), "revokedAt": _iso(keys.revoked.get(c.key))}
                for c in keys.of(caller.address, KeyScope.BUILDER)
            ]
        )

    async def revoke_builder(self, request: Request) -> Response:
        """Revoke the builder key that signed the request; if an account signed it, all builder keys of that account."""
        keys = self.venue.keys
        if "poly_builder_api_key" in request.headers:
            found = [await self._authenticator().builder(request)]
        else:
            caller = await self._caller(request, writes=True)
            found = [c for c in keys.of(caller.address, KeyScope.BUILDER) if c.key not in keys.revoked]
        if not found:
            raise Refused("api key not found", 404)
        keys.revoked.update(dict.fromkeys((c.key for c in found), self.venue.wall_s()))
        return answer("OK")


def _iso(wall_s: float | None) -> str | None:
    return None if wall_s is None else formats.iso(int(wall_s))


def _credentials(made: Credentials) -> dict[str, str]:
    return {"apiKey": made.key, "secret": made.secret, "passphrase": made.passphrase}
