"""
HTTP requests with the standard library: bounded in bytes and in how long each step may take, never redirected.

    request          verified, for what holds a secret: to the named host or nowhere, in clear only to this machine; through the
                     proxy of HTTPS_PROXY, if there is one, which sees the host's name and no more
    get_unverified   for a health check: nothing secret passes, so the certificate is not verified
    local_request    to a device of this network, such as the router
    head             the head of an answer, over a connection that the caller has made

An answer is whole or none: one that ends before its length, or that is not there after `LONGEST_EXCHANGE_S`, counts as lost.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import socket
import ssl
import threading
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote

from .errors import Misconfigured, PermanentFault, Unhealthy
from .urls import is_this_machine, parse_url

TIMEOUT_S = 20.0  # for each step: to connect, to send, to get the next bytes. Tesla's slow answers take seconds
PROXY_PORT = 80  # of a proxy whose URL names none, as for curl's http://
LONGEST_EXCHANGE_S = 25.0  # from the request to the last byte: each byte may be in time, and the answer still never end
_PROXY_REFUSES = ("Tunnel connection failed: 407", "Tunnel connection failed: 403")  # http.client's words: who asks, or whom for
_TOO_LATE = f"not whole after {LONGEST_EXCHANGE_S:.0f} s"
LONGEST_ANSWER = 1 << 20  # bytes of a body; Tesla's bundle of CAs, the largest that is asked for, has 20 KB


@dataclass(frozen=True)
class Reply:
    """`headers`: names in lower case. `status`: 0 if the other end did not answer in HTTP."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


def request(
    method: str,
    url: str,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    at: tuple[str, int] | None = None,
) -> Reply:
    """
    Raises Unhealthy if no whole answer comes, Misconfigured if the URL is unusable or would carry secrets in clear. `at`: the
    address and port of who is asked in place of what DNS says; it must be the URL's host all the same, by its certificate.
    """
    parts = _parts(url)
    if parts.scheme == "http" and not is_this_machine(parts.hostname or ""):
        fault = f"{url!r} would carry secrets unencrypted"
        raise Misconfigured("URL", fault, "give an https:// address; http:// is only for this machine")
    proxy = _proxy_for(parts) if at is None else None
    context = ssl.create_default_context() if parts.scheme == "https" else None  # it reads the system's CAs: 30 ms
    connection = _connection(parts, context, TIMEOUT_S, proxy) if at is None else _Elsewhere(parts, context, at)
    try:
        return _exchange(connection, parts, method, dict(headers or {}), body)
    except Unhealthy as error:
        raise (error if proxy is None else _through(proxy, error)) from None


def _through(proxy: SplitResult, error: Unhealthy) -> Unhealthy:
    """The same fault, with the proxy that may be its cause."""
    kind = PermanentFault if any(words in error.fault for words in _PROXY_REFUSES) else type(error)
    remedy = f"{error.remedy}; check HTTPS_PROXY, too, or name the host in NO_PROXY if it needs no proxy"
    return kind(f"{error.fault}, through the proxy {proxy.hostname}:{proxy.port or PROXY_PORT}", remedy)


def _proxy_for(parts: SplitResult) -> SplitResult | None:
    """The proxy of HTTPS_PROXY, unless the host is this machine or in NO_PROXY. Raises Misconfigured."""
    host = parts.hostname or ""
    text = urllib.request.getproxies_environment().get(parts.scheme, "")  # lower case counts, too, as for curl
    if not text or is_this_machine(host) or urllib.request.proxy_bypass(host):
        return None
    example = "http://proxy.example.com:3128"
    try:
        return parse_url(text, ("http",), default="http", example=example)
    except Misconfigured:  # whose message would show the proxy's password
        raise Misconfigured("HTTPS_PROXY", "is not the address of an HTTP proxy", f"give one such as {example}") from None


def get_unverified(url: str, timeout_s: float) -> Reply:
    """GET from a host that is named but not verified. Raises Unhealthy, Misconfigured as `request`."""
    parts = _parts(url)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    proxy = _proxy_for(parts) if parts.scheme == "https" else None  # nothing of clear HTTP goes through a tunnel
    try:
        return _exchange(_connection(parts, context, timeout_s, proxy), parts, "GET", {}, None)
    except Unhealthy as error:
        raise (error if proxy is None else _through(proxy, error)) from None


def local_request(method: str, url: str, headers: Mapping[str, str], body: bytes | None, timeout_s: float) -> Reply:
    """To a device of this network, in clear, without a proxy: nothing secret passes. Raises Unhealthy, Misconfigured."""
    parts = _parts(url)
    return _exchange(
        http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout_s), parts, method, dict(headers), body
    )


def is_proxied(url: str) -> bool:
    """Whether a request there goes through the proxy of HTTPS_PROXY. Raises Misconfigured."""
    return _proxy_for(_parts(url)) is not None


