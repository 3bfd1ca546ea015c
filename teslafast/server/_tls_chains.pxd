from libc.stdint cimport int64_t


cdef bint has_ended(void *session) noexcept nogil
cdef void note_chain(const void *ssl) noexcept nogil
cdef int watch_chains(void *context, library) except -1
