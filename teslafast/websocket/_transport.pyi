from asyncio import AbstractEventLoop
from socket import socket
from typing import Any

from aiofastnet import Transport
from picows import WSTransport
from typing_extensions import disjoint_base

@disjoint_base
class PlainTransport(Transport):
    def __init__(self, loop: AbstractEventLoop, sock: socket, protocol: Any) -> None: ...
    def begin(self) -> None: ...

def slim(connection: WSTransport) -> None: ...
