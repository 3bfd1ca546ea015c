# What recovery puts into the log: holes where events were, and the vehicles' names, which the index only numbers.

cdef int make_holes(Fanout log, uint64_t first, uint64_t last) except -1:
    """Puts entries that nobody is given, and pongs, in the place of damaged frames: readers of all are sent whole stretches."""
    cdef uint64_t start = log.entry(first - 2).start + span_of(log.entry(first - 2))
    cdef uint64_t end = log.entry(last).start
    cdef uint64_t time_ms = log.entry(last).time_ms
    cdef uint64_t seq
    cdef Entry *entry
    for seq in range(first, last + 1):
        entry = log.entry(seq - 1)
        entry.start = start
        entry.seq = seq
        entry.time_ms = time_ms
        entry.size = <unsigned int>(LEAST_FRAME if seq < last else end - start)
        entry.kind = HOLE
        put_pongs(log, start, entry.size)
        entry.crc = log.crc_of(entry)
        start += entry.size
    return 0


cdef void put_pongs(Fanout log, uint64_t start, uint64_t size) noexcept:
    """Fills so many bytes, two at least, with pongs that nobody asked for: a peer has to pass over them (RFC 6455, 5.5.3)."""
    cdef uint64_t place, piece
    while size:
        piece = min(size, <uint64_t>PONG_LIMIT)
        if size - piece == 1:
            piece -= 1
        for place in range(piece):
            log.ring[(start + place) % log.capacity] = 0
        log.ring[start % log.capacity] = <char>PONG
        log.ring[(start + 1) % log.capacity] = <char>(piece - 2)
        start += piece
        size -= piece


cdef uint64_t name_all(Fanout log) except? 0xFFFFFFFFFFFFFFFF:
    """Numbers the vehicles of all frames anew: each frame's text has the name right after its seq. Returns how many are holes."""
    cdef uint64_t number = log.first
    cdef uint64_t holes = 0
    cdef Entry *entry
    while number < log.last:
        entry = log.entry(number)
        holes += kind_of(entry) == HOLE
        log.has_beside |= beside_of(entry) > 0
        entry.vin = log.number_of("" if kind_of(entry) == HOLE else name_in(log, entry))
        number += 1
    return holes


cdef str name_in(Fanout log, Entry *entry):
    """The VIN in a whole frame; "" if its body does not begin with one (the log took it all the same)."""
    cdef char text[HEAD_LIMIT + MARK_SIZE + NAME_LIMIT + 1]
    cdef uint64_t size = min(<uint64_t>entry.size, <uint64_t>sizeof(text))
    cdef uint64_t at = header_size(entry.size)
    cdef uint64_t seq = entry.seq
    cdef uint64_t end
    log.fetch(text, entry.start, size)
    at += <uint64_t>len(<bytes>log.prefixes[kind_of(entry)]) + 1
    while seq:
        seq //= 10
        at += 1
    if at + MARK_SIZE > size or memcmp(text + at, MARK, MARK_SIZE) != 0:
        return ""
    at += MARK_SIZE
    end = at
    while end < size and text[end] != b'"':
        end += 1
    return PyUnicode_DecodeASCII(text + at, <Py_ssize_t>(end - at), "replace")
