# cython: language_level=3
"""
A limit on the size of frames that answers instead of closing, and order where picows parses ahead.

FrameLimit stands between a transport and picows, and reads the heads of frames.

    too large       At such a frame picows can only close the connection; Tesla's reference server answers the message and goes
                    on. So the payload of a frame beyond the limit is discarded as it arrives.
    after a CLOSE   RFC 6455, 5.5.1: nothing that follows it counts. picows parses one frame ahead, so a bad frame behind a CLOSE
                    would have that CLOSE answered with 1002. So what follows it is discarded.
    invalid         For the same reason a good message right before a frame that breaks the protocol would be lost. So picows gets
                    such a frame only when it has taken everything before it.

Law: picows gets every byte of every other frame, once and in order; what it has not been given is at most one frame's head.
"""

from aiofastnet.transport cimport Protocol
from aiofastnet.utils cimport NoResult
from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.memoryview cimport PyMemoryView_FromMemory
from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcpy

cdef enum:
    HEAD_AT_MOST = 14                   # of a client's frame: 2, 8 of length, 4 of mask
    # The most that MAX_FRAME_BYTES may be. A frame that announces more is left to picows, which closes with 1009: discarding it
    # would keep the connection busy for nothing.
    SKIP_AT_MOST = 64 * 1024 * 1024
    LAST_DATA_OPCODE = 2
    CLOSE_OPCODE = 8
    LAST_OPCODE = 10                    # PONG
    FIN = 0x80
    VALID_CLOSE = 0x88                  # its first byte; after a CLOSE with reserved bits the peer may still answer ours
    CONTROL_AT_MOST = 125               # bytes of a control frame's payload (RFC 6455, 5.5)
    DISCARD_BYTES = 64 * 1024           # read at once of a frame that is being discarded

cdef char discarded[DISCARD_BYTES]      # shared by all connections: nobody reads it


