"""
Batches that tell nothing but other nodes' events, taken many at once: nearly all of the log, for a node that joins or follows.

Such a batch is the message that is to come next, of this version and epoch, by another run that is known, without flags and
without a vehicle that comes or goes, and what its sender knows agrees with our own count. Each is counted and heard as Follower
and Node do it one by one, without the interpreter between the steps. The first that is not plain is left to them, untouched:
tests/cluster/test_plain.py holds one way against the other.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy

from ._batch import read_events as _read_events

cdef object read = _read_events

cdef enum:
    BATCH_HEAD_SIZE = 56    # as batch._HEAD says
    NAME_SIZE = 8           # of an epoch, or a run
    CONNECTIVITY = 16       # batch.CONNECTIVITY_CODE

cdef struct PlainHead:
    const char *run
    uint64_t known_stream
    uint64_t known_event
    uint32_t entries


cdef bint read_plain_head(bytes message, bytes epoch, PlainHead *head) noexcept:
    cdef const char *data = PyBytes_AS_STRING(message)
    if PyBytes_GET_SIZE(message) < BATCH_HEAD_SIZE or PyBytes_GET_SIZE(epoch) != NAME_SIZE:
        return False
    if data[0] != c'T' or data[1] != c'F' or data[2] != 1 or data[3] != 0:
        return False
    if memcmp(data + 4, PyBytes_AS_STRING(epoch), NAME_SIZE):
        return False
    head.run = data + 20
    memcpy(&head.known_stream, data + 36, 8)
    memcpy(&head.known_event, data + 44, 8)
    memcpy(&head.entries, data + 52, 4)
    return head.entries > 0


cdef list plain_events(bytes message, uint32_t count, type entry):
    """None: they cannot be read, or a vehicle comes or goes."""
    cdef list events
    cdef object event
    try:
        events = read(message, BATCH_HEAD_SIZE, count, entry)
    except ValueError:
        return None
    for event in events:
        if event[0] == CONNECTIVITY:
            return None
    return events


def take_plain(
    list messages not None, Py_ssize_t place, counting, bytes epoch not None, bytes own not None, runs, stamp, type entry not None
):
    """
    Takes messages from `place` on, as long as they are plain; returns the next one's place, the events, and when each was stored.

    counting   a Counting that is placed; the next message that it counts is the only one that is taken
    own        the name of this node's run: what it has written itself is not plain
    stamp      (now_s, beats), for each run that is heard
    entry      Entry
    """
    cdef Py_ssize_t end = len(messages)
    cdef dict marks = counting.marks
    cdef int64_t number = counting.next
    cdef int64_t counted = counting.counted
    cdef int64_t base = counting.base
    cdef list all_events = []
    cdef list times_ms = []
    cdef list events
    cdef object message
    cdef bytes name = b""
    cdef bytes payload
    cdef object run = None
    cdef object mark
    cdef PlainHead head
    while place < end:
        message = messages[place]
        payload = message[3]
        if message[0] != number or not read_plain_head(payload, epoch, &head):
            break
        mark = marks.get(head.known_stream)
        if mark is not None and <uint64_t>(base + <int64_t>mark) != head.known_event:
            break
        if run is None or memcmp(PyBytes_AS_STRING(name), head.run, NAME_SIZE):
            name = PyBytes_FromStringAndSize(head.run, NAME_SIZE)
            run = runs.get(name)
            if run is None or name == own:
                break
            run.heard_s, run.beats = stamp
        events = plain_events(payload, head.entries, entry)
        if events is None:
            break
        counted += head.entries
        counting.note(number, counted)
        run.last = number
        all_events += events
        times_ms += [message[2]] * <Py_ssize_t>head.entries
        number += 1
        place += 1
    return place, all_events, times_ms
