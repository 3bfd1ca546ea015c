# cython: language_level=3
"""
What stands between a transport and picows: the bounds on what one connection may have read, kept and parsed at once.

picows doubles its read buffer whenever a read fills it, never shrinks it, and parses all that is in it in one call. And at a
frame that is too large it can only close the connection, while Tesla's reference server answers the message and goes on. So the
heads of frames are read here:

    whole      a valid data frame that has come in one read goes to the listener, without picows
    small      any other goes to picows, in slices that its first buffer has room for
    large      more than SMALL_AT_MOST bytes: put together here, in memory that is given back with the frame's end
    alone      a control frame, or one that breaks the protocol: picows, which parses one frame ahead, gets it by itself, so that
               it costs no other frame. Behind the peer's CLOSE nothing counts (RFC 6455, 5.5.1)
    too large  more than `limit` bytes: discarded as it comes, and reported to the listener instead
    invalid    whatever its length, its head goes to picows, which refuses it (1002, or 1009 beyond SKIP_AT_MOST)

All connections read into one shared buffer, which each leaves empty before the next one reads. After `stop` (a CLOSE has been
said) nothing but the peer's CLOSE is taken, and at most CLOSING_AT_MOST bytes are looked through to find it.

Law: every frame reaches the listener whole, once and in order; picows holds the beginning of one small frame at most.
"""

import asyncio
import gc

from aiofastnet.transport cimport Protocol
from aiofastnet.utils cimport NoResult
from cpython.buffer cimport PyBUF_READ, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.memoryview cimport PyMemoryView_FromMemory
from libc.stdint cimport uint8_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy
from picows.picows cimport MemoryBuffer, WSFrame, WSMsgType, WSTransport

cdef enum:
    HEAD_AT_MOST = 14                   # of a client's frame: 2, 8 of length, 4 of mask
    # What one connection has read and parsed in one go, two TLS records. A vehicle's smallest record has some 60 bytes: 540 of
    # them take some 5 ms. With 16 KiB, 64 messages in flight need two turns, and fan-out costs 1.4 times as much.
    READ_BYTES = 32 * 1024
    # picows' first buffer has 1,792 bytes, and grows as soon as all but 256 of them are in use.
    SLICE_BYTES = 1500
    SMALL_AT_MOST = SLICE_BYTES - HEAD_AT_MOST
    # The most that MAX_FRAME_BYTES may be. A frame that announces more ends the connection: discarding it would keep the
    # connection busy for nothing.
    SKIP_AT_MOST = 64 * 1024 * 1024
    # What a peer may send before it reads our CLOSE: looking through it costs next to nothing, and there is a second for it.
    CLOSING_AT_MOST = 16 * 1024 * 1024
    LAST_DATA_OPCODE = 2
    WHOLE_BINARY = 0x82                 # the first byte of a binary message in one frame: what cars send
    CLOSE_OPCODE = 8
    VALID_CLOSE = 0x88                  # its first byte; after a CLOSE with reserved bits the peer may still answer ours
    CONTROL_AT_MOST = 125               # bytes of a control frame's payload (RFC 6455, 5.5)

READ_AT_MOST = READ_BYTES               # for the table of bounds

cdef uint8_t[HEAD_AT_MOST + READ_BYTES] shared      # the head that a connection has kept, then what it has read


include "_frame_heads.pxi"
include "_lent_memory.pxi"


