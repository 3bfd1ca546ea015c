from asyncio import AbstractEventLoop, BufferedProtocol
from socket import socket

from aiofastnet import Transport
from picows import WSTransport

class PlainTransport(Transport):
    def __init__(self, loop: AbstractEventLoop, sock: socket, protocol: BufferedProtocol) -> None: ...

def slim(connection: WSTransport) -> None: ...
