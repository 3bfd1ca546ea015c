# Cells -> the Python values that orjson prints, in both shapes.
#
# flat is for dashboards: a datum is a key and a plain value. fleet is protojson's with unpopulated fields emitted, as the
# reference server prints it. Both show what the reference would have dispatched: its corrections are applied here. In one thing
# flat says more: a Value's member that this schema does not have keeps its value (docs/protocol.md, "Unknown members").

cdef _Layout PAYLOAD = _Layout("Payload")
cdef _Layout ALERTS_LAYOUT = _Layout("VehicleAlerts")
cdef _Layout ERRORS_LAYOUT = _Layout("VehicleErrors")
cdef _Layout DATUM = <_Layout>PAYLOAD.slots[1].type
cdef _Layout VALUE_LAYOUT = <_Layout>DATUM.slots[2].type
cdef _Layout ALERT = <_Layout>ALERTS_LAYOUT.slots[1].type
cdef _Layout ERROR = <_Layout>ERRORS_LAYOUT.slots[1].type
cdef _Layout TAG = <_Layout>ERROR.slots[3].type
cdef tuple FIELD_NAMES = <tuple>DATUM.slots[1].type

cdef enum:
    STRING_VALUE = 1            # alternatives of Value
    LOCATION_VALUE = 7
    INVALID_VALUE = 10
    LOCATION = 21               # the Field whose text becomes a position
    IS_RESEND = 4               # a field of Payload
    STARTED_AT = 3              # fields of VehicleAlert
    ENDED_AT = 4

cdef int64_t MILLISECONDS_FROM = 315576000000      # seconds of an alert's time, 10,000 years of them: taken for milliseconds

cdef str KEY = sys.intern("key")
cdef str VALUE_KEY = sys.intern("value")


cdef inline object container(_Layout layout, int shape):
    """What the repeated field of this message is collected in; None if it has none."""
    if not layout.gathers:
        return None
    return {} if layout is ERROR or (layout is PAYLOAD and shape == FLAT) else []


cdef inline object enum_name(tuple names, int32_t number):
    """The name; the number itself where this schema is older than the vehicle."""
    if 0 <= number < PyTuple_GET_SIZE(names):
        return <object>PyTuple_GET_ITEM(names, number)
    return number


cdef object shown(_Layout layout, int field, Cell *cells, int shape):
    """One field of a message (not a repeated one)."""
    cdef Slot *slot = &layout.slots[field]
    cdef Cell *cell = &cells[slot.cell]
    cdef uint32_t bits
    cdef double real
    if slot.kind == ENUM:
        return enum_name(<tuple>slot.type, <int32_t>cell.number)
    if slot.kind == DOUBLE:
        memcpy(&real, &cell.number, 8)
        return number(real, shape)
    if slot.kind == FLOAT:
        bits = <uint32_t>cell.number
        if bits & 0x7f800000 != 0x7f800000:
            return shortest(bits)
        return number(NAN if bits & 0x7fffff else -INFINITY if bits >> 31 else INFINITY, shape)
    if slot.kind == BOOL:
        return cell.number != 0
    if slot.kind == STRING:
        return PyUnicode_DecodeUTF8(<const char *>cell.text, cell.number, NULL) if cell.number else ""
    if slot.kind == INT32:
        return <int32_t>cell.number
    if slot.kind == INT64:
        return <int64_t>cell.number if shape == FLAT else str(<int64_t>cell.number)
    if slot.kind == TIMESTAMP:
        return timestamp(<int64_t>cell[1].number, <int32_t>cell[2].number, shape) if cell.number else None
    return shown_message(<_Layout>slot.type, cell + 1, None, None, shape)


cdef dict shown_message(_Layout layout, Cell *cells, object entries, str vin, int shape):
    """A message with all its members, in the shape's order; `vin` replaces its own."""
    cdef dict body = {}
    cdef int i, field
    for i in range(layout.keys):
        field = layout.order[shape][i]
        name = <object>PyTuple_GET_ITEM(layout.names, field)
        if layout.slots[field].repeated:
            body[name] = entries
        elif vin is not None and field == layout.vin:
            body[name] = vin
        else:
            body[name] = shown(layout, field, cells, shape)
    return body


cdef object shown_value(Reading *reading, Cell *cells):
    """The Value in `cells` (which alternative, then itself)."""
    cdef int field = <int>cells[0].number
    cdef int shape = reading.shape
    cdef Slot *slot = &VALUE_LAYOUT.slots[field]
    cdef object value = None
    if field == 0:
        if cells[0].text != NULL:
            value = unknown_value(reading, cells[0].text)
        return value if shape == FLAT else {}
    if shape == FLAT and field == INVALID_VALUE:
        return None
    if slot.kind == STRING:
        value = corrected(<const char *>cells[1].text, cells[1].number)
    else:
        value = shown(VALUE_LAYOUT, field, cells, shape)
    return value if shape == FLAT else {<object>PyTuple_GET_ITEM(VALUE_LAYOUT.names, field): value}


cdef object unknown_value(Reading *reading, const uint8_t *member):
    """
    What a member that this schema does not have holds: a varint as a signed number, anything else as its bytes in base64.

    `member` is its tag. It was read once, to step over it; now that nothing else came, it is read again.
    """
    cdef Source source = reading.source
    cdef uint32_t next_tag
    cdef size_t n
    source.at = member - source.bytes
    next_tag = tag(&source)
    (<DecodedRecord>reading.record).count_unknown(next_tag >> 3)
    if next_tag & 7 == VARINT:
        return <int64_t>varint(&source, 10)
    if next_tag & 7 == LENGTH:
        n = length(&source)
    else:
        member = source.bytes + source.at
        skip(&source, next_tag, 0)
        n = source.bytes + source.at - member           # a group's with the tag that closes it
        source.at -= n
    return base64(PyBytes_FromStringAndSize(<const char *>window(&source, source.at, n), n), newline=False).decode()