def head(connection: socket.socket, host: str, port: int, path: str, headers: Mapping[str, str]) -> Reply:
    """GET over a connected socket, which must have a timeout; of the answer, only the head is read. Raises OSError."""
    client = http.client.HTTPConnection(host, port)
    client.sock = connection
    try:
        client.request("GET", path, headers=dict(headers))
        response = client.getresponse()
    except http.client.HTTPException:  # not HTTP, or the connection was closed without an answer
        return Reply(0)
    return Reply(response.status, headers=_lowered(response))


class _Elsewhere(http.client.HTTPSConnection):
    """A connection to another address than DNS gives for the host, whose certificate it must show."""

    def __init__(self, parts: SplitResult, context: ssl.SSLContext | None, at: tuple[str, int]) -> None:
        super().__init__(parts.hostname or "", parts.port, timeout=TIMEOUT_S, context=context)
        self._at = at

    def connect(self) -> None:
        """Raises OSError."""
        plain = socket.create_connection(self._at, self.timeout)
        try:
            self.sock = self._context.wrap_socket(plain, server_hostname=self.host)  # type: ignore[attr-defined]  # http.client's
        except BaseException:
            plain.close()
            raise


def _parts(url: str) -> SplitResult:
    parts = parse_url(url, ("https", "http"), default="", example="https://telemetry.example.com")
    return parts._replace(netloc=parts.netloc.rpartition("@")[2])  # no name and password: they would stand in messages


def _connection(
    parts: SplitResult, context: ssl.SSLContext | None, timeout_s: float, proxy: SplitResult | None = None
) -> http.client.HTTPConnection:
    host = parts.hostname or ""
    if proxy is not None:
        tunnel = http.client.HTTPSConnection(proxy.hostname or "", proxy.port or PROXY_PORT, timeout=timeout_s, context=context)
        tunnel.set_tunnel(host, parts.port or 443, _proxy_headers(proxy))
        return tunnel
    if parts.scheme == "https":
        return http.client.HTTPSConnection(host, parts.port, timeout=timeout_s, context=context)
    return http.client.HTTPConnection(host, parts.port, timeout=timeout_s)


def _proxy_headers(proxy: SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    words = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}".encode()
    return {"Proxy-Authorization": f"Basic {base64.b64encode(words).decode()}"}


def _exchange(
    connection: http.client.HTTPConnection, parts: SplitResult, method: str, headers: dict[str, str], body: bytes | None
) -> Reply:
    try:
        connection.request(method, (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), body, headers)
        response, content = _whole(connection)
    except ssl.SSLCertVerificationError as error:
        fault = f"{parts.netloc}: its certificate does not verify ({error.verify_message})"
        raise PermanentFault(fault, _certificate_remedy(error.verify_message)) from None
    except (OSError, UnicodeError, http.client.HTTPException) as error:  # UnicodeError: a name that no host can have
        fault = f"{parts.netloc}: no answer ({error or type(error).__name__})"
        raise Unhealthy(fault, "check the address, the network, and that the server runs") from None
    finally:
        connection.close()
    if len(content) > LONGEST_ANSWER:
        raise PermanentFault(f"{parts.netloc}: its answer is longer than {LONGEST_ANSWER} bytes", "check the address")
    return Reply(response.status, content, _lowered(response))


def _certificate_remedy(says: str) -> str:
    """`says`: OpenSSL's words. A clock that is wrong makes every certificate seem so."""
    remedy = "check the address; a proxy that ends TLS has a CA of its own: SSL_CERT_FILE"
    if "expired" not in says and "not yet valid" not in says:
        return remedy
    return f"check this machine's clock, which says {time.strftime('%Y-%m-%d %H:%M', time.gmtime())} UTC; {remedy}"


def _whole(connection: http.client.HTTPConnection) -> tuple[http.client.HTTPResponse, bytes]:
    """The answer and its body, as far as one may be long. Raises OSError, HTTPException."""
    over: list[bool] = []
    sock = connection.sock  # http.client forgets it as soon as the answer's head says that the connection ends
    late = threading.Timer(LONGEST_EXCHANGE_S, _cut, (sock, over))
    late.daemon = True
    late.start()
    try:
        response = connection.getresponse()
        content = response.read(LONGEST_ANSWER + 1)
    except (OSError, http.client.HTTPException) as error:
        raise TimeoutError(_TOO_LATE) if over else error from None
    finally:
        late.cancel()
    if over:
        raise TimeoutError(_TOO_LATE)
    if response.length and len(content) <= LONGEST_ANSWER:
        raise ConnectionError(f"it ended {response.length} bytes too early")
    return response, content


def _cut(sock: socket.socket, over: list[bool]) -> None:
    """Ends what another thread reads from."""
    over.append(True)
    with contextlib.suppress(OSError):  # it has ended already
        socket.socket.shutdown(
            sock, socket.SHUT_RDWR
        )  # not the TLS socket's own, which would let the other thread read ciphertext


def _lowered(response: http.client.HTTPResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in response.getheaders()}
