"""A TLS handshake between two ends over memory alone: no socket, no thread, no port."""

import ssl
from pathlib import Path
from typing import Self

from tests.support.certificates import HOST, World


class Ends:
    """Two ends of a handshake over memory. `shake` goes on until both are through, or raises what one of them raised."""

    def __init__(self, client: ssl.SSLContext, server: ssl.SSLContext, hostname: str = "localhost") -> None:
        to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.client = client.wrap_bio(to_client, to_server, server_hostname=hostname)
        self.server = server.wrap_bio(to_server, to_client, server_side=True)

    def shake(self) -> Self:
        waiting = [self.client, self.server]
        for _ in range(20):
            for end in tuple(waiting):
                try:
                    end.do_handshake()
                    waiting.remove(end)
                except ssl.SSLWantReadError:
                    continue
            if not waiting:
                return self
        raise AssertionError("the handshake does not end")


def hello(client: ssl.SSLContext) -> bytes:
    """The first bytes that a client sends."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    end = client.wrap_bio(to_client, to_server, server_hostname="localhost")
    try:
        end.do_handshake()
    except ssl.SSLWantReadError:
        return to_server.read()
    raise AssertionError("a handshake with nobody")


def refusal(client: ssl.SSLContext, server: ssl.SSLContext, hostname: str) -> str | None:
    """None if both ends are content, otherwise the words of the end that is not."""
    try:
        Ends(client, server, hostname).shake()
    except ssl.SSLError as error:
        return str(error)
    return None


def of_vehicle(world: World, authority: str, anchors: Path) -> str | None:
    """A vehicle of one of the world's authorities, at a server whose anchors are exactly as they stand in a file."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(world.server.certificate, world.server.key)
    server.verify_mode = ssl.CERT_REQUIRED
    server.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    server.load_verify_locations(anchors)
    vehicle = world.pair(getattr(world, authority), "5YJ3TEST0PF000001")
    return refusal(world.client(vehicle), server, HOST)
