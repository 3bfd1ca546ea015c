"""Which messages count as acknowledged, refused, open or stray."""

from teslafast.simulator.ack_tracker import UNACKED_LIMIT, AckTracker, OutgoingMessage, Tally


def message(number: int) -> OutgoingMessage:
    return OutgoingMessage(b"%022x-%09d" % (7, number), b"V", b"frame %d" % number, ("Soc",))


def test_a_tracker_at_its_limit_is_full_until_an_answer_comes() -> None:
    acks = AckTracker(Tally())
    for number in range(UNACKED_LIMIT):
        assert not acks.full
        acks.send(message(number), 1.0)
    assert acks.full
    acks.acked(message(0).txid, b"V", 1.5)
    assert not acks.full


def test_its_length_counts_every_answer_that_is_due() -> None:
    acks = AckTracker(Tally())
    acks.send(message(0), 1.0)
    acks.copy(message(0))
    acks.send_malformed(b"")
    assert len(acks) == 3
    acks.acked(message(0).txid, b"V", 1.5)
    acks.acked(message(0).txid, b"V", 1.5)
    acks.rejected(b"")
    assert len(acks) == 0


def test_closing_returns_the_open_messages_and_expects_no_more_answers() -> None:
    tally = Tally()
    acks = AckTracker(tally)
    messages = [message(number) for number in range(4)]
    for one in messages:
        acks.send(one, 1.0)
    acks.copy(messages[0])
    acks.send_malformed(b"")
    acks.acked(messages[0].txid, b"V", 1.5)
    assert acks.keys == ("Soc",) * 3
    assert acks.close() == messages[1:]
    assert len(acks) == 0
    assert (tally.sent, tally.acked, tally.unacknowledged, tally.malformed) == (4, 1, 3, 0)


def test_the_ack_of_a_true_up_settles_the_lost_messages_that_it_stands_for() -> None:
    tally = Tally()
    lost, later = AckTracker(tally), AckTracker(tally)
    for number in range(3):
        lost.send(message(number), 0.0)
    left = lost.close()
    later.send(OutgoingMessage(b"again", b"V", b"", ("Soc",), 1 + len(left)), 1.0)
    later.acked(b"again", b"V", 2.0)
    assert (tally.sent, tally.acked, tally.unacknowledged) == (4, 4, 0)


def test_a_message_sent_again_on_another_connection_counts_as_sent_once() -> None:
    tally = Tally()
    AckTracker(tally).send(message(0), 0.0)
    again = AckTracker(tally)
    again.send(message(0), 1.0, again=True)
    again.acked(message(0).txid, b"V", 2.0)
    assert (tally.sent, tally.acked) == (1, 1)


def test_answers_with_an_unknown_txid_or_another_topic_are_strays() -> None:
    tally = Tally()
    acks = AckTracker(tally)
    acks.send(message(0), 0.0)
    acks.acked(b"unknown", b"V", 1.0)
    acks.acked(message(0).txid, b"alerts", 1.0)
    acks.rejected(b"unknown")
    assert (tally.strays, tally.acked, tally.refused, tally.unacknowledged) == (3, 0, 0, 1)


def test_an_error_reply_refuses_an_open_message_and_is_right_for_a_malformed_one() -> None:
    tally = Tally()
    acks = AckTracker(tally)
    acks.send(message(0), 0.0)
    acks.send_malformed(b"bad")
    acks.rejected(b"bad")
    acks.rejected(message(0).txid)
    assert (tally.rejected, tally.refused, tally.unacknowledged, tally.strays) == (1, 1, 0, 0)
