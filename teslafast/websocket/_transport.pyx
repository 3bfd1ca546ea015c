# cython: language_level=3
"""
What an idle connection costs: a plain TCP transport that holds nothing while idle, and what an open connection can do without.

aiofastnet's own transport carries room for 256 iovecs in every object (4 KB) and a deque (0.7 KB), which is more than half of
what an idle dashboard costs. This one has the same base class, and so the same place among picows and the log, but keeps what the
socket did not take in one bytearray that exists only then: `held[given:]`, `_write_backlog_size` bytes. Buffered protocols only.

Law: bytes leave in the order in which they were written; nobody else writes to the descriptor while `held` exists.
"""

import socket

from aiofastnet.transport cimport Transport, WritableTransport
from aiofastnet.utils cimport NoResult, aiofn_read, aiofn_write
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytearray cimport PyByteArray_AS_STRING
from picows.picows cimport MemoryBuffer, WSTransport

from ._ends cimport Ends

cdef enum:
    READ_AT_MOST = 32 * 1024        # of one connection in one turn of the loop; no read is larger either (_frame_limit.pyx)

cdef MemoryBuffer shared_frame = MemoryBuffer(1024)
cdef dict nothing = {}


cdef class PlainTransport(WritableTransport):
    """An accepted TCP socket, made non-blocking; nothing happens until `begin`."""

    cdef:
        bytearray held
        Py_ssize_t given
        bint eof_wanted
        Ends ends                   # None: its end waits for nobody's

    def __init__(self, loop, sock, protocol, Ends ends=None):
        WritableTransport.__init__(self, loop, sock)
        self.ends = ends
        self._write_backlog = None
        self.set_protocol(protocol)

    def begin(self):
        """Tells the protocol of the connection, and gives it what has come by now: most ends of short ones need no more."""
        self._call_protocol_connection_made()
        if not self._closing:
            self._read_ready()
        if not self._closing and not self._read_paused:
            self._start_reading()

    # ---- in

    def _read_ready(self):
        try:
            self.read()
        except Exception:
            self._handle_error("Fatal read error on socket transport")

    cdef int read(self) except -1:
        cdef char* place
        cdef Py_ssize_t room
        cdef Py_ssize_t size
        cdef Py_ssize_t total = 0
        # until nothing is left: after a reset libuv tells once that there is something to read, and never that there is an error
        while total < READ_AT_MOST and not self._finalizing_close and not self._read_paused:
            self._call_protocol_get_buffer(&place, &room)
            size = aiofn_read(self._fileno, place, room, True)
            if size == -1:      # nothing there
                return 0
            if size == 0:
                if self.ends is not None and self.ends.busy:
                    self._stop_reading()
                    self.ends.run(self.end_reading)
                else:
                    self.end_reading()
                return 0
            total += size
            self._call_protocol_buffer_updated(size)
        return 0

    def end_reading(self):
        if not self._closing:
            self._protocol.eof_received()
            self.close()

    # ---- out

    cdef NoResult write_c(self, char *data, Py_ssize_t size) except NoResult.EXC:
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
            self.write_c(<char *>view.buf, view.len)
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
            try:
                self._file.shutdown(socket.SHUT_WR)
            except OSError:     # the peer has reset the connection meanwhile
                self.abort()
        return 0

    cpdef can_write_eof(self):
        return True

    cpdef write_eof(self):
        if self._closing or self.eof_wanted:
            return
        self.eof_wanted = True
        if self.held is None:
            self.after_drain()

    cpdef _finalize_close(self, exc):
        if self.ends is None:
            self.finalize(exc)
        else:
            self.ends.run(self.finalize, exc)

    def finalize(self, exc):
        WritableTransport._finalize_close(self, exc)

    cdef NoResult _clear_write_backlog(self, object exc) except NoResult.EXC:
        self.held = None
        self.given = 0
        self._write_backlog_size = 0
        return NoResult.OK


def slim(WSTransport connection not None):
    """
    Takes from an open connection what was needed to open it: the request, the response, addresses, the cipher; and lets all
    connections assemble what picows sends (pings, closes) in one buffer, as each leaves it before the next enters.
    """
    cdef Transport underlying = connection.underlying_transport
    connection.request = None
    connection.response = None
    connection._write_buffer = shared_frame
    underlying._extra = {"socket": underlying._extra.get("socket")} if connection.is_secure else nothing
