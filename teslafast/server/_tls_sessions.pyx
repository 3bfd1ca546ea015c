# cython: language_level=3
"""
TLS sessions of vehicles are kept here, not given to them as tickets.

A TLS 1.3 ticket holds the whole session, and with it the vehicle's certificate. OpenSSL parses that certificate when the ticket
comes back and once more when it makes the next ticket: together that is more than half of what a resumed handshake costs. So the
ticket of a client that showed a certificate is only a number, and its session stands here, where the parsed certificate is shared
by whatever comes of it. All others get tickets as before: nobody without a certificate takes a place.

    hello ──a ticket of 32 bytes: a number──▶ look here              handshake over ──a certificate──▶ the ticket is a number
      └─────else────────────────────────────▶ decrypt the ticket           └─────────none────────────▶ the ticket holds it all

OpenSSL has a cache of its own, but takes a session out of it, and marks it as not to be resumed, if its connection ends without a
close_notify: a rule of TLS 1.0 (RFC 2246, 7.2.1) that later versions dropped. Whoever loses the network ends so. Therefore what
stands here is a copy: 1 KB, besides the certificate that it shares with the connection.

A session is found once, as RFC 8446 (C.4) advises: the resumed connection gets another. They go with their context: none outlives
the removal of a CA. One that OpenSSL would refuse for its age is forgotten (`forget_old`).

    Bounds: `most` sessions, and `most_bytes` for them and their certificates; PER_CERTIFICATE of one vehicle, because whoever has
    a key may shake hands for ever, and never use a ticket.
"""

import ctypes
import time
from collections import OrderedDict

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.object cimport PyObject
from libc.stdint cimport uint64_t, uintptr_t

from ._tls_chains cimport address_of, has_ended

cdef enum:                              # openssl/ssl.h, tls1.h, crypto.h; part of its ABI
    SSL_OP_NO_TICKET = 0x4000
    SSL_CLIENT_HELLO_SUCCESS = 1
    SSL_CTRL_SET_SESS_CACHE_MODE = 44
    SSL_SESS_CACHE_SERVER = 2
    SSL_SESS_CACHE_NO_INTERNAL = 0x300
    TLS1_3_VERSION = 0x304
    TLSEXT_TYPE_PSK = 41
    CRYPTO_EX_INDEX_SSL_CTX = 1
    ID_BYTES = 32                       # of a session's number
    NONE = -1
    SHA1_BYTES = 20
    OF_ONE = 4                          # a vehicle may have so many connections (core/connections.py), each with a session
    # Measured: 4.4 KB with a certificate of 0.45 KB, of which nobody else has a copy.
    BYTES_AT_LEAST = 3072
    PARSED_TIMES = 3                    # what a certificate takes of memory, for each byte of it

PER_CERTIFICATE = OF_ONE

ctypedef int (*hello_callback)(void *ssl, int *alert, void *argument) noexcept nogil
ctypedef int (*new_callback)(void *ssl, void *session) noexcept nogil
ctypedef void *(*find_callback)(void *ssl, const unsigned char *number, int size, int *copied) noexcept nogil
ctypedef void (*set_hello_function)(void *context, hello_callback callback, void *argument) noexcept nogil
ctypedef void (*set_new_function)(void *context, new_callback callback) noexcept nogil
ctypedef void (*set_find_function)(void *context, find_callback callback) noexcept nogil
ctypedef long (*control_function)(void *context, int command, long number, void *pointer) noexcept nogil
ctypedef int (*extension_function)(void *ssl, unsigned int kind, const unsigned char **data, size_t *size) noexcept nogil
ctypedef uint64_t (*set_options_function)(void *ssl, uint64_t options) noexcept nogil
ctypedef uint64_t (*options_function)(const void *ssl) noexcept nogil
ctypedef void *(*get_function)(const void *of) noexcept nogil
ctypedef const unsigned char *(*number_function)(const void *session, unsigned int *size) noexcept nogil
ctypedef int (*version_function)(const void *ssl) noexcept nogil
ctypedef void (*free_function)(void *session) noexcept nogil
ctypedef int (*set_data_function)(void *context, int index, void *data) noexcept nogil
ctypedef void *(*get_data_function)(const void *context, int index) noexcept nogil
ctypedef const void *(*kind_function)() noexcept nogil
ctypedef int (*digest_function)(const void *of, const void *kind, unsigned char *digest, unsigned int *size) noexcept nogil
ctypedef int (*encode_function)(const void *certificate, unsigned char **into) noexcept nogil
ctypedef long (*timeout_function)(const void *context) noexcept nogil
ctypedef int (*new_index_function)(int kind, long number, void *pointer, void *new, void *dup, void *free) noexcept nogil

