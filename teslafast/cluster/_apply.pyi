from ..core.hub import Hub
from .batch import Entry

def apply_plain(entries: list[Entry], start: int, hub: Hub, times_ms: list[int], seq: int) -> int: ...
