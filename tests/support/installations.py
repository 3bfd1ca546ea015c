"""An installation's own certificates at both ends of a real handshake."""

import ssl

from teslafast.certificates import folder

from tests.support.handshakes import Ends

HOST = "telemetry.example.com"


def client_context(installation: folder.Installation, vin: str) -> ssl.SSLContext:
    """As a vehicle does it: trusts nothing but the `ca` of its config."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.load_verify_locations(installation.ca)
    context.load_cert_chain(installation.directory / f"vehicles/{vin}.pem", installation.directory / f"vehicles/{vin}.key")
    return context


def server_context(installation: folder.Installation) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(installation.directory / "server.pem", installation.directory / "server.key")
    context.load_verify_locations(installation.directory / "vehicle_ca.pem")
    return context


def handshake(client: ssl.SSLContext, server: ssl.SSLContext, hostname: str) -> bytes:
    """A mutual handshake; the client's certificate (DER) as the server verified it."""
    certificate = Ends(client, server, hostname).shake().server.getpeercert(binary_form=True)
    assert certificate
    return certificate
