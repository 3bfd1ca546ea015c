# cython: language_level=3, cdivision=True, auto_pickle=False, autotestdict=False
"""
Tesla's bytes: FlatBuffers envelope and protobuf records, to Python values and back.

    envelope bytes ── read_envelope ──▶ Envelope(txid, topic, payload …)
    payload bytes  ── read_record ────▶ DecodedRecord(kind, body …)   body is what orjson prints: an event, in the shape asked for
    txid, topic    ── ack, error_reply ──▶ the reply's bytes

A vehicle's bytes are foreign: each is read through one bounds check (_wire_reader.pxi), so safety never rests on `boundscheck`;
what does not parse is Malformed. Nothing borrowed outlives a call. A message is read once, straight into the values that are
printed; time and memory are linear in its length, and nesting and counts are bounded.

    _wire_reader.pxi     the bounds check, and the numbers, texts and skips that stand on it
    _wire_numbers.pxi    float32 in its shortest form, timestamps
    _wire_records.pxi    protobuf messages into cells, by tables made from messages.py
    _wire_shapes.pxi     cells into Python values, flat or fleet, with the reference's corrections
    _wire_output.pxi     protobuf fields, written
    _wire_dispatched.pxi a record's own bytes as the reference passes them on
    _wire_envelope.pxi   FlatBuffers, read and written
"""

import sys
from binascii import b2a_base64 as base64

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from cpython.object cimport PyObject
from cpython.tuple cimport PyTuple_GET_ITEM, PyTuple_GET_SIZE
from cpython.unicode cimport PyUnicode_DecodeASCII, PyUnicode_DecodeUTF8
from libc.math cimport INFINITY, NAN, isfinite, isinf, isnan
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memmove, memset

from .. import errors
from . import encode, legacy_text, messages, signals

cpdef enum:                     # shapes
    FLAT = 0
    FLEET = 1

write_record = encode.write_record       # offered here, beside its inverse

TOPICS = {topic: kind for topic, (kind, _) in messages.TOPIC_MESSAGES.items()}

cdef object Malformed = errors.Malformed


cdef class Envelope:
    """
    One message of a vehicle, out of its envelope. What was absent is empty or 0.

    Only message type 4 (a stream) carries a record; any other, or 0 where there is no message at all, has nothing but the txid.
    """
    cdef readonly bytes txid, topic, message_id
    cdef readonly int message_type
    cdef readonly bytes sender_id, device_type, device_id
    cdef readonly uint32_t created_at               # seconds since 1970
    cdef readonly uint64_t delivered_at_ms
    cdef readonly bytes payload


cdef Envelope blank(int message_type):
    """An envelope with nothing in it yet."""
    cdef Envelope envelope = Envelope.__new__(Envelope)
    envelope.message_type = message_type
    envelope.txid = envelope.topic = envelope.message_id = b""
    envelope.sender_id = envelope.device_type = envelope.device_id = envelope.payload = b""
    return envelope


cdef class DecodedRecord:
    """One decoded payload: `body` is the event that dashboards see, less its type and sequence number."""
    cdef readonly str kind                          # data, alerts, errors, connectivity
    cdef readonly dict body
    cdef readonly object created_ns                 # since 1970; None if absent or outside the years 1 to 9999
    cdef readonly bint is_resend
    cdef readonly size_t signals                    # datums, alerts or errors in it
    cdef readonly bint vin_differs                  # it named another VIN than the certificate
    cdef dict unknown                               # member's number -> how many values; None if there are none

    @property
    def unknown_values(self):
        """How many values came in a member of Value that this schema does not have, by the member's number."""
        return {} if self.unknown is None else self.unknown

    cdef int count_unknown(self, uint32_t member) except -1:
        if self.unknown is None:
            self.unknown = {}
        self.unknown[member] = self.unknown.get(member, 0) + 1
        return 0


cdef class ServerReply:
    """What a vehicle is answered: type 5 accepts the message `txid`, type 4 refuses it, with the reason as payload."""
    cdef readonly bytes txid, topic, payload
    cdef readonly int message_type


include "_wire_reader.pxi"
include "_wire_numbers.pxi"
include "_wire_records.pxi"
include "_wire_shapes.pxi"
include "_wire_output.pxi"
include "_wire_dispatched.pxi"
include "_wire_envelope.pxi"


# Topic -> (kind, _Layout of the message in the payload).
cdef dict RECORD_LAYOUTS = {
    topic: (
        kind,
        {"Payload": PAYLOAD, "VehicleAlerts": ALERTS_LAYOUT, "VehicleErrors": ERRORS_LAYOUT}.get(message) or _Layout(message),
    )
    for topic, (kind, message) in messages.TOPIC_MESSAGES.items()
}


