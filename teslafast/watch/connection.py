"""
One connection to /stream: a message in, an event on the display and a step on in the stream.

The display hears of what is not an event too. Nothing here raises for what the server sends.
"""

import orjson
from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from ..websocket import closing
from ..websocket.connect import LARGEST_FRAME
from .display import Display
from .stream import Stream

NO_CLOSE, NO_CODE = 1006, 1005  # RFC 6455, 7.1.5: the connection ended without a CLOSE; the CLOSE had no code


class StreamConnection(WSListener):
    """`code` and `reason` are those of the server's CLOSE. `received`: whether any event came."""

    def __init__(self, stream: Stream, display: Display) -> None:
        self.code, self.reason = NO_CLOSE, ""
        self.received = False
        self._stream, self._display = stream, display
        self._fragments: list[bytes] | None = None

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type
        if kind == WSMsgType.CLOSE:
            self.code, self.reason = frame.get_close_code().value or NO_CODE, frame.get_close_reason() or ""
            transport.send_close(closing.close_reply(frame))
            transport.disconnect()
        elif kind == WSMsgType.TEXT and frame.fin:
            self._receive(frame.get_payload_as_bytes())
        elif kind in (WSMsgType.TEXT, WSMsgType.CONTINUATION):
            self._receive_fragment(transport, frame)
        elif kind == WSMsgType.BINARY:
            self._display.note("ignored a binary message: a teslafast server sends text")
        if frame.last_in_buffer:
            self._display.flush()

    def _receive_fragment(self, transport: WSTransport, frame: WSFrame) -> None:
        """Joins the fragments of a message, which a proxy may send, up to the size of the largest frame."""
        self._fragments = [] if frame.msg_type == WSMsgType.TEXT or self._fragments is None else self._fragments
        self._fragments.append(frame.get_payload_as_bytes())
        if sum(map(len, self._fragments)) > LARGEST_FRAME:
            transport.send_close(WSCloseCode.MESSAGE_TOO_BIG)
            transport.disconnect()
        elif frame.fin:
            message, self._fragments = b"".join(self._fragments), None
            self._receive(message)

    def _receive(self, message: bytes) -> None:
        try:
            event = orjson.loads(message)
        except orjson.JSONDecodeError:
            event = None
        if not isinstance(event, dict):
            self._display.note("ignored a message that is not a JSON object")
            return
        self.received = True
        self._stream.advance(event)
        self._display.show(message.decode(), event)

    def pause_writing(self) -> None:
        """Nothing to do: a dashboard writes next to nothing."""

    def resume_writing(self) -> None:
        """Nothing to do: nothing was paused."""
