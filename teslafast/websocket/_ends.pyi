from asyncio import AbstractEventLoop
from collections.abc import Callable

from typing_extensions import disjoint_base

ENDS_AT_ONCE: int

@disjoint_base
class Ends:
    loop: AbstractEventLoop
    busy: bool
    def __init__(self, loop: AbstractEventLoop) -> None: ...
    def run(self, work: Callable[..., object], *arguments: object) -> None: ...
    def go_on(self) -> None: ...

@disjoint_base
class Gate:
    def __init__(self, ends: Ends, descriptor: int, read: Callable[[], object]) -> None: ...
    def readable(self) -> None: ...
    def go_on(self) -> None: ...