cdef class FrameLimit(Protocol):
    """
    The protocol of a transport whose frames go to `listener`, by way of `inner` (picows' WSProtocol) or directly.

    listener.on_ws_frame(transport, frame)
    listener.on_binary(payload)             takes its place for a binary message in one frame, if the listener has it; borrowed
    listener.on_too_large(opcode, fin)      a frame was discarded; called in its place among the other frames
    listener.on_failure(error)              one of those has raised
    """

    cdef:
        object inner
        MemoryBuffer lent           # what picows reads into
        object listener
        bint takes_binary           # it has `on_binary`
        bint asked                  # `read_again` will be called in the next turn
        WSTransport transport
        object read_again           # of a TLS transport: asks for what OpenSSL has decrypted already
        uint64_t limit
        readonly uint64_t received  # bytes, in all
        uint8_t[HEAD_AT_MOST] head  # the beginning of a frame's head, which nobody has been given
        Py_ssize_t have
        uint64_t left               # bytes of a small frame that picows has begun, yet to come …
        Py_ssize_t small_size       # … of so many, head and payload
        Py_ssize_t begun            # … of which picows holds so many
        uint64_t skip               # bytes of a frame that nobody gets, yet to come
        bint report                 # that frame is too large
        uint8_t first               # first byte of the head of the frame that is skipped or put together
        uint8_t[4] key
        uint8_t *large              # payload of a frame that is put together
        Py_ssize_t large_size
        Py_ssize_t large_have
        bint closing
        bint alone                  # the small frame under way must not share a slice with another
        bint last                   # … and is the peer's CLOSE
        bint over                   # the peer's CLOSE has been given to picows: nothing that follows counts
        bint refused                # picows has ended the connection
        Py_ssize_t closing_left

    def __init__(self, inner, listener, WSTransport transport not None, uint64_t limit):
        self.inner = inner
        self.lent = read_buffer_of(inner)
        take_back(self.lent)
        self.listener = listener
        self.takes_binary = hasattr(listener, "on_binary")
        self.transport = transport
        self.read_again = getattr(transport.underlying_transport, "_retry_ssl_read", None)
        self.limit = limit
        self.closing_left = CLOSING_AT_MOST

    def __dealloc__(self):
        free(self.large)

    def stop(self):
        """A CLOSE has been said: from now on only the peer's is looked for, and what has come of a large frame is given back."""
        self.closing = True
        if self.large != NULL:
            self.skip_large()

    cpdef is_buffered_protocol(self):
        return True

    @property
    def lent_bytes(self):
        """What picows has to read into, at this moment."""
        return self.lent.capacity if self.lent is not None and self.lent.data != NULL else 0

    @property
    def large_bytes(self):
        """What has come of a frame that is put together, at this moment."""
        return self.large_have if self.large != NULL else 0

    def connection_lost(self, error):
        self.drop_large()
        self.inner.connection_lost(error)
        self.inner = self.listener = self.transport = self.read_again = None    # they refer to this object

    def eof_received(self):
        return self.inner.eof_received()

    def pause_writing(self):
        self.inner.pause_writing()

    def resume_writing(self):
        self.inner.resume_writing()

    # ---- bytes in

    cpdef get_buffer(self, Py_ssize_t hint):
        return PyMemoryView_FromMemory(<char *>shared + HEAD_AT_MOST, READ_BYTES, 0x200)      # PyBUF_WRITE

    cdef NoResult get_buffer_c(self, Py_ssize_t hint, char **place, Py_ssize_t *room) except NoResult.EXC:
        place[0] = <char *>shared + HEAD_AT_MOST
        room[0] = READ_BYTES
        return NoResult.OK

    cpdef buffer_updated(self, Py_ssize_t size):
        cdef Py_ssize_t have = self.have
        cdef uint8_t *data = shared + HEAD_AT_MOST - have
        memcpy(data, self.head, <size_t>have)
        self.received += <uint64_t>size
        self.have = 0
        if not self.refused and not self.over:
            self.take(data, have + size)
        if self.closing or self.refused:
            self.closing_left -= size
            if self.refused or self.closing_left < 0:
                self.transport.underlying_transport.pause_reading()
        elif size == READ_BYTES and self.read_again is not None and not self.asked:
            # OpenSSL may hold the rest of a TLS record, and the socket would not tell of that. One call at a time: each read that
            # the socket tells of would add one, and under a flood every turn would read 32 KiB more than the last
            self.asked = True
            asyncio.get_running_loop().call_soon(self.go_on_reading)

    def go_on_reading(self):
        self.asked = False
        if self.read_again is not None:
            self.read_again()

    cdef int take(self, uint8_t *data, Py_ssize_t size) except -1:
        """Goes over `size` bytes: data[start:at] are whole frames for picows, or the rest of one, that it has not been given."""
        cdef Py_ssize_t start = 0
        cdef Py_ssize_t at = 0
        cdef Py_ssize_t length
        cdef Py_ssize_t count
        cdef bint full
        cdef uint64_t payload = 0
        while at < size and not self.refused and not self.over:
            if self.alone and not self.left:
                self.give_alone(data + start, at - start)
                start = at
                continue
            if self.left:
                count = <Py_ssize_t>min(self.left, <uint64_t>(size - at))
                self.left -= <uint64_t>count
                at += count
                continue
            if self.skip or self.large != NULL:
                at += self.absorb(data + at, size - at)
                start = at
                continue
            length = read_head(data + at, size - at, &payload)
            if length == 0:
                self.have = size - at
                memcpy(self.head, data + at, <size_t>self.have)
                break
            if self.is_small(data[at], payload) and not self.is_whole(data + at, size - at - length, payload):
                # picows parses one frame ahead: a frame that it refuses would cost the good one before it
                self.alone = data[at] & 0x0F > LAST_DATA_OPCODE or not is_valid(data + at, payload)
                full = self.begun + at - start + length + <Py_ssize_t>payload > SLICE_BYTES
                if (full or self.alone) and at > start:
                    self.alone = False
                    self.feed(data + start, at - start)
                    start = at
                    continue            # the listener may have said CLOSE
                self.last = data[at] == VALID_CLOSE
                self.left = payload
                self.small_size = length + <Py_ssize_t>payload
                at += length
            elif at > start:
                self.feed(data + start, at - start)
                start = at              # likewise
            else:
                at += self.begin(data + at, length, size - at, payload)
                start = at
        if at > start and not self.refused and not self.over:
            if self.alone and not self.left:
                self.give_alone(data + start, at - start)
            else:
                self.feed(data + start, at - start)
        return 0

    cdef int give_alone(self, const uint8_t *data, Py_ssize_t size) except -1:
        """A frame that shares its slice with no other is complete."""
        self.alone = False
        self.over = self.last
        return self.feed(data, size)

    cdef bint is_small(self, uint8_t first, uint64_t payload) noexcept:
        """Whether picows gets this frame."""
        if self.closing:
            return first & 0x0F == CLOSE_OPCODE and payload <= CONTROL_AT_MOST
        if first & 0x0F > LAST_DATA_OPCODE:
            return payload <= CONTROL_AT_MOST
        return payload <= SMALL_AT_MOST and payload <= self.limit

    cdef bint is_whole(self, const uint8_t *head, Py_ssize_t there, uint64_t payload) noexcept:
        """Whether it is a data frame whose payload is among the `there` bytes behind its head, and nobody need refuse it."""
        return (
            payload <= <uint64_t>there and not self.closing and head[0] & 0x70 == 0 and is_valid(head, payload)
        )

    cdef int feed(self, const uint8_t *data, Py_ssize_t size) except -1:
        """Gives bytes to picows."""
        cdef Py_buffer room
        cdef Py_ssize_t at = 0
        cdef Py_ssize_t count
        lend(self.lent)
        while at < size:
            PyObject_GetBuffer(self.inner.get_buffer(-1), &room, PyBUF_WRITABLE)
            count = min(room.len, size - at)
            memcpy(room.buf, data + at, <size_t>count)
            PyBuffer_Release(&room)     # it is picows' own memory, and outlives the view
            at += count
            self.inner.buffer_updated(count)
        self.begun = self.small_size - <Py_ssize_t>self.left if self.left else 0
        if not self.begun:
            take_back(self.lent)
        if self.transport.is_close_frame_sent and not self.closing:
            self.refused = True
        return 0

    # ---- frames that picows does not get

    cdef Py_ssize_t begin(self, uint8_t *data, Py_ssize_t length, Py_ssize_t size, uint64_t payload) except -1:
        """A frame begins, whose head has `length` bytes. Returns how many of the `size` bytes it has used."""
        self.first = data[0]
        if self.closing:
            self.skip = payload
            return length
        if not is_valid(data, payload):
            self.feed(data, length)
            self.refused = True
            return size
        if data[0] & 0x70:              # reserved bits: the listener refuses them, whatever the payload
            self.deliver(NULL, 0)
            self.skip = payload
        elif payload > self.limit:
            self.skip = payload
            self.report = True
        elif payload <= <uint64_t>(size - length):
            memcpy(self.key, data + length - 4, 4)
            unmask(data + length, <Py_ssize_t>payload, self.key)
            self.deliver(data + length, <Py_ssize_t>payload)
            return length + <Py_ssize_t>payload
        else:
            memcpy(self.key, data + length - 4, 4)
            self.large_size = <Py_ssize_t>payload
            self.large_have = 0
            self.large = <uint8_t *>malloc(<size_t>payload)      # pages are taken as they are filled
            if self.large == NULL:
                raise MemoryError()
        return length

    cdef Py_ssize_t absorb(self, const uint8_t *data, Py_ssize_t size) except -1:
        """More of the frame that is skipped or put together. Returns how many of the `size` bytes are its."""
        cdef Py_ssize_t count
        cdef uint8_t *whole
        if self.large == NULL:
            count = <Py_ssize_t>min(self.skip, <uint64_t>size)
            self.skip -= <uint64_t>count
            if self.report and not self.skip:
                self.report = False
                self.tell_too_large()
            return count
        count = min(self.large_size - self.large_have, size)
        memcpy(self.large + self.large_have, data, <size_t>count)
        self.large_have += count
        if self.large_have == self.large_size:
            whole = self.large
            self.large = NULL
            try:
                unmask(whole, self.large_size, self.key)
                self.deliver(whole, self.large_size)
            finally:
                free(whole)
        return count

    cdef int skip_large(self) except -1:
        self.skip = <uint64_t>(self.large_size - self.large_have)
        return self.drop_large()

    cdef int drop_large(self) except -1:
        free(self.large)
        self.large = NULL
        return 0

    cdef int tell_too_large(self) except -1:
        try:
            self.listener.on_too_large(self.first & 0x0F, self.first >> 7)
        except Exception as error:
            self.listener.on_failure(error)
        return 0

    cdef int deliver(self, uint8_t *payload, Py_ssize_t size) except -1:
        """To the listener, as picows would."""
        cdef WSFrame frame
        try:
            if self.first == WHOLE_BINARY and self.takes_binary:
                self.listener.on_binary(PyMemoryView_FromMemory(<char *>payload, size, PyBUF_READ))
                return 0
            frame = self.frame_of(payload, size)
            self.listener.on_ws_frame(self.transport, frame)
        except Exception as error:
            self.listener.on_failure(error)
        return 0

    cdef WSFrame frame_of(self, uint8_t *payload, Py_ssize_t size):
        cdef WSFrame frame = <WSFrame>WSFrame.__new__(WSFrame)
        frame.payload_ptr = <char *>payload
        frame.payload_size = size
        frame.msg_type = <WSMsgType>(self.first & 0x0F)
        frame.fin = self.first >> 7
        frame.rsv1 = self.first >> 6 & 1
        frame.rsv2 = self.first >> 5 & 1
        frame.rsv3 = self.first >> 4 & 1
        frame.last_in_buffer = 1
        return frame
