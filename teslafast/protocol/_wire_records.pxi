# Protobuf messages, read by one loop over tables that are built from messages.py.
#
# A message is read into cells: one a scalar, and for a nested message one that says "present" followed by its own. So a
# repeated nested message merges and a repeated scalar is overwritten, which is proto3's law, without any code for it. A Value
# (the only oneof) keeps the number of its alternative in its first cell, and all alternatives share those after it. Beside that
# number it keeps where the last member stands that this schema does not have: Tesla adds some every few months.
# What is repeated (each message has at most one such field) becomes a Python object as soon as it has been read.

cdef enum Kind:
    UNKNOWN = 0
    BOOL
    INT32
    INT64
    FLOAT
    DOUBLE
    ENUM
    STRING
    TIMESTAMP                   # from here on: messages
    STRUCTURE
    ONE_OF
    ENTRY                       # repeated messages

cdef enum:
    HIGHEST_FIELD = 60          # of any message: Value's last alternative
    MAX_CELLS = 16              # of one message: more than the widest layout has; _Layout checks it
    TAG_STRANGE = 2             # the cell of a map entry that says: it held a field other than key and value
    MAX_KEYS = 10               # members of one message: TireLocation's
    # Of one record, in datums of the plainest kind: they cost 11 ms, for which everybody waits. A car has 270 fields. What
    # becomes an object of its own counts for as many datums as it costs to make.
    MAX_ENTRIES = 65536
    STRUCTURE_ENTRIES = 2       # a place, a time: 0.3 µs more
    MESSAGE_ENTRIES = 8         # an alert, an error: a microsecond, and 60 bytes of JSON for 2 of its own. 8,192 of them

# Scalars: type -> (kind, wire type).
cdef dict FIELD_KINDS = {
    "bool": (BOOL, VARINT), "int32": (INT32, VARINT), "int64": (INT64, VARINT), "float": (FLOAT, FIXED32),
    "double": (DOUBLE, FIXED64), "string": (STRING, LENGTH), "Timestamp": (TIMESTAMP, LENGTH), "Value": (ONE_OF, LENGTH),
}

# For the table of bounds.
VALUES_AT_MOST = MAX_ENTRIES
REPORTS_AT_MOST = MAX_ENTRIES // MESSAGE_ENTRIES     # alerts, or errors

cdef struct Cell:
    uint64_t number             # the scalar's bits; a text's length; 1 for a message that is present
    const uint8_t *text         # borrowed; in a Value's first cell the tag of its last unknown member, NULL if it has none

cdef struct Slot:               # what a field number means
    uint8_t kind                # Kind
    uint8_t wire                # the wire type it must come in; any other makes it an unknown field
    uint8_t cell
    bint repeated
    PyObject *type              # borrowed from _Layout.types: a _Layout, or the tuple of an enum's names

cdef struct Reading:            # one record being read
    Source source
    int shape
    size_t entries              # repeated things of all kinds
    size_t signals              # those of the record itself
    bint location_seen
    PyObject *record            # borrowed: the DecodedRecord that is being filled


cdef class _Layout:
    """One message of the protocol, as the reading loop wants it."""
    cdef Slot[HIGHEST_FIELD + 1] slots              # by field number
    cdef int width                                  # cells that it takes
    cdef uint32_t highest                           # of its fields' numbers
    cdef bint one_of
    cdef bint map_entry
    cdef tuple names                                # the JSON name of each field, by number
    cdef uint8_t[2][MAX_KEYS] order                 # field numbers in the order of their JSON keys, by shape
    cdef int keys
    cdef bint gathers                               # it has a repeated field
    cdef int vin                                    # the numbers of fields that code has to know; 0 if it has none
    cdef int created
    cdef list types

    def __init__(self, str message):
        fields = messages.MESSAGES[message]
        names = [None] * (HIGHEST_FIELD + 1)
        self.types = []
        self.one_of = message == "Value"
        self.map_entry = message == "Tag"
        self.width = 1 if self.one_of else 0
        for field in fields:
            names[field.number] = sys.intern(field.name)        # IndexError if HIGHEST_FIELD is too low for the table
            self.add(field)
        self.names = tuple(names)
        self.highest = max([field.number for field in fields])
        self.gathers = any([field.repeated for field in fields])
        if self.map_entry:
            self.width += 1                         # TAG_STRANGE
        if self.width > MAX_CELLS or len(fields) > MAX_KEYS and not self.one_of:
            raise OverflowError(f"{message} is larger than the decoder's tables")
        numbers = {field.name: field.number for field in fields}
        self.vin, self.created = numbers.get("vin", 0), numbers.get("createdAt", 0)
        if not self.one_of:
            self.keys = len(fields)
            for at in range(self.keys):
                self.order[FLAT][at] = numbers[messages.FLAT_ORDER.get(message, tuple(numbers))[at]]
                self.order[FLEET][at] = fields[at].number

    cdef add(self, field):
        """Find the cells of one more field."""
        cdef Slot *slot = &self.slots[<int>field.number]
        cdef int cells = 1
        cdef object type_ = None
        slot.repeated = field.repeated
        if field.type in FIELD_KINDS:
            slot.kind, slot.wire = FIELD_KINDS[field.type]
        elif field.type in signals.ENUMS:
            slot.kind, slot.wire = ENUM, VARINT
            type_ = tuple([sys.intern(name) for name in signals.ENUMS[field.type]])
        else:
            slot.kind, slot.wire = ENTRY if field.repeated else STRUCTURE, LENGTH
        if slot.kind >= TIMESTAMP:
            type_ = _Layout(field.type)
            cells = 0 if field.repeated else 1 + (<_Layout>type_).width
        slot.type = <PyObject *>type_
        self.types.append(type_)
        if self.one_of:
            slot.cell = 1 if slot.kind < TIMESTAMP else 0
            self.width = max(self.width, 1 + cells)
        else:
            slot.cell = self.width
            self.width += cells


