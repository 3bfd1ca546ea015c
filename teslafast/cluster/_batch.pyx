"""
A batch's head, and its events in one pass: batch.py has the format, tests/cluster/plain_batch.py the same in plain Python.

An event's head is read first, and what it says of lengths is held against what is left before anything is taken. Numbers are
little-endian and stand anywhere, so they are copied out.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from ._named_tuples cimport PyType_GenericAlloc, put

cdef extern from "Python.h":
    object PyUnicode_DecodeASCII(const char *text, Py_ssize_t size, const char *errors)

cdef enum:
    BATCH_HEAD_SIZE = 56    # as batch._HEAD says
    VERSION = 1
    HEAD_SIZE = 18          # code:u8 vin:u8 txid:u32 payload:u32 time_ms:u64
    LONGEST_VIN = 64


cdef inline bint can_name_a_vehicle(const uint8_t *text, Py_ssize_t size) noexcept:
    """What vin.is_vin says of it: anything else would break the JSON around it, and topics and paths made of it."""
    cdef Py_ssize_t place
    cdef uint8_t letter
    cdef bint has_letter = False
    if size > LONGEST_VIN:
        return False
    for place in range(size):
        letter = text[place]
        if c'0' <= letter <= c'9' or c'A' <= letter <= c'Z' or c'a' <= letter <= c'z':
            has_letter = True
        elif letter != c'-' and letter != c'_':
            return False
    return has_letter


cdef inline uint64_t number_at(const char *data) noexcept:
    cdef uint64_t number
    memcpy(&number, data, 8)
    return number


def read_batch_head(bytes message not None, type head not None):
    """
    The head of a batch as a `head`, a type of named tuples of ten; the last of them is False.

    Raises ValueError, with what is wrong.
    """
    cdef const char *data = PyBytes_AS_STRING(message)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(message)
    cdef uint32_t entries
    cdef uint8_t version
    cdef object made
    if size < BATCH_HEAD_SIZE:
        raise ValueError("too short")
    version = <uint8_t>data[2]
    if data[0] != c'T' or data[1] != c'F' or version == 0:
        raise ValueError("another format")
    memcpy(&entries, data + 52, 4)
    if entries * <uint64_t>(HEAD_SIZE if version == VERSION else 1) > <uint64_t>(size - BATCH_HEAD_SIZE):
        raise ValueError(f"{entries} events in {size} bytes")
    made = PyType_GenericAlloc(head, 10)
    put(made, 0, <object><uint8_t>data[3])
    put(made, 1, PyBytes_FromStringAndSize(data + 4, 8))
    put(made, 2, <object>number_at(data + 12))
    put(made, 3, PyBytes_FromStringAndSize(data + 20, 8))
    put(made, 4, <object>number_at(data + 28))
    put(made, 5, <object>number_at(data + 36))
    put(made, 6, <object>number_at(data + 44))
    put(made, 7, <object>entries)
    put(made, 8, <object>version)
    put(made, 9, False)
    return made


def read_events(bytes message not None, Py_ssize_t place, uint32_t count, type entry not None):
    """
    `count` events from `place` on, as a list of `entry`, a type of named tuples of five: code, VIN, txid, payload, time_ms.

    Raises ValueError, with what is wrong.
    """
    cdef const char *data = PyBytes_AS_STRING(message)
    cdef Py_ssize_t end = PyBytes_GET_SIZE(message)
    cdef uint32_t _number, txid_size, payload_size
    cdef uint64_t time_ms, left
    cdef uint8_t code, vin_size
    cdef object made, vin
    cdef list events = []
    if place < 0 or place > end:
        raise ValueError("torn")
    for _number in range(count):
        if end - place < HEAD_SIZE:
            raise ValueError("torn")
        code = <uint8_t>data[place]
        vin_size = <uint8_t>data[place + 1]
        memcpy(&txid_size, data + place + 2, 4)
        memcpy(&payload_size, data + place + 6, 4)
        memcpy(&time_ms, data + place + 10, 8)
        place += HEAD_SIZE
        left = <uint64_t>(end - place)
        if <uint64_t>vin_size + txid_size + payload_size > left:
            raise ValueError("torn")
        if not can_name_a_vehicle(<const uint8_t *>data + place, vin_size):
            raise ValueError("a VIN that cannot be one")
        vin = PyUnicode_DecodeASCII(data + place, vin_size, NULL)
        place += vin_size
        made = PyType_GenericAlloc(entry, 5)
        put(made, 0, <object>code)
        put(made, 1, vin)
        put(made, 2, PyBytes_FromStringAndSize(data + place, <Py_ssize_t>txid_size))
        place += txid_size
        put(made, 3, PyBytes_FromStringAndSize(data + place, <Py_ssize_t>payload_size))
        place += payload_size
        put(made, 4, <object>time_ms)
        events.append(made)
    if place != end:
        raise ValueError("more than its events")
    return events
