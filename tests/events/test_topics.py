"""The topics of the design, and which bus a setting makes."""

from __future__ import annotations

import pytest

from core.errors import ConfigurationError
from core.vocabulary import CHANNELS
from events.factory import make_bus
from events.kafka import KafkaBus
from events.memory import MemoryBus
from events.topics import ALL_TOPICS, inbound_topic, outbound_topic


def test_the_topics_are_those_of_the_design():
    assert sorted(topic.name for topic in ALL_TOPICS) == [
        "fte.channels.email.inbound",
        "fte.channels.email.outbound",
        "fte.channels.webform.inbound",
        "fte.channels.webform.outbound",
        "fte.channels.whatsapp.inbound",
        "fte.channels.whatsapp.outbound",
        "fte.dlq",
        "fte.escalations",
        "fte.metrics",
        "fte.tickets.incoming",
    ]
    assert all(topic.partitions >= 1 and topic.retention.days >= 1 for topic in ALL_TOPICS)


@pytest.mark.parametrize("channel", CHANNELS)
def test_every_channel_has_its_two_topics(channel):
    word = channel.replace("_", "")
    assert inbound_topic(channel) == f"fte.channels.{word}.inbound"
    assert outbound_topic(channel) == f"fte.channels.{word}.outbound"


@pytest.mark.parametrize("servers", [None, "", "  "])
async def test_without_servers_the_bus_is_in_process(servers):
    assert isinstance(make_bus(servers), MemoryBus)


async def test_with_servers_the_bus_is_kafka():
    assert isinstance(make_bus("kafka-1:9092,kafka-2:9092"), KafkaBus)
    with pytest.raises(ConfigurationError, match="SASL"):
        make_bus("kafka:9092", security_protocol="SASL_PLAINTEXT")
