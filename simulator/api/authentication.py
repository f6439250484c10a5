"""Authentication of requests: L1 (wallet signature), L2 (API key with HMAC), and builder keys."""

from starlette.requests import Request

from simulator.engine.refusals import Refused
from simulator.signing.credentials import Credentials, KeyScope
from simulator.signing.recover import BadSignature
from simulator.venue.venue import Venue


class Authenticator:
    """Checks the credentials of requests against the API keys of a venue."""

    def __init__(self, venue: Venue):
        self.venue = venue

    def login(self, request: Request) -> tuple[str, int]:
        """Address and nonce of an L1 request.

        Raises:
            Refused: 401 "Invalid L1 Request headers".
        """
        headers = request.headers
        nonce = headers.get("poly_nonce") or "0"
        try:
            address = self.venue.keys.login(
                headers.get("poly_address", ""),
                headers.get("poly_signature", ""),
                headers.get("poly_timestamp", ""),
                nonce,
            )
            return address, int(nonce)
        except (BadSignature, ValueError):
            raise Refused("Invalid L1 Request headers", 401) from None

    async def caller(self, request: Request, *, writes: bool = False) -> Credentials:
        """Credentials of an L2 request. The HMAC covers the path without its query, and the body.

        Raises:
            Refused: 401 "Unauthorized/Invalid api key".
        """
        headers = request.headers
        body = await request.body()
        timestamp = headers.get("poly_timestamp", "")
        head = f"{timestamp}{request.method}{request.url.path}".encode("utf-8", "replace")
        for signed in (body, body.replace(b"'", b'"')):
            known = self.venue.keys.check(
                headers.get("poly_api_key", ""),
                headers.get("poly_passphrase", ""),
                headers.get("poly_address", ""),
                headers.get("poly_signature", ""),
                head + signed,
            )
            if known is not None:
                break
        if known is None or not _fresh(timestamp) or (writes and known.scope is not KeyScope.TRADE):
            raise Refused("Unauthorized/Invalid api key", 401)
        self.venue.open_account(known.address)
        return known

    async def builder(self, request: Request) -> Credentials:
        """Credentials of a request that a builder key signed.

        Raises:
            Refused: 401 "Unauthorized/Invalid api key".
        """
        headers = request.headers
        timestamp = headers.get("poly_builder_timestamp", "")
        message = f"{timestamp}{request.method}{request.url.path}".encode("utf-8", "replace") + await request.body()
        known = self.venue.keys.check_builder(
            headers.get("poly_builder_api_key", ""),
            headers.get("poly_builder_passphrase", ""),
            headers.get("poly_builder_signature", ""),
            message,
        )
        if known is None or not _fresh(timestamp):
            raise Refused("Unauthorized/Invalid api key", 401)
        return known


def _fresh(timestamp: str) -> bool:
    """Whether a timestamp is whole seconds. Its age is not checked, because the venue's tolerance is unknown."""
    return timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 16
