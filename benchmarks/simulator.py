"""The served venue under load: signed orders per second over HTTP, and WebSocket deliveries per second.

Starts `python -m simulator` as a process of its own. Orders are signed before the clock starts; each is verified, L2
and EIP-712, and rests. Then ten subscribers count every message of the market channel while market time is stepped as
fast as it goes. Prints one JSON line; the figures `per_cpu_s` are per second of the venue's own processor time, which a
busy machine changes less.

    python -m benchmarks.simulator [--orders N] [--seconds S] [--port P]
"""

import argparse
import asyncio
import json
import subprocess
import sys
import time
from typing import Any

import httpx2
import msgspec
import psutil
from coincurve import PrivateKey
from websockets.asyncio.client import connect

from simulator.signing.credentials import request_signature
from simulator.signing.eip712 import ZERO_BYTES32, SignedFields, auth_digest, keccak, order_digest
from simulator.signing.recover import checksum

CONNECTIONS = 8
SUBSCRIBERS = 10


class Trader:
    """A key that signs as the clients do."""

    def __init__(self, number: int):
        self.key = PrivateKey(number.to_bytes(32, "big"))
        self.address = checksum(keccak(self.key.public_key.format(compressed=False)[1:])[-20:].hex())
        self.credentials: dict[str, str] = {}

    def sign(self, digest: bytes) -> str:
        """0x-prefixed 65-byte signature of a digest."""
        raw = self.key.sign_recoverable(digest, hasher=None)
        return "0x" + (raw[:64] + bytes([raw[64] + 27])).hex()

    def login(self, url: str) -> None:
        """Create the API key."""
        now = str(int(time.time()))
        headers = {
            "POLY_ADDRESS": self.address,
            "POLY_SIGNATURE": self.sign(auth_digest(self.address, now, 0)),
            "POLY_TIMESTAMP": now,
            "POLY_NONCE": "0",
        }
        self.credentials = httpx2.post(url + "/auth/api-key", headers=headers).json()

    def order(self, token: str, salt: int, neg_risk: bool) -> bytes:
        """Body of a resting buy of 5 shares at 0.01 to 0.05."""
        cents = 1 + salt % 5
        fields = SignedFields(
            salt, self.address, self.address, int(token), cents * 50_000, 5_000_000, 0, 0, int(time.time() * 1000)
        )
        signed = {
            "salt": salt, "maker": self.address, "signer": self.address, "tokenId": token,
            "makerAmount": str(fields.maker_amount), "takerAmount": str(fields.taker_amount), "side": "BUY",
            "expiration": "0", "signatureType": 0, "timestamp": str(fields.timestamp_ms), "metadata": ZERO_BYTES32,
            "builder": ZERO_BYTES32, "signature": self.sign(order_digest(fields, 2, neg_risk)),
        }  # fmt: skip
        entry = {"order": signed, "owner": self.credentials["apiKey"], "orderType": "GTC", "postOnly": False}
        return json.dumps(entry, separators=(",", ":")).encode()

    def request(self, body: bytes) -> bytes:
        """A whole HTTP request with L2 headers."""
        now = str(int(time.time()))
        signature = request_signature(self.credentials["secret"], f"{now}POST/order".encode() + body)
        head = (
            f"POST /order HTTP/1.1\r\nHost: local\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            f"POLY_ADDRESS: {self.address}\r\nPOLY_SIGNATURE: {signature}\r\nPOLY_TIMESTAMP: {now}\r\n"
            f"POLY_API_KEY: {self.credentials['apiKey']}\r\nPOLY_PASSPHRASE: {self.credentials['passphrase']}\r\n\r\n"
        )
        return head.encode() + body


