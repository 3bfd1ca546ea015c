"""picows on uvloop with one `transport.send` per reader and event: /stream reads, anything else publishes text."""

import sys

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server

READERS: set[WSTransport] = set()


class Reader(WSListener):
    def on_ws_connected(self, transport: WSTransport) -> None:
        READERS.add(transport)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        READERS.discard(transport)


class Publisher(WSListener):
    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.TEXT:
            payload = frame.get_payload_as_bytes()
            for reader in READERS:
                reader.send(WSMsgType.TEXT, payload)


def listener(request: WSUpgradeRequest) -> WSListener:
    return Reader() if request.path.startswith(b"/stream") else Publisher()


async def main(port: int) -> None:
    server = await ws_create_server(listener, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
