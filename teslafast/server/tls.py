"""
From settings to `ssl.SSLContext`: one for PORT, one for VEHICLE_PORT.

CPython sends no list of acceptable CA names. Nothing here may change that, because vehicles then withhold their certificate.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiofastnet.openssl_compat import OPENSSL_DYN_LIBS

from ..certificates.anchors import load_anchors, load_chain
from ..config import Settings
from ..logs import fields, log
from . import _tls_chains
from ._tls_messages import read_one_message_at_once
from ._tls_sessions import Sessions, keep_sessions

if TYPE_CHECKING:
    from .ticket_keys import TicketKeys

# Of vehicles, on each port: 1.4 KB while one is connected; when it has gone, its certificate besides, 3 KB and more.
SESSIONS_AT_MOST = 10_000
SESSIONS_BYTES_AT_MOST = 48 * 1024 * 1024  # that many of cars, whose certificates have 0.5 KB
_KERNEL_TLS: int = getattr(ssl, "OP_ENABLE_KTLS", 0)  # since Python 3.12


class ServerContext(ssl.SSLContext):
    """
    A context whose `verify_mode` reads as CERT_NONE once `settle` was called; OpenSSL still verifies as it was set.

    aiofastnet reads `verify_mode` after a handshake: unless it is CERT_NONE, aiofastnet writes the peer's certificate to a
    temporary file to have it parsed. That takes a fifth of the CPU of a vehicle's connect, and with a full disk no vehicle could
    connect. Nobody needs the result: `peer_certificate` reads the DER.
    """

    _settled = False
    sessions: Sessions | None = None  # where they are kept; it lives as long as this
    _aiofastnet_force_socket_bio = False

    def settle(self) -> None:
        self._settled = True

    @property
    def asked(self) -> ssl.VerifyMode:
        """Whether clients are asked for a certificate, settled or not."""
        return ssl.VerifyMode(super().verify_mode)

    @property  # type: ignore[override]  # the stub has it as an attribute
    def verify_mode(self) -> ssl.VerifyMode:
        return ssl.CERT_NONE if self._settled else self.asked

    @verify_mode.setter
    def verify_mode(self, mode: ssl.VerifyMode) -> None:
        super(ServerContext, type(self)).verify_mode.__set__(self, mode)  # type: ignore[attr-defined]  # how a property is inherited


Contexts = tuple[ServerContext | None, ServerContext | None]


def contexts(settings: Settings, tickets: TicketKeys | None = None) -> Contexts:
    """
    (for PORT, for VEHICLE_PORT); None where this server does not speak TLS. Raises Misconfigured.

    tickets    of several processes on these ports; else only this one can resume its sessions
    """
    if not settings.tls:
        return None, None
    asked = ssl.CERT_OPTIONAL if settings.request_client_cert else ssl.CERT_NONE
    shared = tickets is not None
    everything = _context(settings, asked, shared) if settings.dashboard_tls else None
    vehicles = _context(settings, ssl.CERT_REQUIRED, shared) if settings.vehicle_port is not None else None
    if tickets is not None and OPENSSL_DYN_LIBS is not None:
        for use, context in (("PORT", everything), ("VEHICLE_PORT", vehicles)):
            if context is not None:
                tickets.give(context, OPENSSL_DYN_LIBS.libssl, use, context.get_ca_certs(binary_form=True))
    return everything, vehicles


def _context(settings: Settings, client_certificate: ssl.VerifyMode, shared_tickets: bool) -> ServerContext:
    context = ServerContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    context.num_tickets = 1  # of TLS 1.3; each costs OpenSSL a parse of the vehicle's certificate, and one is enough to resume
    if settings.kernel_tls and kernel_tls_missing() is None:
        context.options |= _KERNEL_TLS
    else:
        # aiofastnet then reads and writes the socket itself instead of through two buffers of 16 KB a connection (it does the
        # same for kernel TLS): 39 KB an idle vehicle instead of 55, at the same CPU per message (bench/vehicles/ingest.py)
        context._aiofastnet_force_socket_bio = True
    load_chain(context, settings)
    context.verify_mode = client_certificate
    if client_certificate is not ssl.CERT_NONE and settings.ca_path is not None:
        import cryptography.x509  # noqa: F401 — now, not while the first vehicle waits: 60 ms and 7 MB

        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        load_anchors(context, settings.ca_path)
    if OPENSSL_DYN_LIBS is not None:  # else OpenSSL is linked into Python, and aiofastnet feeds it 16 KiB at a time
        kept = client_certificate is not ssl.CERT_NONE and not shared_tickets
        if kept:
            libraries = OPENSSL_DYN_LIBS.libssl, OPENSSL_DYN_LIBS.libcrypto
            context.sessions = keep_sessions(context, *libraries, SESSIONS_AT_MOST, SESSIONS_BYTES_AT_MOST)
        read_one_message_at_once(context, OPENSSL_DYN_LIBS.libssl, kept)
    context.settle()
    return context


def kernel_tls_missing() -> str | None:
    """Why KERNEL_TLS cannot work here; None if it can."""
    if not _KERNEL_TLS:
        return "it needs Python 3.12 or newer"
    if not Path("/sys/module/tls").exists():
        return "the kernel module tls is not loaded: run modprobe tls"
    return None


def log_kernel_tls(settings: Settings) -> None:
    """Whether KERNEL_TLS, if it is set, does what it says."""
    if settings.kernel_tls and settings.tls:
        missing = kernel_tls_missing()
        reason = missing or "the kernel encrypts connections whose cipher it knows"
        log.info("kernel_tls", extra=fields(on=missing is None, reason=reason))


def chain_ends_at(ssl_object: Any) -> float | None:
    """
    When the first certificate ends of the chain that the peer was verified by, as Unix time; None if that is not known.

    To be asked when the connection is made (see _tls_chains.pyx).
    """
    if ssl_object is None:
        return None
    if OPENSSL_DYN_LIBS is not None:
        return _tls_chains.ends_at()
    chain = _verified_chain(ssl_object)  # of a resumed connection there is none
    return min((_ends_at(der) for der in chain), default=None)


def _verified_chain(ssl_object: Any) -> list[bytes]:
    """Of the ssl module's own object, whose method is public since Python 3.13."""
    if hasattr(ssl_object, "get_verified_chain"):
        return [bytes(one) for one in ssl_object.get_verified_chain() or ()]
    return [ssl.PEM_cert_to_DER_cert(one.public_bytes()) for one in ssl_object._sslobj.get_verified_chain() or ()]


def _ends_at(der: bytes) -> float:
    from cryptography import x509

    return x509.load_der_x509_certificate(der).not_valid_after_utc.timestamp()
