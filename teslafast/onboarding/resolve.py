"""
What an operator gives, on the command line or in the server's environment: vehicles, a host name, a `ca`, a key.

The command line goes first. What is missing is found where the server's own settings say, so that it is not said twice.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..certificates import chain
from ..errors import Misconfigured
from ..vin import is_vin
from . import jws

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey


def vins_of(words: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """Those of the command line, else those of TESLA_VIN. Raises Misconfigured."""
    vins = list(words) or [word.strip() for word in environment.get("TESLA_VIN", "").split(",") if word.strip()]
    if not vins:
        raise Misconfigured("--vin", "is not given, and TESLA_VIN is not set", "name the vehicles: --vin VIN, once for each")
    for vin in vins:
        if not is_vin(vin) or len(vin) != 17:
            raise Misconfigured("--vin", f"{vin!r} is no VIN", "give the vehicle's 17 characters")
    return vins


def ca_of(given: Path | None, environment: Mapping[str, str]) -> str:
    """The `ca` of the config: the file that is given, else what stands above the server's certificate in CERT_PATH."""
    if given is not None:
        return _read("--ca", given).decode("utf-8", "replace")
    path = environment.get("CERT_PATH", "")
    if not path:
        raise Misconfigured(
            "--ca", "is not given, and CERT_PATH is not set", "give the PEM that verifies the server: --ca ca.pem"
        )
    certificates = _server_chain(Path(path))
    above = chain.climb(certificates[0], [*certificates[1:], *public_roots(certificates[-1].issuer)])
    if not above:
        remedy = "give the CA that issued it: --ca ca.pem"
        raise Misconfigured("CERT_PATH", f"{path} holds the server's certificate, and nothing that issued it", remedy)
    return chain.write(above)


def hostname_of(given: str | None, environment: Mapping[str, str]) -> str:
    """The one of the command line, else the only one in the server's certificate. Raises Misconfigured."""
    if given is not None:
        return given
    remedy = "name the host that vehicles are to call: --hostname telemetry.example.com"
    path = environment.get("CERT_PATH", "")
    names = chain.names(_server_chain(Path(path))[0]) if path else []
    if len(names) != 1 or names[0].startswith("*"):
        fault = f"is not given, and the server's certificate is for {', '.join(names)}" if names else "is not given"
        raise Misconfigured("--hostname", fault, remedy)
    return names[0]


def _server_chain(path: Path) -> list[x509.Certificate]:
    try:
        return chain.read(_read("CERT_PATH", path))
    except ValueError:
        raise Misconfigured("CERT_PATH", f"{path} holds no readable certificate", "give a PEM file") from None


def public_roots(name: x509.Name) -> list[x509.Certificate]:
    """The CAs of this name that this machine trusts; others are not even parsed, some public ones are odd."""
    from cryptography import x509

    context = ssl.create_default_context()
    whole = Path(ssl.get_default_verify_paths().capath or "") / "ca-certificates.crt"
    if not context.get_ca_certs() and whole.exists():  # a folder of hashes, as on Debian, is read only when it is needed
        context.load_verify_locations(whole)
    wanted = name.public_bytes()
    return [x509.load_der_x509_certificate(der) for der in context.get_ca_certs(binary_form=True) if wanted in der]


def key_of(path: Path) -> EllipticCurvePrivateKey:
    """The app's private key. Raises Misconfigured."""
    return jws.load_key(_read("--key", path), f"--key {path}")


def _read(what: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Misconfigured(what, f"{path}: {error.strerror}", "give the path of a PEM file that you may read") from None
