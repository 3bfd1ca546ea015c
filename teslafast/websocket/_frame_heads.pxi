# The heads of a client's frames, and its masks (RFC 6455, 5.2 and 5.3).

cdef bint is_valid(const uint8_t *head, uint64_t payload) noexcept:
    """Whether the head of a data frame obeys RFC 6455, 5.2: a known opcode, masked, its length in the shortest form."""
    cdef uint8_t form = head[1] & 0x7F
    cdef bint shortest = payload > 0xFFFF if form == 127 else payload > CONTROL_AT_MOST if form == 126 else True
    return head[0] & 0x0F <= LAST_DATA_OPCODE and head[1] & 0x80 and shortest and payload <= SKIP_AT_MOST


cdef void unmask(uint8_t *data, Py_ssize_t size, const uint8_t *key) noexcept:
    cdef uint64_t word
    cdef uint64_t mask
    cdef Py_ssize_t at = 0
    memcpy(&mask, key, 4)
    memcpy(<uint8_t *>&mask + 4, key, 4)
    while size - at >= 8:
        memcpy(&word, data + at, 8)     # unaligned
        word ^= mask
        memcpy(data + at, &word, 8)
        at += 8
    while at < size:
        data[at] ^= key[at & 3]
        at += 1


cdef Py_ssize_t read_head(const uint8_t *data, Py_ssize_t size, uint64_t *payload) noexcept:
    """The length of the frame head that begins here, 0 if not all of it is here; `payload`: bytes that follow it."""
    cdef Py_ssize_t length = 2
    cdef Py_ssize_t extended, i
    if size < 2:
        return 0
    payload[0] = data[1] & 0x7F
    extended = 2 if payload[0] == 126 else 8 if payload[0] == 127 else 0
    length += extended + (4 if data[1] & 0x80 else 0)
    if size < length:
        return 0
    if extended:
        payload[0] = 0
        for i in range(extended):
            payload[0] = payload[0] << 8 | data[2 + i]
    return length
