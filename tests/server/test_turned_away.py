"""Who was turned away: the newest of each cause stay, however many others come."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from teslafast.server.tls_errors import CAUSES
from teslafast.server.turned_away import ADDRESSES_PER_CAUSE, OF_A_VEHICLE, SHOWN_AT_MOST, TLS_REMEDIES, TurnedAwayMemory

SECOND_NS = 1_000_000_000


def test_one_address_is_one_entry_with_its_last_time_and_how_often() -> None:
    memory = TurnedAwayMemory()
    for second in (1, 2, 3):
        memory.note(
            second * SECOND_NS, "unknown_ca", "the certificate is not from a CA in CA_PATH", f"203.0.113.77:{40000 + second}"
        )
    (entry,) = memory.newest()
    report = entry.report()
    assert (report["from"], report["times"], report["at"]) == ("203.0.113.77", 3, "1970-01-01T00:00:03.000Z")
    assert "certs tesla-ca" in str(report["remedy"])


def test_a_flood_of_one_cause_leaves_the_line_of_another() -> None:
    memory = TurnedAwayMemory()
    memory.note(0, "we_are_unknown", "the client does not know our CA", "[2001:db8::1]:5")
    for number in range(10_000):
        memory.note(SECOND_NS + number, "cut", "broke off", f"198.51.100.{number % 256}:{number}")
    found = memory.newest()
    assert [entry.cause for entry in found] == ["cut"] * ADDRESSES_PER_CAUSE + ["we_are_unknown"]
    assert found[-1].host == "2001:db8::1"


@given(st.lists(st.tuples(st.sampled_from(sorted(CAUSES | OF_A_VEHICLE)), st.integers(0, 50)), max_size=400))
def test_what_is_kept_and_shown_is_bounded_newest_first_and_has_each_newest_cause(knocks: list[tuple[str, int]]) -> None:
    memory = TurnedAwayMemory()
    for at, (cause, host) in enumerate(knocks):
        memory.note(at, cause, "meaning", f"10.0.0.{host}:1")
    found = memory.newest()
    assert len(found) <= SHOWN_AT_MOST
    assert [entry.at_ns for entry in found] == sorted((entry.at_ns for entry in found), reverse=True)
    if knocks:
        assert (found[0].cause, found[0].at_ns) == (knocks[-1][0], len(knocks) - 1)
    causes = list(dict.fromkeys(cause for cause, _ in reversed(knocks)))[:SHOWN_AT_MOST]
    assert {entry.cause for entry in found} >= set(causes)


def test_every_remedy_is_of_a_cause_that_there_is() -> None:
    assert set(TLS_REMEDIES) <= CAUSES
