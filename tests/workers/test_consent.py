"""STOP, START and HELP: recorded with who, when and which message, and honoured in the moment of sending."""

from __future__ import annotations

import pytest

from crm.pool import transaction
from crm.reviews import decide_review
from tests.fixtures_whatsapp import CUSTOMER, WhatsApp
from workers.crew import crew

QUESTION = "How do I change the card that my workspace is billed to?"
REFUND = "I want a refund for last month, please give me my money back."


async def test_a_stop_is_recorded_and_confirmed_once_and_a_help_and_a_start_are_answered(whatsapp: WhatsApp) -> None:
    notices = whatsapp.spine.context.deps.profile.notices
    async with crew(whatsapp.spine.context):
        for word in ("STOP", "Unsubscribe", "help", "START"):
            await whatsapp.writes(word)
        got = await whatsapp.until_got(3)
        await whatsapp.until("select count(*) = 4 from messages where direction = 'inbound' and outcome is not null")
    assert got == [" ".join(notices[name]) for name in ("opt_out", "help", "opt_in")]
    rows = await whatsapp.spine.rows("select address, word, source, reference from consents order by id")
    sids = [message["sid"] for message in whatsapp.fake.messages if message["direction"] == "inbound"]
    assert rows == [
        (CUSTOMER, "stop", "customer", sids[0]),
        (CUSTOMER, "stop", "customer", sids[1]),
        (CUSTOMER, "start", "customer", sids[3]),
    ]
    assert await whatsapp.spine.rows(
        "select outcome, outcome_reason from messages where direction = 'inbound' order by seq"
    ) == [("answered", "opt_out"), ("silent", "auto_reply:opt_out"), ("answered", "help"), ("answered", "opt_in")]
    assert await whatsapp.spine.value("select count(*) from tickets where status <> 'closed'") == 0


async def test_after_a_stop_an_answer_is_not_sent_and_a_person_sees_why(whatsapp: WhatsApp) -> None:
    async with crew(whatsapp.spine.context):
        await whatsapp.writes("STOP")
        await whatsapp.until_got(1)
        await whatsapp.writes(QUESTION)
        await whatsapp.until("select count(*) from reviews")
    assert len(whatsapp.got) == 1
    assert (await whatsapp.statuses())[1:] == [("assistant", "failed")]
    [(rule, evidence)] = await whatsapp.spine.rows("select rule, evidence from reviews")
    assert rule == "delivery.failed"
    assert "The customer said STOP on" in evidence


async def test_a_reviewer_cannot_override_a_stop_and_a_start_frees_the_way(whatsapp: WhatsApp) -> None:
    spine = whatsapp.spine
    async with crew(spine.context):
        await whatsapp.writes(REFUND)
        await whatsapp.until_got(1)
        await whatsapp.writes("STOP")
        await whatsapp.until_got(2)
        await answer(whatsapp, "We have looked at it.")
        await whatsapp.until("select count(*) from reviews where status = 'open' and rule = 'delivery.failed'")
        assert len(whatsapp.got) == 2
        await whatsapp.writes("start")
        await whatsapp.until_got(3)
        await answer(whatsapp, "Here is what we found.")
        got = await whatsapp.until_got(4)
    assert "Here is what we found." in got[3]
    assert not any("We have looked at it." in text for text in got)


async def answer(whatsapp: WhatsApp, text: str) -> None:
    [(review, version)] = await whatsapp.spine.rows("select id, version from reviews where status = 'open'")
    async with transaction(whatsapp.spine.context.pool) as conn:
        await decide_review(conn, review, decision="respond", reviewer="grace", expected_version=version, text=text)


@pytest.mark.parametrize("text", ["please stop the sync job", "How do I unsubscribe a user?", "cancel"])
async def test_stop_inside_a_sentence_is_no_opt_out(whatsapp: WhatsApp, text: str) -> None:
    async with crew(whatsapp.spine.context):
        await whatsapp.writes(text)
        await whatsapp.until("select count(*) from messages where outcome in ('answered', 'handed_over')")
    assert await whatsapp.spine.value("select count(*) from consents") == 0


async def test_what_twilio_answered_itself_is_recorded_and_not_answered_again(whatsapp: WhatsApp) -> None:
    async with crew(whatsapp.spine.context):
        await whatsapp.writes("arrêt", OptOutType="STOP")
        await whatsapp.until("select count(*) from messages where outcome = 'silent'")
    assert await whatsapp.spine.value("select word from consents") == "stop"
    assert whatsapp.got == []


async def test_a_refusal_by_twilio_is_a_stop_that_we_had_not_heard(whatsapp: WhatsApp) -> None:
    whatsapp.fake.unsubscribed.add(f"whatsapp:{CUSTOMER}")
    async with crew(whatsapp.spine.context):
        await whatsapp.writes(QUESTION)
        await whatsapp.until("select count(*) from reviews")
        assert "21610" in await whatsapp.spine.value("select evidence from reviews")
        whatsapp.fake.unsubscribed.clear()
        await whatsapp.execute("update conversations set owner = 'assistant', owner_epoch = owner_epoch + 1")
        await whatsapp.execute("update turns set status = 'done', finished_at = now()")
        await whatsapp.writes(QUESTION)
        await whatsapp.until("select count(*) = 2 from deliveries where status = 'failed'")
    assert whatsapp.got == []
    [(source, reference)] = await whatsapp.spine.rows("select source, reference from consents")
    assert (source, reference[:6]) == ("provider", "21610:")
