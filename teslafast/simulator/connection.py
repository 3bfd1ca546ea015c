"""
One connection of a simulated vehicle: the connection's ack tracker hears of every message that is sent and of every answer.

Nothing here raises for what the server does: an answer that cannot be read is a stray, and a connection that ends hands back what
the server has not acknowledged. The connection answers the server's CLOSE in kind, and waits at most CLOSE_WAIT_S for the answer
to its own.
"""

import asyncio
import time
from collections.abc import Callable

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from ..errors import Malformed
from ..protocol._wire import read_reply
from ..websocket import closing
from .ack_tracker import AckTracker, OutgoingMessage, Tally

ACK = 5  # message_type of an acknowledgement (docs/protocol.md)
CLOSE_WAIT_S = 1.0  # a server that reads answers within a round trip; at the end of a run nobody wants to wait for the others


class SimulatedConnection(WSListener):
    """`ended` is set once the connection is gone, `quiet` while no answer is due."""

    def __init__(self, tally: Tally, on_lost: Callable[[list[OutgoingMessage]], None]) -> None:
        self.acks = AckTracker(tally)
        self.ended, self.quiet = asyncio.Event(), asyncio.Event()
        self.quiet.set()
        self._tally = tally
        self._on_lost = on_lost

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        self._tally.connections += 1

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.BINARY:
            self._receive(frame)
            if not self.acks:
                self.quiet.set()
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(closing.close_reply(frame))
            transport.disconnect()

    def _receive(self, frame: WSFrame) -> None:
        try:
            reply = read_reply(frame.get_payload_as_memoryview())
        except Malformed:
            self._tally.strays += 1
            return
        if reply.message_type == ACK:
            self.acks.acked(reply.txid, reply.topic, time.monotonic())
        else:
            self.acks.rejected(reply.txid)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.ended.set()
        self._on_lost(self.acks.close())
        self.quiet.set()

    def pause_writing(self) -> None:
        """Nothing to do: UNACKED_LIMIT bounds what may wait here."""

    def resume_writing(self) -> None:
        """Nothing to do: nothing was paused."""

    def send(self, message: OutgoingMessage, *, again: bool = False) -> None:
        self.quiet.clear()
        self.acks.send(message, time.monotonic(), again=again)
        self._transport.send(WSMsgType.BINARY, message.frame)
        # The connection may have ended since the caller looked: then on_ws_disconnected has not seen this message.
        if self.ended.is_set():
            self._on_lost(self.acks.close())

    def copy(self, message: OutgoingMessage) -> None:
        self.acks.copy(message)
        self._transport.send(WSMsgType.BINARY, message.frame)

    def send_malformed(self, frame: bytes, txid: bytes) -> None:
        self.quiet.clear()
        self.acks.send_malformed(txid)
        self._transport.send(WSMsgType.BINARY, frame)

    def close(self) -> None:
        """Sends a CLOSE. The server ends the connection; after CLOSE_WAIT_S this side does."""
        if not self.ended.is_set():
            self._transport.send_close(WSCloseCode.OK)
            asyncio.get_running_loop().call_later(CLOSE_WAIT_S, self.abort)

    def abort(self) -> None:
        self._transport.disconnect(graceful=False)
