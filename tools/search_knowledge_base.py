"""READ. The company's own documents: the only thing that a reply may state."""

from __future__ import annotations

import json
from dataclasses import replace

from agents import RunContextWrapper, function_tool

from core.models import SearchResult
from core.turn import TurnContext, normalise_query
from tools.failures import tell_model

MAX_SEARCHES = 6
# Enough that the right section of the right page is among them, and of its neighbours.
PASSAGES = 10
_WITH_NEIGHBOURS = 3


@function_tool(failure_error_function=tell_model)
async def search_knowledge_base(run: RunContextWrapper[TurnContext], query: str) -> str:
    """Search the product documents for passages that answer a question. Call it after get_customer_history.

    One question a call, in the words of the documents, at most 300 characters. Ask in other words when nothing is found;
    after two different searches without a result, call escalate_to_human with reason no_answer.

    Args:
        query: The question to look up.
    """
    turn = run.context
    turn.require("search")
    query = " ".join(query.split())[:300]
    result = turn.work.searches.get(normalise_query(query))
    if result is None and len(turn.work.searches) < MAX_SEARCHES:
        result = await look_up(turn, query)
    turn.work.done.add("search")
    if result is None:
        return json.dumps(
            {"found": False, "note": "No more searches in this turn: answer from what was found or hand over."}
        )
    return _render(result, turn.work.failed_searches)


async def look_up(turn: TurnContext, query: str) -> SearchResult:
    """Search, and remember what was found with what stands beside the best of it: a procedure is not cut in the middle."""
    result = await turn.deps.knowledge.search(query, limit=PASSAGES)
    best = result.passages[:_WITH_NEIGHBOURS]
    if best:
        score = {(p.article_id, p.heading): p.score for p in reversed(best)}
        beside = await turn.deps.knowledge.list_neighbours([p.id for p in best])
        known = {p.id for p in result.passages}
        found = [replace(p, score=score[p.article_id, p.heading]) for p in beside if p.id not in known]
        result = replace(result, passages=(*result.passages, *found))
    turn.remember(result)
    return result


def _render(result: SearchResult, failed: int) -> str:
    passages = [
        {
            "id": str(p.id),
            "title": p.title,
            "heading": p.heading,
            "version": p.version,
            "score": round(p.score, 3),
            "place": p.ordinal,
            "text": p.text,
        }
        for p in result.passages
    ]
    return json.dumps({"found": bool(passages), "failed_searches": failed, "passages": passages}, ensure_ascii=False)
