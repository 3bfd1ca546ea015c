"""The stream backed up and restored as `nats stream` does it: on other servers, and in the place of one that had gone on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from nats.aio.client import Client

from tests.cluster.test_nodes import VIN, joined, node, wait_until
from tests.support.nats_servers import NatsServers

API_S = 5.0


class Backup(NamedTuple):
    config: dict[str, Any]
    state: dict[str, Any]
    chunks: list[bytes]


def run(nats: NatsServers, do: Callable[[Client], Awaitable[Any]]) -> Any:
    async def connected() -> Any:
        client = Client()
        await client.connect(nats.url)
        try:
            return await do(client)
        finally:
            await client.close()

    return asyncio.run(connected())


async def ask(client: Client, what: str, **request: Any) -> dict[str, Any]:
    reply = await client.request(f"$JS.API.STREAM.{what}.TF", orjson.dumps(request), timeout=API_S)
    said: dict[str, Any] = orjson.loads(reply.data)
    assert "error" not in said, said
    return said


async def back_up(client: Client) -> Backup:
    """Each chunk is acknowledged; an empty one is the end."""
    inbox = client.new_inbox()
    chunks: list[bytes] = []
    subscription = await client.subscribe(inbox)
    told = await ask(client, "SNAPSHOT", deliver_subject=inbox, no_consumers=True, chunk_size=65536)
    while True:
        message = await subscription.next_msg(API_S)
        if not message.data:
            return Backup(told["config"], told["state"], chunks)
        chunks.append(message.data)
        if message.reply:
            await client.publish(message.reply)


async def restore(client: Client, backup: Backup) -> None:
    told = await ask(client, "RESTORE", config=backup.config, state=backup.state)
    for chunk in (*backup.chunks, b""):
        reply = await client.request(told["deliver_subject"], chunk, timeout=API_S)
        assert b'"error"' not in reply.data, reply.data


def test_a_log_that_is_restored_on_other_servers_goes_on_under_its_epoch(nats: NatsServers, tmp_path: Path) -> None:
    with node(nats) as server:
        place = joined(server)
        epoch = place.get("/health").json["epoch"]
        with place.vehicle(VIN) as vehicle:
            for soc in (1.0, 2.0):
                vehicle.tell({"Soc": {"doubleValue": soc}})
            backup = run(nats, back_up)
    (tmp_path / "others").mkdir()
    with NatsServers(tmp_path / "others") as others:

        async def bring(client: Client) -> None:
            await restore(client, backup)

        run(others, bring)
        with node(others) as server:
            place = joined(server)
            with place.dashboard(f"?since=2&epoch={epoch}") as dashboard, place.vehicle(VIN) as vehicle:
                assert dashboard.until("data")["data"] == {"Soc": 2.0}
                vehicle.tell({"Soc": {"doubleValue": 3.0}})
                assert dashboard.until("data")["data"] == {"Soc": 3.0}
                assert "gap" not in [event["type"] for event in dashboard.seen]


def test_a_log_that_is_restored_in_the_place_of_one_that_went_on_is_another_epoch(nats: NatsServers) -> None:
    with node(nats) as server:
        place = joined(server)
        epoch = place.get("/health").json["epoch"]
        with place.vehicle(VIN) as vehicle:
            vehicle.tell({"Soc": {"doubleValue": 1.0}})
            backup = run(nats, back_up)
            vehicle.tell({"Soc": {"doubleValue": 2.0}})

            async def turn_back(client: Client) -> None:
                await ask(client, "DELETE")
                await restore(client, backup)

            run(nats, turn_back)
            wait_until(lambda: place.get("/health").json["epoch"] != epoch)
            joined(server)  # again: until then nobody is let in
            with place.dashboard(f"?since=3&epoch={epoch}") as dashboard:
                dashboard.until("gap")
                vehicle.tell({"Soc": {"doubleValue": 3.0}})
                while dashboard.until("data")["data"] != {"Soc": 3.0}:
                    pass
