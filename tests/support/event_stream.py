"""Server-sent events as a client reads them (WHATWG HTML, 9.2.6), and a client over a bare socket that shows every byte."""

from __future__ import annotations

import json
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from tests.support.peers import Place, Raw, token


@dataclass(frozen=True)
class Event:
    """`data` parsed; `event_id` as this block gave it, "" if it gave none."""

    data: dict[str, Any]
    event_id: str = ""


def events_in(text: bytes) -> list[Event]:
    """The events of whole blocks. Asserts what clients depend on: LF alone, one line of data after `data: `, no empty block."""
    assert b"\r" not in text
    assert text == b"" or text.endswith(b"\n\n")
    return [_event(block) for block in text.decode().split("\n\n")[:-1]]


def _event(block: str) -> Event:
    lines = [line for line in block.split("\n") if not line.startswith(":")]
    named = {name: value for name, _, value in (line.partition(": ") for line in lines)}
    assert len(named) == len(lines), f"a field stands twice in {block}"
    assert {"data"} <= named.keys() <= {"data", "id", "retry"}, block
    return Event(json.loads(named["data"]), named.get("id", ""))


class EventStreamReader:
    """A GET of a stream of events. `head` is the answer's; `comments` are those read so far, without their colons."""

    def __init__(self, raw: Raw, path: str, *headers: str, http: str = "1.1", bearer: str | None = None) -> None:
        self.raw = raw
        self.comments: list[str] = []
        self.seen: list[Event] = []
        lines = [f"GET {path} HTTP/{http}", "Host: localhost", f"Authorization: Bearer {bearer or token()}", *headers]
        raw.send("".join(f"{line}\r\n" for line in lines).encode() + b"\r\n")
        self.head = raw.head().decode()
        self._text = b""

    @property
    def status(self) -> int:
        return int(self.head.split()[1])

    def header(self, name: str) -> str | None:
        lines = (line.partition(": ") for line in self.head.split("\r\n")[1:] if line)
        return {known: value for known, _, value in lines}.get(name)

    def line(self) -> str:
        """The next line, whatever it is."""
        while b"\n" not in self._text:
            taken = self.raw.take_all()
            assert taken, "the stream has ended"
            self._text += taken
        line, _, self._text = self._text.partition(b"\n")
        return line.decode()

    def next(self) -> Event:
        block = []
        while line := self.line():
            if line.startswith(":"):
                self.comments.append(line[1:].strip())
            block.append(line)
        event = _event("\n".join(block))
        self.seen.append(event)
        return event

    def until(self, key: str) -> Event:
        """The next event that has this key; those before it are passed over."""
        while key not in (event := self.next()).data:
            pass
        return event

    def until_comment(self, start: str) -> str:
        """The next comment that starts so; nothing but comments may come before it."""
        while not (line := self.line()).startswith(f":{start}"):
            assert line.startswith((":", "retry: ")), line
        return line

    def rest(self) -> bytes:
        return self._text + self.raw.rest()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.raw.socket.close()


def listen(
    place: Place, path: str = "/sse", *headers: str, http: str = "1.1", bearer: str | None = None, receive_bytes: int = 0
) -> EventStreamReader:
    """`receive_bytes`: what the socket takes unread."""
    return EventStreamReader(place.raw(receive_bytes=receive_bytes), path, *headers, http=http, bearer=bearer)
