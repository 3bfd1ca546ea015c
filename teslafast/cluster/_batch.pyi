from typing import TypeVar

_E = TypeVar("_E", bound=tuple[int, str, bytes, bytes, int])

def read_events(message: bytes, place: int, count: int, entry: type[_E]) -> list[_E]: ...
