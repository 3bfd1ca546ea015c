"""
Keys of TLS session tickets that several processes share, so that a session goes on at whichever of them the kernel chooses.

OpenSSL makes such keys at random for each context: of N processes on one port only every Nth resumption would work, and the
others cost a whole handshake. So the keys are made from a secret of the supervisor's, and from what may use them: which port (a
session without a certificate must not be resumed where one is demanded) and which anchors (no session outlives the removal of a
CA).

The ssl module offers no way to set them; the way to OpenSSL's object is that of _tls_messages.pyx.
"""

from __future__ import annotations

import ctypes
import hashlib
import hmac
import ssl
from collections.abc import Iterable

KEYS_BYTES = 80  # openssl/tls1.h: a name of 16, and keys of 32 for HMAC and AES
SET_TICKET_KEYS = 59  # SSL_CTRL_SET_TLSEXT_TICKET_KEYS, openssl/ssl.h; part of its ABI


class TicketKeys:
    """`secret`: 32 random bytes, the same in all processes."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def keys(self, use: str, anchors: Iterable[bytes]) -> bytes:
        """`use`: a word for the port; `anchors`: the CAs that vouch for its clients, as DER."""
        digests = b"".join(sorted(hashlib.sha256(one).digest() for one in anchors))
        parts = (hmac.digest(self._secret, b"%d %s " % (part, use.encode()) + digests, "sha256") for part in range(3))
        return b"".join(parts)[:KEYS_BYTES]

    def give(self, context: ssl.SSLContext, libssl: str, use: str, anchors: Iterable[bytes]) -> None:
        """`libssl`: path of the library that the ssl module uses. Raises OSError if it is not, or does not take them."""
        library = ctypes.CDLL(libssl)
        found = ctypes.c_void_p.from_address(id(context) + object.__basicsize__)  # the first member of PySSLContext
        options = library.SSL_CTX_get_options
        options.argtypes, options.restype = [ctypes.c_void_p], ctypes.c_uint64
        if options(found) & 0xFFFFFFFF != int(context.options) & 0xFFFFFFFF:
            raise OSError(f"{libssl} is not what the ssl module uses")
        control = library.SSL_CTX_ctrl
        control.argtypes, control.restype = [ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_char_p], ctypes.c_long
        if control(found, SET_TICKET_KEYS, KEYS_BYTES, self.keys(use, anchors)) != 1:
            raise OSError(f"{libssl} does not take keys of session tickets")
