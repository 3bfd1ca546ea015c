"""PEM as OpenSSL reads it, and the names of what it does not read."""

import base64
import os
import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12
from teslafast.certificates import anchors, chain, pem
from teslafast.config import Settings
from teslafast.errors import Misconfigured

from tests.support.certificates import Authority, World

ROOT_CA = Authority.root("A root for PEM")
DER = chain.der(ROOT_CA.certificate)
PLAIN = ROOT_CA.pem


def labelled(label: str) -> bytes:
    der = DER + bytes.fromhex("300c300a06082b06010505070302") if label.startswith("TRUSTED") else DER
    return f"-----BEGIN {label}-----\n{base64.encodebytes(der).decode()}-----END {label}-----\n".encode()


@pytest.mark.parametrize("label", pem.CERTIFICATE_LABELS)
def test_each_label_of_a_certificate_is_read(label: str) -> None:
    assert pem.certificates(labelled(label)) == [DER]


def test_the_order_of_mixed_labels_is_kept() -> None:
    other = Authority.root("Another")
    assert pem.certificates(labelled("TRUSTED CERTIFICATE") + other.pem) == [DER, chain.der(other.certificate)]


@pytest.mark.parametrize("comment", ["Müller".encode("latin-1"), b"\xef\xbb\xbf", b"\x80\xff\0", "株式会社\n".encode("cp932")])
def test_text_of_any_encoding_before_a_block_is_passed_over(comment: bytes, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(comment + PLAIN)
    assert anchors.anchors(tmp_path / "ca.pem") == [DER]
    assert chain.read(comment + PLAIN) == [ROOT_CA.certificate]


def test_carriage_returns_and_a_private_key_in_the_file_do_not_matter() -> None:
    key = b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
    assert pem.certificates(key + PLAIN.replace(b"\n", b"\r\n")) == [DER]


FOREIGN = {
    "UTF-16": PLAIN.decode().encode("utf-16"),
    "is DER": DER,
    "PKCS#12": pkcs12.serialize_key_and_certificates(b"x", ROOT_CA.key, ROOT_CA.certificate, None, serialization.NoEncryption()),
    "written as two characters": PLAIN.replace(b"\n", b"\\n"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_file_that_is_not_pem_is_named_wherever_it_is_given(name: str, world: World, tmp_path: Path) -> None:
    path = tmp_path / "given.pem"
    path.write_bytes(FOREIGN[name])
    with pytest.raises(Misconfigured, match=f"^CA_PATH: .*{name}"):
        anchors.anchors(path)
    with pytest.raises(ValueError, match=name):
        chain.read(FOREIGN[name])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with pytest.raises(Misconfigured, match=f"^CERT_PATH: .*{name}"):
        anchors.load_chain(context, Settings(cert_path=path, key_path=world.server.key))
    with pytest.raises(Misconfigured, match=f"^KEY_PATH: .*{name}"):
        anchors.load_chain(context, Settings(cert_path=world.server.certificate, key_path=path))


@pytest.mark.parametrize("content", [b"", b"404", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", PLAIN[:-30]])
def test_a_file_without_a_whole_certificate_is_refused_without_a_guess(content: bytes) -> None:
    with pytest.raises(ValueError, match="holds no readable certificate"):
        pem.certificates(content)


def test_a_path_with_a_quote_or_a_carriage_return_is_shown_as_it_is() -> None:
    with pytest.raises(Misconfigured, match=r"^CA_PATH: '/certs/ca\.pem\\r': No such file"):
        anchors.anchors(Path("/certs/ca.pem\r"))
    with pytest.raises(Misconfigured, match=r'^CA_PATH: \'"/certs/ca\.pem"\': No such file'):
        anchors.anchors(Path('"/certs/ca.pem"'))


@pytest.mark.parametrize("variable", ["CA_PATH", "CERT_PATH", "KEY_PATH"])
def test_a_file_of_gigabytes_is_refused_and_not_read(variable: str, world: World, tmp_path: Path) -> None:
    path = tmp_path / "disk.img"
    path.write_bytes(PLAIN)
    os.truncate(path, 1 << 40)
    pair = {"CERT_PATH": world.server.certificate, "KEY_PATH": world.server.key} | {variable: path}
    settings = Settings(cert_path=pair["CERT_PATH"], key_path=pair["KEY_PATH"])
    with pytest.raises(Misconfigured, match=f"^{variable}: .*larger than {anchors.LARGEST_PEM_FILE} bytes"):
        assert anchors.anchors(path) if variable == "CA_PATH" else anchors.ServerPair.read(settings)


def test_a_key_in_der_is_named_with_the_command_for_keys(world: World, tmp_path: Path) -> None:
    path = tmp_path / "server.key"
    form = serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path.write_bytes(ROOT_CA.key.private_bytes(*form))
    with pytest.raises(Misconfigured, match=r"^KEY_PATH: .* is DER, not PEM: openssl pkey -inform der"):
        anchors.load_chain(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), Settings(cert_path=world.server.certificate, key_path=path))
