# cython: language_level=3
"""
One TLS message a read: how long OpenSSL stays in one call, whatever a peer sends.

In its usual mode (SSL_MODE_AUTO_RETRY) SSL_read goes on after a message that carries no data, such as a KeyUpdate. Who sends
these as fast as they are read keeps it in that call, and the event loop with it, for as long as they like; and no certificate is
needed for that. Without the mode SSL_read returns after each such message, and everybody else has a turn in between.

The ssl module offers no way to clear the mode, and aiofastnet sets it for each connection. So OpenSSL is asked to call back when
a handshake is over, and the mode is cleared then. It calls back for each message of that kind as well, which is counted, so that
whoever reads knows that there may be more (websocket/_ends.pyx). The way to OpenSSL's object is aiofastnet's: it is the first
member of the ssl module's.
"""

import ctypes

from cpython.object cimport PyObject
from libc.stdint cimport uintptr_t

from ..websocket cimport _ends

cdef enum:
    SSL_CB_HANDSHAKE_DONE = 0x20        # openssl/ssl.h; part of its ABI
    SSL_CB_ACCEPT_LOOP = 0x2001         # a server has read the head of a handshake message, or goes on with its own
    SSL_CTRL_CLEAR_MODE = 78
    SSL_MODE_AUTO_RETRY = 4

ctypedef void (*info_callback)(const void *ssl, int what, int value) noexcept nogil
ctypedef long (*control_function)(void *ssl, int command, long number, void *pointer) noexcept nogil
ctypedef void (*set_callback_function)(void *context, info_callback callback) noexcept nogil
ctypedef unsigned long (*options_function)(const void *context) noexcept nogil

cdef struct Context:                    # the beginning of CPython's PySSLContext
    PyObject base
    void *context

cdef control_function control = NULL


cdef void on_info(const void *ssl, int what, int value) noexcept nogil:
    if what & SSL_CB_HANDSHAKE_DONE:
        control(<void *>ssl, SSL_CTRL_CLEAR_MODE, SSL_MODE_AUTO_RETRY, NULL)
    elif what == SSL_CB_ACCEPT_LOOP:
        _ends.without_data += 1


def read_one_message_at_once(context not None, str libssl not None):
    """
    For all connections of this `ssl.SSLContext`. `libssl`: path of the library that the ssl module uses.

    Raises OSError if that is not its library, or not OpenSSL.
    """
    global control
    cdef void *found = (<Context *><PyObject *>context).context
    library = ctypes.CDLL(libssl)
    try:
        addresses = [
            ctypes.cast(getattr(library, name), ctypes.c_void_p).value
            for name in ("SSL_CTX_get_options", "SSL_ctrl", "SSL_CTX_set_info_callback")
        ]
    except AttributeError as error:
        raise OSError(f"{libssl} is not OpenSSL: {error}") from None
    cdef options_function options = <options_function><uintptr_t>addresses[0]
    if <unsigned int>options(found) != <unsigned int>int(context.options):
        raise OSError(f"{libssl} is not what the ssl module uses")
    control = <control_function><uintptr_t>addresses[1]
    (<set_callback_function><uintptr_t>addresses[2])(found, on_info)
