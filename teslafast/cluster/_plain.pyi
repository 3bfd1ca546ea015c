from typing import TypeVar

from .counting import Counting
from .engine import StreamMessage
from .runs import Runs

_E = TypeVar("_E", bound=tuple[int, str, bytes, bytes, int])

def take_plain(
    messages: list[StreamMessage],
    place: int,
    counting: Counting,
    epoch: bytes,
    own: bytes,
    runs: Runs,
    stamp: tuple[float, int],
    entry: type[_E],
) -> tuple[int, list[_E], list[int]]: ...
