# cython: language_level=3
"""
What a process before this one left in the memory of a log: which frames are whole, and which of them the log goes on with.

Nothing is believed that its checksum does not confirm. A log that is kept has entry n under seq n + 1, so an entry's place
tells which seqs it may have, and no counter has to be kept besides.

    newest   the highest seq whose entry and bytes are whole; what claims to be newer is torn
    runs     going down from there: stretches of frames whose bytes follow each other; where some in between are damaged, what is
             left of them becomes a hole, which is sent as pongs and passed over by everybody else
    chosen   the run with the frame that was last known to be on the disk, else the longest; all else is wiped out, so that it
             can never come back between newer frames
    lost     what the index still tells of, and is not in the log any more

A process that was killed leaves one torn frame at most, the newest, and nobody had been given that. Anything else that is lost
means that the machine went down or that the disk fails.
"""

from cpython.unicode cimport PyUnicode_DecodeASCII
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memset

from .._fanout cimport BESIDE_LIMIT, HOLE, KIND_BITS, Entry, Fanout, beside_of, header_size, kind_of, span_of

cdef enum:
    GENERATIONS = 64        # of seqs that are looked at, the most frequent; a log that was never damaged has two
    NAME_LIMIT = 64
    HEAD_LIMIT = 10 + 32 + 20 + 1
    MARK_SIZE = 7
    KIND_COUNT = 4
    LEAST_FRAME = 2         # bytes of the shortest frame: what a hole takes at least
    PONG_LIMIT = 127        # bytes of the longest pong, its header among them
    PARTS_LIMIT = 8         # things beside a frame; a record has three
    PONG = 0x8A
    TEXT = 0x81

cdef const char *MARK = b'"vin":"'


include "_recover_holes.pxi"


def recover(Fanout log not None, uint64_t known_seq=0, uint64_t base_seq=0):
    """
    Makes a new log over old memory go on where the memory stops.

    known_seq   a seq that was known to be on the disk, 0 if there is none
    base_seq    the seq to go on from if nothing is found

    Returns how many events the log has now, how many others it had and has lost, and whether somebody may have seen these: all
    but a torn newest one.
    """
    if not log.kept_for_good or log.newest_seq:
        raise ValueError("only a new log, and one that is kept, can recover")
    cdef uint64_t newest = newest_of(log)
    if newest == 0:
        log.first = log.last = log.newest_seq = base_seq
        lost = wiped(log, 1, 0)
        return 0, lost, lost > 1
    cdef uint64_t head = log.entry(newest - 1).start + span_of(log.entry(newest - 1))
    cdef uint64_t newer = newer_than(log, newest, head)
    runs = runs_below(log, newest, head)
    low, high, holes = chosen(runs, known_seq)
    cdef uint64_t lowest = runs[len(runs) - 1][0]
    cdef uint64_t last = newest + next_is_torn(log, newest, head)
    cdef uint64_t oldest = lowest - kept_below(log, lowest, last, head + torn_size(log, newest, head))
    cdef uint64_t missing = sum([last - first + 1 for first, last in holes])
    cdef uint64_t older_lost = (newest - oldest + 1) - (high - low + 1 - missing)
    for hole in holes:
        make_holes(log, hole[0], hole[1])
    wiped(log, low, high)
    cdef Entry *entry = log.entry(high - 1)
    log.head = entry.start + span_of(entry)
    log.first = low - 1
    log.last = high
    log.newest_seq = high
    return high - low + 1 - name_all(log), older_lost + newer, older_lost > 0 or newer > 1


cdef uint64_t wiped(Fanout log, uint64_t low, uint64_t high) noexcept:
    """Clears all entries but those from `low` to `high`; returns how many of the others held something."""
    cdef uint64_t count = 0
    cdef uint64_t slot
    cdef Entry *entry
    for slot in range(log.slots):
        entry = &log.index[slot]
        if entry.seq < low or entry.seq > high or slot != (entry.seq - 1) & (log.slots - 1):
            count += there(entry)
            memset(entry, 0, sizeof(Entry))
    return count


