"""
Vehicles' messages over mutual TLS with picows on uvloop, and nothing done about them: each gets the reply that it is due.

What a Python server cannot do without. Its arguments: PORT CERTIFICATES MESSAGE ACK, as for tls_acks.c.
"""

import sys
from pathlib import Path

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport

from bench.peers.picows_server import serve
from bench.support.events import TXID


class Vehicle(WSListener):
    at = 0  # where the txid stands in a message
    before = after = b""  # the reply around it

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.BINARY:
            txid = frame.get_payload_as_bytes()[self.at : self.at + len(TXID)]
            transport.send(WSMsgType.BINARY, self.before + txid + self.after)


def learn(message: Path, ack: Path) -> None:
    txid = TXID.encode()
    Vehicle.at = message.read_bytes().index(txid)
    Vehicle.before, Vehicle.after = ack.read_bytes().split(txid)


if __name__ == "__main__":
    learn(Path(sys.argv[3]), Path(sys.argv[4]))
    uvloop.run(serve(Vehicle, int(sys.argv[1]), Path(sys.argv[2])))
