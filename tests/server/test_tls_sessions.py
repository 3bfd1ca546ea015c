"""Sessions of vehicles stand in the server: what is resumed, how often, and who has no place there."""

from __future__ import annotations

import ssl

import pytest
from aiofastnet.openssl_compat import OPENSSL_DYN_LIBS
from teslafast.server import tls
from teslafast.server._tls_sessions import keep_sessions
from teslafast.server.tls import ServerContext

from tests.support.certificates import World
from tests.support.handshakes import Ends
from tests.support.tls import settings

pytestmark = pytest.mark.skipif(OPENSSL_DYN_LIBS is None, reason="OpenSSL is linked into this Python")


class Resuming(Ends):
    """A handshake that offers a session; the connection ends as it does when the network is lost: nobody says so."""

    def __init__(self, client: ssl.SSLContext, server: ssl.SSLContext, session: ssl.SSLSession | None) -> None:
        to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.client = client.wrap_bio(to_client, to_server, server_hostname="localhost", session=session)
        self.server = server.wrap_bio(to_server, to_client, server_side=True)
        self.shake()
        self.server.write(b"x")
        self.client.read(1)  # with it the ticket is taken in


def both(world: World) -> ServerContext:
    """PORT's: it takes whoever shows no certificate, too."""
    context, _ = tls.contexts(settings(world, REQUEST_CLIENT_CERT="true"))
    assert context is not None
    return context


def kept(context: ServerContext) -> int:
    assert context.sessions is not None
    return len(context.sessions)


def test_a_vehicle_that_has_lost_the_network_resumes_again_and_again_and_takes_one_place(world: World) -> None:
    server, client = both(world), world.client(world.vehicle("device-1"))
    session: ssl.SSLSession | None = None
    shown = []
    for again in (False, True, True):
        ends = Resuming(client, server, session)
        assert ends.client.session_reused is again
        shown.append(ends.server.getpeercert(binary_form=True))
        session = ends.client.session
    assert shown[0] is not None
    assert shown == shown[:1] * 3
    assert kept(server) == 1


def test_a_vehicles_session_is_resumed_once(world: World) -> None:
    server, client = both(world), world.client(world.vehicle("device-1"))
    session = Resuming(client, server, None).client.session
    assert [Resuming(client, server, session).client.session_reused for _ in range(2)] == [True, False]


def test_who_shows_no_certificate_resumes_and_takes_no_place(world: World) -> None:
    server, client = both(world), world.client()
    session = Resuming(client, server, None).client.session
    assert Resuming(client, server, session).client.session_reused
    assert kept(server) == 0


def test_of_too_many_sessions_the_oldest_goes(world: World) -> None:
    server, client = both(world), world.client(world.vehicle("device-1"))
    assert OPENSSL_DYN_LIBS is not None
    server.sessions = keep_sessions(server, OPENSSL_DYN_LIBS.libssl, OPENSSL_DYN_LIBS.libcrypto, 2)
    sessions = [Resuming(client, server, None).client.session for _ in range(3)]
    assert kept(server) == 2
    assert [Resuming(client, server, session).client.session_reused for session in sessions[:2]] == [False, False]


def test_sessions_of_one_port_are_not_found_at_another(world: World) -> None:
    client = world.client(world.vehicle("device-1"))
    session = Resuming(client, both(world), None).client.session
    assert not Resuming(client, both(world), session).client.session_reused


def test_another_library_than_openssl_is_not_called() -> None:
    with pytest.raises(OSError, match="not OpenSSL"):
        keep_sessions(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), "libc.so.6", "libc.so.6", 1)
