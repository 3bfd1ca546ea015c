# cython: language_level=3
"""
What a connection costs: a plain TCP transport that holds nothing when idle, a limit on messages, and what can be taken away.

aiofastnet's own transport carries room for 256 iovecs in every object (4 KB) and a deque (0.7 KB), which is more than half of
what an idle dashboard costs. This one has the same base class, and so the same place among picows and the log, but keeps what the
socket did not take in one bytearray that exists only then: `held[given:]`, `_write_backlog_size` bytes. Buffered protocols only.

Law: bytes leave in the order in which they were written; nobody else writes to the descriptor while `held` exists.

FrameLimit stands between a vehicle's transport and picows. picows can only close at a frame that is too large; the reference
answers it and goes on. So the heads of frames are read here, and the payload of one beyond the limit is thrown away as it comes.
"""

import socket

from aiofastnet.transport cimport Protocol, Transport, WritableTransport
from aiofastnet.utils cimport NoResult, aiofn_read, aiofn_write
from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytearray cimport PyByteArray_AS_STRING
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.memoryview cimport PyMemoryView_FromMemory
from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcpy
from picows.picows cimport MemoryBuffer, WSTransport

cdef enum:
    READ_AT_MOST = 256 * 1024       # of one connection in one turn of the loop
    HEAD_AT_MOST = 14               # of a client's frame: 2, 8 of length, 4 of mask
    SKIP_AT_MOST = 64 * 1024 * 1024     # a frame announced as larger than this is left to picows, which closes with 1009
    LAST_DATA_OPCODE = 2

cdef MemoryBuffer shared_frame = MemoryBuffer(1024)
cdef char nowhere[65536]    # where what is thrown away is read to


cdef class PlainTransport(WritableTransport):
    """An accepted TCP socket, made non-blocking; `protocol` is told of the connection in the loop's next turn."""

    cdef:
        bytearray held
        Py_ssize_t given
        bint eof_wanted

    def __init__(self, loop, sock, protocol):
        WritableTransport.__init__(self, loop, sock)
        self._write_backlog = None
        self.set_protocol(protocol)
        loop.call_soon(self.begin)

    def begin(self):
        self._call_protocol_connection_made()
        if not self._closing:
            self._start_reading()

    # ---- in

    def _read_ready(self):
        try:
            self.read()
        except Exception:
            self._handle_error("Fatal read error on socket transport")

    cdef int read(self) except -1:
        cdef Py_buffer view
        cdef Py_ssize_t size
        cdef Py_ssize_t total = 0
        # until nothing is left: after a reset libuv tells once that there is something to read, and never that there is an error
        while total < READ_AT_MOST and not self._finalizing_close and not self._read_paused:
            PyObject_GetBuffer(self._protocol.get_buffer(-1), &view, PyBUF_WRITABLE)
            try:
                size = aiofn_read(self._fileno, view.buf, view.len, True)
            finally:
                PyBuffer_Release(&view)
            if size == -1:      # nothing there
                return 0
            if size == 0:
                self._protocol.eof_received()
                self.close()
                return 0
            total += size
            self._protocol.buffer_updated(size)
        return 0

    # ---- out

    cdef NoResult write_c(self, char* data, Py_ssize_t size) except NoResult.EXC:
        cdef Py_ssize_t sent
        if self._finalizing_close or size <= 0:
            return NoResult.OK
        try:
            if self.held is None:
                sent = aiofn_write(self._fileno, data, size, True)
                if sent == size:
                    return NoResult.OK
                if sent > 0:
                    data += sent
                    size -= sent
                self.held = bytearray()
            self.held += data[:size]
            self._write_backlog_size += size
            self._start_backlog_writing()
            self._maybe_pause_protocol()
        except Exception:
            self._handle_error("Fatal write error on socket transport")
        return NoResult.OK

    cpdef write_nocheck(self, data):
        cdef Py_buffer view
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        try:
            self.write_c(<char*>view.buf, view.len)
        finally:
            PyBuffer_Release(&view)

    cpdef writelines_nocheck(self, list_of_data):
        self.write_nocheck(b"".join(list_of_data))

    def _write_ready(self):
        if self._finalizing_close or self.held is None:
            return
        cdef Py_ssize_t sent
        try:
            sent = aiofn_write(self._fileno, PyByteArray_AS_STRING(self.held) + self.given, self._write_backlog_size, True)
        except Exception:
            self._handle_error("Fatal write error on socket transport")
            return
        if sent > 0:
            self.given += sent
            self._write_backlog_size -= sent
        if self._write_backlog_size == 0:
            self.held = None
            self.given = 0
            self._stop_backlog_writing()
        self._maybe_resume_protocol()
        if self.held is None:
            self.after_drain()

    cdef int after_drain(self) except -1:
        if self._closing:
            if not self._finalizing_close:
                self._schedule_finalize_close(None)
        elif self.eof_wanted:
            self._file.shutdown(socket.SHUT_WR)
        return 0

    cpdef can_write_eof(self):
        return True

    cpdef write_eof(self):
        if self._closing or self.eof_wanted:
            return
        self.eof_wanted = True
        if self.held is None:
            self.after_drain()

    cdef NoResult _clear_write_backlog(self, object exc) except NoResult.EXC:
        self.held = None
        self.given = 0
        self._write_backlog_size = 0
        return NoResult.OK


