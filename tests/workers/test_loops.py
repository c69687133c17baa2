"""What headers do not reveal, the caps stop: two machines that answer each other end after N, with a person."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from core.models import TurnResult
from crm.caps import ReplyCaps
from crm.checkpoints import TurnSaver
from crm.desk import CrmDesk
from crm.ledger import read_ledger
from crm.pool import transaction
from crm.reviews import decide_review
from crm.turns import claim_turn
from graph.build import build_graph
from tests.fixtures_spine import Spine
from tests.workers.conftest import Post
from workers.crew import crew

pytestmark = pytest.mark.real
BOT, ADA = "robot@shop.example", "ada@example.org"
QUESTION = "How do I change the card that my workspace is billed to?"


def capped(post: Post, **caps: object) -> Post:
    """The same company with other caps."""
    saver = TurnSaver(post.spine.context.pool)
    desk = CrmDesk(post.spine.context.pool, saver, ReplyCaps(**caps))  # pyright: ignore[reportArgumentType]
    deps = replace(post.spine.context.deps, desk=desk)
    context = replace(post.spine.context, deps=deps, graph=build_graph(saver))
    return replace(post, spine=Spine(context, post.spine.mind))


async def echo(post: Post, rounds: int) -> int:
    """A machine answers every mail of ours in its thread, with no header that says what it is; how often it wrote."""
    await post.receive(BOT, "Question", QUESTION)
    await post.settle()
    for written in range(1, rounds):
        sent = post.sent_to(BOT)
        if len(sent) < written:
            return written
        await post.receive(BOT, sent[-1]["subject"], QUESTION, in_reply_to=sent[-1]["message-id"])
        await post.settle()
    return rounds


async def test_two_machines_that_write_to_each_other_stop_at_the_cap(post: Post) -> None:
    async with crew(post.spine.context):
        assert await echo(post, rounds=10) == 4
    assert len(post.sent_to(BOT)) == 3
    [(reason, rule, evidence, draft)] = await post.spine.rows("select reason, rule, evidence, draft from reviews")
    assert (reason, rule) == ("policy_violation", "loop_cap")
    assert evidence == "3 automatic replies to this conversation in 10 minutes"
    assert "Replace card" in draft
    assert await post.spine.value("select count(*) from messages where kind = 'handover_notice'") == 0
    async with transaction(post.spine.context.pool) as conn:
        books = await read_ledger(conn)
    assert (books.answered, books.handed_over, books.balanced) == (3, 1, True)


async def test_a_machine_that_begins_anew_each_time_stops_at_the_daily_cap(post: Post) -> None:
    post = capped(post, a_day={"email": 2})
    async with crew(post.spine.context):
        for number in range(4):
            await post.receive(BOT, f"Question {number}", QUESTION)
            await post.settle()
        await post.receive(ADA, "Question", QUESTION)
        await post.settle()
    assert len(post.sent_to(BOT)) == 2
    assert len(post.sent_to(ADA)) == 1
    assert await post.spine.value("select count(*) from reviews where rule = 'loop_cap'") == 2


async def test_a_persons_answer_is_not_counted_and_not_stopped(post: Post) -> None:
    post = capped(post, in_window={"email": 1})
    async with crew(post.spine.context):
        await echo(post, rounds=2)
        review = await post.spine.value("select id from reviews")
        async with transaction(post.spine.context.pool) as conn:
            await decide_review(conn, review, decision="approve", reviewer="grace", expected_version=1)
        await post.spine.until(lambda: post.spine.value("select count(*) from messages where author = 'human'"))
        await post.settle()
    assert len(post.sent_to(BOT)) == 2


async def test_a_hand_over_above_the_cap_says_nothing(post: Post) -> None:
    post = capped(post, in_window={"email": 1})
    async with crew(post.spine.context):
        await post.receive(BOT, "Question", QUESTION)
        await post.settle()
        [sent] = post.sent_to(BOT)
        await post.receive(BOT, "Re", "I want a refund, please give me my money back.", in_reply_to=sent["message-id"])
        await post.settle()
    assert len(post.sent_to(BOT)) == 1
    assert await post.spine.value("select reason from reviews") == "refund_request"


async def test_turns_of_one_sender_that_finish_at_once_do_not_each_see_the_last_room(post: Post) -> None:
    post = capped(post, a_day={"email": 1}, in_window={"email": 9})
    pool, desk = post.spine.context.pool, post.spine.context.deps.desk
    async with crew(post.spine.context, ["relay", "intake"]):
        for number in range(4):
            await post.receive(BOT, f"Question {number}", QUESTION)
        await post.spine.until(lambda: post.spine.value("select count(*) = 4 from messages"))
    briefs = []
    for (conversation,) in await post.spine.rows("select id from conversations"):
        async with transaction(pool) as conn:
            briefs.append((await claim_turn(conn, conversation, lease_s=60, graph_version="1")).brief)
    reply = post.spine.context.deps.formatter.format("email", [], customer_name=None, subject=None, ticket_id="tkt")
    result = TurnResult(outcome="answered", reason="how_to", reply=reply, sentiment=0.5)
    ends = await asyncio.gather(*(desk.finish_turn(brief, result) for brief in briefs), return_exceptions=True)
    assert [type(end).__name__ for end in ends].count("LoopSuspected") == 3
    assert await post.spine.value("select count(*) from messages where direction = 'outbound'") == 1