cdef bint there(Entry *entry) noexcept:
    """Whether there is or was an entry: an empty place in which one bit was flipped is none."""
    return (entry.seq != 0) + (entry.start != 0) + (entry.time_ms != 0) + (entry.size != 0) + (entry.crc != 0) >= 2


cdef bint whole(Fanout log, uint64_t seq) noexcept:
    """Whether the entry of this seq and its bytes are as they were published."""
    cdef Entry *entry = log.entry(seq - 1)
    return (
        entry.seq == seq and (kind_of(entry) < KIND_COUNT or kind_of(entry) == HOLE)
        and 0 < entry.size and span_of(entry) <= log.capacity and entry.start < (<uint64_t>1) << 63
        and log.crc_of(entry) == entry.crc
    )


cdef uint64_t newest_of(Fanout log) except? 0xFFFFFFFFFFFFFFFF:
    """The highest seq that is whole, 0 if none is. A generation is the seqs of one way round the index."""
    cdef dict counts = {}
    cdef uint64_t slot, seq
    cdef uint64_t generation = 0
    cdef uint64_t in_a_row = 0
    for slot in range(log.slots):
        seq = log.index[slot].seq
        if seq == 0 or (seq - 1) & (log.slots - 1) != slot:
            continue
        if (seq - 1) // log.slots != generation:
            counts[generation] = counts.get(generation, 0) + in_a_row
            generation = (seq - 1) // log.slots
            in_a_row = 0
        in_a_row += 1
    counts[generation] = counts.get(generation, 0) + in_a_row
    for number in sorted(sorted(counts, key=counts.__getitem__, reverse=True)[:GENERATIONS], reverse=True):
        generation = number
        slot = log.slots
        while slot > 0:
            seq = generation * log.slots + slot
            if log.index[slot - 1].seq == seq and whole(log, seq):
                return seq
            slot -= 1
    return 0


cdef list runs_below(Fanout log, uint64_t newest, uint64_t head):
    """[(lowest seq, highest, [(first, last) of each hole])], from the newest run down to where the ring has been written over."""
    cdef uint64_t high = newest
    cdef uint64_t low = newest
    cdef uint64_t seq = newest - 1
    cdef uint64_t stop = newest - log.slots if newest > log.slots else 0
    cdef uint64_t end, above, missing
    cdef Entry *entry
    cdef list holes = []
    cdef list runs = []
    while seq > stop:
        entry = log.entry(seq - 1)
        # One damaged number must not end the search, nor may all that was written over have its checksum taken: so an entry is
        # believed to be lapped only if the one after it says so, too.
        if entry.seq == seq and entry.start + log.capacity < head and entry.start + span_of(entry) == log.entry(seq).start:
            break
        if whole(log, seq) and entry.start + log.capacity >= head:
            end = entry.start + span_of(entry)
            above = log.entry(low - 1).start
            missing = low - seq - 1
            if end != above if missing == 0 else end + LEAST_FRAME * missing > above:
                runs.append((low, high, holes))
                high = seq
                holes = []
            elif missing:
                holes.append((seq + 1, low - 1))
            low = seq
        seq -= 1
    runs.append((low, high, holes))
    return runs


cdef uint64_t kept_below(Fanout log, uint64_t lowest, uint64_t last, uint64_t reach) noexcept:
    """How many frames right below the lowest whole one the log still had, when `last` was its newest and `reach` its end."""
    cdef uint64_t count = 0
    cdef uint64_t stop = last - log.slots if last > log.slots else 0
    cdef uint64_t start = log.entry(lowest - 1).start
    cdef Entry *entry
    while lowest - count - 1 > stop:
        entry = log.entry(lowest - count - 2)
        if not there(entry):
            break
        start = start_of(log, lowest - count - 1, start)
        if start + log.capacity < reach:
            break
        count += 1
    return count


