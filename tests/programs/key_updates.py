"""
A stranger who sends TLS 1.3 KeyUpdates, and nothing else, as fast as OpenSSL makes them.

    python -m tests.programs.key_updates PORT [COUNT [HEX]]

With COUNT it sends the bytes of HEX as data, and after a line from stdin so many, and resets the connection. The ssl module
cannot send them: this speaks to its libssl directly. Says `sending` when it has begun; exit 0 when it is cut off, or is done.
"""

from __future__ import annotations

import ctypes
import socket
import struct
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
    if len(sys.argv) > 2:
        data = bytes.fromhex("".join(sys.argv[3:]))
        assert not data or openssl.SSL_write(connection, data, len(data)) == len(data)
        sys.stdin.readline()
        for _ in range(int(sys.argv[2])):
            assert openssl.SSL_key_update(connection, NOT_REQUESTED) == 1
            assert openssl.SSL_do_handshake(connection) == 1
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connected.close()
        return
    while openssl.SSL_key_update(connection, NOT_REQUESTED) == 1 and openssl.SSL_do_handshake(connection) == 1:
        pass


if __name__ == "__main__":
    main()
