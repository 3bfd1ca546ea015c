"""
A vehicle server of well-kept Python packages: picows on uvloop, `flatbuffers`, `protobuf` (upb) and its MessageToDict, orjson.

It does per message what ours does but the log: envelope read, record parsed, the connection's VIN put in, JSON made, ack built
and sent; the JSON goes nowhere. Mutual TLS, with the files of `teslafast certs init`. Its arguments: PORT DIRECTORY.
"""

import sys
from pathlib import Path

import orjson
import uvloop
from flatbuffers import encode, packer, table
from google.protobuf.json_format import MessageToDict
from picows import WSFrame, WSListener, WSMsgType, WSTransport

from bench.peers.picows_server import serve
from bench.support.events import ack
from bench.support.payload import Payload


def vector(of: table.Table, slot: int) -> bytes:
    """The byte vector at a slot's vtable offset, empty if absent."""
    offset = of.Offset(slot)
    return bytes(of.String(offset + of.Pos)) if offset else b""


def read_envelope(data: bytes) -> tuple[bytes, bytes, bytes]:
    """txid, topic, payload."""
    envelope = table.Table(data, encode.Get(packer.uoffset, data, 0))
    stream = table.Table(data, 0)
    envelope.Union(stream, envelope.Offset(10))
    return vector(envelope, 4), vector(envelope, 6), vector(stream, 8)


class Vehicle(WSListener):
    vin = ""

    def on_ws_connected(self, transport: WSTransport) -> None:
        certificate = transport.underlying_transport.get_extra_info("peercert")
        self.vin = next(value for name in certificate["subject"] for key, value in name if key == "commonName")

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type != WSMsgType.BINARY:
            return
        txid, topic, payload = read_envelope(frame.get_payload_as_bytes())
        record = Payload.FromString(payload)
        record.vin = self.vin
        orjson.dumps(MessageToDict(record))
        transport.send(WSMsgType.BINARY, ack(txid, topic))


if __name__ == "__main__":
    uvloop.run(serve(Vehicle, int(sys.argv[1]), Path(sys.argv[2])))
