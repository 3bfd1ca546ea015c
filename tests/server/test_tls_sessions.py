"""Sessions of vehicles stand in the server: what is resumed, how often, and who has no place there."""

from __future__ import annotations

import ssl
import time

import pytest
from aiofastnet.openssl_compat import OPENSSL_DYN_LIBS
from teslafast.server import tls
from teslafast.server._tls_sessions import PER_CERTIFICATE, keep_sessions
from teslafast.server.tls import ServerContext

from tests.support.certificates import World
from tests.support.handshakes import Ends
from tests.support.tls import settings

TOO_OLD_S = 3 * 3600.0  # OpenSSL's own limit is two hours

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


def keep(context: ServerContext, most: int = 100, most_bytes: int = 1 << 20) -> None:
    assert OPENSSL_DYN_LIBS is not None
    context.sessions = keep_sessions(context, OPENSSL_DYN_LIBS.libssl, OPENSSL_DYN_LIBS.libcrypto, most, most_bytes)


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
    keep(server, most=2)
    sessions = [Resuming(client, server, None).client.session for _ in range(3)]
    assert kept(server) == 2
    assert [Resuming(client, server, session).client.session_reused for session in sessions[:2]] == [False, False]


def test_of_sessions_that_take_too_much_memory_the_oldest_goes(world: World) -> None:
    server, client = both(world), world.client(world.vehicle("device-1"))
    Resuming(client, server, None)
    assert server.sessions is not None
    one = server.sessions.bytes_kept
    assert one > 3 * len(ssl.PEM_cert_to_DER_cert(world.vehicle("device-1").certificate.read_text()))
    keep(server, most_bytes=2 * one + one // 2)  # signatures differ in length by some bytes
    for name in ("device-1", "device-2", "device-3"):
        Resuming(world.client(world.vehicle(name)), server, None)
    assert kept(server) == 2


def test_a_vehicle_that_shakes_hands_for_ever_takes_a_few_places_and_pushes_nobody_out(world: World) -> None:
    server = both(world)
    other = world.client(world.vehicle("device-1"))
    before = Resuming(other, server, None).client.session
    assert server.sessions is not None
    one = server.sessions.bytes_kept
    hostile = world.client(world.vehicle("device-2"))
    newest = [Resuming(hostile, server, None).client.session for _ in range(PER_CERTIFICATE + 10)][-1]
    assert kept(server) == 1 + PER_CERTIFICATE
    assert server.sessions.bytes_kept <= (1 + PER_CERTIFICATE) * one * 1.1
    assert Resuming(other, server, before).client.session_reused
    assert Resuming(hostile, server, newest).client.session_reused


def test_a_session_that_is_too_old_to_be_resumed_is_forgotten(world: World) -> None:
    server, client = both(world), world.client(world.vehicle("device-1"))
    Resuming(client, server, None)
    assert server.sessions is not None
    server.sessions.forget_old(time.monotonic())
    assert kept(server) == 1
    server.sessions.forget_old(time.monotonic() + TOO_OLD_S)
    assert (kept(server), server.sessions.bytes_kept) == (0, 0)


def test_sessions_of_one_port_are_not_found_at_another(world: World) -> None:
    client = world.client(world.vehicle("device-1"))
    session = Resuming(client, both(world), None).client.session
    assert not Resuming(client, both(world), session).client.session_reused


def test_another_library_than_openssl_is_not_called() -> None:
    with pytest.raises(OSError, match="not OpenSSL"):
        keep_sessions(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), "libc.so.6", "libc.so.6", 1, 1)
