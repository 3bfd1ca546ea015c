# Foreign bytes, and the only two places that touch them.
#
# A Source is a window [at, size) over a vehicle's message: `at` moves forward, `size` shrinks while a nested message is read.
# Invariant: at <= size <= the length of the borrowed buffer. Every read goes through `window`, which either answers a pointer to
# n bytes that exist or raises; nothing else in these files dereferences `bytes`.
#
# Where Google's upb and Go's protobuf disagree about garbage, upb is followed (docs/protocol.md, "Records"; the tests hold us to
# it, bit for bit): a tag or a length takes at most 5 bytes, a tenth varint byte is taken modulo its one bit, groups nest at most
# 100 deep.

cdef enum:
    VARINT = 0
    FIXED64 = 1
    LENGTH = 2
    GROUP = 3
    GROUP_END = 4
    FIXED32 = 5
    MAX_DEPTH = 100             # messages and skipped groups together, as upb counts them

cdef struct Source:
    const uint8_t *bytes
    size_t size
    size_t at


cdef int malformed(str reason) except -1:
    raise Malformed(reason)


cdef inline const uint8_t *window(const Source *source, size_t at, size_t n) except NULL:
    """The n bytes at `at`, or Malformed: the one bounds check."""
    if n > source.size or at > source.size - n:
        malformed("it ends in the middle of a value")
    return source.bytes + at


cdef inline uint16_t u16(const Source *source, size_t at) except? 0xdead:
    cdef const uint8_t *p = window(source, at, 2)
    return <uint16_t>(p[0] | p[1] << 8)


cdef inline uint32_t u32(const Source *source, size_t at) except? 0xdead:
    cdef const uint8_t *p = window(source, at, 4)
    return <uint32_t>p[0] | <uint32_t>p[1] << 8 | <uint32_t>p[2] << 16 | <uint32_t>p[3] << 24


cdef inline uint64_t u64(const Source *source, size_t at) except? 0xdead:
    return <uint64_t>u32(source, at) | <uint64_t>u32(source, at + 4) << 32


cdef inline uint64_t varint(Source *source, int longest) except? 0xdead:
    """The next base-128 number, of `longest` bytes at most; bits beyond the 64th are dropped."""
    cdef uint64_t value = 0
    cdef uint8_t byte
    cdef int i
    for i in range(longest):
        byte = window(source, source.at, 1)[0]
        source.at += 1
        value |= <uint64_t>(byte & 0x7f) << (7 * i)
        if byte < 0x80:
            return value
    malformed("a number is longer than it may be")
    return 0


cdef inline uint32_t tag(Source *source, uint64_t lowest=8) except? 0xdead:
    """The next field's number * 8 + wire type. Number 0 is no field (but upb lets it pass inside a group that it skips)."""
    cdef uint64_t value = varint(source, 5)
    if value < lowest or value >> 32:
        malformed("a field number is out of range")
    return <uint32_t>value


cdef inline size_t length(Source *source) except? 0xdead:
    """The next length; that many bytes exist."""
    cdef uint64_t value = varint(source, 5)
    window(source, source.at, value)
    return value


cdef int skip(Source *source, uint32_t skipped, int depth) except -1:
    """Step over the value of a field that is not known, whatever is in it; `skipped` is its tag, `depth` how deep it stands."""
    cdef uint32_t groups[MAX_DEPTH]         # the tags that will close the groups we are in
    cdef int opened = 0
    cdef size_t n = 0
    while True:
        n = 0
        if skipped & 7 == VARINT:
            varint(source, 10)
        elif skipped & 7 == FIXED64:
            n = 8
        elif skipped & 7 == LENGTH:
            n = length(source)
        elif skipped & 7 == FIXED32:
            n = 4
        elif skipped & 7 == GROUP:
            if depth + opened >= MAX_DEPTH:
                malformed("groups are nested too deeply")
            groups[opened] = skipped + (GROUP_END - GROUP)
            opened += 1
        elif opened > 0 and skipped == groups[opened - 1]:
            opened -= 1
        else:
            malformed("a group ends that never began, or the wire type is unknown")
        window(source, source.at, n)
        source.at += n
        if opened == 0:
            return 0
        skipped = tag(source, 0)


cdef int check_utf8(const uint8_t *text, size_t size) except -1:
    """Malformed unless the text is UTF-8 as Unicode defines it: shortest forms only, no surrogates, nothing above U+10FFFF."""
    cdef size_t i = 0
    cdef uint8_t lead, low, high
    cdef int more
    while i < size:
        lead = text[i]
        i += 1
        if lead < 0x80:
            continue
        low, high = 0x80, 0xbf              # the range of the second byte, where the exceptions are
        if 0xc2 <= lead <= 0xdf:
            more = 1
        elif 0xe0 <= lead <= 0xef:
            more = 2
            if lead == 0xe0:
                low = 0xa0
            elif lead == 0xed:
                high = 0x9f
        elif 0xf0 <= lead <= 0xf4:
            more = 3
            if lead == 0xf0:
                low = 0x90
            elif lead == 0xf4:
                high = 0x8f
        else:
            malformed("a text is not UTF-8")
            return 0
        if size - i < <size_t>more or not low <= text[i] <= high:
            malformed("a text is not UTF-8")
        i += 1
        for more in range(more - 1):
            if text[i] & 0xc0 != 0x80:
                malformed("a text is not UTF-8")
            i += 1
    return 0
