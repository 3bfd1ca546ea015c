"""A picows server on uvloop behind mutual TLS, with the files of `teslafast certs init`: what the peers here are measured on."""

import ssl
from pathlib import Path

from picows import WSListener, ws_create_server


async def serve(vehicle: type[WSListener], port: int, directory: Path) -> None:
    """Takes vehicles in until it is cancelled; each gets a `vehicle` of its own."""
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=directory / "vehicle_ca.pem")
    tls.load_cert_chain(directory / "server.pem", directory / "server.key")
    tls.verify_mode = ssl.CERT_REQUIRED
    server = await ws_create_server(lambda request: vehicle(), "127.0.0.1", port, ssl=tls, backlog=1024)
    await server.serve_forever()
