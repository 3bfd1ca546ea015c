"""
One connection of a phantom vehicle: what it sends is entered in the connection's ledger, and so is every answer.

Nothing here raises for what the other side does: an answer that cannot be read is a stray, a connection that ends hands back what
nobody confirmed. A CLOSE is answered in kind; ours is waited for, for CLOSE_GRACE_S.
"""

import asyncio
import time
from collections.abc import Callable

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from ..errors import Malformed
from ..protocol._wire import read_reply
from ..websocket import closing
from .ack_tracker import Ledger, Message, Tally

ACK = 5
CLOSE_GRACE_S = 1.0


class Uplink(WSListener):
    """One connection of a phantom. `ended` is set when it is gone, `quiet` while no answer is awaited."""

    def __init__(self, tally: Tally, on_lost: Callable[[list[Message]], None]) -> None:
        self.ledger = Ledger(tally)
        self.ended, self.quiet = asyncio.Event(), asyncio.Event()
        self.quiet.set()
        self._tally = tally
        self._on_lost = on_lost

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        self._tally.connections += 1

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.BINARY:
            self._take(frame)
            if not self.ledger:
                self.quiet.set()
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(closing.close_reply(frame))
            transport.disconnect()

    def _take(self, frame: WSFrame) -> None:
        try:
            reply = read_reply(frame.get_payload_as_memoryview())
        except Malformed:
            self._tally.strays += 1
            return
        if reply.message_type == ACK:
            self.ledger.acked(reply.txid, reply.topic, time.monotonic())
        else:
            self.ledger.rejected(reply.txid)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.ended.set()
        self._on_lost(self.ledger.close())
        self.quiet.set()

    def pause_writing(self) -> None:
        """The ledger's limit bounds what may wait here."""

    def resume_writing(self) -> None:
        """Nothing was stopped."""

    def send(self, message: Message, *, again: bool = False) -> None:
        self.quiet.clear()
        self.ledger.send(message, time.monotonic(), again=again)
        self._transport.send(WSMsgType.BINARY, message.frame)
        if self.ended.is_set():  # while the caller was looking away
            self._on_lost(self.ledger.close())

    def copy(self, message: Message) -> None:
        self.ledger.copy(message)
        self._transport.send(WSMsgType.BINARY, message.frame)

    def send_malformed(self, frame: bytes, txid: bytes) -> None:
        self.quiet.clear()
        self.ledger.send_malformed(txid)
        self._transport.send(WSMsgType.BINARY, frame)

    def close(self) -> None:
        """With a CLOSE; the server ends it, or we do after CLOSE_GRACE_S."""
        if not self.ended.is_set():
            self._transport.send_close(WSCloseCode.OK)
            asyncio.get_running_loop().call_later(CLOSE_GRACE_S, self.abort)

    def abort(self) -> None:
        self._transport.disconnect(graceful=False)
