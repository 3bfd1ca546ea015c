"""
One HTTP/1.1 connection that an output posts over: one request at a time, kept open between them, on the event loop.

    resolve ──▶ allowed addresses ──▶ connect to one of them, by its address ──▶ post, post, …

The name is looked up once for each connection, and the connection goes to an address that has been checked: a name that means
something else a moment later (DNS rebinding) changes nothing. TLS verifies the name all the same. The lookup is the event loop's
own, which has threads for it. Redirects are answers like any other: nobody follows them.

    Bounds: an answer has ANSWER_AT_MOST bytes, a try takes TRY_S, a connection CONNECT_S.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import NamedTuple, Self

import httptools
import orjson

from ..errors import Undelivered, Unreachable

TRY_S = 20.0  # from the request to the end of the answer; Standard Webhooks asks for 15 to 30 s
CONNECT_S = 10.0  # to look up, connect and shake hands
ANSWER_AT_MOST = 64 * 1024  # bytes with its head: only the status and a few words of an error are of use
IDLE_AT_MOST_S = 30.0  # many servers and proxies close after 60 s, some of them without a word
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # the last 32 bits are an IPv4 address

Resolve = Callable[[str, int], Awaitable[list[str]]]


class HttpAnswer(NamedTuple):
    """`retry_after`: the header as it stands, "" if there is none."""

    status: int
    retry_after: str
    body: bytes


class PostTarget(NamedTuple):
    """Where to connect. `tls` None: in clear; `private`: addresses that are not public are allowed."""

    host: str
    port: int
    tls: ssl.SSLContext | None
    private: bool


# ---- answers


def retry_after_s(answer: HttpAnswer, now_s: float) -> float:
    """Seconds that the receiver wants not to be tried again; 0 if it says nothing. Telegram says it in the body as well."""
    text = answer.retry_after.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        if text:
            return max(0.0, parsedate_to_datetime(text).timestamp() - now_s)
        found = orjson.loads(answer.body)["parameters"]["retry_after"] if answer.status == 429 else 0
        return float(found) if isinstance(found, int) and found > 0 else 0.0
    except (ValueError, TypeError, KeyError, OverflowError):
        return 0.0


# ---- addresses


def is_public(text: str) -> bool:
    """Whether the address is one of the Internet; one inside another (mapped, 6to4, NAT64, Teredo) counts as what it leads to."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
        if inner is not None:
            return is_public(str(inner))
    return address.is_global and not address.is_multicast and not address.is_reserved


async def resolve(host: str, port: int) -> list[str]:
    """The host's addresses. Raises OSError, UnicodeError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


async def allowed_addresses(endpoint: PostTarget, look_up: Resolve) -> list[str]:
    """Those of the host's addresses that may be connected to, at least one. Raises Undelivered."""
    try:
        found = await look_up(endpoint.host, endpoint.port)
    except (OSError, UnicodeError) as error:  # UnicodeError: a name that no host can have
        raise Unreachable(f"{endpoint.host} has no address ({error})") from None
    allowed = [address for address in found if endpoint.private or is_public(address)]
    if not allowed:
        raise Undelivered(f"{endpoint.host} has no public address: set WEBHOOK_PRIVATE=true to post into your own network")
    return allowed


# ---- a connection


class PostConnection(asyncio.Protocol):
    """`open` makes one. Not for two posts at a time."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._waiting: asyncio.Future[HttpAnswer] | None = None
        self._began_s = 0.0  # when the post under way began
        self._timer: asyncio.TimerHandle | None = None  # one for many posts: to set and cancel one costs 2 µs
        self._received = 0
        self._retry_after = ""
        self._body: list[bytes] = []
        self._used_s = self._loop.time()
        self.address = ""

    @classmethod
    async def open(cls, endpoint: PostTarget, look_up: Resolve = resolve) -> Self:
        """Connects to the first address that answers. Raises Undelivered."""
        try:
            async with asyncio.timeout(CONNECT_S):
                return await cls._open(endpoint, await allowed_addresses(endpoint, look_up))
        except TimeoutError:
            raise Unreachable(f"{endpoint.host} does not answer within {CONNECT_S:g} s") from None

    @classmethod
    async def _open(cls, endpoint: PostTarget, addresses: list[str]) -> Self:
        loop = asyncio.get_running_loop()
        name = endpoint.host if endpoint.tls is not None else None
        trouble: OSError | None = None
        for address in addresses:
            try:
                _, made = await loop.create_connection(cls, address, endpoint.port, ssl=endpoint.tls, server_hostname=name)
            except ssl.SSLError as error:
                raise Undelivered(
                    f"{endpoint.host}: {getattr(error, 'verify_message', '') or error.reason or 'TLS failed'}"
                ) from None
            except OSError as error:
                trouble = error
            else:
                made.address = address
                return made
        raise Unreachable(f"{endpoint.host} cannot be reached ({trouble})")

    @property
    def usable(self) -> bool:
        """Whether the next post may go over it, after a pause."""
        return self.stands and self._loop.time() - self._used_s < IDLE_AT_MOST_S

    @property
    def stands(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    async def post(self, request: bytes) -> HttpAnswer:
        """
        Sends a whole request and returns its answer. Raises Unreachable.

        `Hasty` of it: the connection ended without a byte of an answer, as one does that the other end gave up meanwhile.
        """
        if self._transport is None:
            raise Hasty("the connection has ended")
        self._waiting = self._loop.create_future()
        self._began_s = self._loop.time()
        if self._timer is None:
            self._timer = self._loop.call_later(TRY_S, self._look_at_clock)
        self._received = 0
        self._transport.write(request)
        try:
            return await self._waiting
        finally:
            self._waiting = None
            self._used_s = self._loop.time()

    def _look_at_clock(self) -> None:
        """Ends a post that has taken TRY_S, and comes back when the one under way would have."""
        self._timer = None
        if self._waiting is None:
            return
        left_s = self._began_s + TRY_S - self._loop.time()
        if left_s > 0:
            self._timer = self._loop.call_later(left_s, self._look_at_clock)
        else:
            self._fail(Unreachable(f"no answer within {TRY_S:g} s"))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _fail(self, error: Exception) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(error)
        self.close()

    # ---- of asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # a stream's transport is one

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        if self._waiting is None or self._received > ANSWER_AT_MOST:
            self._fail(Unreachable(f"its answer is longer than {ANSWER_AT_MOST} bytes"))
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._fail(Unreachable("it does not answer in HTTP"))

    def eof_received(self) -> None:
        """The end of an answer that does not say how long it is."""
        with suppress(httptools.HttpParserError):
            if self._received and self._parser.get_status_code() >= 200:
                self.on_message_complete()

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiting is not None and not self._waiting.done():
            cause = Unreachable if self._received else Hasty
            self._waiting.set_exception(cause(f"the connection ended before the answer ({error or 'closed'})"))

    # ---- of the parser

    def on_message_begin(self) -> None:
        self._retry_after = ""
        self._body.clear()

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"retry-after":
            self._retry_after = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200 or self._waiting is None or self._waiting.done():  # 100 and 103 come before the answer
            return
        self._waiting.set_result(HttpAnswer(status, self._retry_after, b"".join(self._body)))
        if not self._parser.should_keep_alive():
            self.close()


class Hasty(Unreachable):
    """The other end closed the connection before it answered anything."""
