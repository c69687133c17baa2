"""A message travels: accepted, filed, answered or handed over, delivered; and what a crash on the way changes (nothing)."""

from __future__ import annotations

import asyncio

import pytest

from core.errors import HandOverFence, ModelError, StaleTurn
from core.models import TurnResult
from crm.ledger import read_ledger
from crm.pool import transaction
from crm.reviews import decide_review
from crm.turns import claim_turn, release_all_leases
from tests.fixtures_spine import Spine
from workers.crew import crew
from workers.sweeper import Sweeper

QUESTION = "How do I change the card that my workspace is billed to?"
REFUND = "I want a refund for last month, please give me my money back."


async def test_a_question_is_answered_from_the_documents_with_its_sources(spine: Spine) -> None:
    ticket = await spine.submit(QUESTION)
    async with crew(spine.context):
        await spine.until_status(ticket, "resolved")
        await spine.until(lambda: spine.value("select count(*) from deliveries where status = 'delivered'"))
    [(body, author, kind)] = await spine.rows(
        "select body, author, kind from messages where ticket_id = %s and direction = 'outbound'", ticket
    )
    assert "Replace card" in body
    assert (author, kind) == ("assistant", "reply")
    sources = await spine.rows("select sentence, slug, passage_hash from reply_sources")
    assert {slug for _, slug, _ in sources} == {"change-card"}
    assert all(sentence in body for sentence, _, _ in sources)


async def test_a_refund_goes_to_a_person_who_sees_the_rule_and_its_words(spine: Spine) -> None:
    ticket = await spine.submit(REFUND)
    async with crew(spine.context):
        await spine.until_status(ticket, "escalated")
    [(reason, rule, evidence, status)] = await spine.rows(
        "select reason, rule, evidence, status from reviews where ticket_id = %s", ticket
    )
    assert (reason, rule, status) == ("refund_request", "refund_request", "open")
    assert evidence.lower() in REFUND.lower()
    assert await spine.value("select owner from conversations") == "human"
    assert await spine.value("select count(*) from messages where kind = 'handover_notice'") == 1


async def test_two_failed_searches_hand_over(spine: Spine) -> None:
    ticket = await spine.submit("Does the moon base ship penguins on Tuesdays in submarine containers?")
    async with crew(spine.context):
        await spine.until_status(ticket, "escalated")
    [(reason, state)] = await spine.rows("select r.reason, t.state from reviews r join turns t on t.id = r.turn_id")
    assert reason == "no_answer"
    assert len(state["queries"]) >= 2


async def test_anger_hands_over_though_no_rule_fired(spine: Spine) -> None:
    spine.mind.score = 0.1
    ticket = await spine.submit(QUESTION)
    async with crew(spine.context):
        await spine.until_status(ticket, "escalated")
    assert await spine.value("select reason from reviews") == "angry_customer"


async def test_thanks_is_met_with_silence_and_the_reason_is_recorded(spine: Spine) -> None:
    spine.mind.intent = "thanks_closing"
    ticket = await spine.submit("Thank you, that solved it!")
    async with crew(spine.context):
        await spine.until_status(ticket, "resolved")
    assert await spine.rows("select outcome, outcome_reason from messages") == [("silent", "thanks")]


async def test_a_persons_answer_resumes_the_turn_and_reaches_the_customer(spine: Spine) -> None:
    ticket = await spine.submit(REFUND)
    async with crew(spine.context):
        await spine.until_status(ticket, "escalated")
        async with transaction(spine.context.pool) as conn:
            review = await decide_review(
                conn,
                await spine.review_of(ticket),
                decision="respond",
                reviewer="grace",
                expected_version=1,
                text="We have looked at it.",
            )
        await spine.until_status(ticket, "resolved")
        await spine.until(lambda: spine.value("select count(*) = 2 from deliveries where status = 'delivered'"))
    assert await spine.value("select body from messages where author = 'human'") != ""
    assert "We have looked at it." in await spine.value("select body from messages where author = 'human'")
    assert await spine.value("select status from reviews where id = %s", review.id) == "done"
    assert await spine.value("select owner from conversations") == "assistant"
    assert await spine.value("select count(*) from checkpoints") == 0


async def test_an_interrupted_turn_survives_a_restart(spine: Spine) -> None:
    ticket = await spine.submit(REFUND)
    async with crew(spine.context):
        await spine.until_status(ticket, "escalated")
    later = spine.fresh_process()
    await later.context.bus.start()
    async with crew(later.context):
        async with transaction(later.context.pool) as conn:
            await decide_review(
                conn,
                await later.review_of(ticket),
                decision="respond",
                reviewer="grace",
                expected_version=1,
                text="Still here for you.",
            )
        await later.until_status(ticket, "resolved")
    await later.context.bus.stop()


async def test_what_was_accepted_before_a_crash_is_answered_after_it_once(spine: Spine) -> None:
    ticket = await spine.submit(QUESTION)
    later = spine.fresh_process()
    await later.context.bus.start()
    async with transaction(later.context.pool) as conn:
        await conn.execute("update outbox set published_at = now()")  # the bus that had it is gone
    async with crew(later.context):
        await Sweeper(later.context).sweep(after_s=0)
        await Sweeper(later.context).sweep(after_s=0)
        await later.until_status(ticket, "resolved")
        await asyncio.sleep(0.3)
    await later.context.bus.stop()
    assert await later.value("select count(*) from messages where direction = 'outbound'") == 1
    assert await later.value("select count(*) from messages where direction = 'inbound'") == 1


