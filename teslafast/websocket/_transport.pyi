from asyncio import AbstractEventLoop
from socket import socket
from typing import Any

from aiofastnet import Transport
from picows import WSTransport
from typing_extensions import disjoint_base

from ._ends import Ends

@disjoint_base
class PlainTransport(Transport):
    def __init__(self, loop: AbstractEventLoop, sock: socket, protocol: Any, ends: Ends | None = None) -> None: ...
    def begin(self) -> None: ...
    def end_reading(self) -> None: ...
    def finalize(self, exc: Exception | None) -> None: ...

def slim(connection: WSTransport) -> None: ...
