"""What custody of the outputs asks of its node."""

from __future__ import annotations

from .node import Node
from .runs import Runs
from .writer import Known


class NodeSite:
    """A held_output.CustodySite."""

    def __init__(self, node: Node) -> None:
        self._node = node

    @property
    def run(self) -> bytes:
        return self._node.writer.run

    @property
    def runs(self) -> Runs:
        return self._node.runs

    @property
    def beats(self) -> int:
        return self._node.writer.beats

    @property
    def proven_s(self) -> float:
        return self._node.writer.proven_s

    @property
    def is_well(self) -> bool:
        return self._node.state == "ok"

    @property
    def read_upto(self) -> int:
        return self._node.follower.number

    @property
    def read_seq(self) -> int:
        return self._node.follower.seq

    def known(self) -> Known:
        return self._node.known()

    def on_trouble(self, reason: str) -> None:
        self._node.on_trouble(reason)
