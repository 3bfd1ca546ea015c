"""What a drain and the metrics ask of a dashboard: whatever protocol it speaks, its reader knows."""

from __future__ import annotations

from collections.abc import Iterable

from .._fanout import Reader
from .session import DashboardSession


class Reading:
    """The half of `core.connections.OpenDashboard` that a connection with a reader and a session has from them."""

    __slots__ = ()

    _reader: Reader
    _session: DashboardSession

    @property
    def sent_bytes(self) -> int:
        return self._reader.sent_bytes

    @property
    def behind(self) -> int:
        return self._reader.behind

    @property
    def blocked(self) -> bool:
        return self._reader.blocked

    @property
    def up_to_date(self) -> bool:
        return self._reader.served

    def stalled_s(self, now_s: float) -> float:
        return now_s - self._reader.blocked_at if self._reader.blocked else 0.0

    def on_gap(self, first: int, last: int) -> Iterable[bytes]:
        return self._session.missed(first, last)

    def log_fields(self) -> dict[str, object]:
        return {"sub": self._session.sub, "bytes": self._reader.sent_bytes, "gaps": self._session.gaps}
