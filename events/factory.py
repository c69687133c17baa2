"""Which bus it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from events.bus import Bus
from events.memory import MemoryBus
from events.topics import ALL_TOPICS, Topic

if TYPE_CHECKING:
    from events.kafka_client import SecurityProtocol


def make_bus(
    bootstrap_servers: str | None,
    *,
    client_id: str = "fte",
    security_protocol: SecurityProtocol = "PLAINTEXT",
    sasl_mechanism: str = "SCRAM-SHA-512",
    sasl_username: str | None = None,
    sasl_password: str | None = None,
    ssl_cafile: str | None = None,
    topics: Sequence[Topic] = ALL_TOPICS,
    grace_s: float = 25.0,
) -> Bus:
    """Kafka where there are servers, else the bus of this process. Neither is started. Raises ConfigurationError."""
    if not (bootstrap_servers or "").strip():
        return MemoryBus(topics, grace_s=grace_s)
    from events.kafka import KafkaBus  # here, so that without Kafka nobody waits for aiokafka's import
    from events.kafka_client import KafkaConfig
    from events.kafka_member import Timings

    config = KafkaConfig(
        bootstrap_servers=(bootstrap_servers or "").strip(),
        client_id=client_id,
        security_protocol=security_protocol,
        sasl_mechanism=sasl_mechanism,
        sasl_username=sasl_username,
        sasl_password=sasl_password,
        ssl_cafile=ssl_cafile,
    )
    return KafkaBus(config, topics, timings=Timings(grace_s=grace_s))
