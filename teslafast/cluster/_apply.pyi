from ..core.hub import Hub
from .batch import Entry

def apply_plain(entries: list[Entry], start: int, hub: Hub, now_ns: int, seq: int) -> int: ...
