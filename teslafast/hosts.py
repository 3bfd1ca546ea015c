"""
Host names and web origins in the one form in which they can be compared: lower case, `xn--` for other alphabets, the port said.

Every place that takes a host from an operator, a certificate or a client brings it here first. Pure: nothing is looked up.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from dataclasses import dataclass

LONGEST_HOST = 253  # characters: RFC 1035's 255 bytes, without the first length and the root
LONGEST_ORIGIN = 1024  # characters: far more than the longest host with a scheme and a port
DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}

_DOTS = str.maketrans("。．｡", "...")  # what IDNA takes for a dot (RFC 3490, 3.1)
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")  # `_`: no host name, but DNS and browsers know such names
_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s\[\]:/?#@,;\\]+)(?::(\d{0,5}))?")


def ascii_host(host: str) -> str:
    """
    The name as DNS, certificates and browsers write it: `Bücher.example` becomes `xn--bcher-kva.example`; an address in its
    shortest form. As in browsers `ß` stays a letter of its own (UTS #46, nontransitional). Raises ValueError.
    """
    try:
        return ipaddress.ip_address(host.removeprefix("[").removesuffix("]")).compressed
    except ValueError:
        pass
    labels = [_ascii_label(label) for label in host.translate(_DOTS).removesuffix(".").split(".")]
    name = ".".join(labels)
    if len(name) > LONGEST_HOST:
        raise ValueError(f"a host name has at most {LONGEST_HOST} characters")
    return name


def _ascii_label(label: str) -> str:
    text = unicodedata.normalize("NFKC", label.lower()).lower()
    if not text.isascii():
        if not all(character.isalnum() or character == "-" or unicodedata.combining(character) for character in text):
            raise ValueError(f"{label!r} cannot be a part of a host name")
        text = "xn--" + text.encode("punycode").decode()
    if not _LABEL.fullmatch(text):
        raise ValueError(f"{label!r} cannot be a part of a host name")
    return text


def split_authority(text: str) -> tuple[str, int | None]:
    """The host and the port (None: the scheme's own) of `host[:port]`, as in a Host header. Raises ValueError."""
    match = _AUTHORITY.fullmatch(text)
    if match is None:
        raise ValueError("not a host, or a host and a port")
    port = int(match[2]) if match[2] else None
    if port is not None and not 0 < port < 65536:
        raise ValueError("a port is 1 to 65535")
    return ascii_host(match[1]), port


@dataclass(frozen=True, slots=True)
class WebOrigin:
    """Where a page comes from (RFC 6454). `port`: None for a scheme that has none of its own, such as `chrome-extension`."""

    scheme: str
    host: str
    port: int | None

    @classmethod
    def parse(cls, text: str) -> WebOrigin:
        """`scheme://host[:port]`, and nothing else: what a browser can send. Raises ValueError."""
        scheme, mark, authority = text.partition("://")
        if not mark or len(text) > LONGEST_ORIGIN or not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", scheme):
            raise ValueError("an origin is scheme://host, or scheme://host:port")
        host, port = split_authority(authority)
        scheme = scheme.lower()
        return cls(scheme, host, DEFAULT_PORTS.get(scheme) if port is None else port)

    def is_at(self, authority: str) -> bool:
        """Whether a page of this origin came from the host that a request's Host header names. Raises ValueError."""
        host, port = split_authority(authority)
        here = DEFAULT_PORTS.get(self.scheme) if port is None else port
        return self.scheme in ("http", "https") and (self.host, self.port) == (host, here)