cdef struct Context:                    # the beginning of CPython's PySSLContext
    PyObject base
    void *context

cdef:
    int place = NONE                    # where a context has its Sessions
    extension_function extension
    set_options_function set_options
    options_function options_of
    get_function session_of, certificate_of, context_of, copy_of
    number_function number_of
    version_function version_of
    free_function free_session
    get_data_function data_of
    kind_function sha1
    digest_function digest_of
    encode_function encode


cdef class KeptSession:
    """A copy that OpenSSL has made. `owner`: whose; `ends_s`: monotonic, when OpenSSL would not resume it any more."""

    cdef void *pointer
    cdef bytes owner
    cdef double ends_s
    cdef Py_ssize_t size

    def __dealloc__(self):
        if self.pointer != NULL:
            free_session(self.pointer)


cdef class Sessions:
    """
    Those of one context, which is to hold this object.

    most            sessions, of which the oldest go first
    most_bytes      for all of them together, as far as we can tell
    lifetime_s      of each of them
    """

    cdef object kept                    # number -> KeptSession, the oldest first
    cdef dict of_owner                  # a certificate's digest -> numbers of its sessions, the oldest first
    cdef Py_ssize_t most
    cdef Py_ssize_t most_bytes
    cdef double lifetime_s
    cdef readonly Py_ssize_t bytes_kept

    def __init__(self, Py_ssize_t most, Py_ssize_t most_bytes, double lifetime_s):
        self.kept = OrderedDict()
        self.of_owner = {}
        self.most = most
        self.most_bytes = most_bytes
        self.lifetime_s = lifetime_s

    def __len__(self):
        return len(self.kept)

    def forget_old(self, double now_s):
        """Called now and then (`now_s`: monotonic): nobody can resume the oldest ones any more."""
        cdef KeptSession one
        while self.kept:
            one = next(iter(self.kept.values()))
            if one.ends_s > now_s:
                return
            self.forget_oldest()

    cdef int keep(self, void *session) except -1:
        cdef unsigned int size = 0
        cdef const unsigned char *found = number_of(session, &size)
        cdef bytes number = PyBytes_FromStringAndSize(<const char *>found, size)
        cdef unsigned char[SHA1_BYTES] digest
        cdef unsigned int digest_size = SHA1_BYTES
        cdef void *certificate = certificate_of(session)
        cdef KeptSession one = KeptSession()
        # Who resumes after its chain has ended is told so (403) and gets no other: its next handshake is a full one, with the
        # certificate that it has by then.
        if has_ended(session):
            return 0
        if not digest_of(certificate, sha1(), digest, &digest_size):    # OpenSSL has it already
            return 0
        one.pointer = copy_of(session)
        if one.pointer == NULL:
            return 0
        one.owner = PyBytes_FromStringAndSize(<const char *>digest, digest_size)
        one.ends_s = time.monotonic() + self.lifetime_s
        one.size = BYTES_AT_LEAST + PARSED_TIMES * max(0, encode(certificate, NULL))
        self.add(number, one)
        return 0

    cdef int add(self, bytes number, KeptSession one) except -1:
        cdef tuple numbers = self.of_owner.get(one.owner, ())
        self.kept[number] = one
        self.bytes_kept += one.size
        self.of_owner[one.owner] = (*numbers, number)
        if len(numbers) == OF_ONE:
            self.remove(numbers[0])
        while len(self.kept) > self.most or (self.bytes_kept > self.most_bytes and self.kept):
            self.forget_oldest()
        return 0

    cdef int forget_oldest(self) except -1:
        self.remove(next(iter(self.kept)))
        return 0

    cdef KeptSession remove(self, bytes number):
        """Gives it back, None if it is not here."""
        cdef KeptSession one = self.kept.pop(number, None)
        if one is None:
            return None
        self.bytes_kept -= one.size
        cdef tuple left = tuple(other for other in self.of_owner[one.owner] if other != number)
        if left:
            self.of_owner[one.owner] = left
        else:
            del self.of_owner[one.owner]
        return one

    cdef void *take(self, const unsigned char *number, int size) except? NULL:
        cdef KeptSession one = self.remove(PyBytes_FromStringAndSize(<const char *>number, size))
        if one is None:
            return NULL
        cdef void *pointer = one.pointer
        one.pointer = NULL              # from now on it is OpenSSL's
        return pointer


