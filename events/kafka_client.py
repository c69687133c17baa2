"""How to reach Kafka, and a client that stays calm when it cannot."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from aiokafka.client import AIOKafkaClient
from aiokafka.cluster import ClusterMetadata
from aiokafka.helpers import create_ssl_context

from core.errors import ConfigurationError

_UNANSWERED_S: Final = 1.0

SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]


@dataclass(frozen=True, slots=True)
class KafkaConfig:
    """How to reach the brokers. `replication_factor` -1 is the brokers' own default."""

    bootstrap_servers: str
    client_id: str = "fte"
    security_protocol: SecurityProtocol = "PLAINTEXT"
    sasl_mechanism: str = "SCRAM-SHA-512"
    sasl_username: str | None = None
    sasl_password: str | None = field(default=None, repr=False)
    ssl_cafile: str | None = None
    replication_factor: int = -1

    def __post_init__(self) -> None:
        if self.security_protocol.startswith("SASL") and not (self.sasl_username and self.sasl_password):
            raise ConfigurationError(f"{self.security_protocol} wants a SASL user name and password")

    def connection(self) -> dict[str, Any]:
        """The keyword arguments that every aiokafka client takes."""
        kwargs: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap_servers,
            "client_id": self.client_id,
            "security_protocol": self.security_protocol,
        }
        if self.security_protocol.endswith("SSL"):
            kwargs["ssl_context"] = create_ssl_context(cafile=self.ssl_cafile)
        if self.security_protocol.startswith("SASL"):
            kwargs["sasl_mechanism"] = self.sasl_mechanism
            kwargs["sasl_plain_username"] = self.sasl_username
            kwargs["sasl_plain_password"] = self.sasl_password
        return kwargs


def calm(client: AIOKafkaClient) -> None:
    """Let a client breathe when no broker answers: aiokafka (0.14) asks again at once, in a loop that costs a whole core
    and two log lines a turn (github.com/aio-libs/aiokafka/issues/496)."""
    ask = client._metadata_update  # private: there is no setting for it

    async def ask_and_rest(cluster_metadata: ClusterMetadata, topics: Any) -> bool:
        updated = await ask(cluster_metadata, topics)
        if not updated:
            await asyncio.sleep(_UNANSWERED_S)
        return updated

    client._metadata_update = ask_and_rest
