"""
A stranger who sends TLS 1.3 KeyUpdates, and nothing else, as fast as OpenSSL makes them.

    python -m tests.programs.key_updates PORT

The ssl module cannot send them: this speaks to its libssl directly. Says `sending` when it has begun; exit 0 when it is cut off.
"""

from __future__ import annotations

import ctypes
import socket
import sys

from aiofastnet.openssl_compat import OPENSSL_DYN_LIBS

TLS_1_3, SET_MIN_VERSION = 0x0304, 123
NOT_REQUESTED = 0


def main() -> None:
    assert OPENSSL_DYN_LIBS is not None
    openssl = ctypes.CDLL(OPENSSL_DYN_LIBS.libssl)
    pointer = ctypes.c_void_p
    for name in ("TLS_client_method", "SSL_CTX_new", "SSL_new"):
        getattr(openssl, name).restype = pointer
    context = pointer(openssl.SSL_CTX_new(pointer(openssl.TLS_client_method())))
    openssl.SSL_CTX_ctrl(context, SET_MIN_VERSION, TLS_1_3, None)
    connected = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    connected.setblocking(True)
    connection = pointer(openssl.SSL_new(context))
    openssl.SSL_set_fd(connection, connected.fileno())
    assert openssl.SSL_connect(connection) == 1
    print("sending", flush=True)
    while openssl.SSL_key_update(connection, NOT_REQUESTED) == 1 and openssl.SSL_do_handshake(connection) == 1:
        pass


if __name__ == "__main__":
    main()
