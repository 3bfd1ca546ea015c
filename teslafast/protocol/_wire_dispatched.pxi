# A payload as the reference dispatches it: its own bytes, marshalled again after the corrections and the certificate's VIN.
#
# A message is gone through once to see where each field stands, then its fields are written in the order of their numbers, and
# what this schema does not have after them, as it came. That is what protobuf's own "parse, change, marshal" gives: the last
# of several scalars, all of several nested messages as one, no zeros but in a oneof, enums packed. Nothing is made a Python value
# but what is corrected; time is linear in the payload's length, as nothing is nested more than four deep.

cdef struct Marshalling:        # one record being written
    Output out
    const char *vin
    size_t vin_size
    bint location_seen
    bint is_location            # the Value that comes is the one whose text may be a position
    bint is_alert_time          # the Timestamp that comes may be in milliseconds


cdef int put_unknown(Marshalling *to, Source *source, _Layout layout, int depth) except -1:
    """All fields that this schema does not have, tags and all, as they came; a strange map entry as the message that it is."""
    cdef uint32_t next_tag
    cdef size_t start
    cdef Source entry
    source.at = 0
    while source.at < source.size:
        start = source.at
        next_tag = tag(source)
        entry = source[0]
        skip(source, next_tag, depth)
        if slot_of(layout, next_tag) == NULL:
            put_bytes(&to.out, source.bytes + start, source.at - start)
        elif layout is ERROR and layout.slots[next_tag >> 3].kind == ENTRY and is_strange(entry, depth):
            put_nested(to, &entry, layout, next_tag >> 3, NULL, depth)
    return 0


cdef bint is_strange(Source source, int depth) except -1:
    """Whether a map entry, at whose length `source` stands, holds anything but a key and a value: then it is an unknown field."""
    cdef uint32_t next_tag
    cdef size_t end = length(&source)
    end += source.at
    while source.at < end:
        next_tag = tag(&source)
        if slot_of(TAG, next_tag) == NULL:
            return True
        skip(&source, next_tag, depth + 1)
    return False


# ---- messages

cdef int marshal(Marshalling *to, Source *source, _Layout layout, int depth) except -1:
    """Writes the message that the whole of `source` is."""
    cdef Spot[HIGHEST_FIELD + 1] spots
    cdef bint has_unknown = layout is ERROR     # its map may have strange entries
    cdef uint32_t next_tag, field
    cdef size_t start
    cdef Spot *spot
    if layout.one_of:
        return marshal_one_of(to, source, layout, depth)
    memset(spots, 0, (layout.highest + 1) * sizeof(Spot))
    source.at = 0
    while source.at < source.size:
        start = source.at
        next_tag = tag(source)
        if slot_of(layout, next_tag) == NULL:
            has_unknown = True
        else:
            spot = &spots[next_tag >> 3]
            if spot.count == 0:
                spot.since = start
            spot.at = source.at
            spot.count += 1
        skip(source, next_tag, depth)
    if layout is DATUM:
        look_for_location(to, source, &spots[1])
    for field in range(1, layout.highest + 1):
        if depth == 0 and <int>field == layout.vin:
            put_text(&to.out, field, to.vin, to.vin_size)
        elif spots[field].count == 0:
            continue
        elif layout.slots[field].repeated:
            put_repeated(to, source, layout, field, depth)
        else:
            to.is_alert_time = layout is ALERT and layout.slots[field].kind == TIMESTAMP
            put_single(to, source, layout, field, &spots[field], depth)
            to.is_alert_time = False
    return put_unknown(to, source, layout, depth) if has_unknown else 0


cdef int marshal_one_of(Marshalling *to, Source *source, _Layout layout, int depth) except -1:
    cdef Spot spot
    cdef bint has_unknown = False
    cdef uint32_t next_tag
    cdef uint32_t field = 0
    cdef size_t start
    memset(&spot, 0, sizeof(Spot))
    source.at = 0
    while source.at < source.size:
        start = source.at
        next_tag = tag(source)
        if slot_of(layout, next_tag) == NULL:
            has_unknown = True
        else:
            if next_tag >> 3 != field:
                field = next_tag >> 3
                spot.since, spot.count = start, 0
            spot.at = source.at
            spot.count += 1
        skip(source, next_tag, depth)
    if field == STRING_VALUE:
        put_corrected(to, source, spot.at)
    elif field:
        put_single(to, source, layout, field, &spot, depth)
    to.is_location = False
    return put_unknown(to, source, layout, depth) if has_unknown else 0


