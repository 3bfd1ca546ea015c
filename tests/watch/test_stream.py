"""The URL that a dashboard connects to, from what the user gave and from the events so far."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from teslafast.errors import Misconfigured
from teslafast.watch.stream import Stream

from tests.support.stream_events import EVENTS


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ("http://h:3000", "ws://h:3000/stream"),
        ("https://h", "wss://h/stream"),
        ("https://h/", "wss://h/stream"),
        ("wss://h/stream", "wss://h/stream"),
        ("wss://h/behind/a/proxy/", "wss://h/behind/a/proxy/stream"),
        ("localhost:3000", "ws://localhost:3000/stream"),
        ("127.0.0.1:3000/stream", "ws://127.0.0.1:3000/stream"),
        ("wss://me:SECRET@h:1", "wss://h:1/stream"),
        ("[::1]:3000", "ws://[::1]:3000/stream"),
        ("telemetry.example.com", "wss://telemetry.example.com/stream"),
        ("localhost.example.com", "wss://localhost.example.com/stream"),
        ("ws://h/stream?token=SECRET&type=data,alerts&vin=A", "ws://h/stream?type=data,alerts&vin=A"),
        ("ws://h/stream?access_token=SECRET#part", "ws://h/stream"),
        ("ws://h/stream?since=7&epoch=e0", "ws://h/stream?since=7&epoch=e0"),
    ],
)
def test_a_typed_url_is_completed_and_its_token_moves_to_the_header(given: str, asked: str) -> None:
    stream = Stream(given, None, (), None, flat=True)
    assert stream.url == asked
    assert stream.token == ("SECRET" if "token=SECRET" in given else None)
    assert "?" not in stream.shown
    assert stream.secure == asked.startswith("wss:")


def test_options_of_the_command_line_override_the_query_of_the_url() -> None:
    stream = Stream("ws://h/stream?vin=A&token=OLD&since=1&format=fleet", "NEW", ("B",), 9, flat=True)
    assert (stream.url, stream.token) == ("ws://h/stream?vin=B&since=9", "NEW")
    assert Stream("ws://h?format=fleet", None, (), None, flat=False).url == "ws://h/stream?format=fleet"


@pytest.mark.parametrize("url", ["ftp://h", "ws://", "ws://h:0", "ws://h:x", "ws://[::1", "ws://h/stream?since=yesterday"])
def test_an_unusable_url_is_refused_with_the_reason(url: str) -> None:
    with pytest.raises(Misconfigured) as failure:
        Stream(url, None, (), None, flat=True)
    assert failure.value.subject == "URL"


@given(st.lists(EVENTS, max_size=6))
def test_after_any_events_the_next_url_is_a_printable_url_of_the_same_server(events: list[dict[str, Any]]) -> None:
    stream = Stream("wss://h/stream", None, (), None, flat=True)
    for event in events:
        stream.advance(event)
    assert stream.url.startswith("wss://h/stream")
    assert stream.url.isprintable()
    assert " " not in stream.url


def test_the_token_of_a_pages_link_is_taken_and_not_sent_in_the_url() -> None:
    stream = Stream("http://127.0.0.1:3000/#token=abc", None, (), None, flat=False)
    assert stream.token == "abc"
    assert stream.url == "ws://127.0.0.1:3000/stream"
