"""
The plain way of applying a batch: records of vehicles, on a node where nobody asks for more than the log, values and registry.

`Hub.apply` says what applying is, and does it for everything else. This does the same, without the interpreter between the
steps, for what nearly all events of a node that follows are. What is not plain, or goes wrong, is left to it:
tests/cluster/test_apply.py holds one against the other.
"""

import orjson as _orjson
from libc.stdint cimport int64_t, uint64_t

from .._fanout cimport Fanout
from ..core.records import KIND_NUMBERS as _numbers
from ..protocol._wire import TOPICS as _topics, read_record as _read_record

cdef dict topics = {_numbers[kind]: topic for topic, kind in _topics.items()}
cdef object dumps = _orjson.dumps
cdef object read = _read_record
cdef int DATA = _numbers["data"]


def apply_plain(list entries not None, Py_ssize_t start, hub, list times_ms not None, uint64_t seq):
    """
    Applies entries[start:] under `seq`, `seq` + 1, …, until one is not plain or is refused; returns its place, or their number.

    `hub`: core.hub.Hub; `times_ms`: when the log stored each, since 1970. Nothing of the entry at the place that is returned has
    been applied.
    """
    cdef Fanout log = hub.log
    cdef object merge = hub.last_values.merge
    cdef object heard = hub.registry.heard
    cdef uint64_t now_ms
    cdef int64_t now_ns
    cdef Py_ssize_t place = start
    cdef Py_ssize_t end = len(entries)
    cdef object entry, record, topic, body, code
    cdef str vin
    cdef bytes text
    while place < end:
        entry = entries[place]
        code, vin = entry[0], entry[1]
        topic = topics.get(code)
        if topic is None:
            break
        try:
            record = read(topic, entry[3], vin)
            body = record.body
            now_ms = times_ms[place]
            now_ns = <int64_t>now_ms * 1_000_000
            text = dumps(body)
            log.publish(code, vin, text, now_ms, seq)
        except (ValueError, TypeError):  # Malformed is one: whoever applies it by itself says so
            break
        if code == DATA:
            merge(vin, body["data"], record.created_ns, now_ns, record.is_resend, len(text))
        heard(vin, record, entry[2], now_ns)
        seq += 1
        place += 1
    return place
