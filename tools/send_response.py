"""WRITE. The only way out: a reply of sentences that know their sources, formatted for the channel, checked, and staged.

What is staged here is, to the letter, what is stored and sent when the turn ends.
"""

from __future__ import annotations

import json
from uuid import UUID

from agents import RunContextWrapper, function_tool
from pydantic import BaseModel, ConfigDict, Field

from core.contacts import foreign_contacts
from core.errors import NotFound, PolicyRefusal
from core.models import ReplySentence, Source
from core.turn import TurnContext
from tools.failures import tell_model


class Sentence(BaseModel):
    """One sentence of the reply."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(description="The sentence, plain text; a numbered step keeps its number.")
    passages: list[str] = Field(description="Ids of the passages that support it; empty only for courtesy.")


@function_tool(failure_error_function=tell_model)
async def send_response(run: RunContextWrapper[TurnContext], sentences: list[Sentence]) -> str:
    """Send the reply to the customer. Greeting, signature, links and length are added by the channel: write the body only.

    Every sentence that states something carries the ids of the passages that support it, as given by
    search_knowledge_base. The recipient is the customer who wrote; it cannot be chosen.

    Args:
        sentences: The body of the reply, in order.
    """
    turn = run.context
    turn.require("send")
    body = [
        ReplySentence(s.text.strip(), tuple(_known(turn, p) for p in s.passages)) for s in sentences if s.text.strip()
    ]
    # What a customer or a quoted mail wrote must not come back under our name: a sentence that points elsewhere is left out.
    known = turn.known_contacts()
    body = [s for s in body if not foreign_contacts(s.text, known)]
    if not any(s.passages for s in body):
        raise PolicyRefusal("No sentence is supported by a passage; search again or hand over.")
    sources = _sources(turn, body)
    reply = turn.deps.formatter.format(
        turn.brief.channel,
        body,
        customer_name=turn.brief.customer_name,
        subject=turn.brief.subject,
        ticket_id=turn.brief.ticket_id,
        citations=_citations(sources),
        first_reply=turn.brief.first_reply,
    )
    findings = turn.deps.policy.check(reply.text, stage="draft", channel=turn.brief.channel)
    if findings:
        turn.work.held_draft = reply.text
        raise PolicyRefusal(
            f"The policy forbids this text ({findings[0].rule_id}: {findings[0].evidence!r}); leave it out or hand over."
        )
    turn.work.reply = reply
    turn.work.sources = tuple(s for s in sources if s.sentence in reply.text)
    turn.work.done.add("send")
    return json.dumps({"sent": True, "channel": reply.channel, "characters": len(reply.text)})


def _known(turn: TurnContext, passage_id: str) -> UUID:
    """Only passages that this turn's searches brought may support a sentence."""
    if passage_id not in turn.work.passages:
        raise NotFound(
            f"Passage {passage_id!r} was not found by a search of this turn; use the ids that were returned."
        )
    return turn.work.passages[passage_id].id


def _sources(turn: TurnContext, body: list[ReplySentence]) -> tuple[Source, ...]:
    knowledge_version = {str(p.id): r.knowledge_version for r in turn.work.searches.values() for p in r.passages}
    sources: list[Source] = []
    for number, sentence in enumerate(body):
        for passage_id in sentence.passages:
            passage = turn.work.passages[str(passage_id)]
            sources.append(
                Source(
                    sentence_no=number,
                    sentence=sentence.text,
                    passage_id=passage.id,
                    passage_hash=passage.hash,
                    slug=passage.slug,
                    title=passage.title,
                    url=passage.url,
                    score=passage.score,
                    knowledge_version=knowledge_version[str(passage_id)],
                )
            )
    return tuple(sources)


def _citations(sources: tuple[Source, ...]) -> list[dict[str, str]]:
    """One link an article, in the order of first use."""
    return [{"title": s.title, "url": s.url or ""} for s in {s.slug: s for s in reversed(sources)}.values()][::-1]
