"""What `_tls_messages.pyx` says to `_tls_sessions.pyx` when a handshake is over."""


cdef void keep_session(void *ssl) noexcept nogil
