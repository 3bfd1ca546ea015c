"""The two objects of the log as C sees them; `_fanout.pyx` says what they are."""

from aiofastnet.transport cimport Transport
from cpython.buffer cimport Py_buffer
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t


cdef enum:
    HOLE = 7            # the kind of an entry that stands for a damaged frame: it is in nobody's events
    KIND_BITS = 3
    BESIDE_LIMIT = 1 << 29      # bytes beside a frame: what the rest of `kind` can say; a vehicle's largest message is an eighth


cdef struct Entry:
    uint64_t start      # the frame's first byte, counted as `head` is
    uint64_t seq        # the number in its text
    uint64_t time_ms    # when it was published, since 1970
    uint32_t size       # of the frame
    uint32_t kind       # its place in KINDS, or HOLE; above that, from KIND_BITS on, the size of what is kept beside the frame
    uint32_t vin        # the vehicle's place in `Fanout.vins`; means nothing in another process
    uint32_t crc        # of what stands above and of the frame, in a log that is kept


cdef inline uint32_t kind_of(const Entry *entry) noexcept:
    return entry.kind & ((1 << KIND_BITS) - 1)


cdef inline uint64_t beside_of(const Entry *entry) noexcept:
    """How many bytes stand in the ring right after the frame that are no part of it."""
    return entry.kind >> KIND_BITS


cdef inline uint64_t span_of(const Entry *entry) noexcept:
    """Bytes of the ring that the entry takes: its frame, and what is kept beside it."""
    return <uint64_t>entry.size + beside_of(entry)


cdef inline uint64_t header_size(uint64_t frame_size) noexcept:
    """Bytes of a server frame's header: 2, 4 or 10. 125 + 2 and 65,535 + 4 are the largest frames of the shorter two."""
    return 2 if frame_size <= 127 else 4 if frame_size <= 65539 else 10


cdef struct Gathered:   # entries as a kind of readers wants them, made once for all of these that stand at the same one
    char *bytes         # CHUNK of them; NULL until needed
    uint64_t start      # the first entry that is in it
    uint64_t upto       # the first that is not
    uint64_t size
    bint full           # the entry at `upto` has no room


cdef class EventStream:
    cdef:
        bytes id_part               # what stands between an event's text and its seq
        uint8_t special             # bit k = the events of KINDS[k] are framed by `make`
        object make

    cdef Py_ssize_t put_tail(self, char *out, uint64_t seq) noexcept


cdef class Reader:
    cdef:
        Transport transport
        object sink
        EventStream framing         # None = WebSocket frames, as they stand in the ring
        object prelude              # deque of iterators of frames that go before the log, or None
        Fanout log                  # None while it is not subscribed
        frozenset vins              # the vehicles it wants, None = all
        uint64_t next               # whole stream: the first entry that it has not been given
        uint64_t scan               # filtered: from here on its entries are to be found in the index; NOWHERE = they are not
        uint64_t *pending           # filtered: its entries before `scan`, in order
        uint32_t pending_count
        uint32_t pending_room
        uint64_t given              # seq up to which it has had all that it wants
        uint8_t kinds               # bit k = KINDS[k] is wanted
        bint filtered
        bint queued                 # stands in Fanout.woken
        bint lost                   # owes a gap that is not one of being lapped
        readonly bint blocked
        readonly double blocked_at  # monotonic seconds at which `blocked` became true
        readonly uint64_t writes
        readonly uint64_t sent_bytes
        readonly uint64_t gaps

    cdef uint64_t position(self) noexcept
    cdef int remember(self, uint64_t number) except -1
    cdef int write(self, char *data, uint64_t size) except -1


cdef class Fanout:
    cdef:
        Py_buffer view
        bint held
        Entry *index
        char *ring
        char *scratch               # where a filtered reader's frames are gathered: CHUNK bytes
        Gathered frames             # frames without what is kept beside them
        Gathered blocks             # events as `framing` wants them
        EventStream framing
        bint has_beside             # some entry has something beside its frame: then frames are not contiguous any more
        readonly uint64_t capacity
        uint64_t slots
        uint64_t head
        uint64_t first
        uint64_t last
        uint64_t newest_seq
        bint repeats                # some seq stands for several frames
        bint kept_for_good          # its memory outlives the process: entries get their crc, entry n has seq n + 1
        tuple prefixes
        object schedule
        bint asked                  # a flush is owed
        readonly double flushed_at  # monotonic seconds of the last flush
        dict numbers                # VIN -> its place in `vins`, for the index
        list vins                   # every VIN that has ever been in this log, in the order in which they came
        list whole                  # readers of everything
        list by_kind                # readers of all vehicles but not of all kinds: a list a kind
        dict by_vin                 # VIN -> list of its readers
        list woken                  # readers to be served one by one
        Py_ssize_t place            # in `whole`: where the round stands
        Py_ssize_t to_visit         # of `whole`: how many are left in this round
        bint woken_first
        Py_ssize_t reader_count

    cdef Entry *entry(self, uint64_t number) noexcept
    cdef uint32_t crc_of(self, Entry *entry) noexcept
    cdef uint64_t after(self, uint64_t seq) noexcept
    cdef void put(self, const char *data, uint64_t size) noexcept
    cdef void fetch(self, char *out, uint64_t start, uint64_t size) noexcept
    cpdef uint64_t publish(
        self, int kind, str vin, bytes body, uint64_t time_ms, uint64_t seq=*, tuple beside=*
    ) except 0
    cdef int put_beside(self, tuple beside) except -1
    cdef tuple beside(self, const Entry *entry)
    cdef uint32_t number_of(self, str vin) except? 0xFFFFFFFF
    cdef void make_room(self, uint64_t size) noexcept
    cdef int announce(self, int kind, str vin, uint64_t number) except -1
    cdef int offer(self, Reader reader, uint64_t number) except -1
    cdef int ask(self) except -1
    cdef int queue(self, Reader reader) except -1
    cdef int attach(self, Reader reader, vins, int kinds, uint64_t place) except -1
    cdef list lists_of(self, Reader reader, bint make)
    cdef int serve_all(self, double deadline) except -1
    cdef bint serve_whole(self, double deadline) except -1
    cdef void fetch_ahead(self) noexcept
    cdef bint serve_woken(self, double deadline) except -1
    cdef int visit(self, Reader reader) except -1
    cdef int serve(self, Reader reader) except -1
    cdef bint owes(self, Reader reader) noexcept
    cdef bint lapsed(self, Reader reader) noexcept
    cdef int recite(self, Reader reader) except -1
    cdef int tell_gap(self, Reader reader) except -1
    cdef int give_all(self, Reader reader) except -1
    cdef uint64_t last_within(self, uint64_t number, uint64_t limit) noexcept
    cdef int give_some(self, Reader reader) except -1
    cdef void drop_given(self, Reader reader, uint32_t count) noexcept
    cdef int find(self, Reader reader) except -1
    cdef int send(self, Reader reader, uint64_t start, uint64_t size) except -1
    cdef int give_gathered(self, Reader reader, Gathered *gathered) except -1
    cdef int gather_more(self, Gathered *gathered, EventStream framing) except -1
    cdef int64_t frame_entry(self, char *out, uint64_t room, EventStream framing, Entry *entry) except -2
    cdef bytes special_block(self, EventStream framing, Entry *entry)
    cdef int send_alone(self, Reader reader, Entry *entry) except -1
    cdef int give_some_framed(self, Reader reader) except -1
