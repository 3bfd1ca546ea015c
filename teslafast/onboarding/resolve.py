"""
Resolves what a command needs, vehicles, host name, `ca` and key: from its options, else from the server's environment.

An option takes precedence. What is not given comes from the server's own settings, so that operators do not have to repeat it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..certificates import chain
from ..certificates.trust_store import public_roots
from ..errors import Misconfigured
from ..vin import VIN_LENGTH, is_vin, mended_vin
from . import jws
from .vehicle_host import check_vehicle_host

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey


def resolve_vins(options: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """The vehicles of the command line, else those in TESLA_VIN. Raises Misconfigured."""
    given = list(options) or [word for word in environment.get("TESLA_VIN", "").split(",") if word.strip()]
    subject = "--vin" if options else "TESLA_VIN"
    vins = [mended_vin(word) for word in given]
    if not vins:
        raise Misconfigured("--vin", "is not given, and TESLA_VIN is not set", "give --vin VIN once for each vehicle")
    for vin in vins:
        if not is_vin(vin) or len(vin) != VIN_LENGTH:
            where = "" if options else ", there or with --vin"
            raise Misconfigured(subject, f"{vin!r} is not a VIN", f"give the vehicle's 17 characters{where}")
    return vins


def resolve_ca(given: Path | None, environment: Mapping[str, str]) -> str:
    """The `ca` of the config: the file that is given, else the certificates above the server's in CERT_PATH."""
    if given is not None:
        try:
            return chain.write(chain.read(_read("--ca", given)))
        except ValueError as error:
            raise Misconfigured("--ca", f"{given} {error}", "give the PEM of the intermediates and the root") from None
    path = environment.get("CERT_PATH", "")
    if not path:
        raise Misconfigured(
            "--ca", "is not given, and CERT_PATH is not set", "give the PEM that verifies the server with --ca ca.pem"
        )
    certificates = _server_chain(Path(path))
    above = chain.build_path(certificates[0], [*certificates[1:], *public_roots(certificates[-1].issuer)])
    if not above:
        remedy = "give the CA that issued it with --ca ca.pem"
        raise Misconfigured("CERT_PATH", f"{path} holds only the server's certificate, not the CA that issued it", remedy)
    return chain.write(above)


def resolve_hostname(given: str | None, environment: Mapping[str, str]) -> str:
    """The host name of the command line, else the only one in the server's certificate; checked. Raises Misconfigured."""
    if given is not None:
        return check_vehicle_host(given)
    path = environment.get("CERT_PATH", "")
    names = chain.names(_server_chain(Path(path))[0]) if path else []
    if len(names) != 1 or names[0].startswith("*"):
        fault = f"is not given, and the server's certificate is for {', '.join(names)}" if names else "is not given"
        raise Misconfigured("--hostname", fault, "give the host name to which vehicles connect: --hostname telemetry.example.com")
    return check_vehicle_host(names[0], "CERT_PATH")


def check_certificate(host: str, environment: Mapping[str, str]) -> None:
    """Raises Misconfigured if the server's certificate is here and vehicles would refuse it, because it lacks the name."""
    path = environment.get("CERT_PATH", "")
    if not path or not Path(path).exists():  # an env file of a container's names files that are not on this machine
        return
    leaf = _server_chain(Path(path))[0]
    if not chain.is_valid_for(leaf, host):
        fault = f"the server's certificate in CERT_PATH is for {', '.join(chain.names(leaf)) or 'no name'}, not for {host}"
        remedy = "give a name that the certificate has, or get a certificate for this one: vehicles refuse any other"
        raise Misconfigured("--hostname", fault, remedy)


def _server_chain(path: Path) -> list[x509.Certificate]:
    try:
        return chain.read(_read("CERT_PATH", path))
    except ValueError as error:
        raise Misconfigured(
            "CERT_PATH", f"{path} {error}", "give a PEM file: the server's certificate, then its issuers"
        ) from None


def resolve_key(path: Path) -> EllipticCurvePrivateKey:
    """The app's private key. Raises Misconfigured."""
    return jws.load_key(_read("--key", path), f"--key {path}")


def _read(what: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Misconfigured(what, f"{path}: {error.strerror}", "give the path of a PEM file that you may read") from None