cdef int place(Cell *cells) except -1:
    """Make a position of a Value that holds it as text; leave any other as it is."""
    cdef double latitude, longitude
    if cells[0].number != STRING_VALUE or cells[1].number == 0 or cells[1].text[0] != c'(':
        return 0
    found = legacy_text.position(PyUnicode_DecodeUTF8(<const char *>cells[1].text, cells[1].number, NULL))
    if found is not None:
        latitude, longitude = found
        cells[0].number = LOCATION_VALUE
        memcpy(&cells[1].number, &latitude, 8)
        memcpy(&cells[2].number, &longitude, 8)
    return 0


cdef inline size_t digits_from(const char *text, size_t at, size_t size) noexcept:
    """Where the digits that begin at `at` end."""
    while at < size and c'0' <= text[at] <= c'9':
        at += 1
    return at


cdef bint is_scientific(const char *text, size_t size) noexcept:
    """Whether it is a decimal with a point, digits on at least one side of it, and an exponent."""
    cdef size_t start = 1 if size and (text[0] == c'+' or text[0] == c'-') else 0
    cdef size_t point = digits_from(text, start, size)
    cdef size_t exponent
    if point == size or text[point] != c'.':
        return False
    exponent = digits_from(text, point + 1, size)
    if exponent - start == 1 or exponent == size or text[exponent] | 0x20 != c'e':
        return False
    exponent += 1
    if exponent < size and (text[exponent] == c'+' or text[exponent] == c'-'):
        exponent += 1
    return exponent < size and digits_from(text, exponent, size) == size


cdef object corrected(const char *text, size_t size):
    """A text as it is; one in scientific notation within float32's range with five decimals instead, rounded to float32 first."""
    cdef str whole = PyUnicode_DecodeUTF8(text, size, NULL) if size else ""
    cdef uint64_t bits
    cdef double value
    if not is_scientific(text, size):
        return whole
    value = float(whole)
    memcpy(&bits, &value, 8)
    if bits & 0x1fffffff == 0x10000000:
        value = legacy_text.away_from_tie(whole, value)
    if isinf(<float>value):
        return whole
    return f"{<double><float>value:.5f}"


cdef void seconds_from_milliseconds(Cell *cells, _Layout alert) noexcept:
    """Old firmware put milliseconds in the seconds of an alert's start and end; from 10,000 years on they are taken for that."""
    cdef int field
    cdef Cell *stamp
    cdef int64_t milliseconds
    for field in range(STARTED_AT, ENDED_AT + 1):
        stamp = &cells[alert.slots[field].cell]
        milliseconds = <int64_t>stamp[1].number
        if milliseconds >= MILLISECONDS_FROM:
            stamp[1].number = milliseconds // 1000
            stamp[2].number = milliseconds % 1000 * 1000000


cdef int put_datum(Reading *reading, Cell *cells, object entries) except -1:
    """Show one Datum (its key, whether it has a value, the value) and file it."""
    cdef int32_t key = <int32_t>cells[0].number
    cdef object name = enum_name(FIELD_NAMES, key)
    cdef object value = None
    if key == LOCATION and not reading.location_seen:
        reading.location_seen = True                    # the reference looks at the first one only, whatever it holds
        place(&cells[2])
    if cells[1].number:
        value = shown_value(reading, &cells[2])
    if reading.shape == FLAT:
        if type(value) is dict:
            count_entries(reading, STRUCTURE_ENTRIES)
        (<dict>entries)[name if type(name) is str else f"Field_{key}"] = value
    else:
        (<list>entries).append({KEY: name, VALUE_KEY: value})
    return 0


cdef int put_tag(Cell *cells, dict entries) except -1:
    """File one entry of the map; an entry with a strange field in it is none to upb."""
    if not cells[TAG_STRANGE].number:
        entries[shown(TAG, 1, cells, FLAT)] = shown(TAG, 2, cells, FLAT)
    return 0


cdef int fill_record(Reading *reading, DecodedRecord record, _Layout layout, str vin) except -1:
    """Read a whole payload and show it."""
    cdef Cell[MAX_CELLS] cells
    cdef Cell *claimed = &cells[layout.slots[layout.vin].cell]
    cdef Cell *created = &cells[layout.slots[layout.created].cell]
    cdef object entries = container(layout, reading.shape)
    cdef bytes given
    memset(cells, 0, sizeof(cells))
    read_message(reading, layout, cells, entries, 0)
    record.body = shown_message(layout, cells, entries, vin, reading.shape)
    record.signals = reading.signals
    if claimed.number:
        given = vin.encode()
        record.vin_differs = (
            <size_t>PyBytes_GET_SIZE(given) != claimed.number
            or memcmp(PyBytes_AS_STRING(given), claimed.text, claimed.number) != 0
        )
    if created.number and representable(<int64_t>created[1].number, <int32_t>created[2].number):
        record.created_ns = <int64_t>created[1].number * <object>1000000000 + <int32_t>created[2].number
    if layout is PAYLOAD:
        record.is_resend = cells[layout.slots[IS_RESEND].cell].number != 0
    return 0
