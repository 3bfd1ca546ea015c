# cython: language_level=3
"""
One log of finished WebSocket frames, any number of readers, one write per reader and turn.

    ring    the bytes. `head` counts every byte ever written and never wraps; a byte lives at `head % capacity`.
    index   one Entry a frame, numbered 0, 1, 2 … for ever; entry n lives at `n % slots`. `first` is the oldest entry whose
            bytes are all still there, `last` the number that the next frame will get.
    beside  bytes that go with a frame and that no reader is sent: they follow it in the ring, and are in `events_after` only.
    reader  one number, `next`: the first entry that it has not been given.  behind = last - next;  lapped when next < first.

    Invariant:  first <= last,  last - first <= slots,  head - index[first].start <= capacity.
    Invariant after a flush: every reader is blocked, or is at `last`, or stands in `_woken` for its next chunk.

A reader that sees everything is only that number: what it lacks is contiguous, so one write covers it. Where something is kept
beside the frames they are gathered first, once for all readers that stand at the same entry. A reader of some
vehicles or kinds keeps the numbers of its entries in a small array (`pending`); when that is full it notes where it stopped
(`scan`) and finds the rest in the index later: its memory is bounded, and nothing is missed that is still in the ring.
A frame's bytes are the same for everyone: server frames are unmasked, and the log itself puts `seq` in, once. A reader of
server-sent events gets the same texts in another frame (`EventStream`), made once for all who stand at the same entry.

No asyncio here: a reader writes through the aiofastnet transport that it was given (`write_c`: plain TCP and TLS alike), and
`schedule(log)` is called when there is something to flush. The transport tells through `Reader.block` and `Reader.wake` whether
it holds bytes of its own; a blocked reader is not written to. One thread: the event loop's.
"""

from collections import deque

cimport cython
from aiofastnet.transport cimport Transport
from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytearray cimport PyByteArray_AS_STRING
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.list cimport PyList_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

from ._crc32c cimport crc32c

cdef enum:
    CHUNK = 128 * 1024      # bytes given to a transport at once: all that a slow reader may hold outside the ring
    PENDING_LIMIT = 256     # entries that a filtered reader remembers before it falls back on scanning the index
    SCAN_STEP = 1 << 14     # index entries looked at in one visit: that takes no longer than writing a chunk
    CLOCK_EVERY = 16        # readers served between two looks at the clock
    PREFIX_LIMIT = 32       # bytes of a prefix
    HEAD_LIMIT = 10 + PREFIX_LIMIT + 20 + 1     # bytes before a frame's body: header, prefix, seq, comma
    CACHE_LINE = 64
    READER_LINES = 3        # of a Reader, and of its transport what `write_c` looks at
    TRANSPORT_LINES = 4
    BYTES_PER_SLOT = 128    # an index slot for so many bytes of ring: smaller frames than that do not exist

cdef uint64_t NOWHERE = 0xFFFFFFFFFFFFFFFF
cdef double SLICE_S = 0.008     # a flush gives way to the event loop after so long

KINDS = ("data", "alerts", "errors", "connectivity")
ALL_KINDS = 0xFF
FLAT_PREFIXES = tuple(b'{"type":"%s","seq":' % kind.encode() for kind in KINDS)
FLEET_PREFIXES = (b'{"seq":',) * len(KINDS)
INDEX_ENTRY_BYTES = sizeof(Entry)


cdef extern from "Python.h":
    PyObject *PyList_GET_ITEM(object list, Py_ssize_t at) noexcept      # borrowed


cdef extern from *:
    void prefetch "__builtin_prefetch"(const void *address) noexcept


cdef double monotonic() noexcept:
    cdef timespec now
    clock_gettime(CLOCK_MONOTONIC, &now)
    return <double>now.tv_sec + <double>now.tv_nsec * 1e-9


include "_fanout_frames.pxi"
include "_fanout_events.pxi"
include "_fanout_reader.pxi"


