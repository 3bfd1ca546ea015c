"""
What one NATS server of CLUSTER_URL says to a node: can it be reached, over which TLS, does it let us in, what may we do there.

    greeting    its first line, INFO, over a plain connection; then TLS, if CLUSTER_URL asks for it
    login       by nats-py, as the node does it
    rights      a message to each subject that a node needs, where it changes nothing (`cluster.access.rights_of`). A server tells
                a refusal at once and by its name, while whoever waits for an answer sees only that none comes
    answer      what it says of the stream
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import orjson

from ..cluster.access import INBOX, Right, rights_of, rights_to_look
from ..urls import authority
from .tls_probe import STEP_S

NATS_PORT = 4222
LONGEST_GREETING = 65536  # bytes; it lists every server of a large cluster


class Fault(NamedTuple):
    says: str
    remedy: str


@dataclass(frozen=True)
class NatsServer:
    """
    where     host:port, as CLUSTER_URL names it
    address   the IP address that answered, "" if none did
    info      its greeting
    fault     what kept us from being let in; None: we were
    missing   rights that a node needs and this login lacks
    answer    what it said of the stream: the JSON, {} if it said nothing in time, None if nobody there answers for streams
    heard     whether somebody takes what is published to the stream there
    asked_s, answered_s   when, in seconds since 1970 by our clock
    """

    where: str
    address: str = ""
    info: Mapping[str, Any] = field(default_factory=dict)
    fault: Fault | None = None
    missing: tuple[Right, ...] = ()
    answer: Mapping[str, Any] | None = field(default_factory=dict)
    asked_s: float = 0.0
    answered_s: float = 0.0
    heard: bool = True


class ProbeOptions(NamedTuple):
    """`login`: nats-py's options (`cluster.access.login_of`); `who`: as whom, in words, with the public key if there is one."""

    stream: str
    login: Mapping[str, Any]
    who: str


async def probe_servers(urls: tuple[str, ...], options: ProbeOptions) -> list[NatsServer]:
    return await asyncio.gather(*(_probe(url, options) for url in urls))


async def _probe(url: str, options: ProbeOptions) -> NatsServer:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or NATS_PORT
    where = authority(host, port)
    try:
        address, info = await _greeted(host, port, options.login.get("tls"))
    except _Unusable as error:
        return NatsServer(where, fault=error.fault)
    except (OSError, ssl.SSLError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        return NatsServer(where, fault=_unreachable(where, error))
    session = _Session(options)
    try:
        try:
            async with asyncio.timeout(STEP_S):
                await session.open(f"{parts.scheme}://{where}")
        except Exception as error:  # nats-py's own classes, and what reading a login raises
            return NatsServer(where, address, info, _refused(info, options, session.said or str(error)))
        missing = await session.missing()
        asked_s = time.time()
        may_look = not set(missing) & set(rights_to_look(options.stream))
        answer = await session.ask_for_stream() if may_look else {}
        answered_s = time.time()
        heard = missing != () or not answer or "config" not in answer or await session.is_heard()
        return NatsServer(where, address, info, None, missing, answer, asked_s, answered_s, heard)
    except (OSError, TimeoutError) as error:
        return NatsServer(where, address, info, Fault(f"stopped answering ({error or 'no answer'})", "look at its log"))
    finally:
        await session.close()


# ---- the greeting


class _Unusable(Exception):
    def __init__(self, says: str, remedy: str) -> None:
        super().__init__(says)
        self.fault = Fault(says, remedy)


async def _greeted(host: str, port: int, context: ssl.SSLContext | None) -> tuple[str, dict[str, Any]]:
    """(IP address, INFO). Raises _Unusable, OSError."""
    async with asyncio.timeout(STEP_S):
        reader, writer = await asyncio.open_connection(host, port, limit=LONGEST_GREETING)
    try:
        info = await _read_greeting(reader)
        _check_tls(info, context)
        if context is not None:
            async with asyncio.timeout(STEP_S):
                await writer.start_tls(context, server_hostname=host)
        return str(writer.get_extra_info("peername")[0]), info
    finally:
        writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(1.0):
                await writer.wait_closed()


async def _read_greeting(reader: asyncio.StreamReader) -> dict[str, Any]:
    try:
        async with asyncio.timeout(STEP_S):
            word, _, text = (await reader.readuntil(b"\n")).partition(b" ")
        info = orjson.loads(text) if word == b"INFO" else None
    except TimeoutError:
        remedy = "look whether it hangs; take handshake_first out of its tls section, if it is there"
        raise _Unusable("takes connections, but says nothing: it hangs, waits for TLS, or is not a NATS server", remedy) from None
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, orjson.JSONDecodeError):
        info = None
    if not isinstance(info, dict):
        raise _Unusable("is not a NATS server", "give the port for clients, 4222 unless its configuration says otherwise")
    return info


