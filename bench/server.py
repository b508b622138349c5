"""A cheap server in a separate process: prepared bodies, straight onto the socket.

`GET /variant/NAME` chooses what is listed, `GET /latency/SECONDS` how long each page takes, `GET /calls` returns
how many pages were asked for since the last time that it was asked.
"""

import argparse
import asyncio
import json
from functools import cache, partial
from typing import Final

from bench.pages import render

TOKEN: Final = json.dumps({"access_token": "bench", "token_type": "Bearer", "expires_in": 3600}).encode()


class Listing:
    """The state that all connections share."""

    def __init__(self, cadences: int, per_page: int) -> None:
        self.bodies = cache(partial(render, cadences, per_page))
        self.variant = "base"
        self.latency = 0.0
        self.calls = 0

    def answer(self, path: str) -> tuple[bytes, float]:
        """Returns a body and its delay in seconds."""
        if path.startswith("/variant/"):
            self.variant = path.removeprefix("/variant/")
            self.bodies(self.variant)
            return b"{}", 0
        if path.startswith("/latency/"):
            self.latency = float(path.removeprefix("/latency/"))
            return b"{}", 0
        if path == "/calls":
            calls, self.calls = self.calls, 0
            return str(calls).encode(), 0
        if path.startswith("/oauth/"):
            return TOKEN, 0
        query = dict(pair.split("=") for pair in path.partition("?")[2].split("&") if pair)
        self.calls += 1
        return self.bodies(self.variant)[int(query["page"]) - 1], self.latency


class Connection(asyncio.Protocol):
    """HTTP as far as the contestants speak it: one request after the other, kept alive."""

    def __init__(self, listing: Listing) -> None:
        self._listing = listing
        self._received = b""
        self._transport = asyncio.WriteTransport()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answers once the head and the form, if any, have arrived."""
        self._received += data
        head, end, rest = self._received.partition(b"\r\n\r\n")
        if not end or len(rest) < _length(head):
            return
        self._received = b""
        body, wait = self._listing.answer(head.split(b" ", 2)[1].decode())
        reply = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        if wait:
            asyncio.get_running_loop().call_later(wait, self._transport.writelines, [reply, body])
        else:
            self._transport.writelines([reply, body])


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


async def serve(cadences: int, per_page: int) -> None:
    """Serves on a free loopback port, which it prints, until killed."""
    listing = Listing(cadences, per_page)
    listing.bodies("base")
    server = await asyncio.get_running_loop().create_server(lambda: Connection(listing), "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cadences", type=int)
    parser.add_argument("per_page", type=int)
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.cadences, arguments.per_page))
