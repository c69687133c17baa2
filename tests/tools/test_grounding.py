"""What is not supported is refused once, then left out if the rest reads well, and else goes to a person."""

from __future__ import annotations

import json
from typing import Any

import pytest

from core.models import Claim
from core.turn import TurnContext
from tests.nodes.fakes import FakeKnowledge, FakeMind, make_turn, passage
from tests.tools.test_order import call, ready_to_send, says
from tools.send_response import send_response

CARD = passage(
    "The Owner can change the card under Settings > Billing.\n1. Open Settings and choose Billing.\n2. Choose Replace card.\n"
    "The new card is used from the next renewal on."
)
STATED = "The Owner can change the card under Settings > Billing."
LATER = "The new card is used from the next renewal on."
WORDED = "As the Owner, you can change your card under Settings > Billing."
INVENTED = "You pay a fee of 5 euros for the new card."
KNOWN = str(CARD.id)


async def ready(mind: FakeMind | None = None, **brief: Any) -> TurnContext:
    return await ready_to_send(make_turn(knowledge=FakeKnowledge((CARD,)), mind=mind, **brief))


async def send(turn: TurnContext, *texts: str) -> str:
    return await call(send_response, turn, sentences=[says(text, KNOWN) for text in texts])


async def test_the_first_time_the_model_hears_which_sentence_and_why_and_nothing_is_staged() -> None:
    turn = await ready()
    answer = await send(turn, STATED, INVENTED)
    assert answer.startswith("refused: These sentences say what their passages do not say")
    assert INVENTED in answer
    assert "number: 5" in answer
    assert STATED not in answer
    assert (turn.work.reply, turn.work.escalation) == (None, None)


async def test_a_repaired_reply_is_sent_with_its_proof() -> None:
    turn = await ready()
    await send(turn, STATED, INVENTED)
    assert json.loads(await send(turn, STATED, LATER))["sent"] is True
    assert [(p.sentence, p.kind, p.score) for p in turn.work.proof] == [
        (STATED, "verbatim", 1.0),
        (LATER, "verbatim", 1.0),
    ]
    assert [v.sentence for v in turn.work.refused] == [INVENTED]


async def test_the_second_time_what_is_unsupported_is_left_out_with_what_leans_on_it() -> None:
    turn = await ready()
    texts = (STATED, INVENTED, "It is used from the next renewal on.", LATER)
    await send(turn, *texts)
    assert json.loads(await send(turn, *texts))["sent"] is True
    assert turn.work.reply is not None
    assert STATED in turn.work.reply.text
    assert LATER in turn.work.reply.text
    assert "fee" not in turn.work.reply.text
    assert "It is used" not in turn.work.reply.text
    assert {s.sentence for s in turn.work.sources} == {STATED, LATER}


@pytest.mark.parametrize(
    "texts",
    [
        (INVENTED, STATED),
        (STATED, "1. Open Settings and choose Billing.", "2. Pay 5 euros.", "3. Choose Replace card."),
        (STATED, INVENTED, "You get 3 cards.", "Cards are sent by post to your office."),
        (STATED, "Fees are charged as follows:", LATER),
    ],
)
async def test_where_the_rest_would_not_read_well_a_person_takes_over(texts: tuple[str, ...]) -> None:
    turn = await ready()
    await send(turn, *texts)
    answer = json.loads(await send(turn, *texts))
    assert (answer["handed_over"], answer["reason"]) == (True, "no_answer")
    assert turn.work.reply is None
    assert turn.work.escalation is not None
    assert turn.work.escalation.rule == "grounding"
    assert "euros" in turn.work.escalation.evidence or "Fees" in turn.work.escalation.evidence
    assert texts[0] in (turn.work.held_draft or "")


async def test_courtesy_is_no_answer() -> None:
    turn = await ready()
    assert "No sentence is supported" in await send(turn, "Thank you for your message.")
    assert turn.work.reply is None


async def test_what_is_too_long_for_the_channel_is_refused_and_never_sent_in_part() -> None:
    endless = "The card can be changed" + " and changed again" * 200 + "."
    page = passage(endless)
    turn = await ready_to_send(make_turn(knowledge=FakeKnowledge((page,))))
    answer = await call(send_response, turn, sentences=[says(endless, str(page.id))])
    assert answer.startswith("refused: The first sentences alone are longer")
    assert turn.work.reply is None


async def test_a_model_is_asked_only_about_free_wording_and_can_refuse_it() -> None:
    mind = FakeMind(unsupported=frozenset({0}))
    turn = await ready(mind)
    answer = await send(turn, LATER, WORDED)
    assert mind.judged == [(Claim(WORDED, f"{CARD.title} > {CARD.heading}\n{CARD.text}"),)]
    assert "entailment" in answer
    assert LATER not in answer


async def test_a_model_cannot_take_what_the_rules_refuse() -> None:
    mind = FakeMind(unsupported=frozenset())
    turn = await ready(mind)
    assert "number: 5" in await send(turn, STATED, INVENTED)


async def test_a_model_that_agrees_is_named_in_the_proof() -> None:
    turn = await ready(FakeMind(unsupported=frozenset(), name="judge"))
    await send(turn, STATED, WORDED)
    assert [(p.kind, p.judged_by) for p in turn.work.proof] == [("verbatim", None), ("worded", "judge")]


@pytest.mark.parametrize(("unsupported", "sent"), [(frozenset(), True), (None, False)])
async def test_another_language_is_sent_only_on_a_models_word(unsupported: frozenset[int] | None, sent: bool) -> None:
    turn = await ready(FakeMind(unsupported=unsupported))
    await send(turn, "Der Owner kann die Karte unter Settings > Billing ändern und die neue ist dann aktiv.")
    assert (turn.work.reply is not None) is sent