async def test_a_turn_whose_worker_died_is_taken_over_and_the_dead_one_can_finish_nothing(spine: Spine) -> None:
    await spine.submit(QUESTION)
    async with crew(spine.context, ["relay", "intake"]):
        await spine.until(lambda: spine.value("select count(*) from messages"))
    conversation = await spine.value("select id from conversations")
    async with transaction(spine.context.pool) as conn:
        dead = (await claim_turn(conn, conversation, lease_s=60, graph_version="1")).brief
        await release_all_leases(conn)
        alive = (await claim_turn(conn, conversation, lease_s=60, graph_version="1")).brief
    assert dead
    assert alive
    assert (dead.turn_id, alive.attempt) == (alive.turn_id, 2)
    silent = TurnResult(outcome="silent", reason="thanks", sentiment=0.5)
    with pytest.raises(StaleTurn):
        await spine.context.deps.desk.finish_turn(dead, silent)
    await spine.context.deps.desk.finish_turn(alive, silent)


async def test_the_database_refuses_a_reply_begun_before_a_person_took_over(spine: Spine) -> None:
    await spine.submit(QUESTION)
    async with crew(spine.context, ["relay", "intake"]):
        await spine.until(lambda: spine.value("select count(*) from messages"))
    async with transaction(spine.context.pool) as conn:
        brief = (await claim_turn(conn, await _conversation(spine), lease_s=60, graph_version="1")).brief
        await conn.execute("update conversations set owner = 'human', owner_epoch = owner_epoch + 1")
    assert brief
    reply = spine.context.deps.formatter.format(
        "web_form", [], customer_name=None, subject=None, ticket_id=brief.ticket_id
    )
    with pytest.raises(HandOverFence):
        await spine.context.deps.desk.finish_turn(
            brief, TurnResult(outcome="answered", reason="how_to", reply=reply, sentiment=0.5)
        )
    assert await spine.value("select count(*) from messages where direction = 'outbound'") == 0


async def test_a_message_during_a_review_joins_it_and_is_not_answered_by_the_assistant(spine: Spine) -> None:
    ticket = await spine.submit(REFUND)
    async with crew(spine.context):
        await spine.until_status(ticket, "escalated")
        async with transaction(spine.context.pool) as conn:
            await conn.execute(
                "insert into messages (conversation_id, customer_id, ticket_id, channel, direction, author, body)"
                " select conversation_id, customer_id, id, channel, 'inbound', 'customer', 'Any news?' from tickets"
            )
        await Sweeper(spine.context).sweep(after_s=0)
        await spine.until(
            lambda: spine.value("select count(*) = 0 from messages where direction = 'inbound' and outcome is null")
        )
    assert await spine.value("select outcome_reason from messages where body = 'Any news?'") == "with_person"
    assert await spine.value("select count(*) from messages where direction = 'outbound'") == 1


async def test_a_failure_of_ours_ends_with_a_person_and_a_dead_letter(spine: Spine) -> None:
    spine.mind.fail = [ModelError("no model"), ModelError("no model")]
    ticket = await spine.submit(QUESTION)
    async with crew(spine.context):
        await spine.until_status(ticket, "escalated")
    assert await spine.value("select reason from reviews") == "system_error"
    assert await spine.value("select error_class from dead_letters") == "ModelError"


async def test_the_ledger_balances_after_a_mixed_load(spine: Spine) -> None:
    tickets = [await spine.submit(text, email=f"c{i}@example.org") for i, text in enumerate([QUESTION, REFUND] * 10)]
    async with crew(spine.context):
        for ticket in tickets:
            await spine.until_status(ticket, "resolved", "escalated")
        await spine.until(lambda: spine.value("select count(*) = 0 from deliveries where status <> 'delivered'"))
    async with transaction(spine.context.pool) as conn:
        ledger = await read_ledger(conn)
    assert (ledger.accepted, ledger.answered, ledger.handed_over, ledger.in_progress) == (20, 10, 10, 0)
    assert ledger.balanced


async def _conversation(spine: Spine):
    return await spine.value("select id from conversations")


async def test_the_moods_before_a_turn_are_read_from_the_conversation(spine: Spine) -> None:
    spine.mind.score = 0.7
    ticket = await spine.submit(QUESTION)
    async with crew(spine.context):
        await spine.until_status(ticket, "resolved")
    conversation = await spine.value("select id from conversations")
    async with transaction(spine.context.pool) as conn:
        await conn.execute(
            "insert into messages"
            " (conversation_id, customer_id, inbound_event_id, ticket_id, direction, author, kind, body, channel)"
            " select conversation_id, customer_id, inbound_event_id, ticket_id, 'inbound', 'customer', 'message', body, channel"
            " from messages where direction = 'inbound'"
        )
        claim = await claim_turn(conn, conversation, lease_s=60, graph_version="test")
    assert claim.brief is not None
    assert list(claim.brief.moods) == [0.7]
