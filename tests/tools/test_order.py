"""The five tools enforce the law themselves: ticket, history, search, send; nothing unsupported or forbidden goes out."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from agents import FunctionTool
from agents.tool_context import ToolContext

from channels.formatting import ChannelFormatter
from core.models import FormattedReply
from core.turn import TurnContext
from tests.nodes.fakes import FakeKnowledge, FakePolicy, make_turn, passage, profile
from tools.create_ticket import create_ticket
from tools.escalate_to_human import escalate_to_human
from tools.get_customer_history import get_customer_history
from tools.search_knowledge_base import MAX_SEARCHES, search_knowledge_base
from tools.send_response import send_response
from tools.toolbox import TOOLS

CARD = passage("Open Settings and choose Replace card.")
PLAN = passage("Choose Change plan.", slug="plans")
WHY = {"reason": "no_answer", "evidence": "two searches", "summary": "Asks about the card."}


async def call(tool: FunctionTool, turn: TurnContext, **arguments: Any) -> str:
    """As the agent loop does it."""
    text = json.dumps(arguments)
    context = ToolContext(turn, tool_name=tool.name, tool_call_id="call_1", tool_arguments=text)
    return await tool.on_invoke_tool(context, text)


async def ready_to_send(turn: TurnContext) -> TurnContext:
    await call(create_ticket, turn, category="general", priority="medium")
    await call(get_customer_history, turn)
    await call(search_knowledge_base, turn, query="card")
    return turn


def says(text: str, *passages: str) -> dict[str, Any]:
    return {"text": text, "passages": list(passages)}


@pytest.mark.parametrize(
    ("tool", "arguments", "missing"),
    [
        (get_customer_history, {}, "ticket"),
        (search_knowledge_base, {"query": "card"}, "ticket, history"),
        (send_response, {"sentences": [says("Hello.", str(CARD.id))]}, "ticket, history, search"),
        (escalate_to_human, WHY, "ticket, history"),
    ],
)
async def test_a_tool_called_too_early_is_refused_and_does_nothing(
    tool: FunctionTool, arguments: dict, missing: str
) -> None:
    turn = make_turn(knowledge=FakeKnowledge((CARD,)))
    answer = await call(tool, turn, **arguments)
    assert answer.startswith("refused: Before ")
    assert answer.endswith(missing)
    assert (turn.work.done, turn.work.reply, turn.work.escalation, turn.work.searches) == (set(), None, None, {})


async def test_a_person_is_asked_only_when_the_history_was_read() -> None:
    turn = make_turn()
    await call(create_ticket, turn, category="general", priority="medium")
    assert (await call(escalate_to_human, turn, **WHY)).startswith("refused")


async def test_in_order_each_step_opens_the_next() -> None:
    turn = make_turn(knowledge=FakeKnowledge((CARD,)))
    ticket = json.loads(await call(create_ticket, turn, category="billing", priority="high"))
    assert (ticket["ticket_id"], ticket["category"]) == (turn.brief.ticket_id, "billing")
    assert json.loads(await call(get_customer_history, turn)) == {"messages": []}
    found = json.loads(await call(search_knowledge_base, turn, query="card"))
    assert found["found"] is True
    sent = json.loads(await call(send_response, turn, sentences=[says(CARD.text, found["passages"][0]["id"])]))
    assert sent["sent"] is True
    assert turn.work.done == {"ticket", "history", "search", "send"}


@pytest.mark.parametrize("channel", ["email", "whatsapp", "web_form"])
async def test_what_is_staged_is_to_the_letter_what_the_formatter_made(channel: str) -> None:
    made: list[FormattedReply] = []

    class Recording(ChannelFormatter):
        def format(self, *args: Any, **kwargs: Any) -> FormattedReply:
            made.append(super().format(*args, **kwargs))
            return made[-1]

    turn = make_turn(
        knowledge=FakeKnowledge((CARD,)), formatter=Recording(profile()), channel=channel, customer_name="Ada"
    )
    await ready_to_send(turn)
    await call(send_response, turn, sentences=[says("Gladly."), says(CARD.text, str(CARD.id))])
    assert [turn.work.reply] == made
    assert CARD.text in made[0].text


@pytest.mark.parametrize("channel", ["email", "whatsapp", "web_form"])
async def test_each_sentence_knows_its_sources_and_stands_in_the_reply(channel: str) -> None:
    turn = await ready_to_send(make_turn(knowledge=FakeKnowledge((CARD, PLAN)), channel=channel))
    sentences = [says("Gladly."), says(CARD.text, str(CARD.id)), says(f"1. {PLAN.text}", str(PLAN.id), str(CARD.id))]
    await call(send_response, turn, sentences=sentences)
    assert turn.work.reply is not None
    known = [(s.sentence_no, s.slug, s.passage_hash, s.knowledge_version) for s in turn.work.sources]
    assert known == [(1, "change-card", CARD.hash, 7), (2, "plans", PLAN.hash, 7), (2, "change-card", CARD.hash, 7)]
    assert all(source.sentence in turn.work.reply.text for source in turn.work.sources)


async def test_a_passage_that_this_turn_did_not_find_supports_nothing() -> None:
    turn = await ready_to_send(make_turn(knowledge=FakeKnowledge((CARD,))))
    answer = await call(
        send_response, turn, sentences=[says(CARD.text, str(CARD.id)), says("Free for all.", str(PLAN.id))]
    )
    assert answer.startswith("refused:")
    assert str(PLAN.id) in answer
    assert turn.work.reply is None


@pytest.mark.parametrize(
    "sentences", [[], [says("   ", str(CARD.id))], [says("It is free.")], [says("Hello."), says("Bye.")]]
)
async def test_a_reply_that_nothing_supports_is_refused(sentences: list[dict[str, Any]]) -> None:
    turn = await ready_to_send(make_turn(knowledge=FakeKnowledge((CARD,))))
    answer = await call(send_response, turn, sentences=sentences)
    assert answer.startswith("refused: No sentence is supported")
    assert turn.work.reply is None


async def test_forbidden_words_are_refused_named_and_kept_as_the_held_draft() -> None:
    policy = FakePolicy({"discount": "pricing_inquiry"})
    turn = await ready_to_send(make_turn(knowledge=FakeKnowledge((CARD,)), policy=policy, channel="whatsapp"))
    answer = await call(send_response, turn, sentences=[says("You get a discount.", str(CARD.id))])
    assert answer.startswith("refused:")
    assert "rule_discount" in answer
    assert turn.work.reply is None
    assert "You get a discount." in (turn.work.held_draft or "")
    [(stage, text, channel)] = policy.checked
    assert (stage, text, channel) == ("draft", turn.work.held_draft, "whatsapp")


async def test_after_a_refusal_a_better_reply_is_taken() -> None:
    turn = await ready_to_send(
        make_turn(knowledge=FakeKnowledge((CARD,)), policy=FakePolicy({"discount": "pricing_inquiry"}))
    )
    await call(send_response, turn, sentences=[says("A discount.", str(CARD.id))])
    await call(send_response, turn, sentences=[says(CARD.text, str(CARD.id))])
    assert turn.work.reply is not None
    assert "discount" not in turn.work.reply.text


async def test_searching_the_same_words_again_is_one_attempt_and_asks_the_database_once() -> None:
    knowledge = FakeKnowledge(())
    turn = await ready_to_send(make_turn(knowledge=knowledge))
    again = json.loads(await call(search_knowledge_base, turn, query="  CARD "))
    assert again["failed_searches"] == 1
    other = json.loads(await call(search_knowledge_base, turn, query="payment method"))
    assert other["failed_searches"] == 2
    assert knowledge.asked == ["card", "payment method"]


async def test_there_is_an_end_to_searching() -> None:
    knowledge = FakeKnowledge(())
    turn = await ready_to_send(make_turn(knowledge=knowledge))
    answers = [
        json.loads(await call(search_knowledge_base, turn, query=f"question {n}")) for n in range(MAX_SEARCHES + 3)
    ]
    assert len(knowledge.asked) == MAX_SEARCHES
    assert "No more searches" in answers[-1]["note"]


async def test_the_hand_over_is_staged_with_its_reason_and_cut_to_size() -> None:
    turn = await ready_to_send(make_turn())
    answer = json.loads(await call(escalate_to_human, turn, reason="no_answer", evidence="e" * 999, summary="s" * 9999))
    assert answer == {"handed_over": True, "reason": "no_answer"}
    escalation = turn.work.escalation
    assert escalation is not None
    assert (escalation.rule, len(escalation.evidence), len(escalation.summary)) == ("responder.no_answer", 300, 1000)


async def test_a_failure_of_ours_is_not_told_to_the_model() -> None:
    class Broken(FakeKnowledge):
        async def search(self, query: str, *, limit: int = 5):
            raise RuntimeError("password=hunter2")

    turn = make_turn(knowledge=Broken())
    turn.work.done |= {"ticket", "history"}
    with pytest.raises(RuntimeError):
        await call(search_knowledge_base, turn, query="card")


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_no_tool_lets_the_model_choose_a_customer_or_a_recipient(tool: FunctionTool) -> None:
    taken = set(tool.params_json_schema.get("properties", {}))
    assert taken <= {"category", "priority", "query", "sentences", "reason", "evidence", "summary"}
    assert tool.strict_json_schema is True


async def test_what_stands_beside_the_best_passage_is_given_along_and_may_be_cited() -> None:
    knowledge = FakeKnowledge(
        (CARD,), beside=(replace(CARD, id=PLAN.id, text="Choose Save card.", score=0.0, ordinal=1),)
    )
    turn = await ready_to_send(make_turn(knowledge=knowledge))
    found = json.loads(await call(search_knowledge_base, turn, query="card"))["passages"]
    assert [(p["text"], p["place"], p["score"]) for p in found] == [(CARD.text, 0, 0.8), ("Choose Save card.", 1, 0.8)]
    await call(send_response, turn, sentences=[says("Choose Save card.", str(PLAN.id))])
    assert [s.knowledge_version for s in turn.work.sources] == [7]
