"""
STATE_PATH: a node's last known values on its own disk, so that they outlive all nodes being down at once.

The file is for one stream and one epoch. What it says is put below what the log tells since (cluster/shared_values.py); the
node reads the log from where the file ends, if that is not too far back. A file that cannot be used is said, and written anew;
one that is nothing of ours stops the start.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from ..cluster.backplane import ClusterBackplane
from ..cluster.shared_values import STATE_LINES, read_checkpoint
from ..core.hub import Hub
from ..core.value_lines import BadLines
from ..errors import Misconfigured
from ..storage.journal_file import read_state, unusable
from ..storage.sliced_checkpoint import MODE, SlicedCheckpoint
from ..whole_file import WholeFile

_OURS = b'{"teslafast":"' + STATE_LINES.encode()


class StateFile:
    """`check` is called now and then, `finish` after the last event."""

    def __init__(self, path: Path, stream: str, hub: Hub, backplane: ClusterBackplane, loop: asyncio.AbstractEventLoop) -> None:
        """Reads the file, before the node starts. Raises Misconfigured."""
        self._path = path
        self._stream = stream
        self._hub = hub
        self._backplane = backplane
        self._file = SlicedCheckpoint(path, loop, 0)
        content = read_state(path, "STATE_PATH")
        self._require_writable(content)
        if content:
            self._read(content)

    def _require_writable(self, content: bytes) -> None:
        if content and not content.startswith(_OURS):
            fault = f"{self._path} is a file of something else, which would be written over"
            raise Misconfigured("STATE_PATH", fault, "name a file that does not exist yet, or remove this one")
        try:
            WholeFile(self._path, MODE).discard()
        except BlockingIOError:
            fault = f"{self._path} is being written by another process"
            raise Misconfigured("STATE_PATH", fault, "give each node a file of its own") from None
        except OSError as error:
            raise unusable(self._path, error, "let the server write in its folder", "STATE_PATH") from None

    def _read(self, content: bytes) -> None:
        try:
            self._backplane.values.kept = read_checkpoint(content, self._stream)
        except BadLines as error:
            self._backplane.tell_state_not_used(str(error))

    @property
    def _whole(self) -> bool:
        """Whether the values are what they will say that they are."""
        return self._backplane.node.joined and not self._backplane.values.waiting

    def check(self, now_s: float) -> None:
        self._file.check(now_s)
        ring = self._hub.log
        if self._whole and self._file.due(ring.written, ring.capacity):
            epoch = self._hub.epoch
            same = lambda: self._whole and self._hub.epoch == epoch  # noqa: E731
            self._file.begin(self._backplane.values.checkpoint(), ring.written, ring.seq, same)

    def finish(self) -> None:
        if self._whole:
            self._file.write_whole(self._backplane.values.checkpoint())
        else:
            self._file.discard()
