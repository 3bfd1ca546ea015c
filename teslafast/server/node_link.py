"""
What `serve --nodes` and each of its nodes say to each other: over a socket pair, a line of JSON each.

    supervisor ──▶ node   hello      who the node is, and what it cannot read from the environment
                          ping       are you there?
                          ask        say what you report
                          whole      what all nodes report: the answer to `want`
                          drain      end: all of us do
                          all_settled  the vehicles of all are gone: the seq of what they left last
    node ──▶ supervisor   state      "listening" with the ports, "joined", "settled" with a seq: my vehicles are gone
                          fault      what the operator has to mend, before the node ends with status 2
                          pong, report   the answers to `ping` and `ask`
                          want       what do all nodes report?

The end of the connection is the end of the other: a supervisor that was killed leaves no node behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import orjson

LONGEST_LINK_LINE = 4 * 1024 * 1024  # all reports of a large machine; one has some 20 KB


class NodeLink(asyncio.Protocol):
    """One end of it. `on_message` gets each line, `on_end` is called once."""

    def __init__(self, on_message: Callable[[dict[str, Any]], object], on_end: Callable[[], object]) -> None:
        self._on_message = on_message
        self._on_end = on_end
        self._transport: Any = None
        self._read = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._on_end()

    def data_received(self, data: bytes) -> None:
        self._read += data
        if len(self._read) > LONGEST_LINK_LINE:
            self.close()
            return
        *lines, rest = self._read.split(b"\n")
        self._read = bytearray(rest)
        for line in lines:
            self._on_message(orjson.loads(line))

    def tell(self, message: Mapping[str, Any]) -> None:
        """Does nothing when the other end has gone."""
        if self._transport is not None:
            self._transport.write(line_of(message))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


def line_of(message: Mapping[str, Any]) -> bytes:
    return orjson.dumps(message) + b"\n"
