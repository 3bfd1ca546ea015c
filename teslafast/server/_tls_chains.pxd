from libc.stdint cimport uintptr_t


cdef bint has_ended(void *session) noexcept nogil
cdef void note_chain(const void *ssl) noexcept nogil
cdef uintptr_t address_of(library, str name, str older=*) except 0
cdef int watch_chains(void *context, library) except -1
