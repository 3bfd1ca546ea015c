# One dashboard's place in a log, and what it has yet to be given.

cdef class Reader:
    """
    One dashboard's place in a log.

    transport: aiofastnet.Transport    where its bytes go
    sink.on_gap(first, last)           is called when the events with these seqs are lost for it; the frames (bytes, whole
                                       WebSocket frames) that it returns go out before anything else
    sink.on_fault(error)               is called when serving it failed: it has no log any more
    framing                            None = WebSocket frames; what the sink says goes out as it is, either way
    """

    def __cinit__(self, Transport transport not None, sink, EventStream framing=None):
        self.transport = transport
        self.sink = sink
        self.framing = framing
        self.scan = NOWHERE
        self.kinds = ALL_KINDS
        self.pending = NULL

    def __dealloc__(self):
        PyMem_Free(self.pending)

    def say(self, frames):
        """
        Frames that go before whatever the log has next; an iterable, drawn from as the transport takes them.

        An empty one among them means: enough for this turn, the making takes long.
        """
        if self.prelude is None:
            self.prelude = deque()
        self.prelude.append(iter(frames))
        if self.log is not None:
            self.log.queue(self)

    def block(self):
        """The transport holds bytes of its own: nothing more until `wake`."""
        self.blocked = True
        self.blocked_at = monotonic()

    def wake(self):
        """The transport has drained: go on where it stopped."""
        self.blocked = False
        if self.log is not None:
            self.log.queue(self)

    def end(self):
        """Its connection is over: lets go of what may have the reader in its turn."""
        self.sink = None
        self.prelude = None

    @property
    def owed(self):
        """How many of the iterables given to `say` have not been drawn to their end."""
        return 0 if self.prelude is None else len(self.prelude)

    @property
    def behind(self):
        """How many entries of the log, of whatever vehicle, it has yet to be given or to pass over."""
        return 0 if self.log is None else self.log.last - self.position()

    @property
    def served(self):
        """Whether its transport has taken all that there is for it."""
        return not self.blocked and self.prelude is None and (self.log is None or not self.log.owes(self))

    cdef uint64_t position(self) noexcept:
        """The first entry that it has not been given and has not passed over."""
        if not self.filtered:
            return self.next
        if self.pending_count:
            return self.pending[0]
        return self.scan if self.scan != NOWHERE else self.log.last

    cdef int remember(self, uint64_t number) except -1:
        """Adds an entry to `pending`, which doubles up to PENDING_LIMIT; beyond that the entry is left to a scan."""
        cdef uint64_t *grown
        if self.pending_count == self.pending_room:
            if self.pending_room == PENDING_LIMIT:
                self.scan = number
                return 0
            grown = <uint64_t *>PyMem_Realloc(self.pending, max(8, 2 * self.pending_room) * sizeof(uint64_t))
            if grown == NULL:
                raise MemoryError
            self.pending = grown
            self.pending_room = max(8, 2 * self.pending_room)
        self.pending[self.pending_count] = number
        self.pending_count += 1
        return 0

    cdef int write(self, char *data, uint64_t size) except -1:
        self.writes += 1
        self.sent_bytes += size
        self.transport.write_c(data, <Py_ssize_t>size)
        return 0
