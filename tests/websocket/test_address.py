"""The URL of a WebSocket server: every scheme that names one becomes ws or wss."""

import pytest
from teslafast.errors import Misconfigured
from teslafast.websocket.address import websocket_url


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://telemetry.example.com/stream?since=3", "wss://telemetry.example.com/stream?since=3"),
        ("http://telemetry.example.com", "ws://telemetry.example.com"),
        ("ws://localhost:3000", "ws://localhost:3000"),
        ("telemetry.example.com", "wss://telemetry.example.com"),
        ("localhost:3000", "ws://localhost:3000"),
        ("127.0.0.1", "ws://127.0.0.1"),
        ("[::1]:3000/stream", "ws://[::1]:3000/stream"),
        ("wss://me:secret@telemetry.example.com/#part", "wss://telemetry.example.com/"),
    ],
)
def test_an_address_becomes_the_url_to_connect_to(text: str, url: str) -> None:
    assert websocket_url(text).geturl() == url


@pytest.mark.parametrize("text", ["", "ftp://a.example", "wss://", "wss://a:99999", "wss://a:0", "wss://[::1"])
def test_an_unusable_url_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(Misconfigured, match=r"is not a usable address — give one such as wss://telemetry\.example\.com:443"):
        websocket_url(text)
