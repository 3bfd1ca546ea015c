"""The URL of a WebSocket server, whatever stood before `://` in what an operator typed, if anything did. Pure."""

from urllib.parse import SplitResult

from ..urls import is_this_machine, parse_url

_SCHEMES = {"ws": "ws", "wss": "wss", "http": "ws", "https": "wss"}


def websocket_url(text: str) -> SplitResult:
    """A URL with scheme ws or wss, from one with http(s) or none (then ws only on this machine). Raises Misconfigured."""
    parts = parse_url(text, _SCHEMES, default="wss", example="wss://telemetry.example.com:443")
    if "://" not in text and is_this_machine(parts.hostname or ""):
        parts = parts._replace(scheme="ws")
    # Nobody asks for a name and a password here; they would only stand in messages.
    return parts._replace(scheme=_SCHEMES[parts.scheme], netloc=parts.netloc.rpartition("@")[2], fragment="")
