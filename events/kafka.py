"""The bus over Kafka. It may be started while the brokers are away: publishing raises, reading begins with them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, NoError, TopicAlreadyExistsError, for_code

from core.errors import BusUnavailable
from events.bus import DEFAULT_LIMITS, DEFAULT_RETRY, Handler, Health, Limits, OnDead, OnPoison, Retry
from events.delivery import Delivery
from events.envelope import Envelope
from events.errors import UnknownTopic
from events.kafka_client import KafkaConfig, calm
from events.kafka_member import DEFAULT_TIMINGS, KafkaMember, Timings
from events.topics import ALL_TOPICS, Topic

log = structlog.get_logger(__name__)

_BATCH_BYTES = 128 * 1024  # the default of 16 KiB halves the throughput of 1 kB events


class KafkaBus:
    """The port over aiokafka: an idempotent producer with acks from all replicas, and one consumer a subscription."""

    def __init__(
        self,
        config: KafkaConfig,
        topics: Sequence[Topic] = ALL_TOPICS,
        *,
        limits: Limits = DEFAULT_LIMITS,
        timings: Timings = DEFAULT_TIMINGS,
        publish_timeout_s: float = 10.0,
    ) -> None:
        self._config, self._topics = config, {topic.name: topic for topic in topics}
        self._limits, self._timings, self._publish_timeout_s = limits, timings, publish_timeout_s
        self._members: list[KafkaMember] = []
        self._producer: AIOKafkaProducer | None = None
        self._doubtful = False  # the last publishing failed: ask whether the broker is there before queueing more
        self._topics_exist = False
        self._connecting = asyncio.Lock()
        self._running = False

    async def start(self) -> None:
        """Connect if the brokers are there; if not, the first use that finds them does."""
        logging.getLogger("aiokafka.producer").setLevel(logging.INFO)  # at DEBUG it logs every event's content
        self._running = True
        try:
            await self._connected()
        except BusUnavailable as error:
            log.warning("bus.unavailable", detail=error.detail)

    async def stop(self) -> None:
        """As the port; events that were not acknowledged within the publish timeout are left to the outbox."""
        self._running = False
        await asyncio.gather(*(member.stop() for member in self._members))
        async with self._connecting:
            await self._disconnect()

    async def publish(self, topic: str, envelope: Envelope) -> None:
        """As the port."""
        await self.publish_many([(topic, envelope)])

    async def publish_many(self, events: Sequence[tuple[str, Envelope]]) -> None:
        """As the port. All are sent together and waited for together."""
        records = [(self._known(topic), envelope.key.encode(), envelope.to_bytes()) for topic, envelope in events]
        try:
            async with asyncio.timeout(self._publish_timeout_s):
                producer = await self._connected()
                acks = [await producer.send(topic, value, key=key) for topic, key, value in records]
                for outcome in await asyncio.gather(*acks, return_exceptions=True):
                    if isinstance(outcome, BaseException):
                        raise outcome
        except (KafkaError, OSError, TimeoutError) as error:
            self._doubtful = True
            raise BusUnavailable(f"Kafka did not take the events: {_in_words(error)}") from error

    async def subscribe(
        self,
        group: str,
        topics: Sequence[str],
        handler: Handler,
        *,
        on_dead: OnDead,
        on_poison: OnPoison,
        concurrency: int = 16,
        retry: Retry = DEFAULT_RETRY,
    ) -> KafkaMember:
        """As the port. Returns at once; the member joins its group as soon as the brokers let it."""
        member = KafkaMember(
            group,
            [self._known(topic) for topic in topics],
            Delivery(group, handler, on_dead, on_poison, retry),
            connection=self._config.connection,
            before_joining=self.ensure_topics,
            concurrency=concurrency,
            limits=self._limits,
            timings=self._timings,
        )
        self._members.append(member)
        member.start()
        return member

    async def health(self) -> Health:
        """As the port; asks the brokers."""
        lag: dict[str, int] = {}
        for member in self._members:
            lag[member.group] = lag.get(member.group, 0) + member.lag
        try:
            async with asyncio.timeout(min(3.0, self._publish_timeout_s)):
                producer = await self._connected()
                await producer.client.fetch_all_metadata()
        except (KafkaError, OSError, TimeoutError, BusUnavailable) as error:
            return Health(False, f"Kafka does not answer: {_in_words(error)}", lag)
        if away := sorted({member.group for member in self._members if member.trouble}):
            return Health(False, f"not in their consumer groups: {', '.join(away)}", lag)
        return Health(True, f"Kafka at {self._config.bootstrap_servers}", lag)

    async def ensure_topics(self) -> None:
        """Create the topics that are missing; existing ones stay as they are. Raises KafkaError or OSError."""
        if self._topics_exist:
            return
        admin = AIOKafkaAdminClient(**self._config.connection(), request_timeout_ms=self._timings.request_ms)
        try:
            await admin.start()
            present = set(await admin.list_topics())
            missing = [topic for name, topic in self._topics.items() if name not in present]
            if missing:
                response = await admin.create_topics([self._new_topic(topic) for topic in missing])
                for answer in response.to_object()["topic_errors"]:
                    error = for_code(answer["error_code"])
                    if error not in (NoError, TopicAlreadyExistsError):  # another process may be faster
                        raise error(f"cannot create topic {answer['topic']}: {answer['error_message']}")
                log.info("topics.created", topics=[topic.name for topic in missing])
            self._topics_exist = True
        finally:
            await admin.close()

    def _new_topic(self, topic: Topic) -> NewTopic:
        config = {"retention.ms": str(int(topic.retention.total_seconds() * 1000))}
        # aiokafka takes -1 for the replication factor only together with an assignment, so it gets an empty one
        return NewTopic(topic.name, topic.partitions, self._config.replication_factor, {}, config)

    def _known(self, topic: str) -> str:
        if topic not in self._topics:
            raise UnknownTopic(f"there is no topic {topic!r}; known are {sorted(self._topics)}")
        return topic

    async def _connected(self) -> AIOKafkaProducer:
        """The producer, with the topics there. Raises BusUnavailable."""
        async with self._connecting:
            if not self._running:
                raise BusUnavailable("The bus is not running.")
            try:
                if self._producer is not None and self._doubtful:
                    await self._probe(self._producer)
                if self._producer is None:
                    self._producer = await self._connect()
            except (KafkaError, OSError) as error:
                raise BusUnavailable(f"Kafka does not answer: {_in_words(error)}") from error
            return self._producer

    async def _connect(self) -> AIOKafkaProducer:
        await self.ensure_topics()
        producer = AIOKafkaProducer(
            **self._config.connection(),
            acks="all",
            enable_idempotence=True,
            max_batch_size=_BATCH_BYTES,
            request_timeout_ms=self._timings.request_ms,
        )
        calm(producer.client)
        try:
            await producer.start()
        except BaseException:
            await producer.stop()
            raise
        return producer

    async def _probe(self, producer: AIOKafkaProducer) -> None:
        """After a failure: is the broker back, and the producer still good? An idempotent one never drops its queue, so
        without this question every retry of the relay would queue the same events once more."""
        await producer.client.fetch_all_metadata()
        self._doubtful = False
        sender = producer._sender.sender_task  # private, but a fatal error that ended it shows nowhere else
        if sender is None or sender.done():
            await self._disconnect()

    async def _disconnect(self) -> None:
        producer, self._producer = self._producer, None
        if producer is None:
            return
        try:
            async with asyncio.timeout(self._publish_timeout_s):
                await producer.stop()
        except (TimeoutError, KafkaError, OSError) as error:
            log.warning("bus.closed_hard", error=type(error).__name__)
            if sender := producer._sender.sender_task:
                sender.cancel()
            await producer.client.close()


def _in_words(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return str(error) or type(error).__name__
