# cython: language_level=3
"""
The ends of connections, some milliseconds of them in one turn of the event loop.

When a network goes away, thousands of connections end in one moment, and each end takes some 30 µs: everybody else would wait for
all of them. So the first ones of a turn are carried out at once, and the rest in the turns that follow.

    finalize    the end itself (the protocol is told, the socket closed) goes through `Ends.run`
    finding     while ends are under way, a `Gate` looks first whether its socket has ended too: a look costs a tenth of what
                OpenSSL takes to find that out, which then waits for its turn as well
    after TLS   one read ends after a TLS message without data (server/_tls_messages.pyx), and libuv tells only once of a reset:
                so a `Gate` then reads again in the next turn by itself, until something else comes, or the end

Law: an end is carried out once, in the order in which it was given; what a socket still holds is read before its end.
"""

from collections import deque
from functools import partial

from libc.errno cimport EAGAIN, EINTR, errno
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

cdef extern from "<sys/socket.h>":
    enum: MSG_PEEK
    enum: MSG_DONTWAIT
    ssize_t recv(int descriptor, void *place, size_t size, int flags) nogil

cdef enum:
    AT_ONCE = 32        # ends of one turn, whatever they take: a busy machine must not delay those of a usual moment

cdef double END_S = 0.004       # of one turn

ENDS_AT_ONCE = AT_ONCE


cdef unsigned long without_data = 0


cdef double monotonic() noexcept:
    cdef timespec now
    clock_gettime(CLOCK_MONOTONIC, &now)
    return <double>now.tv_sec + <double>now.tv_nsec * 1e-9


cdef bint has_ended(int descriptor) noexcept:
    """Whether there is nothing to be read any more, and never will be."""
    cdef char byte
    cdef ssize_t size = recv(descriptor, &byte, 1, MSG_PEEK | MSG_DONTWAIT)
    return size == 0 or (size < 0 and errno != EAGAIN and errno != EINTR)


cdef class Ends:
    """Those of one event loop, of which `call_soon` and `call_exception_handler` are used."""

    def __init__(self, loop not None):
        self.loop = loop
        self.waiting = deque()

    def run(self, work, *arguments):
        """Calls `work(*arguments)`: now, or in a later turn if this one has had enough."""
        if not self.busy:
            self.busy = True
            self.begin()
            self.loop.call_soon(self.go_on)
        self.done += 1
        if self.waiting or (self.done > AT_ONCE and monotonic() > self.until):
            self.waiting.append(partial(work, *arguments))
        else:
            work(*arguments)

    cdef void begin(self) noexcept:
        self.until = monotonic() + END_S
        self.done = 0

    def go_on(self):
        """In the next turn: those that wait."""
        self.begin()
        while self.waiting and (self.done < AT_ONCE or monotonic() < self.until):
            self.done += 1
            work = self.waiting.popleft()
            try:
                work()
            except Exception as error:      # the others' ends must not depend on it
                self.loop.call_exception_handler({"message": "the end of a connection failed", "exception": error})
        self.busy = len(self.waiting) > 0
        if self.busy:
            self.loop.call_soon(self.go_on)


cdef class Gate:
    """
    `readable`, which the loop calls, calls `read()`: later, if the socket has ended while other ends are under way; and again,
    if all that came was a TLS message without data. `read` does nothing once its connection is closed.
    """

    def __init__(self, Ends ends not None, int descriptor, read):
        self.ends = ends
        self.descriptor = descriptor
        self.read = read

    def readable(self):
        if self.again:
            return
        if self.ends.busy and has_ended(self.descriptor):
            self.ends.loop.remove_reader(self.descriptor)
            self.ends.run(self.read)
        else:
            self.read_once()

    def go_on(self):
        """The descriptor may be another connection's by now: only `read` knows."""
        self.again = False
        self.read_once()

    cdef int read_once(self) except -1:
        cdef unsigned long before = without_data
        self.read()
        if without_data != before:
            self.again = True
            self.ends.loop.call_soon(self.go_on)
        return 0