def _check_tls(info: Mapping[str, Any], context: ssl.SSLContext | None) -> None:
    speaks = info.get("tls_required") or info.get("tls_available")
    if context is not None and not speaks:
        raise _Unusable("speaks no TLS", "give it a tls section, or write nats:// in CLUSTER_URL")
    if context is None and info.get("tls_required"):
        raise _Unusable("wants TLS", "write tls:// in CLUSTER_URL")
    if info.get("tls_verify"):
        remedy = "take verify out of its tls section, and let nodes log in by an nkey"
        raise _Unusable("wants a client certificate, and nodes have none for NATS", remedy)


def _unreachable(where: str, error: Exception) -> Fault:
    match error:
        case ssl.SSLCertVerificationError():
            remedy = "set CLUSTER_CA_PATH to the servers' CA, and name each server in CLUSTER_URL as its certificate does"
            return Fault(f"its certificate does not verify: {error.verify_message}", remedy)
        case ssl.SSLError():
            return Fault(f"the TLS handshake failed: {error.reason or error}", "look at its log, and at its tls section")
        case socket.gaierror():
            return Fault("DNS does not know it", "correct CLUSTER_URL, or start the server whose name this is")
        case ConnectionRefusedError():
            return Fault("nothing listens there", "start nats-server; if it runs, compare its `listen` with CLUSTER_URL")
        case TimeoutError():
            return Fault("does not answer", "check the firewall, and that the server runs")
        case _:
            return Fault(f"cannot be reached ({error})", f"check the address {where}, the route and the firewall")


def _refused(info: Mapping[str, Any], options: ProbeOptions, said: str) -> Fault:
    if not ({"nkeys_seed_str", "user_credentials"} & options.login.keys()) and info.get("auth_required"):
        return Fault("wants a login", "set CLUSTER_NKEY_PATH or CLUSTER_CREDS_PATH")
    if "authorization" in said.lower() or "authentication" in said.lower():
        expired = "expired" in said.lower()
        remedy = "make new ones with nsc" if expired else "add it to the server's users, or to the account that it resolves"
        return Fault(f"does not let in {options.who}" + (": they have expired" if expired else ""), remedy)
    return Fault(f"does not let us in: {said or 'no answer'}", "look at its log")


# ---- logged in


class _Session:
    """One connection of nats-py. `said`: the last trouble that it told."""

    def __init__(self, options: ProbeOptions) -> None:
        self._options = options
        self._client: Any = None
        self._denied: list[str] = []
        self.said = ""

    async def open(self, url: str) -> None:
        from nats.aio.client import Client

        from ..nats_client import give_transport

        self._client = Client()
        give_transport(self._client, tls="tls" in self._options.login)
        await self._client.connect(
            servers=[url],
            allow_reconnect=False,
            max_reconnect_attempts=1,
            reconnect_time_wait=0.01,
            connect_timeout=STEP_S,
            inbox_prefix=INBOX.encode(),
            error_cb=self._on_error,
            **self._options.login,
        )

    async def _on_error(self, error: Exception) -> None:
        said = " ".join(str(error).split()) or type(error).__name__
        if "permissions violation" in said.lower():
            self._denied.append(said.lower())  # nats-py has lowered it already
        else:
            self.said = said

    async def missing(self) -> tuple[Right, ...]:
        """Raises TimeoutError."""
        found = []
        for right in rights_of(self._options.stream):
            self._denied.clear()
            if right.verb == "subscribe":
                subscription = await self._client.subscribe(right.probe, cb=_ignore)
                await self._flushed()
                if not self._denied:
                    await subscription.unsubscribe()
            else:
                await self._client.publish(right.probe, right.payload, headers=dict(right.headers) or None)
                await self._flushed()
            if self._denied:
                found.append(right)
        return tuple(found)

    async def _flushed(self) -> None:
        """Until the server has dealt with what was sent: a refusal comes before the answer to this."""
        from ..nats_client import flush_client

        async with asyncio.timeout(STEP_S):
            await flush_client(self._client, STEP_S)

    async def ask_for_stream(self) -> Mapping[str, Any] | None:
        from nats.errors import Error, NoRespondersError

        try:
            reply = await self._client.request(f"$JS.API.STREAM.INFO.{self._options.stream}", b"", timeout=STEP_S)
            said = orjson.loads(reply.data)
        except NoRespondersError:
            return None
        except (Error, TimeoutError, orjson.JSONDecodeError):
            return {}
        return said if isinstance(said, dict) else {}

    async def is_heard(self) -> bool:
        """Whether the stream refuses what it must. A server that lacks a route to its leader answers that nobody is there."""
        from nats.errors import Error, NoRespondersError

        (right,) = [right for right in rights_of(self._options.stream) if right.headers]
        try:
            await self._client.request(right.probe, right.payload, timeout=STEP_S, headers=dict(right.headers))
        except NoRespondersError:
            return False
        except (Error, TimeoutError):
            return True  # that is something else: a leader that is being chosen
        return True

    async def close(self) -> None:
        from ..nats_client import close_client

        await close_client(self._client, 1.0)


async def _ignore(message: object) -> None: ...
