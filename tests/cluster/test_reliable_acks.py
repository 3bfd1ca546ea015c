"""RELIABLE_ACKS with several nodes: an ack waits for the output, whichever node works it, over a real NATS server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tests.cluster.test_nodes import VIN, joined, wait_until
from tests.cluster.test_outputs import drained, works
from tests.support.nats_servers import NatsServers
from tests.support.peers import Place, Vehicle, ack
from tests.support.servers import Inside
from tests.support.webhook_receiver import Answer, Posted, Receiver

OTHER = "5YJ3E1EA7KF000002"


@contextmanager
def two(nats: NatsServers, receiver: Receiver) -> Iterator[list[Inside]]:
    """Two nodes; the first one works the webhook."""
    settings = {
        "CLUSTER_URL": nats.url,
        "CLUSTER_REPLICAS": "1",
        "WEBHOOK_URL": receiver.url,
        "WEBHOOK_PRIVATE": "true",
        "WEBHOOK_TYPES": "data",
        "RELIABLE_ACKS": "webhook",
    }
    with ExitStack() as stack:
        nodes = [stack.enter_context(Inside(None, **settings))]
        wait_until(lambda: works(joined(nodes[0]), "webhook"))
        nodes.append(stack.enter_context(Inside(None, **settings)))
        joined(nodes[1])
        yield nodes


@contextmanager
def a_vehicle_on_each(nats: NatsServers, receiver: Receiver) -> Iterator[tuple[list[Inside], list[Vehicle]]]:
    with two(nats, receiver) as nodes, ExitStack() as stack:
        yield nodes, [stack.enter_context(node.place.vehicle(vin)) for node, vin in zip(nodes, (VIN, OTHER), strict=True)]


def taken_down(receiver: Receiver, working: Inside, *vehicles: Vehicle) -> list[bytes]:
    """The webhook fails from now on; the txids of what the vehicles have sent since."""
    vehicles[-1].tell({"Soc": {"doubleValue": 1.0}})
    receiver.usual = Answer(503)
    txids = [vehicle.send({"Soc": {"doubleValue": 2.0}}) for vehicle in vehicles]
    working.lines.wait_for("output_failing", output="webhook")
    return txids


def has(receiver: Receiver, value: float) -> bool:
    return any(f'"Soc":{value}'.encode() in one.body for one in receiver.posted)


def waiting(place: Place) -> int:
    return int(place.get("/health").json["reliable_acks"]["waiting"])


def test_what_any_node_acknowledges_has_arrived(nats: NatsServers) -> None:
    with Receiver() as receiver, a_vehicle_on_each(nats, receiver) as (_, (near, far)):
        for number in range(10):
            near.tell({"Soc": {"doubleValue": number + 0.25}})
            assert has(receiver, number + 0.25)
            far.tell({"Soc": {"doubleValue": number + 0.75}})
            assert has(receiver, number + 0.75)


def test_an_output_that_is_down_delays_the_acks_of_every_node(nats: NatsServers) -> None:
    with Receiver() as receiver, a_vehicle_on_each(nats, receiver) as (nodes, vehicles):
        txids = taken_down(receiver, nodes[0], *vehicles)
        for node in nodes:
            wait_until(lambda place=node.place: waiting(place) > 0)  # type: ignore[misc]
        receiver.usual = Answer()
        assert [vehicle.reply() for vehicle in vehicles] == [ack(txid) for txid in txids]


def test_what_the_receiver_refuses_is_not_acknowledged_by_the_node_that_took_it_in(nats: NatsServers) -> None:
    def judge(posted: Posted) -> Answer:
        return Answer(400 if b"66.6" in posted.body else 204)

    with Receiver(judge=judge) as receiver, two(nats, receiver) as (_, other):
        with other.place.vehicle(OTHER) as far:
            far.tell({"Soc": {"doubleValue": 1.0}})
            far.send({"Soc": {"doubleValue": 66.6}})
            assert far.close_code() is None
        with other.place.vehicle(OTHER) as far:
            far.tell({"Soc": {"doubleValue": 2.0}})


def test_when_the_output_moves_acks_wait_for_the_node_that_has_it_then(nats: NatsServers) -> None:
    with Receiver() as receiver, two(nats, receiver) as (one, other), other.place.vehicle(OTHER) as far:
        (txid,) = taken_down(receiver, one, far)
        drained(one)
        wait_until(lambda: works(other.place, "webhook"))
        receiver.usual = Answer()
        assert far.reply() == ack(txid)
        assert has(receiver, 2.0)
