"""Why a TLS handshake failed: a cause to count by, and its meaning in plain words. This table is the whole of it."""

from __future__ import annotations

import ssl

from .handshakes import HandshakeTooLarge
from .proxy_reader import NotTrusted

_BROKEN_OFF = "the client broke off during the TLS handshake"

# what is looked for in OpenSSL's words, the cause that is counted, and what it means for the one who set this up
_FAILURES = (
    (
        "PEER_DID_NOT_RETURN_A_CERTIFICATE",
        "no_certificate",
        "the client showed no certificate: a browser, a scanner, or a proxy in between",
    ),
    ("certificate has expired", "expired", "the client's certificate has expired"),
    ("certificate is not yet valid", "expired", "the client's certificate is not valid yet: is this machine's clock right?"),
    ("unsuitable certificate purpose", "purpose", "the client's certificate may not be used by TLS clients"),
    (
        "critical extension",
        "critical_extension",
        "the client's certificate has an extension that is marked critical and that OpenSSL does not know: its CA is not Tesla's",
    ),
    ("too weak", "weak", "the client's certificate, or a CA's above it, has a key or a digest that OpenSSL holds too weak"),
    ("certificate signature failure", "bad_signature", "the client's certificate names a CA in CA_PATH, which did not sign it"),
    ("path length constraint", "bad_chain", "a CA above the client's certificate may not issue it (path length)"),
    ("invalid CA certificate", "bad_chain", "the client's certificate was issued by a certificate that is not a CA's"),
    ("CERTIFICATE_VERIFY_FAILED", "unknown_ca", "the client's certificate is not from a CA in CA_PATH"),
    ("HTTP_REQUEST", "plain_http", "the client spoke plain HTTP to the TLS port: use https:// or wss://"),
    ("WRONG_VERSION_NUMBER", "not_tls", "the client does not speak TLS"),
    ("UNSUPPORTED_PROTOCOL", "old_tls", "the client speaks only TLS older than 1.2"),
    (
        "ALERT_UNKNOWN_CA",
        "we_are_unknown",
        "the client does not know our CA: the `ca` of the vehicle's config must verify CERT_PATH",
    ),
    (
        "ALERT_BAD_CERTIFICATE",
        "we_are_refused",
        "the client refused our certificate: does its SAN hold the hostname? is the chain complete?",
    ),
    ("ALERT_CERTIFICATE", "we_are_refused", "the client refused our certificate: expired, or not the one that its config names"),
    ("NO_SHARED_CIPHER", "no_cipher", "client and server have no cipher in common"),
    ("UNEXPECTED_EOF_WHILE_READING", "cut", _BROKEN_OFF),
)

CAUSES = frozenset({cause for _, cause, _ in _FAILURES} | {"tls", "slow", "cut", "too_large", "fault"})


def failure(error: Exception) -> tuple[str, str]:
    """(cause, meaning) of a TLS handshake that failed: a fixed word to count by, and plain words for the log."""
    text = str(error)
    if isinstance(error, ssl.SSLSyscallError):  # a reset, which aiofastnet raises without OpenSSL's reason
        return "cut", _BROKEN_OFF
    if isinstance(error, ssl.SSLError):
        for mark, cause, meaning in _FAILURES:
            if mark in text:
                return cause, meaning
        return "tls", f"TLS failed ({getattr(error, 'reason', None) or type(error).__name__})"
    if isinstance(error, NotTrusted):
        return "not_tls", str(error)
    if isinstance(error, HandshakeTooLarge):
        return "too_large", "the client sent too many bytes during the TLS handshake: a certificate chain of many KB?"
    if isinstance(error, ConnectionAbortedError):
        return "slow", "the TLS handshake took longer than HANDSHAKE_TIMEOUT"
    if isinstance(error, OSError):
        return "cut", _BROKEN_OFF
    return "fault", f"the server failed during the TLS handshake ({type(error).__name__}: {error}): please report it"
