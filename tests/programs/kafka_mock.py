"""librdkafka's own mock cluster, in a process of its own: prints the brokers' addresses, and runs until its input ends."""

from __future__ import annotations

import sys

from confluent_kafka import Producer


class Quiet:
    def log(self, *words: object) -> None:
        """It says that it is a mock."""


if __name__ == "__main__":
    cluster = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 3}, logger=Quiet())
    brokers = cluster.list_topics(timeout=10).brokers.values()
    print(",".join(f"{broker.host}:{broker.port}" for broker in brokers), flush=True)
    sys.stdin.read()
