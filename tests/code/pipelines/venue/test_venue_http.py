"""Reads are repeated where a repeat is safe, and every refusal says what and what to do."""

import asyncio
import subprocess
import sys
import time

import httpx2
import msgspec
import pytest
import stamina

from pipelines.core.errors import VenueError, VenueForbidden, VenueUnavailable
from pipelines.venue.http import VenueHttp


class Answer(msgspec.Struct):
    """What the tests read."""

    value: int


@pytest.fixture(autouse=True)
def _without_waiting() -> None:
    """Retries happen at once."""
    stamina.set_testing(True, attempts=4)
    yield  # type: ignore[misc]
    stamina.set_testing(False)


def client(*answers: httpx2.Response | Exception) -> tuple[VenueHttp, list[httpx2.Request]]:
    """A client whose host gives these answers in turn."""
    seen: list[httpx2.Request] = []

    def respond(request: httpx2.Request) -> httpx2.Response:
        answer = answers[len(seen)]
        seen.append(request)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return VenueHttp("http://venue.test", transport=httpx2.MockTransport(respond)), seen


@pytest.mark.parametrize("status", [425, 429, 500, 502, 503, 504])
async def test_a_passing_trouble_is_waited_out(status: int) -> None:
    """Restarts, rate limits and server errors are asked again."""
    http, seen = client(httpx2.Response(status), httpx2.Response(200, json={"value": 7}))

    assert (await http.get("/x", Answer)).value == 7
    assert len(seen) == 2


async def test_a_broken_connection_is_tried_again() -> None:
    """A transport error is no answer, so the read is repeated."""
    http, seen = client(httpx2.ConnectError("refused"), httpx2.Response(200, json={"value": 7}))

    assert (await http.get("/x", Answer)).value == 7
    assert len(seen) == 2


async def test_patience_ends() -> None:
    """After several attempts the error names the address and the last answer."""
    http, seen = client(*[httpx2.Response(503, text="Trading is currently disabled")] * 9)

    with pytest.raises(VenueUnavailable, match=r"venue\.test/x answered 503: Trading is currently disabled"):
        await http.get("/x", Answer)
    assert len(seen) == 4


@pytest.mark.parametrize("body", ['{"error":"Trading restricted in your region"}', "<html>Attention required</html>"])
async def test_a_block_is_final(body: str) -> None:
    """403 as JSON or as a page stops at once and is not evaded."""
    http, seen = client(httpx2.Response(403, text=body))

    with pytest.raises(VenueForbidden, match="nothing here works around it"):
        await http.get("/x", Answer)
    assert len(seen) == 1


async def test_a_refusal_is_not_repeated() -> None:
    """A 400 is the same tomorrow."""
    http, seen = client(httpx2.Response(400, json={"error": "Invalid token id"}))

    with pytest.raises(VenueError, match="Invalid token id"):
        await http.get("/x", Answer)
    assert len(seen) == 1


async def test_an_unknown_shape_is_refused() -> None:
    """A body of another shape is an error that names the field, never half-read data."""
    http, _ = client(httpx2.Response(200, json={"value": "seven"}))

    with pytest.raises(VenueError, match=r"unknown shape.*value"):
        await http.get("/x", Answer)


@pytest.mark.parametrize(("host", "least_s"), [("http://venue.test", 0.4), ("http://127.0.0.1:9", 0.0)])
async def test_the_published_pace_is_kept(host: str, least_s: float) -> None:
    """Requests to the venue stay under its limit, with a margin; a venue on loopback has none."""
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, json={"value": 7}))
    http = VenueHttp(host, per_10_s=200, transport=transport)
    begin = time.monotonic()
    await asyncio.gather(*[http.get("/x", Answer) for _ in range(10)])
    took_s = time.monotonic() - begin

    assert took_s >= least_s


def test_the_pace_holds_on_a_loop_whose_clock_stands_still_between_requests() -> None:
    """uvloop's clock moves once per turn of the loop: many reads in one turn pass on loopback, none fails."""
    import uvloop

    async def many() -> int:
        answers = httpx2.MockTransport(lambda _: httpx2.Response(200, json={"value": 7}))
        async with VenueHttp("http://127.0.0.1", transport=answers) as http:
            return sum(answer.value for answer in await asyncio.gather(*[http.get("/x", Answer) for _ in range(40)]))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(many()) == 280


@pytest.mark.parametrize(
    "value",
    [b"NaN", b"-Infinity", b"1e999", b'"a\\ud800b"', b'"a\\udc00"', b'"\xff\xfe"', b'"\x01"', b'"\xed\xa0\x80"'],
)
async def test_one_value_that_json_forbids_costs_no_other(value: bytes) -> None:
    """Half a surrogate pair, bytes that are no UTF-8, NaN: the field is odd text, the rest of the page is read."""
    content = b'[{"x":' + value + b'},{"x":"\xc3\xa4"},{"x":12345678901234567890123}]'
    http, _ = client(httpx2.Response(200, content=content))

    odd, good, large = await http.get("/x", list[dict])

    assert isinstance(odd["x"], str)
    odd["x"].encode()
    assert (good["x"], large["x"]) == ("\u00e4", 12345678901234567890123)


async def test_a_byte_order_mark_is_no_answer_of_an_unknown_shape() -> None:
    """Some proxies write one before the JSON."""
    http, _ = client(httpx2.Response(200, content=b'\xef\xbb\xbf{"value": 7}'))

    assert (await http.get("/x", Answer)).value == 7


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b'{"value": 7', b"[" * 100_000, b'{"value": NaN}', b'{"value": "\xff"}', b"\xff\xfe\x00"]
)
async def test_an_answer_that_cannot_be_read_is_an_error_of_the_venue(body: bytes) -> None:
    """Whatever the bytes are, the caller hears of the venue and never of a decoder."""
    http, _ = client(httpx2.Response(200, content=body))

    with pytest.raises(VenueError, match="unknown shape"):
        await http.get("/x", Answer)


def test_nested_json_never_overflows_the_stack() -> None:
    """The signer's libraries raise Python's recursion limit; with the gateway loaded, it is what it was, and readers
    refuse the text."""
    code = (
        "import json, sys, pipelines.venue.clob_gateway\n"
        "assert 'py_ecc' in sys.modules and sys.getrecursionlimit() == 1000\n"
        "from pipelines.venue import json_text\n"
        "for text in (b'[' * 10**6, b'{\"a\":' * 10**6):\n"
        "    for read in (json.loads, lambda one: json_text.read(one, list)):\n"
        "        try: read(text)\n"
        "        except (ValueError, RecursionError): print('refused')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["refused"] * 4
