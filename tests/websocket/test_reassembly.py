"""Fragments put together: any split of any messages gives them back; a message beyond the limit is nothing but that."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from teslafast.websocket.reassembly import CONTINUATION, Message, OutOfOrder, Reassembly

TEXT, BINARY = 1, 2
LIMIT = 20

Parts = list[bytes | None]  # a message's fragments; None: a frame that was too large to be kept


def fragments(opcode: int, parts: Parts) -> Iterable[tuple[int, bool, memoryview | None]]:
    for number, part in enumerate(parts):
        view = None if part is None else memoryview(part)
        yield (CONTINUATION if number else opcode), number == len(parts) - 1, view


def expected(opcode: int, parts: Parts) -> Message:
    """The model: all parts joined, or None if one was not kept or they are too much together."""
    kept = [part for part in parts if part is not None]
    whole = b"".join(kept)
    return Message(opcode, None if len(kept) < len(parts) or len(whole) > LIMIT else bytearray(whole))


PARTS: st.SearchStrategy[Parts] = st.lists(st.binary(max_size=LIMIT // 2) | st.none(), min_size=1, max_size=6)


@given(st.lists(st.tuples(st.sampled_from([TEXT, BINARY]), PARTS), max_size=6))
def test_messages_in_any_fragments_come_out_as_the_model_says(messages: list[tuple[int, Parts]]) -> None:
    reassembly, given_back = Reassembly(LIMIT), []
    for opcode, parts in messages:
        for fragment in fragments(opcode, parts):
            message = reassembly.add(*fragment)
            assert (message is not None) is fragment[1], "a message comes with its last fragment"
            assert reassembly.idle is fragment[1]
            if message is not None:
                given_back.append(message)
    assert given_back == [expected(opcode, parts) for opcode, parts in messages]


@given(st.binary(max_size=LIMIT), st.data())
def test_a_message_within_the_limit_comes_back_from_any_split(content: bytes, chance: st.DataObject) -> None:
    cuts = sorted(chance.draw(st.lists(st.integers(0, len(content)), max_size=8)))
    edges = [0, *cuts, len(content)]
    parts: Parts = [content[start:end] for start, end in pairwise(edges)]
    reassembly = Reassembly(LIMIT)
    answers = [reassembly.add(*fragment) for fragment in fragments(BINARY, parts)]
    assert answers == [None] * (len(parts) - 1) + [Message(BINARY, bytearray(content))]


@given(st.lists(st.tuples(st.sampled_from([CONTINUATION, TEXT, BINARY]), st.booleans()), max_size=12))
def test_a_fragment_is_out_of_order_exactly_if_it_begins_inside_a_message_or_goes_on_outside_one(
    frames: list[tuple[int, bool]],
) -> None:
    reassembly, inside = Reassembly(LIMIT), False
    for opcode, final in frames:
        if (opcode == CONTINUATION) is inside:
            reassembly.add(opcode, final, memoryview(b"x"))
            inside = not final
        else:
            with pytest.raises(OutOfOrder):
                reassembly.add(opcode, final, memoryview(b"x"))


@pytest.mark.parametrize(("sizes", "kept"), [([LIMIT], True), ([LIMIT, 0], True), ([LIMIT, 1], False), ([1, LIMIT], False)])
def test_the_limit_is_of_the_whole_message(sizes: list[int], kept: bool) -> None:
    reassembly = Reassembly(LIMIT)
    message = None
    for fragment in fragments(BINARY, [b"x" * size for size in sizes]):
        message = reassembly.add(*fragment)
    assert message is not None
    assert (message.payload is not None) is kept


def test_after_a_message_beyond_the_limit_the_next_one_is_whole() -> None:
    reassembly = Reassembly(LIMIT)
    assert reassembly.add(BINARY, False, None) is None
    assert reassembly.add(CONTINUATION, True, memoryview(b"rest")) == Message(BINARY, None)
    assert reassembly.add(TEXT, True, memoryview(b"next")) == Message(TEXT, bytearray(b"next"))


def test_the_memory_that_a_fragment_was_lent_in_may_change_afterwards() -> None:
    reassembly, lent = Reassembly(LIMIT), bytearray(b"one")
    reassembly.add(BINARY, False, memoryview(lent))
    lent[:] = b"two"
    assert reassembly.add(CONTINUATION, True, memoryview(lent)) == Message(BINARY, bytearray(b"onetwo"))