async def post(port: int, requests: list[bytes]) -> int:
    """Send requests one after the other on one connection; how many were accepted."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    accepted = 0
    for request in requests:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        body = await reader.readexactly(length)
        accepted += b'"status":"live"' in body
    writer.close()
    return accepted


async def http_rate(port: int, requests: list[bytes]) -> tuple[float, int]:
    """Accepted orders per second over some connections."""
    begin = time.perf_counter()
    parts = [requests[i::CONNECTIONS] for i in range(CONNECTIONS)]
    accepted = sum(await asyncio.gather(*(post(port, part) for part in parts)))
    return accepted / (time.perf_counter() - begin), accepted


async def listen(port: int, tokens: list[str], ready: asyncio.Event, until: list[float]) -> int:
    """Messages of one subscriber, elements of arrays counted one by one."""
    count = 0
    decoder = msgspec.json.Decoder(list[msgspec.Raw])
    async with connect(
        f"ws://127.0.0.1:{port}/ws/market", ping_interval=None, max_size=None, compression=None
    ) as socket:
        await socket.send(json.dumps({"type": "market", "assets_ids": tokens, "custom_feature_enabled": True}))
        await socket.recv()
        ready.set()
        while not until or time.perf_counter() < until[0]:
            try:
                frame = await asyncio.wait_for(socket.recv(decode=False), 0.5)
            except TimeoutError:
                continue
            count += len(decoder.decode(frame)) if frame[:1] == b"[" else 1
    return count


async def fanout_rate(port: int, tokens: list[str], seconds: float) -> tuple[float, int]:
    """Deliveries per second, summed over the subscribers, while market time is stepped without a pause."""
    until: list[float] = []
    ready = [asyncio.Event() for _ in range(SUBSCRIBERS)]
    tasks = [asyncio.create_task(listen(port, tokens, event, until)) for event in ready]
    await asyncio.gather(*(event.wait() for event in ready))
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
        begin = time.perf_counter()
        steps = 0
        while time.perf_counter() - begin < seconds:
            steps += (await client.post("/admin/step", json={"steps": 1})).status_code == 200
        taken = time.perf_counter() - begin
        until.append(time.perf_counter())
        return sum(await asyncio.gather(*tasks)) / taken, steps


def markets(port: int) -> list[dict[str, Any]]:
    """Open markets from Gamma where a buy at 0.05 rests."""
    answer = httpx2.get(f"http://127.0.0.1:{port + 1}/markets/keyset", params={"closed": "false", "limit": 100})
    found: list[dict[str, Any]] = answer.json()["markets"]
    return [market for market in found if float(json.loads(market["outcomePrices"])[0]) > 0.15]


def cpu_s(process: psutil.Process) -> float:
    """Processor time that a process has used."""
    used = process.cpu_times()
    return float(used.user + used.system)


async def measure(port: int, venue: psutil.Process, count: int, seconds: float) -> dict[str, Any]:
    """Both measurements against a running venue."""
    url = f"http://127.0.0.1:{port}"
    found = markets(port)
    traders = [Trader(1000 + n) for n in range(4)]
    for trader in traders:
        trader.login(url)
    requests = []
    for salt in range(count):
        chosen, trader = found[salt % len(found)], traders[salt % len(traders)]
        token = json.loads(chosen["clobTokenIds"])[0]
        requests.append(trader.request(trader.order(token, salt + 1, chosen["negRisk"])))
    begin = cpu_s(venue)
    orders_per_s, accepted = await http_rate(port, requests)
    orders_cpu_s = cpu_s(venue) - begin
    tokens = [token for market in found for token in json.loads(market["clobTokenIds"])]
    begin = cpu_s(venue)
    deliveries_per_s, steps = await fanout_rate(port, tokens, seconds)
    fanout_cpu_s = cpu_s(venue) - begin
    wrong = httpx2.get(url + "/admin/audit").json()["wrong"]
    if wrong:
        raise SystemExit(f"books do not balance after the run: {wrong[0]}")
    return {
        "benchmark": "simulator",
        "http_orders_per_s": round(orders_per_s),
        "http_orders_per_cpu_s": round(accepted / orders_cpu_s),
        "http_orders_accepted": accepted,
        "http_orders_sent": count,
        "fanout_messages_per_s": round(deliveries_per_s),
        "fanout_messages_per_cpu_s": round(deliveries_per_s * seconds / fanout_cpu_s),
        "fanout_subscribers": SUBSCRIBERS,
        "fanout_tokens": len(tokens),
        "fanout_steps": steps,
    }


def main() -> None:
    """Start a venue, measure, print, stop it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--orders", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--port", type=int, default=8690)
    arguments = parser.parse_args()
    command = [sys.executable, "-m", "simulator", "--port", str(arguments.port), "--history-days", "2", "--speed", "0"]
    with subprocess.Popen([*command, "--admin"], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith("ready"):
                    break
            else:
                raise SystemExit("the simulator did not start; run python -m simulator to see why")
            venue = psutil.Process(process.pid)
            print(json.dumps(asyncio.run(measure(arguments.port, venue, arguments.orders, arguments.seconds))))
        finally:
            process.terminate()


if __name__ == "__main__":
    main()
