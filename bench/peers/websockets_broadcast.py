"""The `websockets` package with its own `broadcast`, no compression: /stream reads, anything else publishes text."""

import asyncio
import sys

from websockets.asyncio.server import ServerConnection, broadcast, serve

READERS: set[ServerConnection] = set()


async def handle(connection: ServerConnection) -> None:
    request = connection.request
    if request is not None and request.path.startswith("/stream"):
        READERS.add(connection)
        try:
            await connection.wait_closed()
        finally:
            READERS.discard(connection)
        return
    async for message in connection:
        broadcast(READERS, message)


async def main(port: int) -> None:
    async with serve(handle, "127.0.0.1", port, compression=None, backlog=1024) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