cdef int on_hello(void *ssl, int *alert, void *argument) noexcept nogil:
    """Before OpenSSL looks at it: the first ticket's size says of which sort it is."""
    cdef const unsigned char *data = NULL
    cdef size_t size = 0
    # two bytes for the list's size, two for the ticket's, the ticket (RFC 8446, 4.2.11)
    if extension(ssl, TLSEXT_TYPE_PSK, &data, &size) == 1 and size >= 4 and (data[2] << 8 | data[3]) == ID_BYTES:
        set_options(ssl, SSL_OP_NO_TICKET)
    return SSL_CLIENT_HELLO_SUCCESS


cdef void keep_session(void *ssl) noexcept nogil:
    """A handshake is over, and its ticket is yet to be made."""
    cdef void *session = session_of(ssl) if version_of(ssl) == TLS1_3_VERSION else NULL
    if session != NULL and certificate_of(session) != NULL:
        set_options(ssl, SSL_OP_NO_TICKET)


cdef int on_new(void *ssl, void *session) noexcept with gil:
    """Its ticket is being sent. 0: the reference that comes with it is not taken."""
    if options_of(ssl) & SSL_OP_NO_TICKET and certificate_of(session) != NULL:
        (<Sessions>data_of(context_of(ssl), place)).keep(session)
    return 0


cdef void *on_find(void *ssl, const unsigned char *number, int size, int *copied) noexcept with gil:
    copied[0] = 0
    return (<Sessions>data_of(context_of(ssl), place)).take(number, size)


cdef int load(ssl, crypto) except -1:
    global place, extension, set_options, options_of, session_of, certificate_of, context_of, copy_of, number_of, version_of
    global free_session, data_of, sha1, digest_of, encode
    extension = <extension_function>address_of(ssl, "SSL_client_hello_get0_ext")
    set_options = <set_options_function>address_of(ssl, "SSL_set_options")
    options_of = <options_function>address_of(ssl, "SSL_get_options")
    session_of = <get_function>address_of(ssl, "SSL_get_session")
    certificate_of = <get_function>address_of(ssl, "SSL_SESSION_get0_peer")
    context_of = <get_function>address_of(ssl, "SSL_get_SSL_CTX")
    copy_of = <get_function>address_of(ssl, "SSL_SESSION_dup")
    number_of = <number_function>address_of(ssl, "SSL_SESSION_get_id")
    version_of = <version_function>address_of(ssl, "SSL_version")
    free_session = <free_function>address_of(ssl, "SSL_SESSION_free")
    data_of = <get_data_function>address_of(ssl, "SSL_CTX_get_ex_data")
    sha1 = <kind_function>address_of(crypto, "EVP_sha1")
    digest_of = <digest_function>address_of(crypto, "X509_digest")
    encode = <encode_function>address_of(crypto, "i2d_X509")
    cdef uintptr_t new_index = address_of(crypto, "CRYPTO_get_ex_new_index")
    place = (<new_index_function>new_index)(CRYPTO_EX_INDEX_SSL_CTX, 0, NULL, NULL, NULL, NULL)
    return 0


def keep_sessions(context not None, str libssl not None, str libcrypto not None, Py_ssize_t most, Py_ssize_t most_bytes):
    """
    For all connections of this `ssl.SSLContext`, whose info callback is to call `keep_session`. Returns its Sessions, which have
    to live as long as the context does.

    libssl, libcrypto   paths of the libraries that the ssl module uses
    most, most_bytes    sessions, and their memory; the oldest go first
    Raises OSError if they are not OpenSSL.
    """
    cdef void *found = (<Context *><PyObject *>context).context
    cdef Sessions sessions
    ssl = ctypes.CDLL(libssl)
    try:
        if place == NONE:
            load(ssl, ctypes.CDLL(libcrypto))
        sessions = Sessions(most, most_bytes, (<timeout_function>address_of(ssl, "SSL_CTX_get_timeout"))(found))
        (<set_data_function>address_of(ssl, "SSL_CTX_set_ex_data"))(found, place, <void *>sessions)
        (<set_new_function>address_of(ssl, "SSL_CTX_sess_set_new_cb"))(found, on_new)
        (<set_find_function>address_of(ssl, "SSL_CTX_sess_set_get_cb"))(found, on_find)
        (<set_hello_function>address_of(ssl, "SSL_CTX_set_client_hello_cb"))(found, on_hello, NULL)
        (<control_function>address_of(ssl, "SSL_CTX_ctrl"))(
            found, SSL_CTRL_SET_SESS_CACHE_MODE, SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL, NULL
        )
    except AttributeError as error:
        raise OSError(f"{libssl} is not OpenSSL: {error}") from None
    return sessions
