"""WRITE. The only way out: a reply of sentences that know their sources, formatted for the channel, checked, and staged.

What is staged here is, to the letter, what is stored and sent when the turn ends.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from uuid import UUID

from agents import RunContextWrapper, function_tool
from pydantic import BaseModel, ConfigDict, Field

from core.contacts import foreign_contacts
from core.errors import NotFound, PolicyRefusal
from core.grounding.check import Verdict
from core.grounding.text import letters_of, split_sentences
from core.models import Escalation, FormattedReply, ReplySentence, Source
from core.turn import TurnContext
from tools.failures import tell_model
from tools.grounding import drop_unsupported, explain, judge, proof_of

_TOO_LONG = "The first sentences alone are longer than the channel allows; say it in shorter ones or hand over."
_NOTHING_STATED = "No sentence is supported by a passage; search again or hand over."


class Sentence(BaseModel):
    """One sentence of the reply."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(description="The sentence, plain text; a numbered step keeps its number.")
    passages: list[str] = Field(description="Ids of the passages that support it; empty only for courtesy.")


@function_tool(failure_error_function=tell_model)
async def send_response(run: RunContextWrapper[TurnContext], sentences: list[Sentence]) -> str:
    """Send the reply to the customer. Greeting, signature, links and length are added by the channel: write the body only.

    Every sentence that states something carries the ids of the passages that support it, as given by
    search_knowledge_base, and says no more than they do. A sentence that says more is refused once, with the reason; after
    that it is left out, or a person takes over. The recipient is the customer who wrote; it cannot be chosen.

    Args:
        sentences: The body of the reply, in order.
    """
    turn = run.context
    turn.require("send")
    entries = [
        ReplySentence(s.text.strip(), tuple(_known(turn, p) for p in s.passages)) for s in sentences if s.text.strip()
    ]
    # What a customer or a quoted mail wrote must not come back under our name: a sentence that points elsewhere is left out.
    known = turn.known_contacts()
    entries = [entry for entry in entries if not foreign_contacts(entry.text, known)]
    if not any(entry.passages for entry in entries):
        raise PolicyRefusal(_NOTHING_STATED)
    draft = _format(turn, entries)
    pieces, entry_of = _pieces(entries)
    verdicts, judged_by = await judge(turn, pieces)
    if all(v.kind == "courtesy" for v in verdicts):
        raise PolicyRefusal(_NOTHING_STATED)
    if refused := [v for v in verdicts if not v.supported]:
        dropped = _drop(turn, verdicts, refused)
        if dropped is None:
            return _hand_over(turn, draft, refused)
        draft = _format(turn, _without(entries, pieces, entry_of, dropped))
        verdicts = [v for v in verdicts if v.sentence_no not in dropped]
    sent = [v for v in verdicts if _stands_in(v.sentence, draft.text)]
    if all(v.kind == "courtesy" for v in sent):
        raise PolicyRefusal(_TOO_LONG)
    turn.work.reply = draft
    turn.work.proof = proof_of(sent, judged_by)
    turn.work.sources = _sources(turn, [(v.sentence_no, pieces[v.sentence_no]) for v in sent if v.kind != "courtesy"])
    turn.work.done.add("send")
    return json.dumps({"sent": True, "channel": draft.channel, "characters": len(draft.text)})


def _drop(turn: TurnContext, verdicts: Sequence[Verdict], refused: Sequence[Verdict]) -> set[int] | None:
    """What to leave out, None where a person must take over. The first time it is refused instead, to be repaired."""
    first = not turn.work.refused
    turn.work.refused += refused
    if first:
        raise PolicyRefusal(explain(verdicts))
    return drop_unsupported(verdicts)


def _known(turn: TurnContext, passage_id: str) -> UUID:
    """Only passages that this turn's searches brought may support a sentence."""
    if passage_id not in turn.work.passages:
        raise NotFound(
            f"Passage {passage_id!r} was not found by a search of this turn; use the ids that were returned."
        )
    return turn.work.passages[passage_id].id


def _format(turn: TurnContext, entries: Sequence[ReplySentence]) -> FormattedReply:
    """The final text. Raises PolicyRefusal where the policy forbids it."""
    sources = _sources(turn, list(enumerate(entries)))
    reply = turn.deps.formatter.format(
        turn.brief.channel,
        entries,
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
    return reply


def _pieces(entries: Sequence[ReplySentence]) -> tuple[list[ReplySentence], list[int]]:
    """What the model gave as one sentence may be several: each is judged alone and knows where it belongs."""
    pieces = [
        (ReplySentence(text, entry.passages), number)
        for number, entry in enumerate(entries)
        for text in split_sentences(entry.text)
    ]
    return [piece for piece, _ in pieces], [number for _, number in pieces]


def _without(
    entries: Sequence[ReplySentence], pieces: Sequence[ReplySentence], entry_of: Sequence[int], dropped: set[int]
) -> list[ReplySentence]:
    """The entries less the dropped pieces; an entry that loses nothing keeps its line breaks."""
    kept: list[ReplySentence] = []
    for number, entry in enumerate(entries):
        own = [place for place, belongs in enumerate(entry_of) if belongs == number]
        left = [pieces[place].text for place in own if place not in dropped]
        if len(left) == len(own):
            kept.append(entry)
        elif left:
            kept.append(ReplySentence(" ".join(left), entry.passages))
    return kept


def _hand_over(turn: TurnContext, draft: FormattedReply, refused: Sequence[Verdict]) -> str:
    worst = refused[0]
    turn.work.held_draft = draft.text
    turn.work.escalation = Escalation(
        reason="no_answer",
        rule="grounding",
        evidence=f"{worst.sentence!r} ({worst.rule}: {worst.evidence})"[:500],
        counterfactual="The customer would have read something that the documents do not say.",
        summary=f"{len(refused)} sentences of the held draft have no support in the documents, after one repair.",
    )
    return json.dumps({"sent": False, "handed_over": True, "reason": "no_answer"})


def _stands_in(sentence: str, text: str) -> bool:
    """Channels cut, wrap and take off markdown; the words of a sentence that was sent stand there all the same."""
    return letters_of(sentence) in " ".join(letters_of(line) for line in text.splitlines())


def _sources(turn: TurnContext, numbered: Sequence[tuple[int, ReplySentence]]) -> tuple[Source, ...]:
    knowledge_version = {str(p.id): r.knowledge_version for r in turn.work.searches.values() for p in r.passages}
    sources: list[Source] = []
    for number, sentence in numbered:
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
