"""The wiring: the one place that knows every implementation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic import SecretStr

from api.context import ApiContext
from channels.email.adapter import GmailChannel, SaveProgress
from channels.email.gmail import GmailApi, GmailConfig, oauth_credentials
from channels.email.push import PushConfig, PushVerifier
from channels.email.reply import Letterhead
from channels.formatting import ChannelFormatter
from channels.web_form.adapter import WebForm
from channels.whatsapp.adapter import TwilioWhatsApp, WhatsAppConfig
from channels.whatsapp.media import MediaFetcher
from channels.whatsapp.signature import SignatureSecrets
from cli.tracing import keep_traces_home
from core.clock import SystemClock
from core.policy import Policy
from core.ports import ChannelAdapter, Desk, Embedder, Mind
from core.profile import load_intents, load_profile
from core.settings import Settings
from core.turn import Deps
from core.vocabulary import Channel
from crm.caps import ReplyCaps
from crm.checkpoints import TurnSaver
from crm.deliveries import save_progress
from crm.desk import CrmDesk
from crm.knowledge.search import KnowledgeBase
from crm.knowledge.store import current_version
from crm.knowledge.sync import SyncReport, sync_folder
from crm.mailboxes import MailboxStore
from crm.pool import Pool, transaction
from events.bus import Bus
from events.factory import make_bus
from graph.build import build_graph, graph_version
from llm.blas import use_one_thread
from llm.embedding import E5, MINI_LM, SentenceEmbedder
from llm.embedding_store import StoredEmbedder
from llm.fitted import FittedPolicies
from llm.offline import OfflineMind
from llm.offline_agent import OfflineAgentModel
from llm.rewriting import rewrite
from nodes.guardrail import JUDGED, ordinary_examples
from workers.context import WorkerContext

VECTORS = "vectors.sqlite"


def make_embedder(settings: Settings) -> Embedder:
    """What finds: of questions and documents."""
    return SentenceEmbedder(MINI_LM)


def make_judging_embedder() -> Embedder:
    """What judges: of all that customers write and replies say."""
    return SentenceEmbedder(E5)


def shipped_fits(settings: Settings) -> Path:
    return settings.dossier_dir / "fitted"


def make_offline_mind(
    settings: Settings,
    embedder: Embedder,
    *,
    judging: Embedder | None = None,
    policies: FittedPolicies | None = None,
) -> OfflineMind:
    """The sentences it is fitted on are embedded once, at the first start of all; the fit of the policy comes with the dossier."""
    use_one_thread()
    judging = judging or make_judging_embedder()
    fixed = StoredEmbedder(judging, settings.data_dir / VECTORS)
    policies = policies or FittedPolicies(shipped_fits(settings), settings.data_dir / "fitted")
    return OfflineMind(judging, OfflineAgentModel(embedder, rewrite=rewrite), fixed=fixed, policies=policies)


def make_mind(settings: Settings, embedder: Embedder, *, judging: Embedder | None = None) -> Mind:
    """OpenAI where a key is configured, else the offline mind."""
    offline = make_offline_mind(settings, embedder, judging=judging)
    if settings.openai_api_key is None:
        return offline
    from llm.openai import OpenAiMind  # seconds of imports that the offline mode need not pay

    return OpenAiMind(settings, offline)


def build_deps(settings: Settings, pool: Pool, desk: Desk, *, embedder: Embedder | None = None) -> Deps:
    """Everything that nodes and tools may reach."""
    keep_traces_home(settings)
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
        budget=settings.budget,
    )


async def sync_dossier(settings: Settings, pool: Pool, embedder: Embedder, *, phrasings: bool = True) -> SyncReport:
    """Bring the company's documents into the database; unchanged pages cost nothing."""
    url_base = load_profile(settings.dossier_dir).help_centre_url
    docs = settings.dossier_dir / "docs"
    return await sync_folder(pool, embedder, docs, url_base=url_base, phrasings=phrasings)


async def is_unread(pool: Pool) -> bool:
    """Whether no document was ever read into this database."""
    async with transaction(pool) as conn:
        return await current_version(conn) == 0


async def warm_up(deps: Deps) -> None:
    """Load and fit the offline models now, so that the first customer does not wait for it."""
    if isinstance(deps.mind, OfflineMind):
        await deps.mind.warm_up(deps.intents)
        for stage in JUDGED:
            await deps.mind.likeness(deps.policy.by_meaning(stage), ordinary_examples(stage, deps.policy, deps.intents))


