"""What a client trusts: the public CAs of this machine (SSL_CERT_FILE counts), and CAs from a file besides."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import Misconfigured

if TYPE_CHECKING:
    from cryptography import x509


def client_context(ca_file: Path | None) -> ssl.SSLContext:
    """Trusts the public CAs and the certificates in `ca_file`. Raises Misconfigured."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    if ca_file is not None:
        add_trusted(context, ca_file)
    return context


def add_trusted(context: ssl.SSLContext, ca_file: Path) -> None:
    """Makes the context trust the certificates in a PEM file, too. Raises Misconfigured."""
    try:
        context.load_verify_locations(ca_file)
    except OSError as error:  # ssl.SSLError is one
        raise Misconfigured(str(ca_file), f"cannot be read ({error})", "give a PEM file of CA certificates") from None


def public_roots(name: x509.Name) -> list[x509.Certificate]:
    """The CAs of this name that this machine trusts; the others are not parsed, because some public ones cannot be."""
    from cryptography import x509

    context = ssl.create_default_context()
    whole = Path(ssl.get_default_verify_paths().capath or "") / "ca-certificates.crt"
    if not context.get_ca_certs() and whole.exists():  # a folder of hashes, as on Debian, is read only when it is needed
        context.load_verify_locations(whole)
    wanted = name.public_bytes()
    return [x509.load_der_x509_certificate(der) for der in context.get_ca_certs(binary_form=True) if wanted in der]
