"""What operators read: each channel's figures as JSON, everything that counts as Prometheus text."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, generate_latest
from pydantic import BaseModel, Field

from api.auth import require
from api.context import ANSWER_TIMEOUT_S, context_of
from api.costs import CostView
from api.problems import invalid_field, problem_responses
from core.clock import Clock
from core.vocabulary import Channel
from crm.keys import ApiKey
from crm.mailboxes import MailboxState, list_mailboxes
from crm.metrics import Backlog, list_channel_metrics, read_backlog
from crm.pool import transaction
from crm.spending import UseCost, list_use_costs

router = APIRouter(tags=["metrics"])
PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


class ChannelFigures(CostView):
    channel: Channel
    total_conversations: int
    messages_in: int
    messages_out: int = Field(description="What left our hands; what waits or failed is not counted")
    escalations: int = Field(description="Hand-overs to a person")
    escalation_rate: float = Field(description="Share of the conversations with at least one hand-over")
    average_sentiment: float | None = Field(description="From 0, furious, to 1, delighted; null when nothing was rated")
    processing_p50_ms: float | None = Field(
        description="From accepted to answered or handed over, a person's time apart"
    )
    processing_p95_ms: float | None
    delivery_p50_ms: float | None = Field(description="From written to sent")
    delivery_p95_ms: float | None
    failures: int = Field(description="Messages that no worker could read, and replies that could not be delivered")


class ChannelMetrics(BaseModel):
    since: datetime | None
    generated_at: datetime
    channels: dict[Channel, ChannelFigures]


@router.get(
    "/metrics/channels",
    summary="Figures of each channel",
    response_model=ChannelMetrics,
    responses=problem_responses(401, 403, 422, 503),
)
async def channels(
    request: Request,
    key: Annotated[ApiKey, require("metrics:read")],
    since: Annotated[datetime | None, Query(description="Only what began since; all time without it")] = None,
) -> Any:
    """Always all three channels."""
    context = context_of(request)
    since = None if since is None else _in_utc(since)
    async with transaction(context.pool, timeout_s=ANSWER_TIMEOUT_S) as conn:
        figures = await list_channel_metrics(conn, since=since)
    return {
        "since": since,
        "generated_at": context.clock.now(),
        "channels": {figure.channel: figure for figure in figures},
    }


def _in_utc(moment: datetime) -> datetime:
    try:
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except OverflowError:  # the first or last hours of the calendar, moved out of it
        pass
    raise invalid_field("since", "Give the time with its zone, like 2026-11-23T08:00:00Z.")


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    response_class=Response,
    responses={
        **problem_responses(401, 403, 503),
        200: {"description": "Prometheus text", "content": {"text/plain": {"schema": {"type": "string"}}}},
    },
)
async def prometheus(request: Request, key: Annotated[ApiKey, require("metrics:read")]) -> Response:
    """The same scope as the JSON: Prometheus sends the key with `authorization: credentials_file`."""
    context = context_of(request)
    async with transaction(context.pool, timeout_s=ANSWER_TIMEOUT_S) as conn:
        backlog, mailboxes = await read_backlog(conn), await list_mailboxes(conn)
        costs = await list_use_costs(conn)
    text = generate_latest(REGISTRY) + generate_latest(_gauges(backlog, mailboxes, context.clock, context.version))
    text += generate_latest(_spending(costs))
    return Response(text, headers={"Content-Type": PROMETHEUS, "Cache-Control": "no-store"})


def _gauges(backlog: Backlog, mailboxes: list[MailboxState], clock: Clock, version: str) -> CollectorRegistry:
    """What is true now in the database, whichever replica is asked."""
    registry = CollectorRegistry()
    figures: dict[str, tuple[str, float]] = {
        "support_outbox_pending": ("Events that are due and not published", backlog.outbox_pending),
        "support_outbox_oldest_age_seconds": ("Age of the oldest of them", backlog.outbox_oldest_age_s),
        "support_reviews_open": ("Hand-overs that wait for a person", backlog.reviews_open),
        "support_review_oldest_wait_seconds": ("How long the oldest of them waits", backlog.review_oldest_wait_s),
        "support_deliveries_pending": ("Replies that wait to be sent", backlog.deliveries_pending),
        "support_dead_letters_open": ("Events that no worker could process", backlog.dead_letters_open),
        "support_mailboxes_need_reauth": (
            "Mailboxes whose permission has ended",
            sum(box.reauth_since is not None for box in mailboxes),
        ),
    }
    if checked := [box.synced_at for box in mailboxes if box.synced_at]:
        age_s = (clock.now() - min(checked)).total_seconds()
        figures["support_mailbox_check_age_seconds"] = ("Since the mailbox was last read", age_s)
    if watched := [box.watch_expires_at for box in mailboxes if box.watch_expires_at]:
        left_s = (min(watched) - clock.now()).total_seconds()
        figures["support_mailbox_watch_left_seconds"] = ("Until Gmail's pushes end", left_s)
    for name, (documentation, value) in figures.items():
        Gauge(name, documentation, registry=registry).set(value)
    Gauge("support_build_info", "The release that runs", ["version"], registry=registry).labels(version).set(1)
    return registry


def _spending(costs: Sequence[UseCost]) -> CollectorRegistry:
    """What models cost since the beginning, counted in the database: the workers that spend it have no port to be asked."""
    registry = CollectorRegistry()
    use = ["channel", "node", "model"]
    calls = Counter("support_llm_calls", "Requests to language models", [*use, "outcome"], registry=registry)
    tokens = Counter(
        "support_llm_tokens", "Tokens read (cached ones apart) and written", [*use, "kind"], registry=registry
    )
    cost = Counter("support_llm_cost_usd", "What is known of the cost, in dollars", use, registry=registry)
    unpriced = Counter("support_llm_unpriced_calls", "Requests whose cost nobody knows", use, registry=registry)
    for row in costs:
        labels = (row.channel, row.node, row.model)
        calls.labels(*labels, row.outcome).inc(row.model_calls)
        tokens.labels(*labels, "input").inc(row.input_tokens - row.cached_tokens)
        tokens.labels(*labels, "cached_input").inc(row.cached_tokens)
        tokens.labels(*labels, "output").inc(row.output_tokens)
        cost.labels(*labels).inc((row.cost_usd_micros or 0) / 1_000_000)
        unpriced.labels(*labels).inc(row.unpriced_calls)
    return registry
