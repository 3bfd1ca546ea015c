"""What one mutual TLS 1.3 handshake costs a server: OpenSSL's own work, in memory, no socket and no event loop."""

import ssl
import time
from pathlib import Path

from teslafast.vin import sample_vin


def _contexts(certificates: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(certificates / "vehicle_ca.pem"))
    server.load_cert_chain(certificates / "server.pem", certificates / "server.key")
    server.verify_mode = ssl.CERT_REQUIRED
    client = ssl.create_default_context(cafile=str(certificates / "ca.pem"))
    vehicle = certificates / "vehicles" / sample_vin(0)
    client.load_cert_chain(vehicle.with_suffix(".pem"), vehicle.with_suffix(".key"))
    return server, client


def _one(contexts: tuple[ssl.SSLContext, ssl.SSLContext], session: ssl.SSLSession | None) -> tuple[int, ssl.SSLSession | None]:
    """The server's nanoseconds, and the session with which the client may resume."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = contexts[0].wrap_bio(to_server, to_client, server_side=True)
    client = contexts[1].wrap_bio(to_client, to_server, server_hostname="localhost", session=session)
    spent, done = 0, {client: False, server: False}
    while not all(done.values()):
        for end in (client, server):
            if done[end]:
                continue
            began = time.thread_time_ns()
            try:
                end.do_handshake()
                done[end] = True
            except ssl.SSLWantReadError:
                pass  # the other end's turn
            spent += (time.thread_time_ns() - began) if end is server else 0
    server.write(b"x")
    client.read(1)  # with it the tickets are taken in
    if session is not None and not client.session_reused:
        raise RuntimeError("the session was not resumed")
    return spent, client.session


def cpu_s(certificates: Path, resumed: bool, count: int = 300) -> float:
    """Mean seconds of CPU of the server's half, `resumed` from a ticket or in full."""
    contexts = _contexts(certificates)
    _, session = _one(contexts, None)
    total = 0
    for _ in range(count):
        spent, fresh = _one(contexts, session if resumed else None)
        total += spent
        session = fresh
    return total / count / 1e9
