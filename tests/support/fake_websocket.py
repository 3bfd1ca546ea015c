"""What is used of picows by a connection: a frame that has come, and a transport that notes what it is asked to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from picows import WSCloseCode, WSMsgType


@dataclass
class FakeFrame:
    """What is used of picows' frame."""

    msg_type: WSMsgType
    payload: bytes = b""
    fin: bool = True
    rsv1: bool = False
    rsv2: bool = False
    rsv3: bool = False

    @property
    def payload_size(self) -> int:
        return len(self.payload)

    def get_payload_as_memoryview(self) -> memoryview:
        return memoryview(self.payload)

    def get_payload_as_bytes(self) -> bytes:
        return self.payload

    def get_close_code(self) -> WSCloseCode:
        return WSCloseCode(int.from_bytes(self.payload[:2], "big"))


class FakeTransport:
    """What is used of picows' transport, and of the one beneath it; `done`: what it was asked to do."""

    close_handshake = None

    def __init__(self) -> None:
        self.done: list[Any] = []
        self.is_close_frame_sent = False
        self.is_secure = False
        self.sockets: dict[str, Any] = {}
        self.underlying_transport: Any = self

    def get_extra_info(self, name: str) -> Any:
        return self.sockets.get(name)

    def send_ping(self) -> None:
        self.done.append("ping")

    def send_pong(self, payload: bytes) -> None:
        self.done.append(("pong", payload))

    def send_close(self, code: WSCloseCode, text: str = "") -> None:
        self.is_close_frame_sent = True
        self.done.append(("close", code.value))

    def disconnect(self) -> None:
        self.done.append("disconnect")

    def abort(self) -> None:
        self.done.append("abort")