cdef int put_single(Marshalling *to, Source *source, _Layout layout, uint32_t field, Spot *spot, int depth) except -1:
    """A field that is not repeated; a zero goes without saying, but in a oneof."""
    cdef Slot *slot = &layout.slots[field]
    cdef uint64_t value = 0
    cdef const uint8_t *text
    cdef size_t n
    source.at = spot.at
    if slot.wire == VARINT:
        value = varint(source, 10)
        if slot.kind == BOOL:
            value = value != 0
        elif slot.kind != INT64:
            value = <uint64_t><int64_t><int32_t>value
        if value or layout.one_of:
            put_varint(&to.out, field << 3 | VARINT)
            put_varint(&to.out, value)
    elif slot.wire != LENGTH:
        n = 8 if slot.wire == FIXED64 else 4
        text = window(source, source.at, n)
        memcpy(&value, text, n)
        if value or layout.one_of:
            put_varint(&to.out, field << 3 | slot.wire)
            put_bytes(&to.out, text, n)
    elif slot.kind == STRING:
        n = length(source)
        if n or layout.one_of:
            put_text(&to.out, field, window(source, source.at, n), n)
    else:
        put_nested(to, source, layout, field, spot, depth)
    return 0


cdef int put_nested(Marshalling *to, Source *source, _Layout layout, uint32_t field, Spot *spot, int depth) except -1:
    """A nested message; `source` stands at its length."""
    cdef Slot *slot = &layout.slots[field]
    cdef bytes pieces
    cdef Source inner
    cdef size_t start
    inner.at = 0
    if spot != NULL and spot.count > 1:
        pieces = merged(source, layout, field, spot.since, depth)
        inner.bytes, inner.size = <const uint8_t *>PyBytes_AS_STRING(pieces), <size_t>PyBytes_GET_SIZE(pieces)
    else:
        inner.size = length(source)
        inner.bytes = source.bytes + source.at
        source.at += inner.size
    put_varint(&to.out, field << 3 | LENGTH)
    start = to.out.size
    if slot.kind == TIMESTAMP and to.is_alert_time:
        marshal_alert_time(to, &inner, <_Layout>slot.type, depth + 1)
    else:
        marshal(to, &inner, <_Layout>slot.type, depth + 1)
    return put_length(&to.out, start)


cdef int put_repeated(Marshalling *to, Source *source, _Layout layout, uint32_t field, int depth) except -1:
    cdef Slot *slot = &layout.slots[field]
    cdef uint32_t next_tag
    cdef size_t start, before
    if slot.kind == ENUM:
        before = to.out.size
        put_varint(&to.out, field << 3 | LENGTH)
        start = to.out.size
        put_packed(to, source, field, depth)
        if to.out.size == start:        # it came packed, with nothing in it
            to.out.size = before
            return 0
        return put_length(&to.out, start)
    if <_Layout>slot.type is TAG:
        return put_tags(to, source, layout, field, depth)
    source.at = 0
    while source.at < source.size:
        next_tag = tag(source)
        if next_tag >> 3 == field and next_tag & 7 == slot.wire:
            put_nested(to, source, layout, field, NULL, depth)
        else:
            skip(source, next_tag, depth)
    return 0


cdef int put_packed(Marshalling *to, Source *source, uint32_t field, int depth) except -1:
    """The numbers of a repeated enum, whether they came one by one or packed."""
    cdef uint32_t next_tag
    cdef size_t end
    source.at = 0
    while source.at < source.size:
        next_tag = tag(source)
        if next_tag == (field << 3 | VARINT):
            put_varint(&to.out, <uint64_t><int64_t><int32_t>varint(source, 10))
        elif next_tag == (field << 3 | LENGTH):
            end = length(source)
            end += source.at
            while source.at < end:
                put_varint(&to.out, <uint64_t><int64_t><int32_t>varint(source, 10))
        else:
            skip(source, next_tag, depth)
    return 0


