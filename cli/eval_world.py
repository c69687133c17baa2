"""The wiring of an evaluation: the product as it serves customers, on a database of its own, providers recorded."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

from channels.web_form.adapter import WebForm
from cli.deps import VECTORS, build_deps, make_embedder, make_judging_embedder, make_mind, warm_up
from cli.scratch import scratch_pool
from core.clock import SystemClock
from core.policy import Policy
from core.ports import ChannelAdapter, Desk
from core.profile import load_intents, load_profile
from core.settings import Settings
from core.turn import Deps
from core.vocabulary import Channel
from crm.checkpoints import TurnSaver
from crm.desk import CrmDesk
from crm.pool import Pool
from evals.inlets import MailInlet, WhatsAppInlet
from evals.world import Options, World
from events.factory import make_bus
from graph.build import build_graph, graph_version
from graph.dry_run import DryRunDesk
from llm.embedding_store import StoredEmbedder
from workers.context import WorkerContext
from workers.crew import crew


def build_world(settings: Settings, options: Options) -> World:
    """Vectors are kept in the data folder, so that the second run of a data set embeds nothing."""
    vectors = settings.data_dir / VECTORS
    embedder = StoredEmbedder(make_embedder(settings), vectors)
    dossier = settings.dossier_dir
    mind = make_mind(settings, embedder, judging=StoredEmbedder(make_judging_embedder(), vectors))

    async def wire(pool: Pool, desk: Desk | None = None) -> Deps:
        """With the one mind of the run, warm: a fit in the middle of it would let others wait beyond their time."""
        desk = desk or DryRunDesk(SystemClock())
        deps = replace(build_deps(settings, pool, desk, embedder=embedder), mind=mind)
        await warm_up(deps)
        return deps

    return World(
        dossier=dossier,
        mind=mind,
        policy=Policy.load(dossier / "policy.yaml", dossier / "profile.yaml"),
        profile=load_profile(dossier),
        intents=load_intents(dossier / "intents.yaml"),
        embedder=embedder,
        open_pool=partial(scratch_pool, "fte-eval-", max_size=max(settings.database_pool_size, 2 * options.at_once)),
        wire=wire,
        spine=partial(_spine, settings, wire),
        options=options,
    )


@asynccontextmanager
async def _spine(settings: Settings, wire: Callable[[Pool, Desk], Awaitable[Deps]], pool: Pool) -> AsyncIterator[None]:
    """All workers in this process, as `fte up` runs them. No provider is called: what would be sent is recorded as sent."""
    saver = TurnSaver(pool)
    deps = await wire(pool, CrmDesk(pool, saver))
    bus = make_bus(None, client_id="fte-eval")
    await bus.start()
    adapters: dict[Channel, ChannelAdapter] = {
        "web_form": WebForm(),
        "email": MailInlet(deps.profile.support_email),
        "whatsapp": WhatsAppInlet(),
    }
    patient = settings.model_copy(update={"pause_whatsapp_s": 0.0, "pause_email_s": 0.0, "pause_web_form_s": 0.0})
    context = WorkerContext(patient, pool, bus, deps, build_graph(saver), graph_version(), adapters)
    try:
        async with crew(context):
            yield
    finally:
        await bus.stop()
