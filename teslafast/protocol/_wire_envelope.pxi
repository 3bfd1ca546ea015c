# Tesla's envelope: two FlatBuffers tables, read by offsets and written back to front (docs/protocol.md, "Envelope").
#
# Reading: a table's position is where its 32-bit distance to its vtable stands; the vtable says where each slot is, 0 or a vtable
# too short meaning "absent". Positions are as wide as a size, so an offset cannot wrap around; every one ends in `window`.
# No offset is followed twice and none in a loop, so a hostile one costs nothing.
# Writing: in the order of the reference's builder, which decides where every padding byte is.

cdef enum:
    STREAM = 4                  # the union's tags
    STREAM_ACK = 5
    SLOT_TXID = 4                    # the envelope's slots, by their offset in the vtable
    SLOT_TOPIC = 6
    SLOT_MESSAGE_TYPE = 8
    SLOT_MESSAGE = 10
    SLOT_MESSAGE_ID = 12
    SLOT_CREATED_AT = 4              # the stream's
    SLOT_SENDER_ID = 6
    SLOT_PAYLOAD = 8
    SLOT_DEVICE_TYPE = 10
    SLOT_DEVICE_ID = 12
    SLOT_DELIVERED_AT = 14
    OVERHEAD = 160        # more than both tables, all lengths, terminators and paddings take

cdef inline size_t slot_at(const Source *source, size_t table, int slot) except? 0xdead:
    """Where a table's slot stands; 0 if it is absent."""
    cdef size_t vtable = table - <int32_t>u32(source, table)
    cdef uint16_t offset = u16(source, vtable + slot) if slot < u16(source, vtable) else 0
    return table + offset if offset else 0


cdef inline bytes vector_at(const Source *source, size_t table, int slot):
    """A copy of a slot's byte vector; empty if it is absent."""
    cdef size_t at = slot_at(source, table, slot)
    cdef uint32_t size
    if at == 0:
        return b""
    at += u32(source, at)
    size = u32(source, at)
    return PyBytes_FromStringAndSize(<const char *>window(source, at + 4, size), size)


cdef int fill_envelope(Source *source, Envelope envelope) except -1:
    """Read what there is, the txid first, so that a reply can name it whatever comes after."""
    cdef size_t root, at, stream
    if source.size == 0:
        return 0
    root = u32(source, 0)
    at = slot_at(source, root, SLOT_MESSAGE)
    if at == 0:
        return 0
    envelope.txid = vector_at(source, root, SLOT_TXID)
    stream = at + u32(source, at)
    at = slot_at(source, root, SLOT_MESSAGE_TYPE)
    envelope.message_type = window(source, at, 1)[0] if at else 0
    envelope.topic = vector_at(source, root, SLOT_TOPIC)
    if envelope.message_type != STREAM:
        return 0
    envelope.message_id = vector_at(source, root, SLOT_MESSAGE_ID)
    envelope.sender_id = vector_at(source, stream, SLOT_SENDER_ID)
    envelope.device_type = vector_at(source, stream, SLOT_DEVICE_TYPE)
    envelope.device_id = vector_at(source, stream, SLOT_DEVICE_ID)
    envelope.payload = vector_at(source, stream, SLOT_PAYLOAD)
    at = slot_at(source, stream, SLOT_CREATED_AT)
    envelope.created_at = u32(source, at) if at else 0
    at = slot_at(source, stream, SLOT_DELIVERED_AT)
    envelope.delivered_at_ms = u64(source, at) if at else 0
    return 0


cdef struct Draft:              # a message being written, from its end towards its beginning
    char *end
    size_t size                 # written so far
    size_t alignment            # the largest that was asked for


cdef inline void pad(Draft *draft, size_t alignment, size_t following) noexcept:
    """Zeros, so that what stands `following` bytes on is aligned, seen from the message's end."""
    cdef size_t zeros = (0 - (draft.size + following)) % alignment
    draft.size += zeros
    memset(draft.end - draft.size, 0, zeros)
    draft.alignment = max(draft.alignment, alignment)


cdef inline void write(Draft *draft, size_t at, uint64_t value, size_t width) noexcept:
    """A little-endian number in its place, `at` bytes before the end."""
    cdef size_t i
    for i in range(width):
        (draft.end - at)[i] = <char>(value >> (8 * i))


