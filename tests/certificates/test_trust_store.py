"""What a client trusts: a CA from a file, and the roots of this machine by name."""

import ssl
from pathlib import Path

import pytest
from teslafast.certificates import trust_store
from teslafast.errors import Misconfigured

from tests.support.certificates import HOST, World
from tests.support.handshakes import Ends


def test_a_client_trusts_the_ca_in_its_file(world: World) -> None:
    context = trust_store.client_context(world.server_ca)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(world.server.certificate, world.server.key)
    assert Ends(context, server, HOST).shake().client.getpeercert()


@pytest.mark.parametrize("content", [None, b"", b"not PEM"])
def test_an_unreadable_ca_file_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Misconfigured, match=r"ca\.pem: cannot be read .* — give a PEM file of CA certificates"):
        trust_store.client_context(path)


def test_public_roots_are_found_by_name_among_those_that_this_machine_trusts(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "trusted.pem").write_bytes(world.stranger.pem + world.hidden_root.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "trusted.pem"))
    assert trust_store.public_roots(world.hidden_root.certificate.subject) == [world.hidden_root.certificate]
    assert trust_store.public_roots(world.issuing.certificate.subject) == []
