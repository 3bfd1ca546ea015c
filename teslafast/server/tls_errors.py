"""Why a TLS handshake failed: a cause to count by, and plain words for the log. The table is the whole of it."""

from __future__ import annotations

import ssl

_BROKEN_OFF = "the client broke off during the TLS handshake"

# what is looked for in OpenSSL's words, the cause that is counted, and what it means for the one who set this up
_FAILURES = (
    (
        "PEER_DID_NOT_RETURN_A_CERTIFICATE",
        "no_certificate",
        "the client showed no certificate: a browser or scanner, or a proxy in between",
    ),
    ("certificate has expired", "expired", "the client's certificate has expired"),
    ("certificate is not yet valid", "expired", "the client's certificate is not valid yet: is this machine's clock right?"),
    ("unsuitable certificate purpose", "purpose", "the client's certificate may not be used by TLS clients"),
    ("CERTIFICATE_VERIFY_FAILED", "unknown_ca", "the client's certificate is not from a CA in CA_PATH"),
    ("HTTP_REQUEST", "plain_http", "plain HTTP was spoken to the TLS port: use https:// or wss://"),
    ("WRONG_VERSION_NUMBER", "not_tls", "what came is not TLS"),
    ("UNSUPPORTED_PROTOCOL", "old_tls", "the client speaks only TLS older than 1.2"),
    (
        "ALERT_UNKNOWN_CA",
        "we_are_unknown",
        "the client does not know our CA: the `ca` of the vehicle's config must verify CERT_PATH",
    ),
    (
        "ALERT_BAD_CERTIFICATE",
        "we_are_refused",
        "the client refused our certificate: does its SAN hold the hostname? is the chain whole?",
    ),
    ("ALERT_CERTIFICATE", "we_are_refused", "the client refused our certificate: expired, or not the one that its config names"),
    ("NO_SHARED_CIPHER", "no_cipher", "client and server have no cipher in common"),
    ("UNEXPECTED_EOF_WHILE_READING", "cut", _BROKEN_OFF),
)


def failure(error: OSError) -> tuple[str, str]:
    """(cause, meaning) of a TLS handshake that failed: a fixed word to count by, and plain words for the log."""
    text = str(error)
    if isinstance(error, ssl.SSLError):
        for mark, cause, meaning in _FAILURES:
            if mark in text:
                return cause, meaning
        return "tls", f"TLS failed ({error.reason or type(error).__name__})"
    if isinstance(error, ConnectionAbortedError):
        return "slow", "the TLS handshake took longer than HANDSHAKE_TIMEOUT"
    return "cut", _BROKEN_OFF
