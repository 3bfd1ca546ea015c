"""MQTT's packets: what is written is as specified, byte by byte; what is read may come in any pieces, or be garbage."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from teslafast.outputs import mqtt_packets as packets
from teslafast.outputs.mqtt_packets import V5, V311, Limits, Packet, Packets, Will


def test_a_connect_of_both_versions_is_as_specified() -> None:
    login = ("us", "pw")
    assert packets.connect(V311, "id", login, Will(b"t", b"off"), 30) == (
        b"\x10\x1e\x00\x04MQTT\x04\xee\x00\x1e\x00\x02id\x00\x01t\x00\x03off\x00\x02us\x00\x02pw"
    )
    assert packets.connect(V5, "", None, None, 60) == b"\x10\x0d\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x00"
    assert packets.connect(V311, "", ("us", None), None, 60)[9] == 0x82


def test_a_session_that_another_client_takes_over_outlives_its_connection_and_so_does_the_will() -> None:
    will = Will(b"t", b"off")
    assert packets.connect(V5, "id", None, will, 30, session_s=25) == (
        b"\x10\x22\x00\x04MQTT\x05\x2c\x00\x1e\x05\x11\x00\x00\x00\x19\x00\x02id\x05\x18\x00\x00\x00\x19\x00\x01t\x00\x03off"
    )
    assert packets.connect(V311, "id", None, will, 30, session_s=25) == packets.connect(V311, "id", None, will, 30)


def test_a_publish_has_an_id_only_with_qos_and_properties_only_in_version_5() -> None:
    assert packets.publish(V311, b"a/b", b"1", 0, False, 0) == b"\x30\x06\x00\x03a/b1"
    assert packets.publish(V311, b"a/b", b"1", 1, True, 258) == b"\x33\x08\x00\x03a/b\x01\x021"
    assert packets.publish(V5, b"a/b", b"1", 2, False, 1) == b"\x34\x09\x00\x03a/b\x00\x01\x001"


@pytest.mark.parametrize(("size", "written"), [(127, b"\x7f"), (128, b"\x80\x01"), (16_384, b"\x80\x80\x01")])
def test_a_length_is_in_base_128(size: int, written: bytes) -> None:
    assert packets.length(size) == written


@given(st.lists(st.tuples(st.integers(0x20, 0xFF), st.binary(max_size=300)), max_size=6), st.integers(1, 50))
def test_packets_are_found_however_the_bytes_come(sent: list[tuple[int, bytes]], piece: int) -> None:
    stream = b"".join(bytes([head]) + packets.length(len(body)) + body for head, body in sent)
    parser = Packets()
    found = [packet for at in range(0, len(stream), piece) for packet in parser.feed(stream[at : at + piece])]
    assert found == [Packet(*one) for one in sent]


@given(st.binary(max_size=40), st.sampled_from([V5, V311]))
def test_garbage_is_a_value_error_at_most(data: bytes, version: int) -> None:
    packet = Packet(0x32, data)
    for read in (packets.limits, packets.message, packets.granted):
        try:
            read(version, packet)
        except ValueError:
            continue
    try:
        packets.answer(packet)
        list(Packets().feed(data))
    except ValueError:
        return


def test_a_packet_that_is_too_large_or_without_an_end_is_refused_before_it_is_there() -> None:
    for start in (b"\x30\xff\xff\xff\x7f", b"\x30\xff\xff\xff\xff"):
        with pytest.raises(ValueError, match="a packet"):
            list(Packets().feed(start))


def test_what_a_broker_limits_is_read_and_what_it_does_not_say_is_the_protocols_own_limit() -> None:
    body = b"\x00\x00\x14\x21\x00\x14\x24\x01\x25\x00\x27\x00\x00\x10\x00\x12\x00\x02ab\x13\x00\x0a"
    assert packets.limits(V5, Packet(0x20, body)) == Limits(
        0, in_flight=20, qos=1, retain=False, packet_bytes=4096, keep_alive_s=10
    )
    assert packets.limits(V5, Packet(0x20, b"\x00\x86\x07\x1f\x00\x04nope")) == Limits(0x86, "nope")
    assert packets.limits(V311, Packet(0x20, b"\x00\x05")) == Limits(5)


def test_answers_and_messages_are_read_in_both_versions() -> None:
    assert packets.answer(Packet(0x40, b"\x01\x02")) == (258, 0)
    assert packets.answer(Packet(0x40, b"\x00\x01\x87")) == (1, 0x87)
    assert packets.message(V311, Packet(0x31, b"\x00\x01ax")) == (b"a", b"x")
    assert packets.message(V5, Packet(0x33, b"\x00\x01a\x00\x07\x02\x01\x01x")) == (b"a", b"x")
    assert packets.granted(V311, Packet(0x90, b"\x00\x01\x80")) == (1, b"\x80")
    assert packets.granted(V5, Packet(0x90, b"\x00\x01\x00\x00")) == (1, b"\x00")
