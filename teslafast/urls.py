"""
The URL of a server as an operator typed it: parsed and checked in one place, so that every command takes and refuses the same.

Pure: nothing is looked up.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from urllib.parse import SplitResult, urlsplit

from .errors import Misconfigured
from .hosts import ascii_host


def parse_url(text: str, schemes: Collection[str], *, default: str, example: str, subject: str = "URL") -> SplitResult:
    """
    The parts of a URL with one of `schemes`, a host, and a port from 1 to 65,535 or none. Text without `://` gets the scheme
    `default`; a host in another alphabet becomes its `xn--` name. Raises Misconfigured, which names `subject` and gives
    `example`.
    """
    try:
        parts = urlsplit(text if "://" in text else f"{default}://{text}")
        usable = parts.scheme in schemes and parts.hostname and (parts.port is None or parts.port > 0)
        if usable and parts.hostname and not parts.hostname.isascii():
            parts = parts._replace(netloc=parts.netloc.lower().replace(parts.hostname, ascii_host(parts.hostname)))
    except ValueError:  # a bracket that does not close, a port that is not a number, a name that no host can have
        usable = False
    if not usable:
        raise Misconfigured(subject, f"{text!r} is not a usable address", f"give one such as {example}")
    return parts


def authority(host: str, port: int) -> str:
    """`host:port`, with an IPv6 address in brackets."""
    return f"{f'[{host}]' if ':' in host else host}:{port}"


def origin(scheme: str, host: str, port: int) -> str:
    """`scheme://host:port`."""
    return f"{scheme}://{authority(host, port)}"


def is_this_machine(host: str) -> bool:
    """Whether the host is a loopback address, or the name of one."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
