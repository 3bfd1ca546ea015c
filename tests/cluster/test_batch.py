"""A batch survives its way through bytes, and foreign bytes are refused."""

import contextlib
import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from teslafast.cluster.batch import (
    BEAT,
    EPOCH,
    HEAD_BYTES,
    OBITUARY,
    PLACE,
    ROSTER,
    RUN_HELLO,
    VERSION,
    BatchHead,
    Entry,
    NotABatch,
    packed,
    read_entries,
    read_head,
)
from teslafast.vin import is_vin

from tests.cluster.plain_batch import read_entries_plainly

NAMES = st.binary(min_size=8, max_size=8)
NUMBERS = st.integers(0, 2**64 - 1)
VINS = st.text("ABCDEFGHJKLMNPRSTUVWXYZ0123456789-_", min_size=1, max_size=64).filter(is_vin)
ENTRIES = st.lists(
    st.builds(Entry, st.integers(0, 255), VINS, st.binary(max_size=40), st.binary(max_size=200), NUMBERS), max_size=8
)


def head(entries: int = 0, flags: int = 0, version: int = VERSION) -> BatchHead:
    return BatchHead(flags, b"epoch  1", 3, b"run    1", 7, 41, 1000, entries, version)


@given(NAMES, NAMES, NUMBERS, NUMBERS, ENTRIES, st.integers(0, 255))
def test_what_is_packed_is_read_again(
    epoch: bytes, run: bytes, number: int, known: int, entries: list[Entry], flags: int
) -> None:
    written = BatchHead(flags, epoch, number, run, number, known, known, len(entries))
    message = packed(written, entries)
    assert read_head(message) == written
    assert read_entries(message, written) == entries


@given(st.binary(max_size=400))
def test_foreign_bytes_are_not_a_batch(message: bytes) -> None:
    with pytest.raises(NotABatch):
        read_head(message)


@given(ENTRIES, st.data())
def test_a_torn_or_changed_batch_raises_nothing_else(entries: list[Entry], data: st.DataObject) -> None:
    message = bytearray(packed(head(len(entries)), entries))
    place = data.draw(st.integers(0, len(message) - 1))
    message[place] ^= data.draw(st.integers(1, 255))
    torn = bytes(message[: data.draw(st.integers(0, len(message)))])
    with contextlib.suppress(NotABatch):
        assert outcome(read_entries, torn) == outcome(read_entries_plainly, torn)


def outcome(read: Callable[[bytes, BatchHead], list[Entry]], message: bytes) -> list[Entry] | str:
    """What is read, or why it is not."""
    try:
        return read(message, read_head(message))
    except NotABatch as error:
        return str(error)


@given(ENTRIES, st.data())
def test_the_compiled_reader_takes_and_refuses_what_the_plain_one_does(entries: list[Entry], data: st.DataObject) -> None:
    message = bytearray(packed(head(len(entries)), entries))
    for _ in range(data.draw(st.integers(0, 3))):
        message[data.draw(st.integers(HEAD_BYTES - 4, len(message) - 1))] = data.draw(st.sampled_from([0, 1, 127, 128, 255]))
    cut = bytes(message[: data.draw(st.integers(HEAD_BYTES, len(message)))] + data.draw(st.binary(max_size=3)))
    with contextlib.suppress(NotABatch):
        read_head(cut)
        assert outcome(read_entries, cut) == outcome(read_entries_plainly, cut)


@pytest.mark.parametrize("vin", ["", '5YJ"', "5YJ\n", "a/b", "a+b", "</script>", "-_-", "\x7f", "5" * 65, " 5YJ3E1EA7KF000001"])
def test_a_batch_with_a_vin_that_would_break_the_json_around_it_is_refused(vin: str) -> None:
    assert not is_vin(vin)
    with pytest.raises(NotABatch, match="a VIN that cannot be one"):
        read_entries(packed(head(1), [Entry(0, vin, b"", b"", 0)]), head(1))


def test_lengths_beyond_the_batch_are_refused() -> None:
    longest = struct.pack("<BBIIQ", 0, 255, 2**32 - 1, 2**32 - 1, 2**64 - 1)
    with pytest.raises(NotABatch, match="torn"):
        read_entries(packed(head(1), ()) + longest, head(1))


def test_an_entry_says_how_many_bytes_it_takes() -> None:
    entry = Entry(0, "5YJ3E1EA7KF000001", b"txid", b"payload", 1)
    assert len(packed(head(1), [entry])) == HEAD_BYTES + entry.size


def test_the_events_of_a_newer_version_can_be_counted() -> None:
    newer = packed(head(5, version=VERSION + 1), ()) + b"event" * 5
    assert read_head(newer).counted == 5


@pytest.mark.parametrize("version", [VERSION, VERSION + 1, 255])
def test_a_batch_cannot_claim_more_events_than_it_has_bytes(version: int) -> None:
    with pytest.raises(NotABatch, match="4294967295 events in 60 bytes"):
        read_head(packed(head(2**32 - 1, version=version), ()) + b"more")


@pytest.mark.parametrize("flag", [EPOCH, OBITUARY, PLACE])
def test_what_has_to_be_obeyed_is_not_believed_of_another_version(flag: int) -> None:
    read = read_head(packed(head(2, flag | BEAT, VERSION + 1), ()) + b"two events")
    assert (read.flags, read.ignored, read.counted) == (BEAT, True, 2)
    own = read_head(packed(head(0, flag), ()))
    assert (own.flags, own.ignored) == (flag, False)


def test_a_roster_has_no_events_of_the_log() -> None:
    assert head(5, ROSTER).counted == 0
    assert head(5, RUN_HELLO | BEAT).counted == 5
