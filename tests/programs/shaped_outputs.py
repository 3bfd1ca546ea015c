"""
`teslafast` with two outputs more, which send everything they are given over TCP: SINK_FLEET and SINK_PROTOBUF name a port each.

    → how many events follow; then a JSON line for each: id, topic, the seven metadata, and the body as hexadecimal digits
    ← their number again, once the other end has them all
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from teslafast.cli import main
from teslafast.environment import setting, whole
from teslafast.errors import Unreachable
from teslafast.outputs import OUTPUTS, Context, Event, OutputRow, Shape
from teslafast.outputs import settings as output_settings
from teslafast.outputs.shapes import metadata, topic


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetSettings:
    port: int = setting("SINK_FLEET", 0, whole(1, 65535), "a port", "where fleet bodies go")

    @staticmethod
    def rules(server: object) -> tuple[()]:
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtobufSettings:
    port: int = setting("SINK_PROTOBUF", 0, whole(1, 65535), "a port", "where protobuf bodies go")
    shape: ClassVar[Shape] = "protobuf"  # goes before the row's

    @staticmethod
    def rules(server: object) -> tuple[()]:
        return ()


class SinkOutput:
    def __init__(self, settings: Any, context: Context) -> None:
        self._port = settings.port
        self._context = context
        self._writer: asyncio.StreamWriter | None = None

    async def connect(self) -> None:
        try:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError as error:
            raise Unreachable(str(error)) from None

    async def send(self, events: Sequence[Event]) -> None:
        assert self._writer is not None
        self._writer.writelines([b"%d\n" % len(events), *(self._line(event) for event in events)])
        await self._writer.drain()
        if await self._reader.readline() != b"%d\n" % len(events):
            raise Unreachable("the sink has gone")

    def _line(self, event: Event) -> bytes:
        said = {
            "id": self._context.event_id(event),
            "shape": self._context.shape,
            "topic": f"{self._context.shared.namespace}_{topic(event)}",
            "metadata": {name: value.decode("latin-1") for name, value in metadata(event).items()},
            "rebuilt": event.rebuilt,
            "body": event.body.hex(),
        }
        return json.dumps(said).encode() + b"\n"

    async def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


def row(name: str, settings: str, shape: Shape) -> OutputRow:
    return OutputRow(name=name, switch=name.upper(), module="sink", settings=settings, output="SinkOutput", shape=shape)


if __name__ == "__main__":
    sys.modules["teslafast.outputs.sink"] = sys.modules[__name__]
    rows = (row("sink_fleet", "FleetSettings", "fleet"), row("sink_protobuf", "ProtobufSettings", "flat"))
    output_settings.planned.__defaults__ = ((*OUTPUTS, *rows),)
    main()
