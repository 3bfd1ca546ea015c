"""teslajsonpy, unchanged: `python teslajsonpy_client.py URL TOKEN TAG ROWS` prints each message, and ends after so many rows."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import aiohttp
from teslajsonpy.connection import Connection  # type: ignore[import-untyped,import-not-found,unused-ignore]


async def main(url: str, token: str, tag: str, rows: int) -> None:
    enough = asyncio.Event()
    left = rows

    def on_message(message: dict[str, Any]) -> None:
        nonlocal left
        print(json.dumps(message), flush=True)
        left -= message["msg_type"] == "data:update"
        if not left:
            enough.set()

    async with aiohttp.ClientSession() as session:
        connection = Connection(session, access_token=token)
        connection.websocket_url = url
        reading = asyncio.create_task(connection.websocket_connect(tag, tag, on_message=on_message))
        await enough.wait()
        reading.cancel()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