cdef int read_message(Reading *reading, _Layout layout, Cell *cells, object entries, int depth) except -1:
    """Read fields up to the source's end into `cells` (zeroed by the caller) and `entries`. Malformed if they are none."""
    cdef Source *source = &reading.source
    cdef uint32_t next_tag, field
    cdef Slot *slot
    cdef size_t start
    while source.at < source.size:
        start = source.at
        next_tag = tag(source)
        field = next_tag >> 3
        slot = &layout.slots[field if field <= HIGHEST_FIELD else 0]
        if slot.kind == UNKNOWN or next_tag & 7 != slot.wire:
            if slot.kind == ENUM and slot.repeated and next_tag & 7 == LENGTH:
                read_packed(reading, slot, <list>entries)
                continue
            skip(source, next_tag, depth)
            if layout.one_of:
                cells[0].text = source.bytes + start
            elif layout.map_entry:
                cells[TAG_STRANGE].number = 1
        elif slot.repeated:
            read_entry(reading, slot, entries, depth)
        else:
            if layout.one_of and cells[0].number != field:
                if cells[0].number != 0:
                    memset(cells, 0, layout.width * sizeof(Cell))
                cells[0].number = field
            read_single(reading, layout, slot, &cells[slot.cell], depth)
    return 0


cdef inline int read_single(Reading *reading, _Layout layout, Slot *slot, Cell *cell, int depth) except -1:
    """Read a field that is not repeated into its cell (a message: into those that follow)."""
    cdef Source *source = &reading.source
    if slot.wire == VARINT:
        cell.number = varint(source, 10)
    elif slot.wire == FIXED64:
        cell.number = u64(source, source.at)
        source.at += 8
    elif slot.wire == FIXED32:
        cell.number = u32(source, source.at)
        source.at += 4
    elif slot.kind == STRING:
        read_text(source, cell)
    else:
        if not layout.one_of:
            cell.number = 1
        read_nested(reading, <_Layout>slot.type, cell + 1, None, depth + 1)
    return 0


cdef inline int read_nested(Reading *reading, _Layout layout, Cell *cells, object entries, int depth) except -1:
    """Read a message with its length in front: the source ends where it ends, meanwhile."""
    cdef size_t n = length(&reading.source)
    cdef size_t size = reading.source.size
    reading.source.size = reading.source.at + n
    read_message(reading, layout, cells, entries, depth)
    reading.source.size = size
    return 0


cdef inline int read_text(Source *source, Cell *cell) except -1:
    cdef size_t n = length(source)
    cell.text = window(source, source.at, n)
    cell.number = n
    source.at += n
    return check_utf8(cell.text, n)


cdef inline int count_entries(Reading *reading, size_t count) except -1:
    reading.entries += count
    if reading.entries > MAX_ENTRIES:
        malformed("it has more entries than any vehicle sends")
    return 0


cdef int read_packed(Reading *reading, Slot *slot, list entries) except -1:
    """Repeated enums in one piece."""
    cdef Source *source = &reading.source
    cdef size_t n = length(source)
    cdef size_t size = source.size
    source.size = source.at + n
    while source.at < source.size:
        count_entries(reading, 1)
        entries.append(enum_name(<tuple>slot.type, <int32_t>varint(source, 10)))
    source.size = size
    return 0


cdef int read_entry(Reading *reading, Slot *slot, object entries, int depth) except -1:
    """Read one element of a repeated field and put it where it belongs."""
    cdef Cell[MAX_CELLS] cells
    cdef _Layout layout
    cdef object nested
    count_entries(reading, 1)
    reading.signals += depth == 0
    if slot.kind == ENUM:
        (<list>entries).append(enum_name(<tuple>slot.type, <int32_t>varint(&reading.source, 10)))
        return 0
    layout = <_Layout>slot.type
    nested = container(layout, reading.shape)
    memset(cells, 0, layout.width * sizeof(Cell))
    read_nested(reading, layout, cells, nested, depth + 1)
    if layout is DATUM:
        put_datum(reading, cells, entries)
    elif layout is TAG:
        put_tag(cells, <dict>entries)
    else:
        count_entries(reading, MESSAGE_ENTRIES - 1)
        if layout is ALERT:
            seconds_from_milliseconds(cells, layout)
        (<list>entries).append(shown_message(layout, cells, nested, None, reading.shape))
    return 0
