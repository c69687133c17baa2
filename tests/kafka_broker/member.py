"""A worker process, to be killed: `member.py SERVERS TOPIC GROUP` prints `key n` for everything it has handled."""

import asyncio
import sys

import structlog

from events.bus import Delivered
from events.kafka import KafkaBus
from events.kafka_client import KafkaConfig
from events.kafka_member import Timings
from events.topics import Topic


async def handle(delivered: Delivered) -> None:
    await asyncio.sleep(0.01)
    print(delivered.envelope.key, delivered.envelope.payload["n"], flush=True)


async def fail(*_: object) -> None:
    raise AssertionError("nothing here fails")


async def main(servers: str, topic: str, group: str) -> None:
    timings = Timings(commit_every_s=0.1, session_ms=6_000, heartbeat_ms=300)
    bus = KafkaBus(KafkaConfig(servers), [Topic(topic)], timings=timings)
    await bus.start()
    await bus.subscribe(group, [topic], handle, on_dead=fail, on_poison=fail, concurrency=2)
    await asyncio.Event().wait()


structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))  # stdout tells what was handled
asyncio.run(main(*sys.argv[1:]))