cdef class FrameLimit(Protocol):
    """
    The protocol of a transport whose frames go on to `inner` (picows' WSProtocol), except those of more than `limit` bytes.

    listener.on_too_large(opcode, fin)     a frame was thrown away, in its place among the others
    """

    cdef:
        object inner
        object listener
        uint64_t limit
        uint64_t left               # payload bytes of a frame that inner gets, yet to come
        uint64_t skip               # payload bytes of a frame that nobody gets, yet to come
        uint8_t head[HEAD_AT_MOST]  # the beginning of a frame's head, which inner has not been given
        Py_ssize_t have
        uint8_t skipped             # first byte of the head of the frame being thrown away
        char* base                  # inner's buffer, as it was given to the transport last

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
        cdef char* place
        cdef Py_ssize_t room
        self.get_buffer_c(hint, &place, &room)
        return PyMemoryView_FromMemory(place, room, 0x200)      # PyBUF_WRITE

    cdef NoResult get_buffer_c(self, Py_ssize_t hint, char** place, Py_ssize_t* room) except NoResult.EXC:
        cdef Py_buffer view
        if self.skip:
            place[0] = nowhere
            room[0] = sizeof(nowhere)
            return NoResult.OK
        PyObject_GetBuffer(self.inner.get_buffer(hint), &view, PyBUF_WRITABLE)
        self.base = <char*>view.buf         # inner's own memory: it outlives the view
        room[0] = view.len - self.have
        PyBuffer_Release(&view)
        memcpy(self.base, self.head, <size_t>self.have)
        place[0] = self.base + self.have
        return NoResult.OK

    cpdef buffer_updated(self, Py_ssize_t size):
        if self.skip:
            self.throw_away(nowhere, size)
        else:
            self.pass_on(self.have + size)

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
            length = read_head(<uint8_t*>self.base + at, size - at, &payload)
            if length == 0:
                self.have = size - at
                memcpy(self.head, self.base + at, <size_t>self.have)
                break
            if self.limit < payload <= SKIP_AT_MOST and self.base[at] & 0x0F <= LAST_DATA_OPCODE:
                return self.begin_skip(at, length, size, payload)
            self.left = payload
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
        return self.throw_away(PyBytes_AS_STRING(rest), PyBytes_GET_SIZE(rest))

    cdef int throw_away(self, char* data, Py_ssize_t size) except -1:
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
        cdef char* place
        cdef Py_ssize_t room
        cdef Py_ssize_t at = 0
        while at < PyBytes_GET_SIZE(data):
            self.get_buffer_c(-1, &place, &room)
            room = min(room, PyBytes_GET_SIZE(data) - at)
            memcpy(place, PyBytes_AS_STRING(data) + at, <size_t>room)
            at += room
            self.buffer_updated(room)
        return 0


cdef Py_ssize_t read_head(const uint8_t* data, Py_ssize_t size, uint64_t* payload) noexcept:
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


def slim(WSTransport connection not None):
    """
    Takes from an open connection what was needed to open it: the request, the response, the parsed certificate; and lets all
    connections assemble what picows sends (pings, closes) in one buffer, as each leaves it before the next enters.
    """
    cdef Transport underlying = connection.underlying_transport
    connection.request = None
    connection.response = None
    connection._write_buffer = shared_frame
    underlying._extra.pop("peercert", None)
