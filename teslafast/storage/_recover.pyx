# cython: language_level=3
"""
What a process before this one left in the memory of a log: which frames are whole, and which of them the log goes on with.

Nothing is believed that its checksum does not confirm. A log that is kept has entry n under seq n + 1, so an entry's place
tells which seqs it may have, and no counter has to be kept besides.

    newest   the highest seq whose entry and bytes are whole; what claims to be newer is torn
    runs     going down from there: stretches of whole frames, each beginning where the one before it ended
    chosen   the run with the frame that was last known to be on the disk, else the longest; all else is wiped out, so that it
             can never come back between newer frames

A process that was killed leaves one torn frame at most, and nobody had been given that. More than one, or a hole between runs,
means that the machine went down or the disk fails.
"""

from cpython.unicode cimport PyUnicode_DecodeASCII
from libc.stdint cimport uint64_t
from libc.string cimport memcmp, memset

from .._fanout cimport Entry, Fanout, header_size

cdef enum:
    GENERATIONS = 64        # of seqs that are looked at, the most frequent; a log that was never damaged has two
    NAME_LIMIT = 64
    HEAD_LIMIT = 10 + 32 + 20 + 1
    MARK_SIZE = 7
    KIND_COUNT = 4

cdef const char* MARK = b'"vin":"'


def recover(Fanout log not None, uint64_t known_seq=0, uint64_t base_seq=0):
    """
    Makes a new log over old memory go on where the memory stops.

    known_seq   a seq that was known to be on the disk, 0 if there is none
    base_seq    the seq to go on from if nothing is found

    Returns (how many frames it has now, how many others are lost: torn, or on the other side of a hole).
    """
    if not log.kept_for_good or log.newest_seq:
        raise ValueError("only a new log, and one that is kept, can recover")
    cdef uint64_t newest = newest_of(log)
    cdef uint64_t lost = 0
    cdef uint64_t low = 0
    cdef uint64_t high = 0
    cdef uint64_t slot
    cdef Entry* entry
    if newest:
        runs = runs_below(log, newest)
        low, high = chosen(runs, known_seq)
        lost = sum([length(run) for run in runs if run[1] < low])
    for slot in range(log.slots):
        entry = &log.index[slot]
        if entry.seq < low or entry.seq > high or entry.seq == 0 or slot != (entry.seq - 1) & (log.slots - 1):
            lost += entry.seq > high
            memset(entry, 0, sizeof(Entry))
    if high == 0:
        log.first = log.last = log.newest_seq = base_seq
        return 0, lost
    entry = log.entry(high - 1)
    log.head = entry.start + entry.size
    log.first = low - 1
    log.last = high
    log.newest_seq = high
    name_all(log)
    return high - low + 1, lost


cdef bint whole(Fanout log, uint64_t seq) noexcept:
    """Whether the entry of this seq and its bytes are as they were published."""
    cdef Entry* entry = log.entry(seq - 1)
    return (
        entry.seq == seq and entry.kind < KIND_COUNT and 0 < entry.size <= log.capacity and entry.start < (<uint64_t>1) << 63
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


cdef list runs_below(Fanout log, uint64_t newest):
    """[(lowest, highest seq)] of each stretch of whole frames, from the newest down to where the ring has been written over."""
    cdef Entry* above = log.entry(newest - 1)
    cdef uint64_t head = above.start + above.size
    cdef uint64_t high = newest
    cdef uint64_t low = newest
    cdef uint64_t seq = newest - 1
    cdef uint64_t stop = newest - log.slots if newest > log.slots else 0
    cdef Entry* entry
    cdef list runs = []
    while seq > stop:
        entry = log.entry(seq - 1)
        if entry.seq == seq and entry.start + log.capacity < head:
            break
        if whole(log, seq) and entry.start < head:
            if low != seq + 1 or entry.start + entry.size != log.entry(low - 1).start:
                runs.append((low, high))
                high = seq
            low = seq
        seq -= 1
    runs.append((low, high))
    return runs


cdef tuple chosen(list runs, uint64_t known_seq):
    for low, high in runs:
        if low <= known_seq <= high:
            return low, high
    return max(runs, key=length)


def length(run):
    return run[1] - run[0] + 1


cdef int name_all(Fanout log) except -1:
    """Numbers the vehicles of all frames anew: each frame's text has the name right after its seq."""
    cdef uint64_t number = log.first
    while number < log.last:
        log.entry(number).vin = log.number_of(name_in(log, log.entry(number)))
        number += 1
    return 0


cdef str name_in(Fanout log, Entry* entry):
    """The VIN in a whole frame; "" if its body does not begin with one (the log took it all the same)."""
    cdef char text[HEAD_LIMIT + MARK_SIZE + NAME_LIMIT + 1]
    cdef uint64_t size = min(<uint64_t>entry.size, <uint64_t>sizeof(text))
    cdef uint64_t at = header_size(entry.size)
    cdef uint64_t seq = entry.seq
    cdef uint64_t end
    log.fetch(text, entry.start, size)
    at += <uint64_t>len(<bytes>log.prefixes[entry.kind]) + 1
    while seq:
        seq //= 10
        at += 1
    if at + MARK_SIZE > size or memcmp(text + at, MARK, MARK_SIZE) != 0:
        return ""
    at += MARK_SIZE
    end = at
    while end < size and text[end] != b'"':
        end += 1
    return PyUnicode_DecodeASCII(text + at, <Py_ssize_t>(end - at), "replace")
