"""Where connections come from: turns and places are shared out among networks, then addresses, then connections."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from teslafast.server.sources import IN_ORDER_AT_MOST, CrowdCount, FairQueue, Source, SourcePlaces, source_of

ONE, OTHER, ELSEWHERE = source_of("1.1.1.1"), source_of("1.1.1.2"), source_of("2.2.2.2")


@pytest.mark.parametrize(
    ("one", "other", "same_address", "same_network"),
    [
        ("1.2.3.4", "1.2.3.4", True, True),
        ("1.2.3.4", "1.2.3.5", False, True),
        ("1.2.3.4", "1.2.4.4", False, False),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", True, True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False, True),
        ("2001:db8:1:2::1", "2001:db8:2:2::1", False, False),
        ("fe80::1%eth0", "fe80::2%eth0", True, True),
        ("::1", "2001:db8::1", False, False),
    ],
)
def test_ipv4_counts_by_address_and_24_bits_and_ipv6_by_64_and_48(
    one: str, other: str, same_address: bool, same_network: bool
) -> None:
    first, second = source_of(one), source_of(other)
    assert (first.address == second.address, first.network == second.network) == (same_address, same_network)


# ---- turns


def order(*pushed: tuple[Source, str]) -> str:
    queue: FairQueue[str] = FairQueue()
    for source, item in pushed:
        queue.push(source, item)
    return "".join(queue.pop() for _ in range(len(queue)))


def test_networks_take_turns_and_in_each_its_addresses_and_in_each_the_first_comes_first() -> None:
    crowd = [(ONE, "a"), (ONE, "b"), (ONE, "c"), (OTHER, "x"), (OTHER, "y"), (ELSEWHERE, "1"), (ELSEWHERE, "2")]
    assert order(*crowd) == "a1x2byc"


def test_behind_a_long_queue_of_one_address_the_newest_is_served_first_and_the_last_ones_in_order() -> None:
    queue: FairQueue[int] = FairQueue()
    for number in range(IN_ORDER_AT_MOST + 2):
        queue.push(ONE, number)
    served = [queue.pop() for _ in range(len(queue))]
    assert served == [IN_ORDER_AT_MOST + 1, IN_ORDER_AT_MOST, *range(IN_ORDER_AT_MOST)]


def test_an_empty_queue_has_no_next_one() -> None:
    with pytest.raises(KeyError):
        FairQueue[str]().pop()


sources = st.builds(Source, st.sampled_from("abc"), st.integers(0, 2)).map(lambda one: Source(one.network, one))


@given(st.lists(st.tuples(sources, st.sampled_from(["push", "pop", "discard"])), max_size=80))
def test_everybody_gets_one_turn_and_who_is_discarded_gets_none(steps: list[tuple[Source, str]]) -> None:
    queue: FairQueue[int] = FairQueue()
    waiting: dict[int, Source] = {}
    for number, (source, what) in enumerate(steps):
        if what == "push":
            queue.push(source, number)
            waiting[number] = source
        elif what == "pop" and waiting:
            del waiting[queue.pop()]
        elif waiting:
            item, of = next(iter(waiting.items()))
            del waiting[item]
            queue.discard(of, item)
            queue.discard(of, item)
        assert len(queue) == len(waiting)
    assert sorted(queue.pop() for _ in range(len(queue))) == sorted(waiting)


@given(st.lists(st.integers(1, 20), min_size=1, max_size=8))
def test_nobody_waits_longer_than_a_turn_of_every_network(crowds: list[int]) -> None:
    queue: FairQueue[tuple[int, int]] = FairQueue()
    for network, size in enumerate(crowds):
        for number in range(size):
            queue.push(Source(network, network), (network, number))
    assert {queue.pop()[0] for _ in crowds} == set(range(len(crowds)))


# ---- places


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.booleans()), max_size=60))
def test_a_tally_always_knows_who_has_the_most(steps: list[tuple[str, bool]]) -> None:
    tally: CrowdCount[str] = CrowdCount()
    model: Counter[str] = Counter()
    for key, more in steps:
        if more or model[key]:
            tally.add(key, 1 if more else -1)
            model[key] += 1 if more else -1
        assert tally[key] == model[key]
        if any(model.values()):
            assert model[tally.most()] == max(model.values())
        else:
            with pytest.raises(KeyError):
                tally.most()


@given(st.lists(st.tuples(sources, st.sampled_from(["add", "add", "discard", "crowded"])), max_size=80))
def test_the_most_crowded_is_the_oldest_of_the_largest_address_in_the_largest_network(steps: list[tuple[Source, str]]) -> None:
    places: SourcePlaces[int] = SourcePlaces()
    here: dict[int, Source] = {}
    for number, (source, what) in enumerate(steps):
        if what == "add":
            places.add(source, number)
            here[number] = source
        elif what == "discard" and here:
            item, of = here.popitem()
            assert places.discard(of, item)
            assert not places.discard(of, item)
        elif here:
            item = places.most_crowded()
            networks, addresses = Counter(one.network for one in here.values()), Counter(here.values())
            assert networks[here[item].network] == max(networks.values())
            inside = {one: count for one, count in addresses.items() if one.network == here[item].network}
            assert addresses[here[item]] == max(inside.values())
            assert item == min(number for number, one in here.items() if one == here[item]) == places.oldest_of(here[item])
            places.discard(here.pop(item), item)
        assert len(places) == len(here)
        assert places.of(source) == list(here.values()).count(source)
