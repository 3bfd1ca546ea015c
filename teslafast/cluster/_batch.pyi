from typing import TypeVar

_H = TypeVar("_H", bound=tuple[int, bytes, int, bytes, int, int, int, int, int, bool])
_E = TypeVar("_E", bound=tuple[int, str, bytes, bytes, int])

def read_batch_head(message: bytes, head: type[_H]) -> _H: ...
def read_events(message: bytes, place: int, count: int, entry: type[_E]) -> list[_E]: ...
