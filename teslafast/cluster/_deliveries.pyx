"""
What a consumer of a stream delivers, as it stands in the bytes of a NATS connection:

    HMSG <subject> <sid> $JS.ACK.….<number>.<delivery>.<stored ns>.<pending> <headers' bytes> <bytes>\r\n<headers><payload>\r\n
    MSG <subject> <sid> $JS.ACK.….<number>.<delivery>.<stored ns>.<pending> <bytes>\r\n<payload>\r\n

The headers are those that the message was published with, and nobody's business any more.
A frame is looked at only when its line is there, and taken only when it is there whole; `end` is the only thing that reading goes
by, and no byte is read at or behind it. tests/cluster/test_deliveries.py holds it against nats-py's own parser.
"""

from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_GET_SIZE
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int64_t
from libc.string cimport memchr, memcmp

from ._named_tuples cimport PyType_GenericAlloc, put

cdef extern from "Python.h":
    object PyUnicode_DecodeASCII(const char *text, Py_ssize_t size, const char *errors)

cdef enum:
    LONGEST_LINE = 1048576          # an INFO line names every server of a cluster
    LARGEST_MESSAGE = 67108864      # nats-server's own limit of max_payload
    WORDS = 6                       # of a line that are looked at: HMSG has six at most
    PARTS = 12                      # of a reply: behind a leaf node it names domain and account, too
    SHORT_REPLY = 9
    DIGITS = 18                     # of a number: more might not fit

cdef struct Word:
    const char *text
    Py_ssize_t size

cdef struct Line:
    Word words[WORDS]
    int count               # of words, also if they are more than WORDS
    Py_ssize_t after        # place of the first byte behind the line


cdef int split(const char *text, Py_ssize_t size, char mark, Word *words, int most) noexcept:
    """How many words there are, those that are empty left out; the first `most` are put down."""
    cdef Py_ssize_t place, began = 0
    cdef int count = 0
    for place in range(size + 1):
        if place == size or text[place] == mark or (mark == c' ' and text[place] == c'\t'):
            if place > began:
                if count < most:
                    words[count].text = text + began
                    words[count].size = place - began
                count += 1
            began = place + 1
    return count


cdef int64_t number_of(Word word) noexcept:
    """-1: it is not a number."""
    cdef int64_t number = 0
    cdef Py_ssize_t place
    if word.size < 1 or word.size > DIGITS + 1:
        return -1
    for place in range(word.size):
        if not c'0' <= word.text[place] <= c'9':
            return -1
        if place == DIGITS and number > (<int64_t>1 << 59):
            return -1
        number = number * 10 + (word.text[place] - c'0')
    return number


cdef int line_at(const char *data, Py_ssize_t place, Py_ssize_t end, Line *line) except -2:
    """1: it is read; 0: it is not there whole. Raises ValueError if it is too long to wait for its end."""
    cdef const char *feed = <const char *>memchr(data + place, c'\n', <size_t>(end - place))
    cdef Py_ssize_t size
    if feed == NULL:
        if end - place > LONGEST_LINE:
            raise ValueError("a line without an end")
        return 0
    size = feed - (data + place)
    line.after = place + size + 1
    if size > 0 and data[place + size - 1] == c'\r':
        size -= 1
    line.count = split(data + place, size, c' ', line.words, WORDS)
    return 1


cdef inline bint named(Word word, const char *name, Py_ssize_t size) noexcept:
    return word.size == size and memcmp(word.text, name, <size_t>size) == 0


cdef int64_t payload_of(Line *line) except -2:
    """How many bytes follow the line, with the line's end behind them; 0: none. Raises ValueError."""
    cdef int64_t size
    if line.count == 0 or not (named(line.words[0], b"MSG", 3) or named(line.words[0], b"HMSG", 4)):
        return 0
    size = number_of(line.words[line.count - 1]) if line.count <= WORDS else -1
    if size < 0 or size > LARGEST_MESSAGE:
        raise ValueError("a message without a length")
    return size + 2


def frame_end(bytearray data not None, Py_ssize_t place):
    """
    Where the frame that begins at `place` ends: the place of the first byte behind it; -1 if it is not there whole.

    Raises ValueError if it can never be whole.
    """
    cdef Py_ssize_t end = PyByteArray_GET_SIZE(data)
    cdef Line line
    cdef int64_t follows
    if place < 0 or place >= end:
        return -1
    if not line_at(PyByteArray_AS_STRING(data), place, end, &line):
        return -1
    follows = payload_of(&line)
    return line.after + follows if follows <= end - line.after else -1


cdef bint is_delivery(Line *line, bytes sid, int64_t *number, int64_t *stored_ns, int64_t *headers) noexcept:

    cdef Word parts[PARTS]
    cdef int count, shift
    if line.count == 5 and named(line.words[0], b"MSG", 3):
        headers[0] = 0
    elif line.count == 6 and named(line.words[0], b"HMSG", 4):
        headers[0] = number_of(line.words[4])
    else:
        return False
    if not named(line.words[2], PyBytes_AS_STRING(sid), PyBytes_GET_SIZE(sid)):
        return False
    count = split(line.words[3].text, line.words[3].size, c'.', parts, PARTS)
    shift = 2 if count > SHORT_REPLY else 0
    if count < SHORT_REPLY + shift or not named(parts[0], b"$JS", 3) or not named(parts[1], b"ACK", 3):
        return False
    number[0], stored_ns[0] = number_of(parts[5 + shift]), number_of(parts[7 + shift])
    return number[0] >= 0 and stored_ns[0] >= 0 and headers[0] >= 0


def read_deliveries(
    bytearray data not None, Py_ssize_t place, bytes sid not None, type message not None, list found not None
):
    """
    Takes deliveries to the subscription `sid` from `place` on, until there is something else, or not a whole one.

    Each is appended to `found` as a `message`, a type of named tuples: number, subject, time_ms, payload. Returns the place of
    what has not been taken. Raises ValueError as frame_end does.
    """
    cdef const char *text = PyByteArray_AS_STRING(data)
    cdef Py_ssize_t end = PyByteArray_GET_SIZE(data)
    cdef Line line
    cdef int64_t size, number, stored_ns, headers
    cdef object made
    while 0 <= place < end:
        if not line_at(text, place, end, &line) or not is_delivery(&line, sid, &number, &stored_ns, &headers):
            break
        size = payload_of(&line)
        if size > end - line.after or headers > size - 2:
            break
        made = PyType_GenericAlloc(message, 4)
        put(made, 0, number)
        put(made, 1, PyUnicode_DecodeASCII(line.words[1].text, line.words[1].size, b"replace"))
        put(made, 2, stored_ns // 1_000_000)
        put(made, 3, PyBytes_FromStringAndSize(text + line.after + headers, <Py_ssize_t>(size - 2 - headers)))
        found.append(made)
        place = line.after + <Py_ssize_t>size
    return place
