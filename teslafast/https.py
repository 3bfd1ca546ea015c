"""
One request over HTTP and its answer, with the standard library: bounded in time and bytes, never redirected.

A header may hold somebody's token, so it goes to the host that was named or nowhere, and never in clear except to this machine.
"""

from __future__ import annotations

import http.client
import ipaddress
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from .errors import Misconfigured, Unhealthy

TIMEOUT_S = 20.0
LONGEST_ANSWER = 1 << 20


@dataclass(frozen=True)
class Reply:
    """`headers`: names in lower case."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def ask(method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes | None = None) -> Reply:
    """Raises Unhealthy if no whole answer comes, Misconfigured if the URL may not be asked."""
    parts = urlsplit(url)
    connection = _connection(url)
    try:
        connection.request(method, (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), body, dict(headers or {}))
        response = connection.getresponse()
        content = response.read(LONGEST_ANSWER + 1)
    except ssl.SSLCertVerificationError as error:
        raise Unhealthy(f"{parts.netloc}: its certificate does not verify ({error.verify_message})") from None
    except (OSError, http.client.HTTPException) as error:
        raise Unhealthy(f"{parts.netloc}: no answer ({error or type(error).__name__})") from None
    finally:
        connection.close()
    if len(content) > LONGEST_ANSWER:
        raise Unhealthy(f"{parts.netloc}: its answer is longer than {LONGEST_ANSWER} bytes")
    return Reply(response.status, content, {name.lower(): value for name, value in response.getheaders()})


def _connection(url: str) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    try:
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
    if host and parts.scheme == "https":
        return http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S, context=ssl.create_default_context())
    if host and parts.scheme == "http" and is_this_machine(host):
        return http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
    raise Misconfigured("URL", f"{url!r} may not be asked", "give an https:// address; http:// only on this machine")


def is_this_machine(host: str) -> bool:
    """Whether it is a loopback address, or the name of one."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
