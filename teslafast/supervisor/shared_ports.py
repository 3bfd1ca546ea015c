"""
The ports that all nodes of this machine listen on, held for as long as the supervisor lives.

A socket that is bound and does not listen lets nobody in; but it keeps a port that was chosen by the kernel (PORT=0), and says at
the start, in one line, if somebody else has it.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator

from ..config import Settings
from ..server.binding import bind, reserve
from ..server.listening import cannot_listen, plain_listeners


class SharedPorts:
    """`numbers`: variable → port."""

    def __init__(self, settings: Settings) -> None:
        """Raises Misconfigured."""
        self._held: list[socket.socket] = []
        self.numbers: dict[str, int] = {}
        for variable, host, port in _wanted(settings):
            try:
                if port and not settings.reuse_port:
                    bind(host, port).close()  # another supervisor's nodes would share it, and have another log
                held = reserve(host, port, shared=True)
            except (OSError, UnicodeError) as error:
                self.close()
                raise cannot_listen(variable, host, port, error) from None
            self._held.append(held)
            self.numbers[variable] = held.getsockname()[1]

    def close(self) -> None:
        for held in self._held:
            held.close()


def _wanted(settings: Settings) -> Iterator[tuple[str, str, int]]:
    yield "PORT", settings.host, settings.port
    if settings.vehicle_port is not None:
        yield "VEHICLE_PORT", settings.host, settings.vehicle_port
    for variable, host, port, _ in plain_listeners(settings):
        yield variable, host, port
