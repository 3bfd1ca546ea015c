"""An InfluxOutput that stores events, in a database or at a receiver of its requests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence

from teslafast.config import Settings
from teslafast.outputs import Context, Event
from teslafast.outputs.influx import InfluxOutput
from teslafast.outputs.settings import planned

from tests.support.output_events import EPOCH, run_output

NONE: Mapping[str, str] = {}
SERVER = Settings.from_env({"NODE_ENV": "development"})


def output_for(
    url: str, context: Context | None = None, bucket: str = "telemetry", more: Mapping[str, str] = NONE
) -> InfluxOutput:
    [plan] = planned({"INFLUX_URL": url, "INFLUX_BUCKET": bucket} | dict(more), SERVER)
    made = plan.make(context or Context(EPOCH, Counter()))
    assert isinstance(made, InfluxOutput)
    return made


def run(output: InfluxOutput, scene: Callable[[InfluxOutput], Awaitable[object]]) -> None:
    run_output(lambda: output, scene)


def store(url: str, *batches: Sequence[Event], context: Context | None = None, more: Mapping[str, str] = NONE) -> None:
    async def scene(output: InfluxOutput) -> None:
        for batch in batches:
            await output.send(batch)

    run(output_for(url, context, more=more), scene)
