from __future__ import annotations

from datetime import timedelta

import pytest

from crm.inbound import accept_event
from crm.metrics import list_channel_metrics, list_enabled_channels, read_backlog, read_schema_version
from crm.migrate import MIGRATIONS_DIR, read_migrations
from crm.pool import Pool, transaction
from tests.crm.story import START, Story


async def test_every_channel_is_there_when_nothing_happened(pool: Pool) -> None:
    async with transaction(pool) as conn:
        figures = await list_channel_metrics(conn)
    assert [f.channel for f in figures] == ["email", "whatsapp", "web_form"]
    for figure in figures:
        assert (figure.total_conversations, figure.messages_in, figure.messages_out, figure.failures) == (0, 0, 0, 0)
        assert (figure.escalations, figure.escalation_rate, figure.average_sentiment) == (0, 0.0, None)
        assert (figure.processing_p50_ms, figure.delivery_p95_ms) == (None, None)


async def test_the_figures_of_a_channel_are_counted(pool: Pool) -> None:
    async with transaction(pool) as conn:
        await _answered(conn, took_s=2, delivered_s=1, sentiment=0.4)
        await _answered(conn, took_s=4, delivered_s=3, sentiment=0.8)
        failed = await Story(conn).begin()
        await failed.replied("Lost.", await failed.turn(), delivery="failed")
        waiting = await Story(conn).begin(status="escalated")
        turn_id = await waiting.turn(finished_at=None, outcome="handed_over")
        await waiting.wrote("My money back!", turn_id=turn_id)
        await waiting.handed_over(turn_id, at=START + timedelta(seconds=3))
        await _answered(conn, channel="whatsapp", took_s=9, delivered_s=9, sentiment=0.1)
        figures = {f.channel: f for f in await list_channel_metrics(conn)}
    web = figures["web_form"]
    assert (web.total_conversations, web.messages_in, web.messages_out, web.failures) == (4, 3, 2, 1)
    assert (web.escalations, web.escalation_rate) == (1, 0.25)
    assert web.average_sentiment == pytest.approx(0.6)
    assert (web.processing_p50_ms, web.processing_p95_ms) == (pytest.approx(3000), pytest.approx(3900))
    assert (web.delivery_p50_ms, web.delivery_p95_ms) == (pytest.approx(2000), pytest.approx(2900))
    assert (figures["whatsapp"].messages_in, figures["email"].messages_in) == (1, 0)


async def test_time_that_a_person_takes_is_not_ours(pool: Pool) -> None:
    async with transaction(pool) as conn:
        story = await Story(conn).begin()
        turn_id = await story.turn(finished_at=START + timedelta(hours=5), outcome="handed_over")
        await story.wrote("My money back!", turn_id=turn_id)
        await story.handed_over(turn_id, at=START + timedelta(seconds=1))
        web = (await list_channel_metrics(conn))[2]
    assert web.processing_p95_ms == pytest.approx(1000)


async def test_only_what_began_since_a_moment_is_counted(pool: Pool) -> None:
    async with transaction(pool) as conn:
        await _answered(conn, took_s=2, delivered_s=1, sentiment=0.4)
        web = (await list_channel_metrics(conn, since=START + timedelta(days=1)))[2]
        assert (web.messages_in, web.messages_out, web.total_conversations, web.average_sentiment) == (0, 0, 0, None)
        assert (await list_channel_metrics(conn, since=START - timedelta(days=1)))[2].messages_in == 1


async def test_the_backlog_counts_what_waits(pool: Pool) -> None:
    async with transaction(pool) as conn:
        assert (await read_backlog(conn)).outbox_pending == 0
        await accept_event(conn, channel="email", kind="push", source_key="1", body={}, key="k")
        story = await Story(conn).begin()
        turn_id = await story.turn()
        await story.handed_over(turn_id)
        await story.replied("Wait.", turn_id, delivery="queued")
        backlog = await read_backlog(conn)
    assert (backlog.outbox_pending, backlog.reviews_open, backlog.deliveries_pending) == (1, 1, 1)
    assert backlog.review_oldest_wait_s > 0


async def test_the_schema_version_is_that_of_the_newest_migration(pool: Pool) -> None:
    async with transaction(pool) as conn:
        assert await read_schema_version(conn) == len(read_migrations(MIGRATIONS_DIR))
        assert await list_enabled_channels(conn) == {"email", "whatsapp", "web_form"}


async def _answered(conn, *, took_s: float, delivered_s: float, sentiment: float, channel: str = "web_form") -> None:
    story = await Story(conn, channel).begin()
    turn_id = await story.turn(finished_at=START + timedelta(seconds=took_s))
    await story.wrote("Why?", turn_id=turn_id, sentiment=sentiment)
    await story.replied("Because.", turn_id, took_s=delivered_s)