cdef class FrameLimit(Protocol):
    """
    The protocol of a transport whose frames go on to `inner` (picows' WSProtocol), except those of more than `limit` bytes; with
    a limit of SKIP_AT_MOST or more, picows gets those too.

    listener.on_too_large(opcode, fin)     a frame was discarded; called in its place among the other frames
    """

    cdef:
        object inner
        object listener
        uint64_t limit
        uint64_t left               # payload bytes of a frame that inner gets, yet to come
        uint64_t skip               # payload bytes of a frame that nobody gets, yet to come
        char *base                  # inner's buffer, as it was given to the transport last
        Py_ssize_t have
        uint8_t head[HEAD_AT_MOST]  # the beginning of a frame's head, which inner has not been given: `have` bytes
        uint8_t skipped             # first byte of the head of the frame that is being discarded
        uint8_t closing             # 1: the peer's CLOSE is under way, or was the last that inner got

    def __init__(self, inner, listener, uint64_t limit):
        self.inner = inner
        self.listener = listener
        self.limit = limit

    cpdef is_buffered_protocol(self):
        return True

    def connection_lost(self, error):
        self.inner.connection_lost(error)

    def eof_received(self):
        return self.inner.eof_received()

    def pause_writing(self):
        self.inner.pause_writing()

    def resume_writing(self):
        self.inner.resume_writing()

    cpdef get_buffer(self, Py_ssize_t hint):
        cdef char *place
        cdef Py_ssize_t room
        self.get_buffer_c(hint, &place, &room)
        return PyMemoryView_FromMemory(place, room, 0x200)      # PyBUF_WRITE

    cdef NoResult get_buffer_c(self, Py_ssize_t hint, char **place, Py_ssize_t *room) except NoResult.EXC:
        cdef Py_buffer view
        if self.skip or self.over():
            place[0] = discarded
            room[0] = sizeof(discarded)
            return NoResult.OK
        PyObject_GetBuffer(self.inner.get_buffer(hint), &view, PyBUF_WRITABLE)
        self.base = <char *>view.buf         # inner's own memory: it outlives the view
        room[0] = view.len - self.have
        PyBuffer_Release(&view)
        memcpy(self.base, self.head, <size_t>self.have)
        place[0] = self.base + self.have
        return NoResult.OK

    cpdef buffer_updated(self, Py_ssize_t size):
        if self.skip:
            self.discard(discarded, size)
        elif not self.over():
            self.pass_on(self.have + size)

    cdef bint over(self) noexcept:
        """The peer's CLOSE has been read to its end."""
        return self.closing and not self.left

    cdef int pass_on(self, Py_ssize_t size) except -1:
        """Goes over the `size` bytes at `base`: inner gets what is whole, an unfinished head waits, a large frame is dropped."""
        cdef Py_ssize_t at = 0
        cdef Py_ssize_t length
        cdef uint64_t payload = 0
        self.have = 0
        while at < size:
            if self.left:
                payload = min(self.left, <uint64_t>(size - at))
                self.left -= payload
                at += <Py_ssize_t>payload
                continue
            if self.closing:
                break
            length = read_head(<uint8_t *>self.base + at, size - at, &payload)
            if length == 0:
                self.have = size - at
                memcpy(self.head, self.base + at, <size_t>self.have)
                break
            if self.limit < payload <= SKIP_AT_MOST and self.base[at] & 0x0F <= LAST_DATA_OPCODE:
                return self.begin_skip(at, length, size, payload)
            if at and invalid(<uint8_t>self.base[at], payload):
                return self.pass_on_first(at, size)
            self.left = payload
            self.closing = <uint8_t>self.base[at] == VALID_CLOSE
            at += length
        if at:
            self.inner.buffer_updated(at)
        return 0

    cdef int begin_skip(self, Py_ssize_t at, Py_ssize_t length, Py_ssize_t size, uint64_t payload) except -1:
        cdef bytes rest = PyBytes_FromStringAndSize(self.base + at + length, size - at - length)   # inner may move its buffer
        self.skipped = <uint8_t>self.base[at]
        self.skip = payload
        if at:
            self.inner.buffer_updated(at)
        return self.discard(PyBytes_AS_STRING(rest), PyBytes_GET_SIZE(rest))

    cdef int pass_on_first(self, Py_ssize_t at, Py_ssize_t size) except -1:
        """Lets inner take what comes before `at` before it sees the rest."""
        cdef bytes rest = PyBytes_FromStringAndSize(self.base + at, size - at)      # inner may move its buffer
        self.inner.buffer_updated(at)
        return self.feed(rest)

    cdef int discard(self, char *data, Py_ssize_t size) except -1:
        cdef Py_ssize_t dropped = <Py_ssize_t>min(self.skip, <uint64_t>size)
        cdef bytes rest
        self.skip -= <uint64_t>dropped
        if self.skip == 0:
            rest = PyBytes_FromStringAndSize(data + dropped, size - dropped)
            self.listener.on_too_large(self.skipped & 0x0F, self.skipped >> 7)
            self.feed(rest)
        return 0

    cdef int feed(self, bytes data) except -1:
        """As if `data` had been read from the socket."""
        cdef char *place
        cdef Py_ssize_t room
        cdef Py_ssize_t at = 0
        while at < PyBytes_GET_SIZE(data):
            self.get_buffer_c(-1, &place, &room)
            room = min(room, PyBytes_GET_SIZE(data) - at)
            memcpy(place, PyBytes_AS_STRING(data) + at, <size_t>room)
            at += room
            self.buffer_updated(room)
        return 0


cdef bint invalid(uint8_t first, uint64_t payload) noexcept:
    """Whether picows refuses the frame for its opcode or as a control frame. `first`: the first byte of its head."""
    cdef uint8_t opcode = first & 0x0F
    if opcode <= LAST_DATA_OPCODE:
        return False
    return not CLOSE_OPCODE <= opcode <= LAST_OPCODE or not first & FIN or payload > CONTROL_AT_MOST


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
