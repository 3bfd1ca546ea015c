# cython: language_level=3
"""
The rows of TeslaMate's streaming protocol: what a vehicle has said, as one line of comma-separated cells for each record.

    values     the latest of each field that a column is made of, with its time; a late record fills in only what is newer, or
               what was told with a time that was ahead (the rule of core/last_values.py)
    cells      what stands in each column now, as the bytes that go out; written when a value changes, not for each row
    a row      for a record that is neither late nor re-sent, holds such a field, and comes when place and gear are known

Laws, each of which a client breaks without (docs/connect/teslamate.md): whole numbers have no fraction, because `71.4` reads as
nothing; `power` is a number in every row, because an empty one means that the vehicle only seems awake; the time never steps
back unless our own clock does, because TeslaMate stores the positions in the order in which they come; no gear without a place.
What is not known is empty, never made up.

Compiled because a thousand vehicles want a thousand rows a second: tests/support/row_model.py says the same in plain Python, and
the tests hold one against the other. No clock, no I/O.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.float cimport PyFloat_AS_DOUBLE
from cpython.long cimport PyLong_AsLongLongAndOverflow
from cpython.mem cimport PyMem_Free
from libc.math cimport floor
from libc.stdint cimport int64_t, uint8_t
from libc.stdio cimport snprintf
from libc.string cimport memcpy, strchr

from orjson import loads as _loads

from ..rfc3339 import parse_rfc3339 as _parse_rfc3339
from . import teslamate_rows as _tables

cdef extern from "Python.h":
    char *PyOS_double_to_string(double value, char format, int precision, int flags, int *kind) except NULL
    int Py_DTSF_ADD_DOT_0

cdef double LARGEST = 1e15      # no field of a vehicle's comes near it; whole numbers below are exact
cdef enum:
    DIGITS = 24                 # room for a whole number below LARGEST, or a time, with sign and end
    LARGEST_FRAME = 65535       # of the shorter two headers

cdef enum Field:                # what a cell is made of, in the order of COLUMN_FIELDS
    SPEED, ODOMETER, SOC, HEADING, GEAR, RANGE, EST_RANGE, PLACE, DC_POWER, AC_POWER, VOLTS, AMPERES, FIELDS

cdef enum Column:               # in the order of TESLAMATE_COLUMNS; EMPTY: every column that nobody knows
    C_SPEED, C_ODOMETER, C_SOC, C_ELEVATION, C_EST_HEADING, C_LATITUDE, C_LONGITUDE, C_POWER, C_GEAR, C_RANGE, C_EST_RANGE
    C_HEADING, C_EMPTY, CELLS

cdef dict field_numbers = {name: number for number, name in enumerate(_tables.COLUMN_FIELDS)}
cdef dict column_numbers = {name: number for number, name in enumerate(_tables.TESLAMATE_COLUMNS)}
cdef dict gear_cells = {name: gear.encode() for name, gear in _tables.GEARS.items()}
cdef object unknown = object()      # the value of a field that has not come
assert len(field_numbers) == FIELDS and len(column_numbers) == C_EMPTY


include "_teslamate_cells.pxi"


cdef str minute_text = ""       # records of the same minute share its parsing
cdef int64_t minute_ms = -1


cdef int64_t milliseconds(object created_at) except -2:
    """Of an event's `createdAt` (`2026-11-23T08:00:00.123Z`), since 1970; -1 if it is no time."""
    global minute_text, minute_ms
    if type(created_at) is not str or len(<str>created_at) != 24:
        return -1
    if (<str>created_at)[:17] != minute_text:
        minute_ns = _parse_rfc3339(created_at[:17] + "00.000Z")
        minute_text, minute_ms = created_at[:17], -1 if minute_ns is None else minute_ns // 1_000_000
    if minute_ms < 0:
        return -1
    try:
        return minute_ms + int(created_at[17:19]) * 1000 + int(created_at[20:23])
    except ValueError:
        return -1


