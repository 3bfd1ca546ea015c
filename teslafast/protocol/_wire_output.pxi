# Protobuf fields written into memory that grows, and where they stood in the message that is written again.

cdef struct Spot:               # where a field of one message stands
    size_t at                   # its last value
    size_t since                # the tag of its first one; in a oneof, of the first since another alternative
    size_t count

cdef struct Output:
    uint8_t *bytes
    size_t size
    size_t room


# ---- writing

cdef int reserve(Output *out, size_t n) except -1:
    cdef uint8_t *grown
    cdef size_t room
    if out.room - out.size < n:
        room = 2 * (out.size + n)
        grown = <uint8_t *>PyMem_Realloc(out.bytes, room)
        if grown == NULL:
            raise MemoryError
        out.bytes, out.room = grown, room
    return 0


cdef inline int put_bytes(Output *out, const void *data, size_t n) except -1:
    reserve(out, n)
    memcpy(out.bytes + out.size, data, n)
    out.size += n
    return 0


cdef inline int put_varint(Output *out, uint64_t value) except -1:
    reserve(out, 10)
    while value >= 0x80:
        out.bytes[out.size] = <uint8_t>(value | 0x80)
        out.size += 1
        value >>= 7
    out.bytes[out.size] = <uint8_t>value
    out.size += 1
    return 0


cdef inline int put_text(Output *out, uint64_t field, const void *text, size_t n) except -1:
    put_varint(out, field << 3 | LENGTH)
    put_varint(out, n)
    return put_bytes(out, text, n)


cdef int put_length(Output *out, size_t start) except -1:
    """Puts the length of what stands there from `start` on before it."""
    cdef size_t n = out.size - start
    cdef size_t digits
    put_varint(out, n)                      # where there is room: to see how long it is
    digits = out.size - start - n
    memmove(out.bytes + start + digits, out.bytes + start, n)
    out.size = start
    put_varint(out, n)
    out.size += n
    return 0


# ---- reading again

cdef inline Slot *slot_of(_Layout layout, uint32_t next_tag) noexcept:
    """What a field means, NULL if it is unknown: by its number or by its wire type."""
    cdef uint32_t field = next_tag >> 3
    cdef Slot *slot = &layout.slots[field if field <= HIGHEST_FIELD else 0]
    if slot.kind == UNKNOWN:
        return NULL
    if next_tag & 7 == slot.wire or slot.kind == ENUM and slot.repeated and next_tag & 7 == LENGTH:
        return slot
    return NULL


cdef bytes merged(Source *source, _Layout layout, uint32_t field, size_t since, int depth):
    """The contents of a nested message that came in several pieces, one after the other: parsed as one they merge."""
    cdef uint32_t next_tag
    cdef size_t n
    cdef list pieces = []
    source.at = since
    while source.at < source.size:
        next_tag = tag(source)
        if next_tag >> 3 == field and slot_of(layout, next_tag) != NULL:
            n = length(source)
            pieces.append(PyBytes_FromStringAndSize(<const char *>source.bytes + source.at, <Py_ssize_t>n))
            source.at += n
        else:
            skip(source, next_tag, depth)
    return b"".join(pieces)


cdef bytes text_of(Cell *cell):
    return PyBytes_FromStringAndSize(<const char *>cell.text, <Py_ssize_t>cell.number) if cell.number else b""