cdef int put_tags(Marshalling *to, Source *source, _Layout layout, uint32_t field, int depth) except -1:
    """A map, each entry with its key and its value, the last of those with one key."""
    cdef Cell[MAX_CELLS] cells
    cdef Reading reading
    cdef uint32_t next_tag
    cdef size_t start
    cdef dict entries = {}
    cdef bytes key, value
    memset(&reading, 0, sizeof(Reading))
    source.at = 0
    while source.at < source.size:
        next_tag = tag(source)
        if next_tag == (field << 3 | LENGTH) and not is_strange(source[0], depth):
            reading.source = source[0]
            memset(cells, 0, TAG.width * sizeof(Cell))
            read_nested(&reading, TAG, cells, None, depth + 1)
            entries[text_of(&cells[0])] = text_of(&cells[1])
        skip(source, next_tag, depth)
    for key, value in entries.items():
        put_varint(&to.out, field << 3 | LENGTH)
        start = to.out.size
        put_text(&to.out, 1, PyBytes_AS_STRING(key), <size_t>PyBytes_GET_SIZE(key))
        put_text(&to.out, 2, PyBytes_AS_STRING(value), <size_t>PyBytes_GET_SIZE(value))
        put_length(&to.out, start)
    return 0


# ---- corrections, as those of _wire_shapes.pxi

cdef int look_for_location(Marshalling *to, Source *source, Spot *key) except -1:
    """Whether a Datum is the first Location: only that one's text is looked at."""
    to.is_location = False
    if key.count == 0 or to.location_seen:
        return 0
    source.at = key.at
    if <int32_t>varint(source, 10) == LOCATION:
        to.location_seen = to.is_location = True
    return 0


cdef int put_corrected(Marshalling *to, Source *source, size_t at) except -1:
    """A Value's text: the position that it is, or with its scientific notation undone, or as it is."""
    cdef Cell[MAX_CELLS] cells
    cdef bytes text
    cdef size_t start
    cdef int i
    memset(cells, 0, sizeof(cells))
    source.at = at
    read_text(source, &cells[1])
    cells[0].number = STRING_VALUE
    if to.is_location:
        place(cells)
    if cells[0].number == STRING_VALUE:
        if not is_scientific(<const char *>cells[1].text, cells[1].number):
            return put_text(&to.out, STRING_VALUE, cells[1].text, cells[1].number)
        text = (<str>corrected(<const char *>cells[1].text, cells[1].number)).encode()
        return put_text(&to.out, STRING_VALUE, PyBytes_AS_STRING(text), <size_t>PyBytes_GET_SIZE(text))
    put_varint(&to.out, LOCATION_VALUE << 3 | LENGTH)
    start = to.out.size
    for i in range(1, 3):
        if cells[i].number:
            put_varint(&to.out, i << 3 | FIXED64)
            put_bytes(&to.out, &cells[i].number, 8)
    return put_length(&to.out, start)


cdef int marshal_alert_time(Marshalling *to, Source *source, _Layout layout, int depth) except -1:
    """A Timestamp of an alert: old firmware's milliseconds become seconds."""
    cdef Cell[MAX_CELLS] cells
    cdef Reading reading
    cdef int64_t milliseconds
    memset(&reading, 0, sizeof(Reading))
    memset(cells, 0, sizeof(cells))
    reading.source = source[0]
    read_message(&reading, layout, cells, None, depth)
    milliseconds = <int64_t>cells[0].number
    if milliseconds < MILLISECONDS_FROM:
        return marshal(to, source, layout, depth)
    put_varint(&to.out, 1 << 3 | VARINT)
    put_varint(&to.out, <uint64_t>(milliseconds // 1000))
    if milliseconds % 1000:
        put_varint(&to.out, 2 << 3 | VARINT)
        put_varint(&to.out, <uint64_t>(milliseconds % 1000 * 1000000))
    return put_unknown(to, source, layout, depth)