cdef uint64_t start_of(Fanout log, uint64_t seq, uint64_t above) noexcept:
    """Where a frame began whose entry may be damaged: what two of its start, its size and the entry before it agree on."""
    cdef Entry *entry = log.entry(seq - 1)
    cdef uint64_t by_size = above - span_of(entry)
    cdef uint64_t by_former = 0
    if seq > 1:
        by_former = log.entry(seq - 2).start + span_of(log.entry(seq - 2))
    if entry.start == by_size or entry.start == by_former:
        return entry.start
    if by_size == by_former or not (entry.start < above <= entry.start + log.capacity):
        return by_size
    return entry.start


cdef uint64_t newer_than(Fanout log, uint64_t newest, uint64_t head) noexcept:
    """How many entries tell of frames after the newest whole one."""
    cdef uint64_t count = 0
    cdef uint64_t seq
    cdef Entry *entry
    for seq in range(newest + 2, newest + log.slots):
        entry = log.entry(seq - 1)
        count += entry.seq == seq and entry.start >= head
    return count + next_is_torn(log, newest, head)


cdef bint next_is_torn(Fanout log, uint64_t newest, uint64_t head) noexcept:
    """Whether the entry after the newest whole one is that of a frame, and not of one that went before it in the same place."""
    cdef Entry *entry = log.entry(newest)
    if not there(entry) or entry.start == head:
        return entry.start == head and there(entry)
    return entry.seq == newest + 1 and entry.start + span_of(entry) != log.entry(newest + 1).start


cdef uint64_t torn_size(Fanout log, uint64_t newest, uint64_t head) noexcept:
    """How many bytes the log had made room for after the newest whole frame."""
    if not next_is_torn(log, newest, head):
        return 0
    cdef Entry *entry = log.entry(newest)
    cdef Entry said = entry[0]
    cdef uint32_t in_header = <uint32_t>size_in_header(log, head)
    # one damaged size may be told by the bytes themselves: then it makes the frame whole
    if not becomes_whole(log, newest + 1, in_header, said.kind):
        parts_make_whole(log, newest + 1, said)
    cdef uint64_t size = span_of(entry)
    entry[0] = said
    return size if size <= log.capacity else 0


cdef bint becomes_whole(Fanout log, uint64_t seq, uint32_t size, uint32_t kind) noexcept:
    """Whether the event is whole with these; if it is, its entry has them, else it is as it was."""
    cdef Entry *entry = log.entry(seq - 1)
    cdef Entry said = entry[0]
    entry.size, entry.kind = size, kind
    if whole(log, seq):
        return True
    entry[0] = said
    return False


cdef bint parts_make_whole(Fanout log, uint64_t seq, Entry said) noexcept:
    """Whether it is whole with as many parts beside its frame as the ring's bytes tell of: PARTS_LIMIT at most."""
    cdef uint64_t beside = 0
    cdef uint32_t size
    for _ in range(PARTS_LIMIT + 1):
        if beside >= BESIDE_LIMIT or said.size + beside > log.capacity:
            return False
        if becomes_whole(log, seq, said.size, kind_of(&said) | <uint32_t>(beside << KIND_BITS)):
            return True
        log.fetch(<char *>&size, said.start + said.size + beside, sizeof(size))
        beside += sizeof(size) + size
    return False


cdef uint64_t size_in_header(Fanout log, uint64_t start) noexcept:
    """The size of the frame whose bytes begin there; 0 if that is none of ours."""
    cdef char head[10]
    cdef uint8_t *at = <uint8_t *>head
    cdef uint64_t size = 0
    cdef int i
    log.fetch(head, start, sizeof(head))
    if at[0] != TEXT:
        return 0
    if at[1] < 126:
        return 2 + at[1]
    if at[1] == 126:
        return 4 + (<uint64_t>at[2] << 8 | at[3])
    for i in range(8):
        size = size << 8 | at[2 + i]
    return size + 10 if size <= log.capacity else 0


cdef tuple chosen(list runs, uint64_t known_seq):
    for run in runs:
        if run[0] <= known_seq <= run[1]:
            return run
    return max(runs, key=length)


def length(run):
    return run[1] - run[0] + 1
