"""Redis, a real one: who gets what, in which order, and what is refused. Read with redis-py's own subscriber."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

import pytest
from teslafast.errors import Undelivered, Unreachable
from teslafast.outputs import Context, Event
from teslafast.outputs.redis import LEASES_AT_MOST, RedisOutput, RedisSettings
from teslafast.outputs.redis_settings import redis_servers

from tests.support.certificates import Authority, World
from tests.support.output_events import EPOCH, VIN, alert, data, run_output
from tests.support.redis import Listener, RedisCluster, RedisServer

pytestmark = pytest.mark.outputs

OWN = f"tesla_telemetry_V_{{{VIN}}}"
SET = f"leases_{OWN}"
NOW_S = 1_795_420_801


def run(url: str, scene: Callable[[RedisOutput], Awaitable[object]], prefix: str = "", vin_topics: bool = True) -> Context:
    context = Context(EPOCH, Counter())

    settings = RedisSettings(servers=redis_servers(url), subscriber_sets=prefix, vin_topics=vin_topics)
    run_output(lambda: RedisOutput(settings, context, wall=lambda: NOW_S + 0.9), scene)
    return context


def sends(*events: Event) -> Callable[[RedisOutput], Awaitable[object]]:
    return lambda output: output.send(events)


def numbered(count: int, vins: Sequence[str] = (VIN,)) -> list[Event]:
    return [data(seq, {"Odometer": seq}, vins[seq % len(vins)]) for seq in range(1, count + 1)]


def test_a_record_goes_to_its_leased_channels_first_and_then_to_its_vehicle_s() -> None:
    with RedisServer() as server, server.client() as client, Listener(server.port, "*") as listener:
        client.zadd(SET, {"expired": NOW_S - 1, "lasts": NOW_S, "longer": NOW_S + 60})
        first, second = data(1, {"Soc": 1}), data(2, {"Soc": 2})
        context = run(server.url, sends(first, second, alert(3)), "leases")
        heard = listener.wait_for(lambda heard: len(heard) == 7)
        assert client.zrange(SET, 0, -1) == [b"lasts", b"longer"]
    expected = [(name, one.body) for one in (first, second) for name in ("lasts", "longer", OWN)]
    assert heard == [*expected, (f"tesla_telemetry_alerts_{{{VIN}}}", alert(3).body)]
    assert context.dropped == {"refused": 0, "no_subscriber": 0}


def test_without_vehicles_channels_only_subscribers_get_records_and_what_nobody_gets_is_counted() -> None:
    with RedisServer() as server, server.client() as client, Listener(server.port, "*") as listener:
        client.zadd(SET, {"mine": NOW_S + 60})
        context = run(server.url, sends(data(1, {"Soc": 1}), alert(2)), "leases", vin_topics=False)
        assert [one.channel for one in listener.wait_for(lambda heard: len(heard) == 1)] == ["mine"]
    assert (context.dropped["no_subscriber"], context.given_up) == (1, [])


def test_what_nobody_listens_to_is_counted_and_not_given_up() -> None:
    with RedisServer() as server:
        context = run(server.url, sends(*numbered(5)))
    assert (context.dropped["no_subscriber"], context.given_up) == (5, [])


def test_a_set_that_holds_more_channels_than_anybody_needs_is_cut() -> None:
    with RedisServer() as server, server.client() as client, Listener(server.port, "*") as listener:
        client.zadd(SET, {f"c{number:04}": NOW_S + number for number in range(LEASES_AT_MOST + 1)})
        run(server.url, sends(data(1, {"Soc": 1})), "leases")
        heard = listener.wait_for(lambda heard: bool(heard) and heard[-1].channel == OWN)
    assert len(heard) == LEASES_AT_MOST + 1


def test_a_leased_channel_that_is_not_ours_to_publish_to_costs_the_others_nothing() -> None:
    with RedisServer() as server, server.client() as client, Listener(server.port, "*") as listener:
        client.zadd(SET, {"secret": NOW_S + 60, "tesla_telemetry_mine": NOW_S + 60})
        client.execute_command("ACL SETUSER me on >s3cret ~* +@all resetchannels &tesla_telemetry_*")
        url = server.url.replace("//", "//me:s3cret@")
        context = run(url, sends(*numbered(2)), "leases")
        heard = listener.wait_for(lambda heard: len(heard) == 4)
    assert [one.channel for one in heard] == ["tesla_telemetry_mine", OWN] * 2
    assert context.dropped["refused"] == 2


def test_what_redis_refuses_is_said_in_its_words_and_never_with_the_password() -> None:
    with RedisServer() as server, server.client() as client:
        client.execute_command("ACL SETUSER me on >s3cret ~* +@all resetchannels")
        with pytest.raises(Undelivered, match=r"Redis says: .*permission") as caught:
            run(server.url.replace("//", "//me:s3cret@"), sends(data(1, {"Soc": 1})))
        assert not isinstance(caught.value, Unreachable)
        with pytest.raises(Undelivered, match="Redis refuses the login of REDIS_URL") as caught:
            run(server.url.replace("//", "//me:wr0ng@"), sends())
        assert "wr0ng" not in str(caught.value)
    with pytest.raises(Unreachable, match="Redis cannot be reached"):
        run(server.url, sends())


def test_after_a_failure_only_what_was_not_answered_is_published_again() -> None:
    async def scene(output: RedisOutput) -> None:
        events = [*numbered(200), alert(201), data(202, {"Odometer": 202})]
        with pytest.raises(Undelivered):
            await output.send(events)
        client.execute_command("ACL SETUSER me allchannels")
        await output.close()
        await output.connect()
        await output.send(events)

    with RedisServer() as server, server.client() as client, Listener(server.port, "*") as listener:
        client.execute_command("ACL SETUSER me on >s3cret ~* +@all resetchannels &tesla_telemetry_V_*")
        run(server.url.replace("//", "//me:s3cret@"), scene)
        heard = listener.wait_for(lambda heard: sum("alerts" in one.channel for one in heard) == 1 and len(heard) >= 202)
    bodies = [one.body for one in heard]
    assert bodies[:200] == [event.body for event in numbered(200)]
    assert len(bodies) <= 204


def test_a_cluster_is_published_to_at_the_vehicle_s_node_in_order() -> None:
    vins = [f"5YJ3E1EA7KF{number:06}" for number in range(20)]
    with RedisCluster() as cluster, Listener(cluster.nodes[2].port, "*telemetry*", "mine") as listener:
        with cluster.nodes[0].client() as client:
            slot = client.cluster("KEYSLOT", SET)
        with next(node for at, node in enumerate(cluster.nodes) if slot < 16384 * (at + 1) // 3).client() as client:
            client.zadd(SET, {"mine": NOW_S + 60})
        context = run(cluster.url, sends(*numbered(400, vins), data(401, {"Odometer": 401})), "leases")
        heard = listener.wait_for(lambda heard: len(heard) >= 402 + 20)
    for vin in vins:
        mine = [one.body for one in heard if one.channel == f"tesla_telemetry_V_{{{vin}}}"]
        assert mine[:20] == [event.body for event in numbered(400, vins) if event.vin == vin]
    assert sum(one.channel == "mine" for one in heard) == 21
    assert context.dropped["no_subscriber"] == 0


def test_a_cluster_that_is_away_or_refuses_the_login_is_told_from_one_another() -> None:
    with RedisServer("--cluster-enabled", "yes", "--requirepass", "right") as server:
        url = server.url.replace("//", "//:wr0ng@")
        with pytest.raises(Undelivered, match="Redis refuses the login of REDIS_URL") as caught:
            run(f"{url},{url}", sends())
        assert "wr0ng" not in str(caught.value)
    with pytest.raises(Unreachable, match="Redis cannot be reached"):
        run(f"{url},{url}", sends())


def test_tls_is_verified_and_may_show_a_certificate_of_our_own(world: World) -> None:
    clients = Authority.root("CA of a Redis")
    mine, anchor = world.pair(clients, "teslafast"), world.write("redis-clients.pem", clients.pem)
    words = ["--tls-cert-file", str(world.server.certificate), "--tls-key-file", str(world.server.key)]
    with RedisServer(*words, "--tls-ca-cert-file", str(anchor), plain=False) as server:
        url = server.url.replace("redis://", "rediss://")
        with pytest.raises(Unreachable, match="certificate verify failed"):
            run(url, sends())
        trusted = f"{url}?ssl_ca_certs={world.server_ca}"
        with pytest.raises(Unreachable):
            run(trusted, sends())
        shown = f"{trusted}&ssl_certfile={mine.certificate}&ssl_keyfile={mine.key}"
        assert run(shown, sends(data(1, {"Soc": 1}))).dropped["no_subscriber"] == 1
        with pytest.raises(Unreachable, match="IP address mismatch"):
            run(shown.replace("127.0.0.1", "127.0.0.2"), sends())
