from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from crm.mailboxes import claim_check, note_failure, note_synced, note_watch
from crm.pool import transaction
from tests.api.conftest import assert_problem, submission
from tests.crm.story import START, Story

FIGURES = {
    "channel", "total_conversations", "messages_in", "messages_out", "escalations", "escalation_rate",
    "average_sentiment", "processing_p50_ms", "processing_p95_ms", "delivery_p50_ms", "delivery_p95_ms", "failures",
    "model_calls", "input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens", "cost_usd_micros",
    "unpriced_calls",
}  # fmt: skip


@pytest.fixture
async def headers(key_for) -> dict[str, str]:
    return await key_for("metrics:read")


async def test_all_three_channels_are_there_from_the_start(client, headers) -> None:
    metrics = (await client.get("/metrics/channels", headers=headers)).json()
    assert set(metrics["channels"]) == {"email", "whatsapp", "web_form"}
    for figures in metrics["channels"].values():
        assert set(figures) == FIGURES
        assert figures["total_conversations"] == 0
        assert figures["processing_p95_ms"] is None


async def test_figures_of_the_time_since(client, headers, pool) -> None:
    async with transaction(pool) as conn:
        await (await Story(conn).begin()).wrote("Why?")
    for since, expected in ((START - timedelta(hours=1), 1), (START + timedelta(hours=1), 0)):
        response = await client.get("/metrics/channels", params={"since": since.isoformat()}, headers=headers)
        assert response.json()["channels"]["web_form"]["messages_in"] == expected


@pytest.mark.parametrize(
    "since",
    ["yesterday", "2026-11-23T08:00:00", "-infinity", "99999999999999999", "%00", "0001-01-01T00:00:00%2B14:00"],
)
async def test_a_time_that_is_none_is_refused(client, headers, since) -> None:
    problem = assert_problem(await client.get(f"/metrics/channels?since={since}", headers=headers), 422)
    assert [error["field"] for error in problem["errors"]] == ["since"]


async def test_prometheus_gets_counters_and_the_backlog(client, headers) -> None:
    before = _read((await client.get("/metrics", headers=headers)).text)
    for key in ("a", "a", "b"):
        await client.post("/support/submit", json=submission(), headers={"Idempotency-Key": key})
    response = await client.get("/metrics", headers=headers)
    after = _read(response.text)
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")

    def grown(name: str) -> float:
        return after[name] - before.get(name, 0.0)

    assert grown('support_messages_received_total{channel="web_form"}') == 2
    assert grown('support_messages_deduplicated_total{channel="web_form"}') == 1
    assert grown('support_webhook_requests_total{channel="web_form",outcome="accepted"}') == 2
    assert grown('support_webhook_ack_duration_seconds_count{channel="web_form"}') == 3
    assert after["support_outbox_pending"] == 2
    assert after["support_reviews_open"] == 0
    assert after['support_build_info{version="1.2.3"}'] == 1


async def test_prometheus_gets_how_the_mailbox_fares(client, headers, pool) -> None:
    assert "support_mailbox_check_age_seconds" not in _read((await client.get("/metrics", headers=headers)).text)
    async with transaction(pool) as conn:
        assert await claim_check(conn, "a@example.com", every_s=1)
        await note_synced(conn, "a@example.com")
        await note_watch(conn, "a@example.com", datetime.now(UTC) + timedelta(hours=2))
        await note_failure(conn, "b@example.com", error="gone", reauth=True)
    figures = _read((await client.get("/metrics", headers=headers)).text)
    assert figures["support_mailboxes_need_reauth"] == 1
    assert 0 <= figures["support_mailbox_check_age_seconds"] < 60
    assert 7000 < figures["support_mailbox_watch_left_seconds"] <= 7200


async def test_prometheus_gets_what_models_cost_whichever_process_spent_it(client, headers, pool) -> None:
    async with transaction(pool) as conn:
        story = await Story(conn).begin()
        turn_id = await story.turn()
        await story.called(turn_id, cost=1_250)
        await story.called(turn_id, cost=None, outcome="timeout", model="my-own-model")
    figures = _read((await client.get("/metrics", headers=headers)).text)
    use = 'channel="web_form",model="gpt-5",node="responder"'
    assert figures[f"support_llm_cost_usd_total{{{use}}}"] == 0.00125
    assert figures[f'support_llm_tokens_total{{channel="web_form",kind="cached_input",{use.split(",", 1)[1]}}}'] == 400
    assert figures[f'support_llm_calls_total{{{use},outcome="ok"}}'] == 1
    own = use.replace("gpt-5", "my-own-model")
    assert figures[f"support_llm_unpriced_calls_total{{{own}}}"] == 1
    assert figures[f"support_llm_cost_usd_total{{{own}}}"] == 0


async def test_no_label_is_an_id(client, headers) -> None:
    await client.post("/support/submit", json=submission())
    text = (await client.get("/metrics", headers=headers)).text
    labels = {
        line.split("{")[1].split("=")[0] for line in text.splitlines() if line.startswith("support_") and "{" in line
    }
    assert labels <= {"channel", "version", "reason", "topic", "outcome", "provider", "node", "role", "type"}


async def test_refused_webhooks_are_counted_by_reason(client, headers) -> None:
    name = 'support_webhook_requests_total{channel="whatsapp",outcome="signature_missing"}'
    before = _read((await client.get("/metrics", headers=headers)).text).get(name, 0.0)
    await client.post("/webhooks/whatsapp", data={"Body": "x"})
    assert _read((await client.get("/metrics", headers=headers)).text)[name] == before + 1


def _read(text: str) -> dict[str, float]:
    lines = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in lines}
