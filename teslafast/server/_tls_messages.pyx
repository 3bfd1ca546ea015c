# cython: language_level=3
"""
What OpenSSL is told when a handshake is over: to read one TLS message at a time, and to forget the peer's chain.

One TLS message a read: how long OpenSSL stays in one call, whatever a peer sends.

In its usual mode (SSL_MODE_AUTO_RETRY) SSL_read goes on after a message that carries no data, such as a KeyUpdate. Who sends
these as fast as they are read keeps it in that call, and the event loop with it, for as long as they like; and no certificate is
needed for that. Without the mode SSL_read returns after each such message, and everybody else has a turn in between.

The chain: OpenSSL keeps every certificate that the peer has sent, parsed, each with its decoded key, which has a curve of its
own: a quarter of what an idle vehicle costs. Once the handshake is over nothing asks for them (renegotiation and authentication
after it are off; tickets hold the leaf only). So the issuers are let go of, and the leaf's key is emptied; the leaf itself is
read later.

The ssl module offers no way to clear the mode, and aiofastnet sets it for each connection. So OpenSSL is asked to call back when
a handshake is over, and the mode is cleared then. It calls back for each message of that kind as well, which is counted, so that
whoever reads knows that there may be more (websocket/_ends.pyx). The way to OpenSSL's object is aiofastnet's: it is the first
member of the ssl module's.
"""

import ctypes

from cpython.object cimport PyObject

from ..websocket cimport _ends
from ._tls_chains cimport address_of, note_chain, watch_chains
from ._tls_sessions cimport keep_session

cdef enum:
    SSL_CB_HANDSHAKE_DONE = 0x20        # openssl/ssl.h; part of its ABI
    SSL_CB_ACCEPT_LOOP = 0x2001         # a server has read the head of a handshake message, or goes on with its own
    SSL_CTRL_CLEAR_MODE = 78
    SSL_MODE_AUTO_RETRY = 4
    EVP_PKEY_RSA = 6                    # openssl/obj_mac.h
    EVP_PKEY_EC = 408

ctypedef void (*info_callback)(const void *ssl, int what, int value) noexcept nogil
ctypedef long (*control_function)(void *ssl, int command, long number, void *pointer) noexcept nogil
ctypedef void (*set_callback_function)(void *context, info_callback callback) noexcept nogil
ctypedef unsigned long (*options_function)(const void *context) noexcept nogil
ctypedef void *(*certificate_function)(const void *ssl) noexcept nogil
ctypedef void *(*key_function)(const void *certificate) noexcept nogil
ctypedef int (*type_function)(const void *key) noexcept nogil
ctypedef int (*set_type_function)(void *key, int type) noexcept nogil
ctypedef void (*free_function)(void *certificate) noexcept nogil
ctypedef void *(*stack_function)(const void *ssl) noexcept nogil
ctypedef void *(*pop_function)(void *stack) noexcept nogil

cdef struct Context:                    # the beginning of CPython's PySSLContext
    PyObject base
    void *context

cdef control_function control = NULL
cdef certificate_function certificate_of = NULL
cdef key_function key_of = NULL
cdef type_function type_of = NULL
cdef set_type_function set_type = NULL
cdef free_function release = NULL
cdef stack_function sent_chain = NULL
cdef stack_function verified_chain = NULL
cdef pop_function pop = NULL


cdef void on_info(const void *ssl, int what, int value) noexcept nogil:
    if what & SSL_CB_HANDSHAKE_DONE:
        control(<void *>ssl, SSL_CTRL_CLEAR_MODE, SSL_MODE_AUTO_RETRY, NULL)
        note_chain(ssl)
        empty(sent_chain(ssl))
        empty(verified_chain(ssl))
        forget_key(ssl)
    elif what == SSL_CB_ACCEPT_LOOP:
        _ends.without_data += 1


cdef void empty(void *certificates) noexcept nogil:
    """Gives up the connection's references to the certificates in a stack of its own; NULL is an empty one."""
    cdef void *certificate = pop(certificates)
    while certificate != NULL:
        release(certificate)
        certificate = pop(certificates)


cdef void forget_key(const void *ssl) noexcept nogil:
    cdef void *certificate = certificate_of(ssl)        # a reference of its own
    cdef void *key
    cdef int type
    if certificate == NULL:
        return
    key = key_of(certificate)
    if key != NULL:
        type = type_of(key)
        if type == EVP_PKEY_EC or type == EVP_PKEY_RSA:         # others are small, and OpenSSL may not know how to empty them
            set_type(key, type)         # whoever sets a key's type, even to what it was, empties the key
    release(certificate)


cdef void on_info_keep(const void *ssl, int what, int value) noexcept nogil:
    on_info(ssl, what, value)
    if what & SSL_CB_HANDSHAKE_DONE:
        keep_session(<void *>ssl)


def read_one_message_at_once(context not None, str libssl not None, bint keeps_sessions=False):
    """
    For all connections of this `ssl.SSLContext`.

    libssl           path of the library that the ssl module uses
    keeps_sessions   `_tls_sessions.pyx` is to be told when a handshake is over: a context has one such callback

    Raises OSError if that is not its library, or not OpenSSL.
    """
    global control, certificate_of, key_of, type_of, set_type, release, sent_chain, verified_chain, pop
    cdef void *found = (<Context *><PyObject *>context).context
    library = ctypes.CDLL(libssl)
    cdef options_function options
    cdef set_callback_function set_callback
    try:
        options = <options_function>address_of(library, "SSL_CTX_get_options")
        set_callback = <set_callback_function>address_of(library, "SSL_CTX_set_info_callback")
        control = <control_function>address_of(library, "SSL_ctrl")
        certificate_of = <certificate_function>address_of(library, "SSL_get1_peer_certificate", "SSL_get_peer_certificate")
        key_of = <key_function>address_of(library, "X509_get0_pubkey")
        type_of = <type_function>address_of(library, "EVP_PKEY_get_base_id", "EVP_PKEY_base_id")
        set_type = <set_type_function>address_of(library, "EVP_PKEY_set_type")
        release = <free_function>address_of(library, "X509_free")
        sent_chain = <stack_function>address_of(library, "SSL_get_peer_cert_chain")
        verified_chain = <stack_function>address_of(library, "SSL_get0_verified_chain")
        pop = <pop_function>address_of(library, "OPENSSL_sk_pop")
    except AttributeError as error:
        raise OSError(f"{libssl} is not OpenSSL: {error}") from None
    if <unsigned int>options(found) != <unsigned int>int(context.options):
        raise OSError(f"{libssl} is not what the ssl module uses")
    watch_chains(found, library)
    set_callback(found, on_info_keep if keeps_sessions else on_info)
