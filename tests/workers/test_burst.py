"""Quick successive messages are one turn; thanks are met with silence."""

from __future__ import annotations

import pytest

from crm.pool import transaction
from crm.turns import still_writing
from tests.fixtures_whatsapp import WhatsApp
from workers.crew import crew


async def file(whatsapp: WhatsApp, *texts: str) -> None:
    async with crew(whatsapp.spine.context, ["relay", "intake"]):
        for text in texts:
            await whatsapp.writes(text)
        await whatsapp.until(f"select count(*) = {len(texts)} from messages where direction = 'inbound'")


@pytest.mark.parametrize(
    ("ages_s", "waits"),
    [
        ((0.5,), True),
        ((2.0,), False),
        ((2.5, 0.5), True),  # the second message came inside the pause: its own event answers both
        ((9.5, 5.0, 1.9), True),
        ((10.0, 5.0, 0.1), False),  # five pauses are the longest that anybody waits
    ],
)
async def test_who_is_still_writing_is_waited_for_but_not_for_ever(whatsapp: WhatsApp, ages_s, waits: bool) -> None:
    await file(whatsapp, *(f"part {age_s}" for age_s in ages_s))
    conversation = await whatsapp.spine.value("select id from conversations")
    async with transaction(whatsapp.spine.context.pool) as conn:
        for age_s in ages_s:
            await conn.execute(
                "update messages set created_at = now() - make_interval(secs => %s) where body = %s",
                (age_s, f"part {age_s}"),
            )
        assert await still_writing(conn, conversation, lambda channel: 2.0) is waits


async def test_messages_in_quick_succession_are_one_turn_with_one_answer(whatsapp: WhatsApp) -> None:
    whatsapp.configure(pause_whatsapp_s=0.4)
    async with crew(whatsapp.spine.context):
        for text in ("Hi", "a question about billing", "How do I change the card that my workspace is billed to?"):
            await whatsapp.writes(text)
        await whatsapp.until("select count(*) = 3 from messages where direction = 'inbound' and outcome is not null")
        await whatsapp.until_got(1)
    assert await whatsapp.spine.value("select count(*) from turns") == 1
    assert len(whatsapp.got) == 1


async def test_an_emoji_is_met_with_silence_and_the_reason_is_recorded(whatsapp: WhatsApp) -> None:
    async with crew(whatsapp.spine.context):
        await whatsapp.writes("🙏")
        await whatsapp.until("select count(*) from messages where outcome is not null")
    assert await whatsapp.spine.rows("select outcome, outcome_reason from messages") == [("silent", "thanks")]
    assert await whatsapp.spine.value("select count(*) from reviews") == 0
    assert whatsapp.got == []


async def test_a_customer_without_a_number_is_answered_at_their_user_id(whatsapp: WhatsApp) -> None:
    async with crew(whatsapp.spine.context):
        await whatsapp.writes("How do I change the card that my workspace is billed to?", sender="IN.2081978709342942")
        await whatsapp.until_got(1)
    assert [message["to"] for message in whatsapp.fake.sent] == ["whatsapp:IN.2081978709342942"]
