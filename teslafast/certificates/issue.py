"""
Issues certificates, in memory: who signs what, and what each kind of certificate says about itself.

Two trees that never touch. Ours vouches for the server. Each vehicle's config carries our CA, so the CA is valid for ten years:
to change it, every vehicle must be configured again. The other tree stands in for Tesla's in tests. Its issuing CA has the name
of one of Tesla's, because the identity rules go by that name, under a root whose name says TEST. The root's key is never stored.
All keys are P-256. No I/O; time is an argument, the keys' randomness is the operating system's.
"""

import datetime
import ipaddress
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ..errors import Misconfigured
from ..hosts import ascii_host

CA_DAYS = 3653  # ten years
# The longest that Apple's browsers accept from a server. It can be renewed under the same CA without configuring any vehicle.
SERVER_DAYS = 825
# Clocks differ: for a machine whose clock is behind ours, the certificate must not be "not yet valid".
BACKDATED = datetime.timedelta(days=1)
VEHICLE_DEVICE = x509.ObjectIdentifier("1.3.6.1.4.1.49279.2.5.1")
ISSUING_NAME = "Tesla Motors Product Issuing CA"
TEST_ORGANISATION = "teslafast TEST, not Tesla"
_PEM = serialization.Encoding.PEM


@dataclass(frozen=True)
class Authority:
    """A CA that can sign: its certificate, its key, and the PEM of the certificates above it (empty for a root)."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    above: bytes = b""

    @property
    def chain(self) -> bytes:
        return self.certificate.public_bytes(_PEM) + self.above


@dataclass(frozen=True)
class Pair:
    """What one end of a connection presents: PEM of the leaf and all above it, and PEM of the leaf's key (PKCS 8, clear)."""

    chain: bytes
    key: bytes


@dataclass(frozen=True)
class Term:
    """A validity: `days` from `now` (backdated), but never beyond the issuer's own end."""

    now: datetime.datetime
    days: int
    end: datetime.datetime | None = None

    def applied(self, builder: x509.CertificateBuilder) -> x509.CertificateBuilder:
        start = self.now - BACKDATED
        end = start + datetime.timedelta(days=self.days)
        return builder.not_valid_before(start).not_valid_after(min(end, self.end) if self.end else end)


def create_ca(now: datetime.datetime) -> Authority:
    """The CA of an installation: self-signed, valid for ten years."""
    key = _new_key()
    name = _name("teslafast CA", "teslafast")
    return Authority(_signed(_ca(name, key, Term(now, CA_DAYS), path_length=0), name, key), key)


def create_vehicle_ca(now: datetime.datetime) -> Authority:
    """A stand-in for Tesla's issuing CA, under a test root of its own."""
    root_key, key = _new_key(), _new_key()
    root_name, issuing_name = _name("teslafast TEST vehicle root", TEST_ORGANISATION), _name(ISSUING_NAME, TEST_ORGANISATION)
    root = _signed(_ca(root_name, root_key, Term(now, CA_DAYS), path_length=1), root_name, root_key)
    issuing = _signed(_ca(issuing_name, key, Term(now, CA_DAYS), path_length=0), root_name, root_key)
    return Authority(issuing, key, root.public_bytes(_PEM))


def issue_server(ca: Authority, hostname: str, now: datetime.datetime) -> Pair:
    """For a DNS name or an IP address; `localhost` also stands for the two loopback addresses. Raises Misconfigured."""
    names = [_alternative_name(name) for name in ([hostname, "127.0.0.1", "::1"] if hostname == "localhost" else [hostname])]
    # A common name holds 64 characters at most; verifiers go by the alternative name anyway.
    subject = _name(hostname if len(hostname) <= 64 else "teslafast server", "teslafast")
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    return _leaf(ca, subject, Term(now, SERVER_DAYS, _end(ca)), usage, x509.SubjectAlternativeName(names))


def renew_server(ca: Authority, present: x509.Certificate, now: datetime.datetime) -> Pair:
    """A leaf with the names of the present one, and a new key. Raises x509.ExtensionNotFound if the present one has no names."""
    names = present.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    return _leaf(ca, present.subject, Term(now, SERVER_DAYS, _end(ca)), usage, names)


def issue_vehicle(vehicle_ca: Authority, vin: str, now: datetime.datetime) -> Pair:
    """Like a real vehicle's: the common name is the VIN, an extended key usage says what kind of device it is."""
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, VEHICLE_DEVICE])
    return _leaf(vehicle_ca, _name(vin, TEST_ORGANISATION, "Test vehicle"), Term(now, CA_DAYS, _end(vehicle_ca)), usage)


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _end(issuer: Authority) -> datetime.datetime:
    return issuer.certificate.not_valid_after_utc


def _name(common_name: str, organisation: str, unit: str = "") -> x509.Name:
    oids = NameOID.ORGANIZATION_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME, NameOID.COMMON_NAME
    parts = zip(oids, (organisation, unit, common_name), strict=True)
    return x509.Name([x509.NameAttribute(oid, text) for oid, text in parts if text])


def _alternative_name(hostname: str) -> x509.GeneralName:
    try:
        host = ascii_host(hostname)
    except ValueError:
        remedy = "give a name such as telemetry.example.com, or an IP address"
        raise Misconfigured("--hostname", f"{hostname!r} is not a host name", remedy) from None
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _ca(subject: x509.Name, key: ec.EllipticCurvePrivateKey, term: Term, path_length: int) -> x509.CertificateBuilder:
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)  # signs certificates and CRLs
    constraints = x509.BasicConstraints(ca=True, path_length=path_length)
    return _builder(subject, key, term).add_extension(constraints, critical=True).add_extension(usage, critical=True)


def _leaf(issuer: Authority, subject: x509.Name, term: Term, *extensions: x509.ExtensionType) -> Pair:
    key = _new_key()
    usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)  # signs handshakes
    builder = _builder(subject, key, term).add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(usage, critical=True)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    leaf = _signed(builder, issuer.certificate.subject, issuer.key)
    return Pair(leaf.public_bytes(_PEM) + issuer.chain, key_pem(key))


def _builder(subject: x509.Name, key: ec.EllipticCurvePrivateKey, term: Term) -> x509.CertificateBuilder:
    public, serial = key.public_key(), x509.random_serial_number()
    builder = x509.CertificateBuilder(subject_name=subject, public_key=public, serial_number=serial)
    return term.applied(builder).add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)


def _signed(builder: x509.CertificateBuilder, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    # Strict verifiers (CPython from 3.13 on) want the issuer's key named, also in a root.
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    return builder.issuer_name(issuer).add_extension(authority, critical=False).sign(key, hashes.SHA256())
