"""Retrieval: the first look into the documents, side by side with triage and sentiment."""

from __future__ import annotations

import re

from langgraph.runtime import Runtime
from typing_extensions import TypedDict

from core.turn import TurnContext
from nodes.follow_up import earlier_question, leans, points_back
from nodes.prompts import render_prompt
from nodes.state import Found
from tools.search_knowledge_base import look_up

_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_COURTESY = re.compile(
    r"^\s*(hi|hello|hey|dear|good (morning|afternoon|evening)|thanks?( you)?( so much| in advance| a lot)?|many thanks"
    r"|cheers|best( regards)?|kind regards|regards|sincerely)\b[\w\s,'-]{0,30}[,.!]*\s*$",
    re.IGNORECASE,
)
_MAX_WORDS = 90


class RetrievalInput(TypedDict):
    turn_id: str


class RetrievalUpdate(TypedDict):
    found: Found


async def retrieval(state: RetrievalInput, runtime: Runtime[TurnContext]) -> RetrievalUpdate:
    """Search with the customer's own words, then in others. What is found waits in the turn for the responder's search."""
    turn = runtime.context
    with turn.timed("retrieval"):
        query = await _in_context(turn, question_of(turn.brief.subject, turn.brief.text))
        if not query:
            return {"found": {"query": "", "passages": [], "best_score": 0.0}}
        result = await look_up(turn, query)
        if not result.passages:
            instructions = render_prompt("retrieval", turn.deps.profile)
            other = await turn.deps.mind.rewrite_query(query, tried=[query], instructions=instructions)
            result = max(result, await look_up(turn, other), key=lambda r: r.confidence)
        return {
            "found": {
                "query": result.query,
                "passages": [str(p.id) for p in result.passages],
                "best_score": round(result.best_score, 4),
            }
        }


async def _in_context(turn: TurnContext, query: str) -> str:
    """A question that leans on an earlier one of the same conversation, with that in front."""
    if turn.brief.first_reply or not leans(query):
        return query
    earlier = earlier_question(await turn.deps.desk.list_history(turn.brief))
    return f"{question_of(None, earlier)} {query}" if earlier else query


def question_of(subject: str | None, text: str) -> str:
    """The part of a message that asks: subject and sentences, without greetings, at most 90 words.

    Of a long message the questions stay; with a question that leans on the story, or without any, its last words.
    """
    sentences = [s.strip() for s in _SENTENCE.split(text) if s.strip() and not _COURTESY.match(s)]
    words = " ".join(sentences).split()
    if len(words) > _MAX_WORDS:
        asking = [s for s in sentences if "?" in s]
        words = " ".join(asking).split()[:_MAX_WORDS]
        if not asking or any(points_back(s) for s in asking):
            last = sentences.index(asking[-1]) if asking else len(sentences) - 1
            words = " ".join(sentences[: last + 1]).split()[-_MAX_WORDS:]
    lead = re.sub(r"^((re|fwd?|aw)\s*:\s*)+", "", subject or "", flags=re.IGNORECASE).strip()
    lead, body = " ".join(lead.split()), " ".join(words)
    return body if not lead or lead.lower() in body.lower() else f"{lead}. {body}".strip()