cdef inline size_t put(Draft *draft, uint64_t value, size_t width) noexcept:
    """A number in front of what there is; answers where it stands, as a distance from the end."""
    pad(draft, width, 0)
    draft.size += width
    write(draft, draft.size, value, width)
    return draft.size


cdef inline size_t put_offset(Draft *draft, size_t target) noexcept:
    pad(draft, 4, 0)
    return put(draft, draft.size + 4 - target, 4)


cdef inline size_t put_vector(Draft *draft, bytes text) noexcept:
    """Length, bytes, NUL."""
    cdef size_t n = PyBytes_GET_SIZE(text)
    pad(draft, 4, n + 1)
    draft.size += n + 1
    memcpy(draft.end - draft.size, PyBytes_AS_STRING(text), n + 1)      # a bytes object has a NUL behind it
    return put(draft, n, 4)


cdef size_t put_table(Draft *draft, size_t start, size_t *slots, int count) noexcept:
    """Close a table whose fields were put since `start`: its distance to the vtable, and the vtable in front of it."""
    cdef size_t table = put(draft, 0, 4)
    cdef int i
    while count and slots[count - 1] == 0:
        count -= 1
    for i in range(count - 1, -1, -1):
        put(draft, table - slots[i] if slots[i] else 0, 2)
    put(draft, table - start, 2)
    put(draft, 4 + 2 * count, 2)
    write(draft, table, draft.size - table, 4)
    return table


cdef bytes finished(Draft *draft, size_t message, int message_type, bytes txid, bytes topic, bytes message_id):
    """The envelope around what was written, as bytes."""
    cdef size_t[5] slots
    cdef size_t txid_at = put_vector(draft, txid)
    cdef size_t topic_at = put_vector(draft, topic)
    cdef size_t message_id_at = put_vector(draft, message_id)
    cdef size_t start = draft.size
    cdef size_t root
    slots[0] = put_offset(draft, txid_at)
    slots[1] = put_offset(draft, topic_at)
    slots[2] = put(draft, message_type, 1)
    slots[3] = put_offset(draft, message)
    slots[4] = put_offset(draft, message_id_at)
    root = put_table(draft, start, slots, 5)
    pad(draft, draft.alignment, 4)
    put_offset(draft, root)
    return PyBytes_FromStringAndSize(draft.end - draft.size, draft.size)


cdef size_t put_stream(Draft *draft, Envelope envelope) noexcept:
    """The stream table of an envelope to be written."""
    cdef size_t[6] slots
    cdef size_t sender_id = put_vector(draft, envelope.sender_id)
    cdef size_t payload = put_vector(draft, envelope.payload)
    cdef size_t device_type = put_vector(draft, envelope.device_type)
    cdef size_t device_id = put_vector(draft, envelope.device_id)
    cdef size_t start = draft.size
    slots[1] = put_offset(draft, sender_id)
    slots[0] = put(draft, envelope.created_at, 4) if envelope.created_at else 0
    slots[2] = put_offset(draft, payload)
    slots[3] = put_offset(draft, device_type)
    slots[4] = put_offset(draft, device_id)
    slots[5] = put(draft, envelope.delivered_at_ms, 8) if envelope.delivered_at_ms else 0
    return put_table(draft, start, slots, 6)


cdef bytes written(Envelope envelope):
    """The bytes of an envelope: a stream (tag 4), or an acknowledgement (5), whose message is an empty vector and no table."""
    cdef Draft draft
    cdef size_t message
    cdef size_t room = (
        OVERHEAD + PyBytes_GET_SIZE(envelope.txid) + PyBytes_GET_SIZE(envelope.topic) + PyBytes_GET_SIZE(envelope.message_id)
        + PyBytes_GET_SIZE(envelope.sender_id) + PyBytes_GET_SIZE(envelope.device_type) + PyBytes_GET_SIZE(envelope.device_id)
        + PyBytes_GET_SIZE(envelope.payload)
    )
    cdef char *memory = <char *>PyMem_Malloc(room)
    if memory == NULL:
        raise MemoryError
    draft.end, draft.size, draft.alignment = memory + room, 0, 4
    try:
        message = put_stream(&draft, envelope) if envelope.message_type == STREAM else put_vector(&draft, b"")
        return finished(&draft, message, envelope.message_type, envelope.txid, envelope.topic, envelope.message_id)
    finally:
        PyMem_Free(memory)
