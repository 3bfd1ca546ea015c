"""Certificates as `teslafast certs init` makes them, and a server's TLS context that asks for the vehicles'."""

import ssl

import pytest
from teslafast.certificates import folder


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> folder.Installation:
    return folder.init(tmp_path_factory.mktemp("certs") / "made", "localhost", vehicles=2)


@pytest.fixture
def mutual_tls(installation: folder.Installation) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(installation.directory / "server.pem", installation.directory / "server.key")
    context.load_verify_locations(installation.directory / "vehicle_ca.pem")
    return context
