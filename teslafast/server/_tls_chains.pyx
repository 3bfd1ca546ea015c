# cython: language_level=3
"""
Until when the chain holds that a client's certificate was verified by: leaf, issuers and anchor, whichever ends first.

TLS asks at the handshake only, and OpenSSL's chain is let go of once that is over (_tls_messages.pyx). So its end is noted in
the session, which tickets hold and copies share: a resumed connection ends with the chain of the one that was verified. A
ticket that holds a session whose chain has ended is not taken: the full handshake that follows says so, or finds another chain.
What becomes of such a session in _tls_sessions.pyx is said there.
"""

import ctypes

from libc.stdint cimport int64_t, uintptr_t
from libc.string cimport memcpy
from libc.time cimport tm
from posix.time cimport CLOCK_REALTIME, clock_gettime, timespec

cdef extern from "time.h" nogil:
    int64_t timegm(tm *when)

cdef enum:                              # openssl/ssl.h; part of its ABI
    TICKET_EMPTY = 3
    TICKET_NO_DECRYPT = 4
    TICKET_SUCCESS = 5
    TICKET_SUCCESS_RENEW = 6
    IGNORE = 1
    IGNORE_RENEW = 2
    USE = 3
    USE_RENEW = 4

cdef int64_t NEVER = 0x7FFFFFFFFFFFFFFF

ctypedef void *(*get_function)(const void *of) noexcept nogil
ctypedef int (*count_function)(const void *stack) noexcept nogil
ctypedef void *(*value_function)(const void *stack, int at) noexcept nogil
ctypedef int (*to_tm_function)(const void *when, tm *out) noexcept nogil
ctypedef int (*keep_function)(void *session, const void *data, size_t size) noexcept nogil
ctypedef int (*kept_function)(void *session, void **data, size_t *size) noexcept nogil
ctypedef int (*generate_callback)(void *ssl, void *argument) noexcept nogil
ctypedef int (*decrypt_callback)(
    void *ssl, void *session, const unsigned char *name, size_t size, int status, void *argument
) noexcept nogil
ctypedef int (*set_callbacks_function)(
    void *context, generate_callback generate, decrypt_callback decrypt, void *argument
) noexcept nogil

cdef:
    get_function chain_of = NULL
    get_function session_of, end_of
    count_function count
    value_function value
    to_tm_function to_tm
    keep_function keep
    kept_function kept = NULL
    set_callbacks_function set_callbacks
    int64_t latest = NEVER              # of the handshake that was over last


cdef int64_t earliest(void *chain) noexcept nogil:
    cdef tm when
    cdef int64_t ends
    cdef int64_t first = NEVER
    cdef int at
    for at in range(count(chain)):
        ends = timegm(&when) if to_tm(end_of(value(chain, at)), &when) == 1 else 0
        first = min(first, ends)
    return first


cdef int64_t end_in(void *session) noexcept nogil:
    """What was noted there."""
    cdef void *data = NULL
    cdef size_t size = 0
    cdef int64_t ends
    if session == NULL or kept == NULL or kept(session, &data, &size) != 1 or size != sizeof(ends):
        return NEVER
    memcpy(&ends, data, sizeof(ends))
    return ends


cdef bint has_ended(void *session) noexcept nogil:
    """By the clock that ends connections: time(2) lags some ms behind it."""
    cdef timespec now
    clock_gettime(CLOCK_REALTIME, &now)
    return end_in(session) <= now.tv_sec


cdef void note_chain(const void *ssl) noexcept nogil:
    """A handshake is over, and its chain still there if it was a full one."""
    global latest
    if chain_of == NULL:
        return
    cdef void *session = session_of(ssl)
    cdef void *chain = chain_of(ssl)
    cdef int64_t ends
    if session != NULL and chain != NULL and count(chain) > 0:
        ends = earliest(chain)
        keep(session, &ends, sizeof(ends))
    latest = end_in(session)


cdef int on_generate(void *ssl, void *argument) noexcept nogil:
    """A ticket is being made: with TLS 1.2 the handshake is not over yet."""
    note_chain(ssl)
    return 1


cdef int on_decrypt(
    void *ssl, void *session, const unsigned char *name, size_t size, int status, void *argument
) noexcept nogil:
    if status == TICKET_EMPTY or status == TICKET_NO_DECRYPT:
        return IGNORE_RENEW
    if status != TICKET_SUCCESS and status != TICKET_SUCCESS_RENEW:
        return IGNORE
    if has_ended(session):
        return IGNORE_RENEW
    return USE if status == TICKET_SUCCESS else USE_RENEW


def ends_at():
    """
    When the chain ends by which the client of the handshake that was over last was verified: seconds since 1970; None if it
    showed no certificate. To be asked when its connection is made, which happens in the same call.
    """
    return None if latest == NEVER else float(latest)


cdef uintptr_t address_of(library, str name, str older="") except 0:
    """Where a function is; `older`: what OpenSSL 1.1.1 calls it. Raises AttributeError."""
    function = getattr(library, name, None) or getattr(library, older or name)
    return ctypes.cast(function, ctypes.c_void_p).value


cdef int watch_chains(void *context, library) except -1:
    """For all connections of an SSL_CTX, whose info callback is to call `note_chain`. Raises OSError if that is not OpenSSL."""
    global chain_of, session_of, end_of, count, value, to_tm, keep, kept, set_callbacks
    try:
        session_of = <get_function>address_of(library, "SSL_get_session")
        end_of = <get_function>address_of(library, "X509_get0_notAfter")
        count = <count_function>address_of(library, "OPENSSL_sk_num")
        value = <value_function>address_of(library, "OPENSSL_sk_value")
        to_tm = <to_tm_function>address_of(library, "ASN1_TIME_to_tm")
        keep = <keep_function>address_of(library, "SSL_SESSION_set1_ticket_appdata")
        kept = <kept_function>address_of(library, "SSL_SESSION_get0_ticket_appdata")
        set_callbacks = <set_callbacks_function>address_of(library, "SSL_CTX_set_session_ticket_cb")
        chain_of = <get_function>address_of(library, "SSL_get0_verified_chain")
    except AttributeError as error:
        raise OSError(f"OpenSSL is too old: {error}") from None
    set_callbacks(context, on_generate, on_decrypt, NULL)
    return 0
