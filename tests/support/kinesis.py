"""
A Kinesis for tests: moto's server, in a process of its own, and a reader of its streams by boto3.

    KinesisServer    it keeps streams in memory: they are gone with it
    read             all records of a stream, each shard's in order
"""

from __future__ import annotations

import contextlib
import sys
import time
from typing import Any, NamedTuple, Self

import boto3

from tests.support.peers import PATIENCE_S
from tests.support.started import Started

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "s3cret", "AWS_REGION": "eu-west-1"}


class Stored(NamedTuple):
    shard: str
    key: str
    body: bytes


class KinesisServer(Started):
    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def client(self) -> Any:
        return boto3.client(
            "kinesis",
            endpoint_url=self.url,
            region_name="eu-west-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def command(self) -> list[str]:
        return [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]

    def start(self, *streams: str, shards: int = 3) -> None:
        super().start()
        with contextlib.closing(self.client) as client:
            for stream in streams:
                client.create_stream(StreamName=stream, ShardCount=shards)

    def read(self, stream: str) -> list[Stored]:
        found = []
        with contextlib.closing(self.client) as client:
            for shard in client.list_shards(StreamName=stream)["Shards"]:
                name = shard["ShardId"]
                place = client.get_shard_iterator(StreamName=stream, ShardId=name, ShardIteratorType="TRIM_HORIZON")
                at = place["ShardIterator"]
                while records := (answer := client.get_records(ShardIterator=at, Limit=1000))["Records"]:
                    found += [Stored(name, one["PartitionKey"], one["Data"]) for one in records]
                    at = answer["NextShardIterator"]
        return found

    def until(self, stream: str, count: int) -> list[Stored]:
        until_s = time.monotonic() + PATIENCE_S
        while len(found := self.read(stream)) < count:
            assert time.monotonic() < until_s, f"{len(found)} of {count} records"
            time.sleep(0.05)  # nothing tells when there are more
        return found

    def __enter__(self) -> Self:
        return self