cdef class VehicleRows:
    """
    One vehicle's latest values, as cells.

    time_ms   of the newest record that is in them, ms since 1970
    """

    cdef:
        readonly int64_t time_ms
        int64_t[FIELDS] times
        int ahead               # bit k: the time of field k was ahead
        list values
        list row
        object height

    def __init__(self, dict values not None, dict times_ms not None, height=None, ahead=()):
        """
        `values`, `times_ms`: what is known already, with the same keys. `ahead`: of these, what was told with a time that was
        ahead. `height`: latitude, longitude -> metres, or None.
        """
        cdef int field
        self.height = height
        self.values = [unknown] * FIELDS
        self.row = [b""] * CELLS
        self.row[C_POWER] = b"0"
        self.time_ms = 0
        for field in range(FIELDS):
            self.times[field] = -1
        for name, value in values.items():
            if name in field_numbers:
                field = field_numbers[name]
                self.values[field] = value
                self.times[field] = times_ms[name]
                if name in ahead:
                    self.ahead |= 1 << field
                self.time_ms = max(self.time_ms, self.times[field])
        self.write((1 << FIELDS) - 1)

    @property
    def cells(self):
        """Column -> what stands in it now."""
        return {name: self.row[number].decode() for name, number in column_numbers.items()}

    def take_event(self, bytes text not None, int64_t came_ms):
        """Takes an event of the log in, its JSON; whether there is a row for it. A time ahead of its receipt counts as that."""
        cdef dict body = _loads(text)
        cdef int64_t time_ms = milliseconds(body["createdAt"])
        cdef bint ahead = time_ms > came_ms
        if time_ms < 0 or ahead:
            time_ms = came_ms
        if came_ms < self.time_ms:
            self.bound(came_ms)
        return self.take(body["data"], time_ms, body.get("isResend") is True, ahead)

    cdef int bound(self, int64_t now_ms) except -1:
        """What is known for a later moment was told when our clock was ahead: it counts as of now."""
        cdef int field
        for field in range(FIELDS):
            if self.times[field] > now_ms:
                self.times[field] = now_ms
                self.ahead |= 1 << field
        self.time_ms = now_ms
        return 0

    cpdef bint take(self, dict data, int64_t time_ms, bint is_resend, bint ahead=False) except -1:
        """
        Takes a record's fields in; whether there is a row for it.

        `time_ms`: when it was made, as far as its receipt; `ahead`: its own time is later than that.
        """
        cdef bint late = time_ms < self.time_ms
        cdef bint newer = time_ms > self.time_ms
        cdef bint said = False
        cdef int changed = 0
        cdef int field
        for name, value in data.items():
            number = field_numbers.get(name)
            if number is None:
                continue
            field = number
            said = True
            if late and time_ms <= self.times[field] and (is_resend or not self.ahead & 1 << field):
                continue
            self.times[field] = time_ms
            if ahead:
                self.ahead |= 1 << field
            else:
                self.ahead &= ~(1 << field)
            known = self.values[field]
            if type(known) is not type(value) or known != value:    # True is 1, and no number here
                self.values[field] = value
                changed |= 1 << field
        if changed:
            self.write(changed)
        if late or not said:
            return False
        self.time_ms = time_ms
        return not is_resend and (changed != 0 or newer) and self.complete()

    cdef bint complete(self) except -1:
        """Gear and place have been seen, and no gear but P stands without a place."""
        if self.values[GEAR] is unknown or self.values[PLACE] is unknown:
            return False
        return self.row[C_LATITUDE] != b"" or self.row[C_GEAR] in (b"", b"P")

    cdef int write(self, int fields) except -1:
        """Writes the cells of these fields anew; bit k = the field with number k."""
        cdef list values = self.values
        cdef list row = self.row
        if fields & 1 << SPEED:
            row[C_SPEED] = whole(values[SPEED])
        if fields & 1 << ODOMETER:
            row[C_ODOMETER] = decimal(values[ODOMETER])
        if fields & 1 << SOC:
            row[C_SOC] = whole(values[SOC])
        if fields & 1 << HEADING:
            row[C_EST_HEADING] = row[C_HEADING] = whole(values[HEADING])
        if fields & 1 << GEAR:
            row[C_GEAR] = gear_cells.get(values[GEAR], b"") if type(values[GEAR]) is str else b""
        if fields & 1 << RANGE:
            row[C_RANGE] = whole(values[RANGE])
        if fields & 1 << EST_RANGE:
            row[C_EST_RANGE] = whole(values[EST_RANGE])
        if fields & 1 << PLACE:
            self.write_place(values[PLACE])
        if fields & (1 << DC_POWER | 1 << AC_POWER | 1 << VOLTS | 1 << AMPERES):
            row[C_POWER] = self.power()
        return 0

    cdef bytes power(self):
        """While charging the charger's, as taken in; else what the pack gives: a current below zero discharges."""
        cdef list values = self.values
        cdef double number = 0
        cdef double volts = 0
        cdef double amperes = 0
        if read_number(values[DC_POWER], &number) and number > 0:
            return digits(-nearest(number))
        if read_number(values[AC_POWER], &number) and number > 0:
            return digits(-nearest(number))
        if read_number(values[VOLTS], &volts) and read_number(values[AMPERES], &amperes):
            number = -volts * amperes / 1000
            if -LARGEST < number < LARGEST:
                return digits(nearest(number))
        return b"0"

    cdef int write_place(self, object place) except -1:
        cdef list row = self.row
        cdef double number = 0
        row[C_LATITUDE] = row[C_LONGITUDE] = row[C_ELEVATION] = b""
        if type(place) is not dict:
            return 0
        latitude, longitude = place.get("latitude"), place.get("longitude")
        if not (read_number(latitude, &number) and read_number(longitude, &number)):
            return 0
        row[C_LATITUDE], row[C_LONGITUDE] = decimal(latitude), decimal(longitude)
        if self.height is not None:
            metres = self.height(latitude, longitude)
            row[C_ELEVATION] = b"" if metres is None else digits(metres)
        return 0