def build_worker_context(
    settings: Settings, pool: Pool, bus: Bus, *, embedder: Embedder | None = None
) -> WorkerContext:
    saver = TurnSaver(pool)
    deps = build_deps(settings, pool, CrmDesk(pool, saver, _reply_caps(settings)), embedder=embedder)
    return WorkerContext(
        settings=settings,
        pool=pool,
        bus=bus,
        deps=deps,
        graph=build_graph(saver),
        graph_version=graph_version(),
        adapters=build_adapters(settings, pool),
    )


def _reply_caps(settings: Settings) -> ReplyCaps:
    return ReplyCaps(
        window_s=settings.loop_window_s,
        in_window={"email": settings.loop_email_replies, "whatsapp": settings.loop_whatsapp_replies},
        a_day={"email": settings.loop_email_daily, "whatsapp": settings.loop_whatsapp_daily},
    )


def build_adapters(settings: Settings, pool: Pool) -> dict[Channel, ChannelAdapter]:
    """The web form always; the other channels where their provider is configured."""

    async def remember(delivery_id: UUID, progress: Mapping[str, Any]) -> None:
        async with transaction(pool) as conn:
            await save_progress(conn, delivery_id, progress)

    adapters: dict[Channel, ChannelAdapter] = {"web_form": WebForm()}
    if settings.twilio_configured:
        adapters["whatsapp"] = TwilioWhatsApp(_whatsapp(settings), remember)
    if settings.gmail_configured:
        adapters["email"] = _gmail(settings, pool, remember)
    return adapters


def _whatsapp(settings: Settings) -> WhatsAppConfig:
    base = settings.public_base_url
    return WhatsAppConfig(
        account_sid=settings.twilio_account_sid or "",
        auth_token=reveal(settings.twilio_auth_token),
        sender=settings.twilio_whatsapp_from or "",
        status_callback_url=f"{base.rstrip('/')}/webhooks/whatsapp/status" if base else None,
        base_url=settings.twilio_base_url,
    )


def _gmail(settings: Settings, pool: Pool, remember: SaveProgress) -> GmailChannel:
    credentials = oauth_credentials(
        client_id=settings.gmail_client_id or "",
        client_secret=reveal(settings.gmail_client_secret),
        refresh_token=reveal(settings.gmail_refresh_token),
        token_url=settings.gmail_token_url,
    )
    address = settings.gmail_address or ""
    api = GmailApi(GmailConfig(address, base_url=settings.gmail_base_url), credentials)
    letterhead = Letterhead(address, load_profile(settings.dossier_dir).signature)
    return GmailChannel(api, MailboxStore(pool), remember, letterhead)


def build_api_context(settings: Settings, pool: Pool, bus: Bus, *, web: bool) -> ApiContext:
    """What the API is given; a channel that is not configured has no verifier, so its webhook refuses."""

    async def bus_answers() -> bool:
        return (await bus.health()).ok

    tokens = tuple(reveal(t) for t in (settings.twilio_auth_token, settings.twilio_auth_token_previous) if t)
    return ApiContext(
        pool=pool,
        profile=load_profile(settings.dossier_dir),
        clock=SystemClock(),
        version=version("fte-customer-success"),
        public_base_url=settings.public_base_url,
        web_dir=settings.web_dir if web else None,
        cors_origins=settings.cors_origins,
        max_body_bytes=settings.max_body_bytes,
        submit_rate_per_minute=settings.submit_rate_per_minute,
        whatsapp_secrets=SignatureSecrets(tokens) if settings.twilio_configured else None,
        whatsapp_media=_whatsapp_media(settings),
        push_verifier=_push_verifier(settings),
        mailbox=settings.gmail_address,
        push_subscription=settings.gmail_push_subscription,
        bus_health=bus_answers,
    )


def _whatsapp_media(settings: Settings) -> MediaFetcher | None:
    if not settings.twilio_configured:
        return None
    sid, token = settings.twilio_account_sid or "", reveal(settings.twilio_auth_token)
    return MediaFetcher(sid, token, base_url=settings.twilio_base_url)


def _push_verifier(settings: Settings) -> Callable[[str], Awaitable[str | None]] | None:
    if not settings.gmail_configured:
        return None
    config = PushConfig(
        settings.gmail_push_audience or "", settings.gmail_push_service_account or "", settings.gmail_jwks_url
    )
    return PushVerifier(config).refuse


def reveal(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret else ""


def build_bus(settings: Settings, *, client_id: str = "fte") -> Bus:
    return make_bus(
        settings.kafka_bootstrap_servers,
        client_id=client_id,
        security_protocol=settings.kafka_security_protocol,
        sasl_mechanism=settings.kafka_sasl_mechanism,
        sasl_username=settings.kafka_sasl_username,
        sasl_password=reveal(settings.kafka_sasl_password) or None,
    )
