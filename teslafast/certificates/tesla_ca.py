"""
Tesla's certificate authorities for vehicles: fetched from where Tesla publishes them, and trusted only if they are known here.

The bundle comes over the network, and every CA in it can issue certificates for "vehicles". So each certificate must be one of
those below, by its SHA-256. If one is unknown, the whole bundle is refused. The file holds `TRUSTED CERTIFICATE` blocks with the
trust "client authentication", the form in which OpenSSL accepts all of them as issuers of clients (anchors.py says why).
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .. import https
from ..errors import Misconfigured, Unhealthy
from ..whole_file import write_whole
from . import anchors, chain

if TYPE_CHECKING:
    from cryptography import x509

SOURCE = "https://raw.githubusercontent.com/teslamotors/fleet-telemetry/main/config/files/prod_ca.crt"

# SHA-256 of each certificate in Tesla's production bundle (fleet-telemetry at commit 4767414, 2026-07-15), and its common name
PINNED = {
    "9210df2afb71dcdcdb96abc7d3607f67b7a8ff1ab95fd975ee716618c98d31fa": "Tesla Issuing CA",
    "bdf7cf2fd449a7803b7224a306245b4dd47eab3b11288b05001b07623d8ef980": "Tesla Motors GF Austin Product Issuing CA",
    "3468361b3dfe779ea4bdcfb3bd18de39e9371f453b93c6947e3167adf7c995be": "Tesla Motors GF Berlin Product Issuing CA",
    "db8c6739f268c4e3e7c90598c1de28724a22e41be0cc3d20c52717d9b56645d5": "Tesla Motors GF0 Product Issuing CA",
    "ca3087352e1b77854556988865b880ddf206d70ca84b826dc45b04f9883a1fe9": "Tesla Motors GF3 Product Issuing CA",
    "6c221b7290db8ffcb8fc37174bc386886206b77fec83f11292b3f41f6f180b90": "Tesla Motors GF3 Product RSA Issuing CA",
    "2baa91cf98e3bf3d48b3791d9b608de3e9b879852e6828924e98b9a7f7b716f4": "Tesla Motors Product Issuing CA",
    "b18e1fe69a588703cccda70056bd5332952411b2b60e52bad63dcff8b5fa8b6d": "Tesla Motors Product RSA Issuing CA",
    "a1ffaf486020d4643ac8832a0608a075bc509d6725eac205c0bfce61a21edeac": "Tesla Motors Products CA",
    "4045a9064a7ff9ba0b793f515a18ffcf006f86e504cd80ebad4465f7418430e1": "Tesla Motors Root CA",
    "56f74af54bc918ce3dcd9ddef1c41ef7747822ce673ecf554693d67c5417cd31": "Tesla Policy CA",
    "9c1432cbd81d9f842d35b782768e555b62446a3e6e5b6e95287f1de3a91fcbf5": "Tesla Product RSA Root CA",
    "ebbaacc16eb93c2e961c58fd43d874df2760558da3ef681c7d617d89abba3f32": "Tesla Product Root CA",
    "681c9455f1051a9effa0ef0814901a5ea4c08241867e34fad2b431535cd9a4ae": "Tesla Root CA",
}


@dataclass(frozen=True)
class Bundle:
    """Certificates that are all known, and the names of pinned ones that are missing from it."""

    certificates: tuple[x509.Certificate, ...]
    missing: tuple[str, ...]

    def expired(self, now: datetime.datetime) -> list[str]:
        """The names of CAs whose vehicles are refused, because the CA has expired."""
        return [chain.name_of(one.subject) for one in self.certificates if chain.days_left(one, now) < 0]

    @property
    def text(self) -> str:
        """The file: each certificate in the form that OpenSSL accepts, below a line with its name."""
        blocks = (f"# {chain.name_of(one.subject)}\n{anchors.trusted_block(chain.der(one))}" for one in self.certificates)
        return f"# Tesla's CAs for vehicles, from {SOURCE}\n" + "".join(blocks)


def fetch(request: Callable[[str, str], https.Reply] = https.request) -> bytes:
    """The bundle as Tesla publishes it. Raises Unhealthy."""
    remedy = "download the file in another way and give it with --from"
    try:
        reply = request("GET", SOURCE)
    except Unhealthy as error:
        raise Unhealthy(error.fault, remedy) from None
    if reply.status != 200:
        raise Unhealthy(f"{SOURCE}: HTTP {reply.status}", remedy)
    return reply.body


def check(pem: bytes, accepted: Collection[str] = ()) -> Bundle:
    """
    The bundle, if every certificate in it is pinned or in `accepted` (SHA-256 in hex, with or without colons).

    Raises Misconfigured.
    """
    known = PINNED.keys() | {one.replace(":", "").lower() for one in accepted}
    try:
        certificates = chain.read(pem)
    except ValueError as error:
        raise Misconfigured("the bundle", str(error), f"download it again from {SOURCE}") from None
    for one in certificates:
        if chain.fingerprint(one) not in known:
            unknown = f"{chain.name_of(one.subject)!r} (SHA-256 {chain.fingerprint(one)})"
            remedy = "upgrade teslafast; or, only if Tesla confirms that this CA is theirs, add --accept with its SHA-256"
            raise Misconfigured("the bundle", f"holds {unknown}, which this version does not know as Tesla's", remedy)
    present = {chain.fingerprint(one) for one in certificates}
    return Bundle(tuple(certificates), tuple(name for pin, name in PINNED.items() if pin not in present))


def write(bundle: Bundle, path: Path, replace: bool = False) -> None:
    """Puts the file in place whole; one that exists is kept unless it may be replaced. Raises Misconfigured."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, bundle.text.encode(), replace=replace)
    except FileExistsError:
        raise Misconfigured(str(path), "exists already", "choose another name, or replace it with --replace") from None
    except OSError as error:
        raise Misconfigured(str(path), error.strerror or str(error), "choose a place that you may write to") from None