cdef class RowShape:
    """What one subscriber's rows look like: `head`, the time, these columns in this order; unknown ones stay empty."""

    cdef:
        bytes head
        bytes columns               # a byte a column: its number

    def __init__(self, bytes head not None, columns):
        self.head = head
        self.columns = bytes([column_numbers.get(name, C_EMPTY) for name in columns])

    def value(self, VehicleRows rows not None):
        """Time and cells alone, as they stand between the quotes."""
        return b",".join([digits(rows.time_ms), *[rows.row[number] for number in self.columns]]).decode()

    cpdef bytes frame(self, VehicleRows rows):
        """The whole message in a binary WebSocket frame. Raises ValueError if it is longer than LARGEST_FRAME."""
        cdef char[DIGITS] time
        cdef Py_ssize_t time_size = snprintf(time, DIGITS, "%lld", <long long>rows.time_ms)
        cdef list row = rows.row
        cdef uint8_t *columns = <uint8_t *>PyBytes_AS_STRING(self.columns)
        cdef Py_ssize_t count = PyBytes_GET_SIZE(self.columns)
        cdef Py_ssize_t size = PyBytes_GET_SIZE(self.head) + time_size + count + 2
        cdef Py_ssize_t i
        cdef bytes framed
        cdef char *out
        for i in range(count):
            size += PyBytes_GET_SIZE(<bytes>row[columns[i]])
        if size > LARGEST_FRAME:
            raise ValueError(f"a row of {size} bytes")
        framed = PyBytes_FromStringAndSize(NULL, size + (2 if size < 126 else 4))
        out = begin_frame(PyBytes_AS_STRING(framed), size)
        out = put(out, PyBytes_AS_STRING(self.head), PyBytes_GET_SIZE(self.head))
        out = put(out, time, time_size)
        for i in range(count):
            out = put(out, b",", 1)
            out = put(out, PyBytes_AS_STRING(<bytes>row[columns[i]]), PyBytes_GET_SIZE(<bytes>row[columns[i]]))
        put(out, b'"}', 2)
        return framed


cdef char *begin_frame(char *out, Py_ssize_t size) noexcept:
    """The header of an unmasked, final, binary frame of at most LARGEST_FRAME bytes (RFC 6455, 5.2); returns its end."""
    out[0] = <char>0x82
    if size < 126:
        out[1] = <char>size
        return out + 2
    out[1] = 126
    out[2] = <char>(size >> 8)
    out[3] = <char>(size & 0xFF)
    return out + 4


cdef inline char *put(char *out, const char *text, Py_ssize_t size) noexcept:
    memcpy(out, text, size)
    return out + size
