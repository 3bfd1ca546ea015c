"""
The numbers that the Owner API names vehicles by, made from their VINs: the same on every server and after every restart.

48 bits of a hash: they fit into the integers of every client (JavaScript has 53), and two of 10,000 vehicles are alike once in
five million servers.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from hashlib import sha256

ID_BYTES = 6


@lru_cache(maxsize=10_000)  # as many VINs as a token may name
def vehicle_id(vin: str) -> int:
    return 1 + int.from_bytes(sha256(vin.encode()).digest()[:ID_BYTES], "big")


def find_vin(name: str, vins: Iterable[str]) -> str | None:
    """The VIN among these that `name` means: itself, in upper or lower case, or its number."""
    for vin in vins:
        if name.upper() == vin.upper() or (name.isascii() and name.isdigit() and name == str(vehicle_id(vin))):
            return vin
    return None
