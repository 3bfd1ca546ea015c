"""
A new leaf for the server under the CA that vehicles know, put in place so that a running server takes it.

The new certificate and the new key take their places at the same moment (pair_folder.py), with the owner, group and mode of the
files that they replace: in a container the key belongs to the container's user, and a key of root's could not be read there. A
server reads them once both have stayed the same for ten seconds.

A container takes them if it mounts the folder. One that mounts the two files keeps the old ones (mounts.py).
"""

import datetime
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from ..errors import Misconfigured
from . import chain
from .folder import load_authority
from .issue import Pair, renew_server
from .pair_folder import replace_pair


@dataclass(frozen=True)
class Renewal:
    """The new leaf, and when the one before would have ended."""

    leaf: x509.Certificate
    before: datetime.datetime
    certificate: Path


def renew(directory: Path, now: datetime.datetime | None = None) -> Renewal:
    """Replaces server.pem and server.key in a folder of `certs init`; on failure both stay. Raises Misconfigured."""
    now = now or datetime.datetime.now(datetime.UTC)
    certificate = directory / "server.pem"
    present = _present(certificate)
    authority = directory / "ca.pem"
    if not authority.with_suffix(".key").exists():
        remedy = "renew where ca.key is, and copy server.pem and server.key from there"
        raise Misconfigured(str(authority.with_suffix(".key")), "is missing, and nothing can be signed without it", remedy)
    ca = load_authority(authority, now)
    if not chain.is_issued_by(present, ca.certificate):
        fault = f"was not issued by {authority.name}, but by {chain.name_of(present.issuer)!r}"
        raise Misconfigured(str(certificate), fault, "renew it with whoever issued it")
    try:
        pair = renew_server(ca, present, now)
    except x509.ExtensionNotFound:
        raise Misconfigured(str(certificate), "has no subjectAltName", "make a new one with `certs init`") from None
    leaf = chain.read(pair.chain)[0]
    _replace(directory, pair, f"{leaf.serial_number:016x}"[:16])
    return Renewal(leaf, present.not_valid_after_utc, certificate)


def _present(certificate: Path) -> x509.Certificate:
    try:
        return chain.read(certificate.read_bytes())[0]
    except OSError as error:
        remedy = "give the folder that `teslafast certs init` made"
        raise Misconfigured(str(certificate), error.strerror or str(error), remedy) from None
    except ValueError as error:
        raise Misconfigured(str(certificate), str(error), "give the folder that `teslafast certs init` made") from None


def _replace(directory: Path, pair: Pair, serial: str) -> None:
    """Both or none. Raises Misconfigured."""
    try:
        replace_pair(directory, pair, serial)
    except BlockingIOError:
        remedy = "wait until it is done, and look at what it has made"
        raise Misconfigured(str(directory), "another renewal is under way", remedy) from None
    except OSError as error:
        remedy = "make room, or mend the folder's rights"
        if isinstance(error, PermissionError):
            remedy = "run it as root, who may give the new key to the owner of the old one: sudo teslafast certs renew DIR"
        raise Misconfigured(str(error.filename or directory), error.strerror or str(error), remedy) from None
