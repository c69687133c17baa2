"""What only a real Kafka can show: brokers and members that die, and topics as they are."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.client import AIOKafkaClient
from kafka_broker.broker import KafkaBroker, free_port
from kafka_broker.world import QUICK, Recorder, World, event, eventually

from core.errors import BusUnavailable, ConfigurationError
from events.bus import Delivered
from events.kafka import KafkaBus
from events.kafka_client import KafkaConfig, calm
from events.topics import ALL_TOPICS, DLQ, TICKETS_INCOMING

ROOT = Path(__file__).parents[2]


def real_kafka(test):
    return pytest.mark.real(pytest.mark.slow(pytest.mark.enable_socket(test)))


@pytest.fixture
async def real(kafka: KafkaBroker) -> AsyncIterator[World]:
    world = World("kafka", kafka.bootstrap_servers)
    yield world
    await world.close()


@real_kafka
async def test_the_work_of_a_killed_member_is_taken_over(real: World):
    bus, survivor = await real.bus(), Recorder()
    group = f"killed.{real.many}"
    command = [sys.executable, str(ROOT / "tests/kafka_broker/member.py"), real.bootstrap_servers, real.many, group]
    victim = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, env={"PYTHONPATH": str(ROOT)}
    )
    assert victim.stdout is not None
    await bus.publish_many([(real.many, event(f"k{n % 30}", n)) for n in range(600)])
    lines = [await asyncio.wait_for(victim.stdout.readline(), 30) for _ in range(100)]
    victim.kill()
    lines += (await victim.stdout.read()).splitlines()
    by_victim = {(key.decode(), int(n)) for key, n in (line.split() for line in lines)}
    await victim.wait()
    assert 100 <= len(by_victim) < 600
    await bus.subscribe(
        group, [real.many], survivor.handle, on_dead=survivor.on_dead, on_poison=survivor.on_poison, concurrency=4
    )
    everything = {(f"k{n % 30}", n) for n in range(600)}
    await eventually(lambda: by_victim | set(survivor.done) == everything, "nothing lost", timeout_s=40)
    again = by_victim & set(survivor.done)
    assert len(again) < 100, "only what was not committed yet comes again"
    for k in range(30):
        assert survivor.of(f"k{k}") == sorted(survivor.of(f"k{k}"))


@real_kafka
async def test_a_broker_that_is_killed_and_comes_back_loses_nothing(real: World, kafka: KafkaBroker):
    async def work(_: Delivered) -> None:
        await asyncio.sleep(0.002)

    bus, seen = await real.bus(), Recorder(work)
    await real.join(bus, seen, real.many, concurrency=4)
    acknowledged: list[tuple[str, int]] = []
    refused = 0

    async def publish_stubbornly() -> None:
        nonlocal refused
        for n in range(400):
            while True:
                try:
                    await bus.publish(real.many, event(f"k{n % 10}", n))
                    break
                except BusUnavailable:
                    refused += 1
                    await asyncio.sleep(0.1)
            acknowledged.append((f"k{n % 10}", n))

    publishing = asyncio.create_task(publish_stubbornly())
    await eventually(lambda: len(seen.done) > 50, "work under way")
    await asyncio.to_thread(kafka.kill)
    before = time.process_time()
    await asyncio.sleep(3)
    assert time.process_time() - before < 1.0, "waiting for the broker must not cost a core"
    assert not (await bus.health()).ok
    await asyncio.to_thread(kafka.start)
    await asyncio.wait_for(publishing, 60)
    await eventually(lambda: set(acknowledged) <= set(seen.done), "everything acknowledged is handled", timeout_s=60)
    assert len(acknowledged) == 400
    for k in range(10):
        firsts = list(dict.fromkeys(seen.of(f"k{k}")))
        assert firsts == sorted(firsts)
    async with asyncio.timeout(20):
        while not (await bus.health()).ok:
            await asyncio.sleep(0.1)


@real_kafka
async def test_the_topics_are_created_as_they_are_listed(kafka: KafkaBroker):
    for _ in range(2):  # the second finds them there
        bus = KafkaBus(KafkaConfig(kafka.bootstrap_servers), timings=QUICK)
        await bus.start()
        assert (await bus.health()).ok
        await bus.stop()
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    try:
        found = {topic["topic"]: len(topic["partitions"]) for topic in await admin.describe_topics()}
        [answer] = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, DLQ)])
    finally:
        await admin.close()
    assert {topic.name: topic.partitions for topic in ALL_TOPICS}.items() <= found.items()
    assert found[TICKETS_INCOMING] == 12
    settings = {entry[0]: entry[1] for entry in answer.resources[0][4]}
    assert settings["retention.ms"] == str(30 * 24 * 3600 * 1000)


@pytest.mark.real
@pytest.mark.enable_socket
async def test_without_a_broker_publishing_says_so_and_nothing_breaks():
    bus = KafkaBus(KafkaConfig(f"127.0.0.1:{free_port()}"), timings=QUICK, publish_timeout_s=2)
    await bus.start()
    seen = Recorder()
    await bus.subscribe("g", [DLQ], seen.handle, on_dead=seen.on_dead, on_poison=seen.on_poison)
    with pytest.raises(BusUnavailable, match="Kafka does not answer"):
        await asyncio.wait_for(bus.publish(DLQ, event("k")), 4)
    health = await bus.health()
    assert not health.ok
    assert "Kafka does not answer" in health.detail
    await asyncio.wait_for(bus.stop(), 5)
    with pytest.raises(BusUnavailable, match="not running"):
        await bus.publish(DLQ, event("k"))


@real_kafka
async def test_a_broker_that_comes_late_is_found(tmp_path: Path):
    broker = KafkaBroker(tmp_path)
    world = World("kafka", broker.bootstrap_servers)
    try:
        bus, seen = await world.bus(), Recorder()
        await world.join(bus, seen, world.one)
        with pytest.raises(BusUnavailable):
            await bus.publish(world.one, event("k"))
        await asyncio.to_thread(broker.start)
        await bus.publish(world.one, event("k", 7))
        await eventually(lambda: seen.of("k") == [7], "the event that was published after the broker came")
        await world.close()
    finally:
        await asyncio.to_thread(broker.stop)


async def test_a_client_that_nobody_answers_rests_before_it_asks_again():
    client = AIOKafkaClient()  # it knows no broker
    before = time.monotonic()
    assert not await client._metadata_update(client.cluster, [])
    assert time.monotonic() - before < 0.1, "aiokafka has learnt to rest: calm() can go"
    calm(client)
    assert not await client._metadata_update(client.cluster, [])
    assert time.monotonic() - before > 0.9


def test_sasl_without_a_password_is_a_configuration_error():
    with pytest.raises(ConfigurationError, match="SASL_SSL wants a SASL user name and password"):
        KafkaConfig("kafka:9092", security_protocol="SASL_SSL", sasl_username="fte")


def test_the_password_is_not_shown_and_reaches_the_client():
    config = KafkaConfig("kafka:9092", security_protocol="SASL_SSL", sasl_username="fte", sasl_password="s3cret")
    assert "s3cret" not in repr(config)
    connection = config.connection()
    assert connection["sasl_plain_password"] == "s3cret"
    assert connection["ssl_context"].check_hostname
