# WebSocket frames as a server writes them: final, unmasked (RFC 6455, 5.2).

cdef Py_ssize_t put_header(uint8_t *out, int opcode, uint64_t size) noexcept:
    """Writes the head of an unmasked, final frame (RFC 6455, 5.2); returns its length: 2, 4 or 10."""
    cdef int i
    out[0] = <uint8_t>(0x80 | opcode)
    if size < 126:
        out[1] = <uint8_t>size
        return 2
    if size < 65536:
        out[1] = 126
        out[2] = <uint8_t>(size >> 8)
        out[3] = <uint8_t>(size & 0xFF)
        return 4
    out[1] = 127
    for i in range(8):
        out[2 + i] = <uint8_t>((size >> (8 * (7 - i))) & 0xFF)
    return 10


cdef Py_ssize_t put_decimal(char *out, uint64_t number) noexcept:
    """Writes `number` in decimal; returns how many digits that took, 20 at most."""
    cdef char[20] digits
    cdef Py_ssize_t count = 0
    cdef Py_ssize_t i
    while True:
        digits[count] = <char>(48 + number % 10)
        count += 1
        number //= 10
        if number == 0:
            break
    for i in range(count):
        out[i] = digits[count - 1 - i]
    return count


def frame(int opcode, bytes payload not None):
    """The bytes of one unmasked, final WebSocket frame; `opcode`: 1 text, 2 binary, 8 close, 9 ping, 10 pong."""
    cdef uint8_t[10] header
    cdef Py_ssize_t size = put_header(header, opcode, <uint64_t>PyBytes_GET_SIZE(payload))
    return PyBytes_FromStringAndSize(<char *>header, size) + payload