cdef Envelope opened(object data):
    cdef Envelope envelope = blank(0)
    cdef Py_buffer buffer
    cdef Source source
    PyObject_GetBuffer(data, &buffer, PyBUF_SIMPLE)
    source.bytes, source.size, source.at = <const uint8_t *>buffer.buf, buffer.len, 0
    try:
        fill_envelope(&source, envelope)
    except Malformed as fault:
        raise Malformed(f"the envelope: {fault}", envelope.txid) from None
    finally:
        PyBuffer_Release(&buffer)
    return envelope


def read_envelope(data not None):
    """
    The envelope in a binary message (any buffer).

    Malformed, with the txid if that much could be read, if an offset leads out of it.
    """
    cdef Envelope envelope = opened(data)
    if envelope.message_type != STREAM:
        envelope.topic = b""            # the reference does not look at it either: it acknowledges with an empty topic
    return envelope


def read_reply(data not None):
    """What a vehicle reads: the server's answer to one message. Malformed like `read_envelope`."""
    cdef Envelope envelope = opened(data)
    cdef ServerReply reply = ServerReply.__new__(ServerReply)
    reply.txid, reply.topic, reply.payload = envelope.txid, envelope.topic, envelope.payload
    reply.message_type = envelope.message_type
    return reply


def read_record(bytes topic not None, payload not None, str vin not None, int shape=FLAT):
    """
    The record in a payload (any buffer) of a topic of TOPICS, as sent by the vehicle `vin`.

    Malformed if the payload is not the message that goes under this topic; KeyError for any other topic.
    """
    cdef tuple row = <tuple>RECORD_LAYOUTS[topic]
    cdef DecodedRecord record = DecodedRecord.__new__(DecodedRecord)
    cdef Reading reading
    cdef Py_buffer buffer
    memset(&reading, 0, sizeof(Reading))
    reading.shape = FLEET if shape == FLEET else FLAT
    reading.record = <PyObject *>record
    PyObject_GetBuffer(payload, &buffer, PyBUF_SIMPLE)
    reading.source.bytes, reading.source.size = <const uint8_t *>buffer.buf, buffer.len
    try:
        fill_record(&reading, record, <_Layout>row[1], vin)
    finally:
        PyBuffer_Release(&buffer)
    record.kind = row[0]
    return record


def dispatched(bytes topic not None, payload not None, str vin not None):
    """
    The payload (any buffer) of a record of the vehicle `vin` as the reference dispatches it: corrected, and with that VIN.

    Malformed and KeyError like `read_record`, for what that has not read yet; but texts are not checked again.
    """
    cdef bytes name = vin.encode()
    cdef Marshalling to
    cdef Source source
    cdef Py_buffer buffer
    cdef tuple row = <tuple>RECORD_LAYOUTS[topic]
    memset(&to, 0, sizeof(Marshalling))
    to.vin, to.vin_size = PyBytes_AS_STRING(name), <size_t>PyBytes_GET_SIZE(name)
    PyObject_GetBuffer(payload, &buffer, PyBUF_SIMPLE)
    source.bytes, source.size, source.at = <const uint8_t *>buffer.buf, <size_t>buffer.len, 0
    try:
        marshal(&to, &source, <_Layout>row[1], 0)
        return PyBytes_FromStringAndSize(<const char *>to.out.bytes, <Py_ssize_t>to.out.size)
    finally:
        PyBuffer_Release(&buffer)
        PyMem_Free(to.out.bytes)


def ack(bytes txid not None, bytes topic not None):
    """The reply that accepts a message, byte for byte the reference's."""
    cdef Envelope envelope = blank(STREAM_ACK)
    envelope.txid, envelope.topic = txid, topic
    return written(envelope)


def error_reply(bytes txid not None):
    """The reply that refuses a message, byte for byte the reference's: a stream whose payload is a sentence."""
    return write_envelope(b"", txid, b"incorrect message format")


def write_envelope(
    bytes topic not None, bytes txid not None, bytes payload not None, *, bytes sender_id not None=b"",
    bytes device_type not None=b"", bytes device_id not None=b"", bytes message_id not None=b"",
    uint32_t created_at=0, uint64_t delivered_at_ms=0,
):
    """A message as a vehicle sends it, byte for byte as the reference's builder writes one of these parts."""
    cdef Envelope envelope = blank(STREAM)
    envelope.txid, envelope.topic, envelope.payload = txid, topic, payload
    envelope.sender_id, envelope.device_type, envelope.device_id = sender_id, device_type, device_id
    envelope.message_id, envelope.created_at, envelope.delivered_at_ms = message_id, created_at, delivered_at_ms
    return written(envelope)
