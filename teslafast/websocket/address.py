"""
A server's address as somebody typed it, made one that can be called: ws or wss, whatever stood before `://`, if anything did.

Pure: nothing is looked up.
"""

from urllib.parse import SplitResult, urlsplit

from ..errors import Misconfigured

_SCHEMES = {"ws": "ws", "wss": "wss", "http": "ws", "https": "wss"}
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def mended(text: str) -> SplitResult:
    """A URL with scheme ws or wss, from one with http(s) or none (then ws only on this machine). Raises Misconfigured."""
    try:
        parts = urlsplit(text if "://" in text else f"wss://{text}")
        if "://" not in text and parts.hostname in _LOOPBACK:
            parts = parts._replace(scheme="ws")
        usable = parts.scheme in _SCHEMES and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable:
        raise Misconfigured("URL", f"{text!r} cannot be called", "give one such as wss://telemetry.example.com:443")
    # Nobody asks for a name and a password here; they would only stand in messages.
    return parts._replace(scheme=_SCHEMES[parts.scheme], netloc=parts.netloc.rpartition("@")[2], fragment="")
