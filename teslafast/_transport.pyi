from asyncio import AbstractEventLoop, BufferedProtocol
from socket import socket
from typing import Any, Protocol

from aiofastnet import Transport
from picows import WSTransport

class PlainTransport(Transport):
    def __init__(self, loop: AbstractEventLoop, sock: socket, protocol: BufferedProtocol) -> None: ...

class Listener(Protocol):
    def on_too_large(self, opcode: int, fin: int) -> None: ...

class FrameLimit(BufferedProtocol):
    def __init__(self, inner: Any, listener: Listener, limit: int) -> None: ...

def slim(connection: WSTransport) -> None: ...
