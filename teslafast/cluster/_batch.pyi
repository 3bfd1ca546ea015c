from typing import TypeVar

E = TypeVar("E", bound=tuple[int, str, bytes, bytes, int])

def read_events(message: bytes, place: int, count: int, entry: type[E]) -> list[E]: ...
