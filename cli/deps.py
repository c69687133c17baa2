"""The wiring: the one place that knows every implementation."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator

from llm.offline import OfflineMind

from channels.formatting import ChannelFormatter
from channels.web_form.adapter import WebForm
from core.clock import SystemClock
from core.errors import ConfigurationError
from core.policy import Policy
from core.ports import ChannelAdapter, Desk, Embedder, Mind
from core.profile import load_intents, load_profile
from core.settings import Settings
from core.turn import Deps
from core.vocabulary import Channel
from crm.checkpoints import TurnSaver
from crm.desk import CrmDesk
from crm.embedded import attach_or_start
from crm.knowledge.search import KnowledgeBase
from crm.migrate import migrate, pending
from crm.pool import Pool, open_pool
from events.bus import Bus
from events.factory import make_bus
from graph.build import build_graph, graph_version
from llm.embedding import MiniLmEmbedder
from llm.offline_agent import OfflineAgentModel
from llm.rewriting import rewrite
from workers.context import WorkerContext


@contextlib.contextmanager
def database(settings: Settings) -> Iterator[str]:
    """The address of a migrated database: the configured one, or the embedded one, started if it does not run."""
    if settings.database_url is not None:
        dsn = settings.database_url.get_secret_value()
        if missing := pending(dsn):
            raise ConfigurationError(f"The database lacks {len(missing)} migrations: run `fte migrate` first")
        yield dsn
        return
    with attach_or_start(settings.data_dir) as dsn:
        migrate(dsn)
        yield dsn


@contextlib.asynccontextmanager
async def open_database(settings: Settings) -> AsyncIterator[Pool]:
    """A pool on that database, for commands."""
    with database(settings) as dsn:
        pool = await open_pool(dsn, max_size=settings.database_pool_size)
        try:
            yield pool
        finally:
            await pool.close()


def make_embedder(settings: Settings) -> Embedder:
    return MiniLmEmbedder()


def make_mind(settings: Settings, embedder: Embedder) -> Mind:
    """OpenAI where a key is configured, else the offline mind."""
    return OfflineMind(embedder, OfflineAgentModel(embedder, rewrite=rewrite))


def build_deps(settings: Settings, pool: Pool, desk: Desk, *, embedder: Embedder | None = None) -> Deps:
    """Everything that nodes and tools may reach."""
    embedder = embedder or make_embedder(settings)
    dossier = settings.dossier_dir
    profile = load_profile(dossier)
    return Deps(
        mind=make_mind(settings, embedder),
        knowledge=KnowledgeBase(pool, embedder),
        desk=desk,
        formatter=ChannelFormatter(profile),
        policy=Policy.load(dossier / "policy.yaml", dossier / "profile.yaml"),
        profile=profile,
        intents=load_intents(dossier / "intents.yaml"),
        clock=SystemClock(),
    )


def build_worker_context(
    settings: Settings, pool: Pool, bus: Bus, *, embedder: Embedder | None = None
) -> WorkerContext:
    saver = TurnSaver(pool)
    deps = build_deps(settings, pool, CrmDesk(pool, saver), embedder=embedder)
    return WorkerContext(
        settings=settings,
        pool=pool,
        bus=bus,
        deps=deps,
        graph=build_graph(saver),
        graph_version=graph_version(),
        adapters=build_adapters(settings, pool),
    )


def build_adapters(settings: Settings, pool: Pool) -> dict[Channel, ChannelAdapter]:
    """The web form always; the other channels where their provider is configured."""
    return {"web_form": WebForm()}


def build_bus(settings: Settings, *, client_id: str = "fte") -> Bus:
    return make_bus(
        settings.kafka_bootstrap_servers,
        client_id=client_id,
        security_protocol=settings.kafka_security_protocol,
        sasl_mechanism=settings.kafka_sasl_mechanism,
        sasl_username=settings.kafka_sasl_username,
        sasl_password=settings.kafka_sasl_password.get_secret_value() if settings.kafka_sasl_password else None,
    )
