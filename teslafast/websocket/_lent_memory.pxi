# picows' read buffer, for as long as it is needed.
#
# picows keeps 2 KB a connection to read into, a third of what an idle dashboard costs. Between two feeds it holds the beginning
# of one small frame at most, and mostly nothing: then the memory is given back, and lent again with the next frame.

cdef MemoryBuffer read_buffer_of(object protocol):
    """The buffer of picows' WSProtocol, which has no name outside; None if there is not exactly one."""
    cdef list found = [one for one in gc.get_referents(protocol) if type(one) is MemoryBuffer]
    return <MemoryBuffer>found[0] if len(found) == 1 else None


cdef int lend(MemoryBuffer buffer) except -1:
    if buffer is not None and buffer.data == NULL:
        buffer.data = <char *>PyMem_Malloc(<size_t>buffer.capacity)
        if buffer.data == NULL:
            raise MemoryError
    return 0


cdef void take_back(MemoryBuffer buffer) noexcept:
    """Nothing in it is needed any more."""
    if buffer is not None:
        PyMem_Free(buffer.data)
        buffer.data = NULL
