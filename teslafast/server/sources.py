"""
Where connections come from, and how a crowd is kept from taking everybody's place.

A source is an address in a network: an IPv4 address in its /24, or the /64 that one IPv6 host gets in the /48 that one site gets.
Whoever floods has many addresses more easily than many networks, and many connections more easily than many addresses. So turns
go round the networks, in a network round its addresses, and in an address in the order of arrival (`FairQueue`). Where there are
too many, the network that has the most of them loses one, in it the address that has the most (`SourcePlaces`). Who is alone at
an address then waits for one turn of each network, and keeps its place. Pure.
"""

from __future__ import annotations

import socket
from collections import OrderedDict
from collections.abc import Hashable
from functools import lru_cache
from typing import Generic, NamedTuple, TypeVar

# So many of one address are served in the order of arrival. Beyond that the newest is served first: the others would keep it
# waiting until it is as old as they are.
IN_ORDER_AT_MOST = 256

Item = TypeVar("Item", bound=Hashable)


class Source(NamedTuple):
    network: Hashable
    address: Hashable


@lru_cache(maxsize=1024)  # thousands of one address share what it takes
def source_of(host: str) -> Source:
    """Of an address as sockets tell it; an IPv6 address may have a zone."""
    if ":" not in host:
        return Source(host.rpartition(".")[0], host)
    packed = socket.inet_pton(socket.AF_INET6, host.partition("%")[0])
    return Source(packed[:6], packed[:8])


class FairQueue(Generic[Item]):
    """
    Those who wait for a turn, each once; all operations take the same short time however many wait.

    in_order_at_most    so many of one address are served in the order of arrival, more of them the newest first
    """

    def __init__(self, in_order_at_most: int = IN_ORDER_AT_MOST) -> None:
        self._in_order_at_most = in_order_at_most
        self._networks: OrderedDict[Hashable, OrderedDict[Hashable, OrderedDict[Item, None]]] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def push(self, source: Source, item: Item) -> None:
        addresses = self._networks.setdefault(source.network, OrderedDict())
        addresses.setdefault(source.address, OrderedDict())[item] = None
        self._count += 1

    def pop(self) -> Item:
        """The next one. Raises KeyError if there is none."""
        network, addresses = self._networks.popitem(last=False)
        address, items = addresses.popitem(last=False)
        item, _ = items.popitem(last=len(items) > self._in_order_at_most)
        if items:  # at the end: the others' turn first
            addresses[address] = items
        if addresses:
            self._networks[network] = addresses
        self._count -= 1
        return item

    def discard(self, source: Source, item: Item) -> None:
        """It does not want a turn any more; nothing if it has none."""
        addresses = self._networks.get(source.network)
        items = addresses.get(source.address) if addresses is not None else None
        if addresses is None or items is None or item not in items:
            return
        del items[item]
        if not items:
            del addresses[source.address]
        if not addresses:
            del self._networks[source.network]
        self._count -= 1


class CrowdCount(Generic[Item]):
    """How many of each there are; which has the most is known at any time."""

    def __init__(self) -> None:
        self._counts: dict[Item, int] = {}
        self._of_count: dict[int, OrderedDict[Item, None]] = {}
        self._most = 0

    def __getitem__(self, key: Item) -> int:
        return self._counts.get(key, 0)

    def add(self, key: Item, step: int = 1) -> None:
        """`step`: 1 or -1."""
        before = self._counts.get(key, 0)
        after = before + step
        if before:
            self._leave(before, key)
        if after:
            self._counts[key] = after
            self._of_count.setdefault(after, OrderedDict())[key] = None
        else:
            del self._counts[key]
        if after > self._most or self._most not in self._of_count:
            self._most = after

    def _leave(self, count: int, key: Item) -> None:
        keys = self._of_count[count]
        del keys[key]
        if not keys:
            del self._of_count[count]

    def most(self) -> Item:
        """The key that has the most; of several the one that has had so many for longest. Raises KeyError if there is none."""
        return next(iter(self._of_count[self._most]))


class SourcePlaces(Generic[Item]):
    """Those who take a place, each once."""

    def __init__(self) -> None:
        self._networks: CrowdCount[Hashable] = CrowdCount()
        self._addresses: dict[Hashable, CrowdCount[Hashable]] = {}  # of each network
        self._items: dict[Hashable, OrderedDict[Item, None]] = {}  # of each address, the oldest first
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, source: Source, item: Item) -> None:
        self._networks.add(source.network)
        self._addresses.setdefault(source.network, CrowdCount()).add(source.address)
        self._items.setdefault(source.address, OrderedDict())[item] = None
        self._count += 1

    def discard(self, source: Source, item: Item) -> bool:
        """It leaves. False: it had no place."""
        items = self._items.get(source.address)
        if items is None or item not in items:
            return False
        del items[item]
        if not items:
            del self._items[source.address]
        self._networks.add(source.network, -1)
        addresses = self._addresses[source.network]
        addresses.add(source.address, -1)
        if not self._networks[source.network]:
            del self._addresses[source.network]
        self._count -= 1
        return True

    def of(self, source: Source) -> int:
        """How many are of this address."""
        return len(self._items.get(source.address, ()))

    def oldest_of(self, source: Source) -> Item:
        """Raises KeyError if there is none."""
        return next(iter(self._items[source.address]))

    def most_crowded(self) -> Item:
        """The oldest of the address that has the most, in the network that has the most. Raises KeyError if there is none."""
        network = self._networks.most()
        return next(iter(self._items[self._addresses[network].most()]))