@cython.no_gc_clear      # a cycle is broken in its lists: `memory` may not be let go of while `view` is held
cdef class Fanout:
    """
    The log. `memory` is a writable buffer; from its byte `at` on `bytes_needed(ring_bytes)` are the log's: the index, then the
    ring; all zero, or as another log has left them (then `_recover` comes next). No memoryview: a cycle's end would break it.

    kept_for_good  the memory outlives this process: frames are sealed with a checksum, by which `_recover` knows them again
    prefixes     one a kind: what a frame's text starts with, up to its seq
    schedule(log) is called when there is something to flush and no flush is owed yet; it is answered by one `flush()`
    """

    def __cinit__(self, memory, uint64_t ring_bytes, tuple prefixes not None, schedule, uint64_t at=0, bint kept_for_good=False):
        PyObject_GetBuffer(memory, &self.view, PyBUF_WRITABLE)
        self.held = True
        if <uint64_t>self.view.len < at + bytes_needed(ring_bytes):
            raise ValueError(f"{self.view.len} bytes of memory are too few for a ring of {ring_bytes}")
        if len(prefixes) != len(KINDS) or max(map(len, prefixes)) > PREFIX_LIMIT:
            raise ValueError(f"not a prefix of {PREFIX_LIMIT} bytes or less for each of {len(KINDS)} kinds")
        self.capacity = ring_bytes
        self.slots = slots_for(ring_bytes)
        self.index = <Entry *>(<char *>self.view.buf + at)
        self.ring = <char *>self.index + self.slots * sizeof(Entry)
        self.scratch = <char *>PyMem_Malloc(CHUNK)
        if self.scratch == NULL:
            raise MemoryError
        self.prefixes = prefixes
        self.schedule = schedule
        self.kept_for_good = kept_for_good
        self.numbers = {}
        self.vins = []
        self.whole = []
        self.woken = []
        self.by_vin = {}
        self.by_kind = [[] for _ in KINDS]

    def __dealloc__(self):
        PyMem_Free(self.scratch)
        PyMem_Free(self.frames.bytes)
        PyMem_Free(self.blocks.bytes)
        if self.held:
            PyBuffer_Release(&self.view)

    # ---- what stands in the log

    @property
    def seq(self):
        """seq of the newest event, 0 if there has been none."""
        return self.newest_seq

    @property
    def oldest(self):
        """seq of the oldest event that can still be replayed; one more than `seq` if there is none."""
        return self.entry(self.first).seq if self.first != self.last else self.newest_seq + 1

    @property
    def written(self):
        """How many bytes of frames it has ever taken."""
        return self.head

    @property
    def kept(self):
        """How many events can still be replayed."""
        return self.last - self.first

    @property
    def kept_bytes(self):
        return self.head - self.entry(self.first).start if self.first != self.last else 0

    @property
    def readers(self):
        return self.reader_count

    cdef Entry *entry(self, uint64_t number) noexcept:
        return &self.index[number & (self.slots - 1)]

    cdef uint32_t crc_of(self, Entry *entry) noexcept:
        """What makes a frame known again: its place, number, time, sizes and kind, its bytes and those beside it."""
        cdef uint64_t place = entry.start % self.capacity
        cdef uint64_t until_end = self.capacity - place
        cdef uint64_t size = span_of(entry)
        cdef uint32_t crc = crc32c(0, entry, 32)
        if size <= until_end:
            return crc32c(crc, self.ring + place, size)
        crc = crc32c(crc, self.ring + place, until_end)
        return crc32c(crc, self.ring, size - until_end)

    cdef uint64_t after(self, uint64_t seq) noexcept:
        """The first entry whose seq is greater, by bisection: seqs rise with the numbers."""
        cdef uint64_t low = self.first
        cdef uint64_t high = self.last
        cdef uint64_t middle
        while low < high:
            middle = low + (high - low) // 2
            if self.entry(middle).seq > seq:
                high = middle
            else:
                low = middle + 1
        return low

    cdef void put(self, const char *data, uint64_t size) noexcept:
        """Copies to the head, round the ring's end if need be."""
        cdef uint64_t place = self.head % self.capacity
        cdef uint64_t until_end = self.capacity - place
        if size <= until_end:
            memcpy(self.ring + place, data, size)
        else:
            memcpy(self.ring + place, data, until_end)
            memcpy(self.ring, data + until_end, size - until_end)
        self.head += size

    cdef void fetch(self, char *out, uint64_t start, uint64_t size) noexcept:
        """Copies from the ring what `put` put there."""
        cdef uint64_t place = start % self.capacity
        cdef uint64_t until_end = self.capacity - place
        if size <= until_end:
            memcpy(out, self.ring + place, size)
        else:
            memcpy(out, self.ring + place, until_end)
            memcpy(out + until_end, self.ring, size - until_end)

    def replay(self, uint64_t seq):
        """The frame of the event `seq` as bytes, or None if it is not in the ring."""
        cdef uint64_t number = self.after(seq - 1) if seq else self.last
        cdef Entry *entry = self.entry(number)
        if number == self.last or entry.seq != seq or kind_of(entry) == HOLE:
            return None
        cdef bytes out = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>entry.size)
        self.fetch(PyBytes_AS_STRING(out), entry.start, entry.size)
        return out

    def events_after(self, uint64_t seq, int limit, uint64_t most_bytes=NOWHERE, bint beside=False):
        """
        [(seq, kind, VIN, JSON text, when it was published in ms since 1970)] of the events after `seq` that are in the ring.

        The first `limit` of them; no more after the one with which their texts come to `most_bytes`.
        beside    each has a sixth member: what it was published with beside its text, None if that was nothing
        """
        cdef uint64_t number = self.after(seq)
        cdef uint64_t taken = 0
        cdef uint64_t skip, size
        cdef Entry *entry
        cdef bytes text
        cdef list events = []
        while number < self.last and len(events) < limit and taken < most_bytes:
            entry = self.entry(number)
            number += 1
            if kind_of(entry) == HOLE:
                continue
            skip = header_size(entry.size)
            size = entry.size - skip
            text = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>size)
            self.fetch(PyBytes_AS_STRING(text), entry.start + skip, size)
            vin = self.vins[<Py_ssize_t>entry.vin]
            if beside:
                events.append((entry.seq, kind_of(entry), vin, text, entry.time_ms, self.beside(entry)))
            else:
                events.append((entry.seq, kind_of(entry), vin, text, entry.time_ms))
            taken += size
        return events

    cdef tuple beside(self, const Entry *entry):
        """The parts that `put_beside` put after the frame, None if there are none."""
        cdef uint64_t at = entry.start + entry.size
        cdef uint64_t end = at + beside_of(entry)
        cdef uint32_t size
        cdef bytes part
        cdef list parts = []
        if at == end:
            return None
        while at + sizeof(size) <= end:
            self.fetch(<char *>&size, at, sizeof(size))
            at += sizeof(size)
            if size > end - at:
                raise ValueError(f"what stands beside event {entry.seq} is not what was put there")
            part = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>size)
            self.fetch(PyBytes_AS_STRING(part), at, size)
            parts.append(part)
            at += size
        return tuple(parts)

    def time_of(self, uint64_t seq):
        """When the event `seq`, or the one after it that is still here, was published: ms since 1970."""
        cdef uint64_t number = self.after(seq - 1) if seq else self.first
        return self.entry(number).time_ms if number != self.last else 0

    def seq_before(self, uint64_t seq, uint64_t earlier_ms):
        """
        A seq: after it comes all that was published from `earlier_ms` before `seq` on, as far as it is still here.

        What passed from one event to the next is added up: where the clock was set back, nothing did.
        """
        cdef uint64_t number = self.after(seq)
        cdef uint64_t time_ms, before_ms
        if number == self.first:
            return seq
        time_ms = self.entry(number - 1).time_ms
        while number > self.first:
            before_ms = self.entry(number - 1).time_ms
            if before_ms < time_ms:
                if time_ms - before_ms > earlier_ms:
                    break
                earlier_ms -= time_ms - before_ms
            time_ms = before_ms
            number -= 1
        return self.entry(number).seq - 1 if number != self.last else seq

    # ---- publishing

    cpdef uint64_t publish(
        self, int kind, str vin, bytes body, uint64_t time_ms, uint64_t seq=0, tuple beside=None
    ) except 0:
        """
        Makes one event of `body` (a JSON object's bytes, not empty) and returns its seq.

        seq      the number it is to have, not less than any before (a view says those of the log that it shows); 0 = the next
        beside   bytes objects to be kept with it, for `events_after`; left out if the ring has no room for both
        Raises ValueError if the event is larger than the ring.
        """
        if vin is None or body is None or kind < 0 or kind >= len(KINDS) or PyBytes_GET_SIZE(body) < 3:
            raise ValueError("not an event")
        if seq == 0:
            seq = self.newest_seq + 1
        elif self.kept_for_good:
            raise ValueError("this log numbers its events itself")
        elif seq < self.newest_seq:
            raise ValueError(f"seq {seq} after {self.newest_seq}")
        elif seq == self.newest_seq:
            self.repeats = True
        cdef char[HEAD_LIMIT] head
        cdef bytes prefix = self.prefixes[kind]
        cdef uint64_t prefix_size = <uint64_t>PyBytes_GET_SIZE(prefix)
        cdef char[20] digits
        cdef uint64_t digits_size = <uint64_t>put_decimal(digits, seq)
        # `{"a":1}` becomes prefix, seq, a comma and `"a":1}`: as many bytes as the body, its brace turned into the comma
        cdef uint64_t text_size = prefix_size + digits_size + <uint64_t>PyBytes_GET_SIZE(body)
        cdef uint64_t head_size = <uint64_t>put_header(<uint8_t *>head, 1, text_size)
        if head_size + text_size > self.capacity:
            raise ValueError(f"an event of {text_size} bytes is larger than the ring")
        cdef uint64_t beside_size = 0 if beside is None else size_of_parts(beside)
        if beside_size >= BESIDE_LIMIT or head_size + text_size + beside_size > self.capacity:
            beside_size = 0
        self.make_room(head_size + text_size + beside_size)
        cdef Entry *entry = self.entry(self.last)
        entry.start = self.head
        entry.seq = seq
        entry.time_ms = time_ms
        entry.size = <uint32_t>(head_size + text_size)
        entry.kind = <uint32_t>kind | <uint32_t>(beside_size << KIND_BITS)
        entry.vin = self.number_of(vin)
        memcpy(head + head_size, PyBytes_AS_STRING(prefix), prefix_size)
        memcpy(head + head_size + prefix_size, digits, digits_size)
        head[head_size + prefix_size + digits_size] = b","
        self.put(head, head_size + prefix_size + digits_size + 1)
        self.put(PyBytes_AS_STRING(body) + 1, <uint64_t>PyBytes_GET_SIZE(body) - 1)
        if beside_size:
            self.put_beside(beside)
        if self.kept_for_good:
            entry.crc = self.crc_of(entry)
        self.newest_seq = seq
        self.last += 1
        self.announce(kind, vin, self.last - 1)
        return seq

    cdef int put_beside(self, tuple beside) except -1:
        """Each part after its size; `size_of_parts` has looked at them."""
        cdef uint32_t size
        cdef bytes part
        self.has_beside = True
        for part in beside:
            size = <uint32_t>PyBytes_GET_SIZE(part)
            self.put(<char *>&size, sizeof(size))
            self.put(PyBytes_AS_STRING(part), size)
        return 0

    cdef uint32_t number_of(self, str vin) except? 0xFFFFFFFF:
        cdef object number = self.numbers.get(vin)
        if number is None:
            number = len(self.numbers)
            self.numbers[vin] = number
            self.vins.append(vin)
        return number

    cdef void make_room(self, uint64_t size) noexcept:
        """Drops the oldest entries until one more of `size` bytes fits."""
        while self.first != self.last and (
            self.head + size - self.entry(self.first).start > self.capacity or self.last - self.first == self.slots
        ):
            self.first += 1

    cdef int announce(self, int kind, str vin, uint64_t number) except -1:
        """Tells the readers whom entry `number` concerns: those of the whole stream by one assignment, the others one by one."""
        cdef Reader reader
        cdef list readers
        if self.whole:
            self.to_visit = len(self.whole)
            self.ask()
        readers = <list>self.by_kind[kind]
        for reader in readers:
            self.offer(reader, number)
        if self.by_vin:
            readers = <list>self.by_vin.get(vin)
            if readers is not None:
                for reader in readers:
                    if reader.kinds >> kind & 1:
                        self.offer(reader, number)
        return 0

    cdef int offer(self, Reader reader, uint64_t number) except -1:
        if reader.scan == NOWHERE:
            if reader.pending_count == 0 and not reader.lost:
                reader.given = self.entry(number).seq - 1       # nothing before it is owed
            reader.remember(number)
        if not reader.blocked:
            self.queue(reader)
        return 0

    cdef int ask(self) except -1:
        if not self.asked:
            self.asked = True
            self.schedule(self)
        return 0

    cdef int queue(self, Reader reader) except -1:
        if not reader.queued:
            reader.queued = True
            self.woken.append(reader)
        return self.ask()

    def forget(self):
        """Drops all events, because their bytes are gone; readers that had not been given them are told of a gap."""
        self.first = self.last

    def begin_at(self, uint64_t seq):
        """Drops all events: `seq` was that of the last one before those that follow, in a log that others number."""
        if self.kept_for_good:
            raise ValueError("this log numbers its events itself")
        self.first = self.last
        self.newest_seq = seq

    # ---- readers come and go

    def subscribe(self, Reader reader not None, vins=None, int kinds=ALL_KINDS, after=None):
        """
        From now on the reader gets what it wants, in order, each once.

        vins    the vehicles it sees (an iterable of str), None = all
        kinds   bit k = KINDS[k]
        after   seq: everything after it that is still here comes first, and a gap is told if some is not;
                -1, or a seq that has not been yet: all that is here, and a gap in any case (its place is not known);
                None: only what comes from now on
        """
        if reader.log is not None:
            raise ValueError("this reader has a log already")
        cdef uint64_t place = self.last
        reader.given = self.newest_seq
        reader.lost = False
        if after is not None:
            if after < 0 or after > self.newest_seq:
                place = self.first
                reader.given = NOWHERE
                reader.lost = True
            else:
                place = self.after(after)
                reader.given = <uint64_t>after
                reader.lost = self.oldest > after + 1
        self.attach(reader, vins, kinds, place)

    def resubscribe(self, Reader reader not None, vins=None, int kinds=ALL_KINDS):
        """Changes what a reader wants from the first entry on that it has not been given."""
        if reader.log is not self:
            raise ValueError("this reader is not one of this log")
        vins = None if vins is None else frozenset(vins)
        cdef uint64_t place = reader.position()
        if place == self.last and not reader.lost:
            reader.given = self.newest_seq
        cdef bint queued = reader.queued
        self.unsubscribe(reader)
        reader.queued = queued      # it stands in `woken` as before
        self.attach(reader, vins, kinds, place)

    cdef int attach(self, Reader reader, vins, int kinds, uint64_t place) except -1:
        reader.vins = None if vins is None else frozenset(vins)
        reader.kinds = <uint8_t>(kinds & ALL_KINDS)
        reader.log = self
        reader.filtered = reader.vins is not None or ~reader.kinds & ((1 << len(KINDS)) - 1) != 0
        reader.pending_count = 0
        reader.next = place
        reader.scan = place if reader.filtered and place != self.last else NOWHERE
        self.reader_count += 1
        for readers in self.lists_of(reader, True):
            (<list>readers).append(reader)
        if not reader.filtered and self.to_visit:
            self.to_visit += 1      # it stands between the round and those that are still to be visited
        if reader.prelude is not None or reader.lost or place != self.last:
            self.queue(reader)
        return 0

    def unsubscribe(self, Reader reader not None):
        """Forgets the reader; its transport is not touched. Does nothing if it is not (any more) a reader of this log."""
        if reader.log is not self:
            return
        cdef Py_ssize_t place
        for readers in self.lists_of(reader, False):
            place = (<list>readers).index(reader)
            del (<list>readers)[place]
            if not reader.filtered and place < self.place:
                self.place -= 1     # the round goes on with the one that it would have come to
        if reader.vins is not None:
            for vin in reader.vins:
                if vin in self.by_vin and not self.by_vin[vin]:
                    del self.by_vin[vin]
        reader.log = None
        reader.queued = False
        self.reader_count -= 1

    cdef list lists_of(self, Reader reader, bint make):
        """The lists that it stands in: that of everything, those of its kinds, or those of its vehicles."""
        if not reader.filtered:
            return [self.whole]
        if reader.vins is None:
            return [readers for kind, readers in enumerate(self.by_kind) if reader.kinds >> <int>kind & 1]
        if make:
            return [self.by_vin.setdefault(vin, []) for vin in reader.vins]
        return [self.by_vin[vin] for vin in reader.vins]

    # ---- flushing

    def flush(self):
        """
        Writes to every reader that lacks something and is not blocked, for SLICE_S at most.

        Returns whether some are left: then call it again, after the event loop has had its turn.
        """
        cdef double deadline = monotonic() + SLICE_S
        try:
            self.serve_all(deadline)
        except BaseException:       # a sink that fails while it is told of a fault: whoever called does not learn what is left
            self.asked = False
            self.ask()
            raise
        self.asked = self.to_visit > 0 or len(self.woken) > 0
        self.flushed_at = monotonic()
        return self.asked

    cdef int serve_all(self, double deadline) except -1:
        # by turns, so that neither those woken one by one nor those of the whole stream can starve the others
        self.woken_first = not self.woken_first
        if self.woken_first:
            if self.serve_woken(deadline):
                self.serve_whole(deadline)
        elif self.serve_whole(deadline):
            self.serve_woken(deadline)
        return 0

    cdef int visit(self, Reader reader) except -1:
        """`serve`, but a reader that fails is dropped and its sink told, so that the others notice nothing."""
        try:
            self.serve(reader)
        except Exception as error:
            self.unsubscribe(reader)
            if reader.sink is not None:     # else the write has ended the reader, and its sink knows
                reader.sink.on_fault(error)
        return 0

    cdef bint serve_whole(self, double deadline) except -1:
        """Goes round the readers of the whole stream, from where the last slice stopped; False if time ran out."""
        cdef Reader reader
        while self.to_visit > 0:
            if self.place >= len(self.whole):
                self.place = 0
                if not self.whole:
                    self.to_visit = 0
                    break
            reader = <Reader>self.whole[self.place]
            self.place += 1
            self.to_visit -= 1
            self.fetch_ahead()
            if reader.next != self.last and not reader.blocked and not reader.queued:
                self.visit(reader)
            if self.to_visit % CLOCK_EVERY == 0 and monotonic() > deadline:
                return False
        return True

    cdef inline void fetch_ahead(self) noexcept:
        """
        Has the processor load what the next visits will look at, while the kernel sends for this one.

        Of thousands of readers none is in the nearest cache when its turn comes: waiting for it is half of what a visit costs
        besides the send.
        """
        cdef Py_ssize_t count = PyList_GET_SIZE(self.whole)
        cdef const char *coming
        cdef int line
        if self.place + 1 < count:
            coming = <const char *>PyList_GET_ITEM(self.whole, self.place + 1)
            for line in range(READER_LINES):
                prefetch(coming + line * CACHE_LINE)
        if self.place < count:
            coming = <const char *><PyObject *>(<Reader>PyList_GET_ITEM(self.whole, self.place)).transport
            for line in range(TRANSPORT_LINES):
                prefetch(coming + line * CACHE_LINE)

    cdef bint serve_woken(self, double deadline) except -1:
        """One visit to each reader in `woken`; those with more to come stand in it again afterwards."""
        cdef list batch = self.woken
        cdef Py_ssize_t done = 0
        cdef Reader reader
        cdef bint recites = False
        self.woken = []
        try:
            while done < len(batch):
                reader = <Reader>batch[done]
                done += 1
                if reader.log is self:      # else it has left, and may stand in another log's list
                    reader.queued = False
                    recites = reader.prelude is not None    # snapshots and merged events take a millisecond a visit
                    if not reader.blocked:
                        self.visit(reader)
                if (recites or done % CLOCK_EVERY == 0) and monotonic() > deadline:
                    return done == len(batch)
        finally:
            if done < len(batch):
                self.woken = batch[done:] + self.woken
        return True

    cdef int serve(self, Reader reader) except -1:
        """One visit: what it is to be told, then one write from the log; queued again if there is more."""
        if reader.prelude is not None:
            self.recite(reader)
        if reader.prelude is None and not reader.blocked and reader.log is self:
            if self.lapsed(reader):
                self.tell_gap(reader)
            elif reader.filtered:
                self.give_some(reader)
            elif reader.framing is not None:
                if self.framing is not reader.framing:
                    self.framing = reader.framing
                    self.blocks.upto = self.blocks.start = NOWHERE
                self.give_gathered(reader, &self.blocks)
            else:
                self.give_all(reader)
        if not reader.blocked and reader.log is self and (reader.prelude is not None or self.owes(reader)):
            self.queue(reader)
        return 0

    cdef bint owes(self, Reader reader) noexcept:
        if reader.filtered:
            return reader.pending_count > 0 or reader.scan != NOWHERE or reader.lost
        return reader.next != self.last or reader.lost

    cdef bint lapsed(self, Reader reader) noexcept:
        return reader.lost or reader.position() < self.first

    cdef int recite(self, Reader reader) except -1:
        """Writes from its prelude, a chunk at most."""
        cdef uint64_t size = 0
        cdef bytes text
        # a generator or a write may unsubscribe any reader, this one included
        while reader.prelude is not None and size < CHUNK and not reader.blocked and reader.log is self:
            text = next(reader.prelude[0], None)
            if text is None:
                reader.prelude.popleft()
                reader.prelude = reader.prelude or None
                continue
            if not text:
                return 0
            size += <uint64_t>PyBytes_GET_SIZE(text)
            reader.write(PyBytes_AS_STRING(text), <uint64_t>PyBytes_GET_SIZE(text))
        return 0

    cdef int tell_gap(self, Reader reader) except -1:
        """Moves a reader that was lapped (or asked for too much) to the oldest entry, and lets its sink say so."""
        # where a seq may stand for several frames, those next to the gap may have been lost in part
        cdef uint64_t missing = 0 if reader.given == NOWHERE else reader.given + 1 - self.repeats
        cdef uint64_t kept = 0
        cdef uint32_t i
        reader.lost = False
        reader.next = max(reader.next, self.first)
        if reader.scan != NOWHERE and reader.scan < self.first:
            reader.scan = self.first
        for i in range(reader.pending_count):
            if reader.pending[i] >= self.first:
                reader.pending[kept] = reader.pending[i]
                kept += 1
        reader.pending_count = <uint32_t>kept
        reader.given = self.oldest - 1
        reader.gaps += 1
        told = deque([iter(reader.sink.on_gap(missing, self.oldest - 1 + self.repeats))])
        if reader.prelude is not None:      # its sink has said more meanwhile
            told.extend(reader.prelude)
        reader.prelude = told
        return 0

    cdef int give_all(self, Reader reader) except -1:
        """One write of what lies between its place and the head: whole frames, a chunk at most, one frame at least."""
        cdef uint64_t number = reader.next
        cdef uint64_t upto = self.last
        cdef uint64_t start, end
        if number == upto:
            return 0
        start = self.entry(number).start
        end = self.head
        if self.has_beside:
            if number + 1 != upto:
                return self.give_gathered(reader, &self.frames)
            reader.next = upto
            reader.given = self.entry(number).seq
            return self.send(reader, start, self.entry(number).size)
        if end - start > CHUNK:
            upto = self.last_within(number, start + CHUNK)
            end = self.entry(upto).start if upto != self.last else self.head
        reader.next = upto
        reader.given = self.entry(upto - 1).seq
        return self.send(reader, start, end - start)

    cdef uint64_t last_within(self, uint64_t number, uint64_t limit) noexcept:
        """The entry up to which the frames from `number` on end at or before byte `limit`; at least `number + 1`."""
        cdef uint64_t low = number + 1
        cdef uint64_t high = self.last
        cdef uint64_t middle
        while low < high:
            middle = low + (high - low) // 2
            if self.entry(middle).start + self.entry(middle).size <= limit:
                low = middle + 1
            else:
                high = middle
        return low

    cdef int give_some(self, Reader reader) except -1:
        """One gathered write of its pending entries, a chunk at most."""
        if reader.scan != NOWHERE:
            self.find(reader)
        cdef uint32_t taken = 0
        cdef uint64_t size = 0
        cdef Entry *entry
        if reader.framing is not None:
            return self.give_some_framed(reader)
        while taken < reader.pending_count:
            entry = self.entry(reader.pending[taken])
            if size + entry.size > CHUNK:
                break
            self.fetch(self.scratch + size, entry.start, entry.size)
            size += entry.size
            taken += 1
        if reader.pending_count and taken == 0:      # a frame larger than a chunk goes alone, straight from the ring
            entry = self.entry(reader.pending[0])
            self.drop_given(reader, 1)
            return self.send(reader, entry.start, entry.size)
        if taken:
            self.drop_given(reader, taken)
            return reader.write(self.scratch, size)
        return 0

    cdef void drop_given(self, Reader reader, uint32_t count) noexcept:
        cdef uint32_t i
        reader.given = self.entry(reader.pending[count - 1]).seq
        reader.pending_count -= count
        for i in range(reader.pending_count):
            reader.pending[i] = reader.pending[i + count]

    cdef int find(self, Reader reader) except -1:
        """Goes on with its scan of the index: fills `pending`, looks at SCAN_STEP entries at most."""
        cdef bytearray wanted = None        # by vehicle's number
        cdef uint64_t number = reader.scan
        cdef uint64_t stop = min(self.last, number + SCAN_STEP)
        cdef Entry *entry
        if reader.vins is not None:
            wanted = bytearray(len(self.numbers))
            for vin in reader.vins:
                if vin in self.numbers:
                    wanted[<Py_ssize_t>self.numbers[vin]] = 1
        reader.scan = NOWHERE
        while number < stop:
            entry = self.entry(number)
            if reader.kinds >> kind_of(entry) & 1 and (wanted is None or PyByteArray_AS_STRING(wanted)[entry.vin]):
                if reader.pending_count == 0:
                    reader.given = entry.seq - 1
                reader.remember(number)
                if reader.scan != NOWHERE:      # no room: from this entry on another time
                    return 0
            number += 1
        if reader.pending_count == 0 and number:
            reader.given = self.entry(number - 1).seq
        if number != self.last:
            reader.scan = number
        return 0

    cdef int send(self, Reader reader, uint64_t start, uint64_t size) except -1:
        """Straight from the ring: one write, two where the bytes go round its end."""
        cdef uint64_t place = start % self.capacity
        cdef uint64_t until_end = self.capacity - place
        if size <= until_end:
            return reader.write(self.ring + place, size)
        reader.write(self.ring + place, until_end)
        return reader.write(self.ring, size - until_end)

    # ---- server-sent events

    cdef int give_gathered(self, Reader reader, Gathered *gathered) except -1:
        """`give_all`, from what is gathered: a chunk at most, one event at least. The next reader here gets the same bytes."""
        cdef uint64_t number = reader.next
        if number == self.last:
            return 0
        if gathered.start != number:
            gathered.start = gathered.upto = number
            gathered.size = 0
            gathered.full = False
        self.gather_more(gathered, reader.framing)
        if gathered.upto == number:
            reader.next = number + 1
            reader.given = self.entry(number).seq
            return self.send_alone(reader, self.entry(number))
        reader.next = gathered.upto
        reader.given = self.entry(gathered.upto - 1).seq
        return reader.write(gathered.bytes, gathered.size) if gathered.size else 0

    cdef int gather_more(self, Gathered *gathered, EventStream framing) except -1:
        """Goes on up to the newest entry, as far as there is room."""
        cdef int64_t size
        if gathered.bytes == NULL:
            gathered.bytes = <char *>PyMem_Malloc(CHUNK)
            if gathered.bytes == NULL:
                raise MemoryError
        while gathered.upto != self.last and not gathered.full:
            size = self.frame_entry(
                gathered.bytes + gathered.size, CHUNK - gathered.size, framing, self.entry(gathered.upto)
            )
            if size < 0:
                gathered.full = True
            else:
                gathered.size += <uint64_t>size
                gathered.upto += 1
        return 0

    cdef int64_t frame_entry(self, char *out, uint64_t room, EventStream framing, Entry *entry) except -2:
        """Writes an event as a frame, or as a block; returns its length, -1 if there is no room for it."""
        cdef uint64_t skip, size
        cdef bytes block
        if kind_of(entry) == HOLE:
            return 0
        if framing is None:
            if entry.size > room:
                return -1
            self.fetch(out, entry.start, entry.size)
            return <int64_t>entry.size
        if framing.special >> kind_of(entry) & 1:
            block = self.special_block(framing, entry)
            size = <uint64_t>PyBytes_GET_SIZE(block)
            if size > room:
                return -1
            memcpy(out, PyBytes_AS_STRING(block), size)
            return <int64_t>size
        skip = header_size(entry.size)
        size = <uint64_t>PyBytes_GET_SIZE(DATA)
        if size + (entry.size - skip) + TAIL_LIMIT > room:
            return -1
        memcpy(out, PyBytes_AS_STRING(DATA), size)
        self.fetch(out + size, entry.start + skip, entry.size - skip)
        size += entry.size - skip
        return <int64_t>size + framing.put_tail(out + size, entry.seq)

    cdef bytes special_block(self, EventStream framing, Entry *entry):
        cdef uint64_t skip = header_size(entry.size)
        cdef bytes text = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>(entry.size - skip))
        self.fetch(PyBytes_AS_STRING(text), entry.start + skip, entry.size - skip)
        return framing.make(entry.seq, self.vins[<Py_ssize_t>entry.vin], text)

    cdef int send_alone(self, Reader reader, Entry *entry) except -1:
        """An event that is larger than a chunk: its text goes straight from the ring."""
        if reader.framing is None:
            return self.send(reader, entry.start, entry.size)
        cdef uint64_t skip = header_size(entry.size)
        cdef uint64_t seq = entry.seq
        cdef char[TAIL_LIMIT] tail
        cdef bytes block
        if reader.framing.special >> kind_of(entry) & 1:
            block = self.special_block(reader.framing, entry)
            return reader.write(PyBytes_AS_STRING(block), <uint64_t>PyBytes_GET_SIZE(block))
        reader.write(PyBytes_AS_STRING(DATA), <uint64_t>PyBytes_GET_SIZE(DATA))
        self.send(reader, entry.start + skip, entry.size - skip)
        return reader.write(tail, <uint64_t>reader.framing.put_tail(tail, seq))

    cdef int give_some_framed(self, Reader reader) except -1:
        """`give_some`, each event framed for this reader alone."""
        cdef uint32_t taken = 0
        cdef uint64_t size = 0
        cdef int64_t more
        cdef Entry *entry
        while taken < reader.pending_count:
            more = self.frame_entry(self.scratch + size, CHUNK - size, reader.framing, self.entry(reader.pending[taken]))
            if more < 0:
                break
            size += <uint64_t>more
            taken += 1
        if reader.pending_count and taken == 0:
            entry = self.entry(reader.pending[0])
            self.drop_given(reader, 1)
            return self.send_alone(reader, entry)
        if taken:
            self.drop_given(reader, taken)
            if size:
                return reader.write(self.scratch, size)
        return 0


cdef uint64_t size_of_parts(tuple parts) except? 0xFFFFFFFFFFFFFFFF:
    """Bytes that they take beside a frame, each with its size in front."""
    cdef uint64_t size = 0
    for part in parts:
        size += sizeof(uint32_t) + <uint64_t>PyBytes_GET_SIZE(<bytes?>part)
    return size


cdef uint64_t slots_for(uint64_t ring_bytes) noexcept:
    cdef uint64_t slots = 1
    while slots * BYTES_PER_SLOT < ring_bytes:
        slots *= 2
    return slots


cpdef uint64_t bytes_needed(uint64_t ring_bytes) except 0:
    """Bytes of memory for a ring of so many: index and ring."""
    if ring_bytes == 0:
        raise ValueError("a ring of no bytes")
    return slots_for(ring_bytes) * sizeof(Entry) + ring_bytes
