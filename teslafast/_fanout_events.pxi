# The log's texts as server-sent events (WHATWG HTML, 9.2): the same bytes of JSON in another frame.

cdef enum:
    ID_LIMIT = 64               # bytes of `EventStream.id_part`: an epoch has 12
    TAIL_LIMIT = ID_LIMIT + 20 + 2     # what comes after a text: that, a seq, an empty line

cdef bytes DATA = b"data: "     # exactly one blank: some clients split there


cdef class EventStream:
    """
    How a reader wants each event framed: `data: TEXT`, `id: EPOCH-SEQ`, an empty line. Readers of one kind share one object: then
    what was framed for one of them is there for the next.

    special     bit k = the events of KINDS[k] are framed by `make`
    make        make(seq, VIN, text) -> the bytes of whole blocks, or none
    """

    def __cinit__(self, str epoch not None, int special=0, make=None):
        self.id_part = b"\nid: " + epoch.encode() + b"-"
        if len(self.id_part) > ID_LIMIT:
            raise ValueError(f"an epoch of {len(epoch)} characters")
        self.special = <uint8_t>special
        self.make = make

    cdef Py_ssize_t put_tail(self, char *out, uint64_t seq) noexcept:
        """What comes after an event's text, TAIL_LIMIT bytes at most; returns how many."""
        cdef Py_ssize_t size = PyBytes_GET_SIZE(self.id_part)
        memcpy(out, PyBytes_AS_STRING(self.id_part), size)
        size += put_decimal(out + size, seq)
        out[size] = out[size + 1] = b"\n"
        return size + 2
