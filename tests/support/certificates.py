"""
Certificates for the tests, signed here with `cryptography` alone: what the package itself mints is not what it is tested with.

    Authority   a CA that can sign leaves and further CAs
    Pair        what one end of a TLS connection shows: two PEM files
    World       the certificates that one test run needs: the server's tree, and a tree that is built like Tesla's

All keys are P-256 and made for the run; nothing of this is ever committed.
"""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

CLIENT_AUTH = "1.3.6.1.5.5.7.3.2"
SERVER_AUTH = "1.3.6.1.5.5.7.3.1"
ANY_USAGE = "2.5.29.37.0"
VEHICLE = "1.3.6.1.4.1.49279.2.5.1"

HOST = "telemetry.example.com"
NOW = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
DAY = datetime.timedelta(days=1)
_PEM = serialization.Encoding.PEM

Validity = tuple[datetime.datetime, datetime.datetime]
VALID: Validity = (NOW - DAY, NOW + 30 * DAY)
EXPIRED: Validity = (NOW - 30 * DAY, NOW - DAY)
TO_COME: Validity = (NOW + DAY, NOW + 30 * DAY)


def _name(common_name: str, units: Sequence[str] = ()) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit) for unit in units]
    return x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, common_name)] if common_name else attributes)


def _usages(oids: Sequence[str]) -> x509.ExtendedKeyUsage:
    return x509.ExtendedKeyUsage([x509.ObjectIdentifier(oid) for oid in oids])


@dataclass(frozen=True)
class Pair:
    """Paths of a leaf's chain and of its key."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class Authority:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def root(cls, common_name: str, valid: Validity = VALID) -> Authority:
        key = ec.generate_private_key(ec.SECP256R1())
        return cls._make(common_name, _name(common_name), key, key, (), valid)

    def authority(self, common_name: str, usages: Sequence[str] = (), valid: Validity = VALID) -> Authority:
        """A CA below this one; `usages`: its extended key usage, none if empty."""
        key = ec.generate_private_key(ec.SECP256R1())
        return self._make(common_name, self.certificate.subject, self.key, key, usages, valid)

    @classmethod
    def _make(
        cls,
        common_name: str,
        issuer: x509.Name,
        signer: ec.EllipticCurvePrivateKey,
        key: ec.EllipticCurvePrivateKey,
        usages: Sequence[str],
        valid: Validity,
    ) -> Authority:
        builder = _builder(_name(common_name), issuer, key, signer, valid)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        builder = builder.add_extension(_key_usage(ca=True), critical=True)
        if usages:
            builder = builder.add_extension(_usages(usages), critical=False)
        return cls(builder.sign(signer, hashes.SHA256()), key)

    def leaf(
        self,
        common_name: str,
        usages: Sequence[str] = (CLIENT_AUTH, VEHICLE),
        units: Sequence[str] = (),
        valid: Validity = VALID,
        hosts: Sequence[str] = (),
    ) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_name(common_name, units), self.certificate.subject, key, self.key, valid)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_key_usage(ca=False), critical=True)
        if usages:
            builder = builder.add_extension(_usages(usages), critical=False)
        if hosts:
            builder = builder.add_extension(x509.SubjectAlternativeName([_host(host) for host in hosts]), critical=False)
        return builder.sign(self.key, hashes.SHA256()), key

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(_PEM)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    valid: Validity,
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number(), *valid)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    above = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    return builder.add_extension(above, critical=False)


def _key_usage(ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=ca,
        crl_sign=ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


class World:
    """
    Two trees. Ours vouches for the server. The other is built like Tesla's: its root is in nobody's bundle, so each issuing CA
    in `anchors` is one that is not self-signed; the Products CA carries anyExtendedKeyUsage and nothing else, like the real one.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._pairs: dict[object, Pair] = {}
        ours = Authority.root("Our server CA")
        self.server = self.pair(ours, HOST, usages=(SERVER_AUTH,), hosts=("localhost", HOST, "127.0.0.1", "::1"))
        self.server_ca = self.write("server-ca.pem", ours.pem)
        self.hidden_root = Authority.root("Tesla Product Root CA")
        self.issuing = self.hidden_root.authority("Tesla Motors Product Issuing CA")
        self.stranger = Authority.root("Somebody else's CA")
        self.foreign_issuer = self.hidden_root.authority("A CA of some other product")
        self.products_root = Authority.root("Tesla Motors Root CA")
        self.products = self.products_root.authority("Tesla Motors Products CA", usages=(ANY_USAGE,))
        anchors = (self.issuing, self.foreign_issuer, self.products_root, self.products)
        self.anchors = self.write("anchors.pem", b"".join(anchor.pem for anchor in anchors))

    def write(self, name: str, content: bytes) -> Path:
        path = self._directory / name
        path.write_bytes(content)
        return path

    def pair(
        self,
        authority: Authority,
        common_name: str,
        usages: Sequence[str] = (CLIENT_AUTH, VEHICLE),
        units: Sequence[str] = (),
        valid: Validity = VALID,
        hosts: Sequence[str] = (),
    ) -> Pair:
        """A leaf of this authority, made once for the same wishes."""
        wishes = (authority.certificate.serial_number, common_name, tuple(usages), tuple(units), valid, tuple(hosts))
        if wishes not in self._pairs:
            certificate, key = authority.leaf(common_name, usages, units, valid, hosts)
            stem = f"leaf-{len(self._pairs)}"
            pem = key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
            self._pairs[wishes] = Pair(self.write(f"{stem}.pem", certificate.public_bytes(_PEM)), self.write(f"{stem}.key", pem))
        return self._pairs[wishes]

    def vehicle(self, vin: str) -> Pair:
        """What a good vehicle of this name shows."""
        return self.pair(self.issuing, vin)

    def client(self, pair: Pair | None = None) -> ssl.SSLContext:
        """As a vehicle does it: it trusts our CA and nothing else, and shows its pair."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.server_ca)
        if pair is not None:
            context.load_cert_chain(pair.certificate, pair.key)
        return context

    @property
    def environment(self) -> dict[str, str]:
        """The settings that make a server of this world speak mutual TLS."""
        return {"CERT_PATH": str(self.server.certificate), "KEY_PATH": str(self.server.key), "CA_PATH": str(self.anchors)}
