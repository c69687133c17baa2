"""One message through the whole graph, and what can be said of the reply: support, citations, manners, length, policy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from core.grounding.check import check
from core.grounding.courtesy import is_courtesy
from core.grounding.text import letters_of, split_sentences
from core.models import FormattedReply, Passage, ReplySentence, Source, TurnBrief, TurnResult
from core.turn import Deps, TurnContext
from core.vocabulary import Channel
from evals.watching import WatchfulDesk, WatchfulKnowledge
from graph.dry_run import draft_brief, try_turn

# The limits of the channels as they were promised, not as the formatter keeps them.
EMAIL_WORDS: Final = 500
WEB_FORM_WORDS: Final = 300
WHATSAPP_CHARACTERS: Final = 1600
WHATSAPP_PREFERRED: Final = 300


@dataclass(frozen=True, slots=True)
class Asked:
    """A turn that was tried. `served_others`: something was done for somebody who did not write; `turn` knows what was found."""

    turn: TurnContext
    result: TurnResult
    served_others: bool


async def ask_once(
    deps: Deps, text: str, *, channel: Channel, subject: str | None = None, customer_name: str | None = None
) -> Asked:
    brief = draft_brief(deps.clock, text, channel=channel, subject=subject, customer_name=customer_name)
    desk, knowledge = WatchfulDesk(deps.clock), WatchfulKnowledge(deps.knowledge)
    deps = replace(deps, desk=desk, knowledge=knowledge)
    result = await try_turn(deps, brief)
    turn = TurnContext(deps, brief)
    for found in knowledge.found:
        turn.remember(found)
    return Asked(turn, result, bool(desk.touched - {(str(brief.customer_id), brief.ticket_id)}))


@dataclass(frozen=True, slots=True)
class Reviewed:
    """`sentences` counts those that state something; `unsupported` are theirs that no cited passage says."""

    sentences: int
    unsupported: tuple[str, ...]
    cited: tuple[str, ...]
    manners: tuple[str, ...]
    within_limit: bool
    preferred: bool
    policy: tuple[str, ...]


async def review(asked: Asked) -> Reviewed:
    """Judge an answered turn by its final text, whatever the nodes said of it."""
    deps, reply, sources = asked.turn.deps, asked.result.reply, asked.result.sources
    assert reply is not None
    passages = {p.id: p for p in await deps.knowledge.get_passages([source.passage_id for source in sources])}
    told = _told(sources)
    names = (deps.profile.name, deps.profile.product)
    verdicts = check(told, passages, names=names)
    frame = _frame(deps, asked.turn.brief, sources)
    strays = list(_strays(reply, told, frame, passages, names))
    return Reviewed(
        sentences=len(told) + len(strays),
        unsupported=(*(v.sentence for v in verdicts if not v.supported), *strays),
        cited=tuple(dict.fromkeys(source.slug for source in sources)),
        manners=tuple(_manners(reply, deps.profile.name, deps.profile.signature)),
        within_limit=_within_limit(reply),
        preferred=len(reply.text) <= WHATSAPP_PREFERRED,
        policy=tuple(f.rule_id for f in deps.policy.check(reply.text, stage="send", channel=reply.channel)),
    )


def _told(sources: Sequence[Source]) -> list[ReplySentence]:
    """The sentences that claim a source, each once, with its passages."""
    passages: dict[tuple[int, str], list[UUID]] = {}
    for source in sources:
        passages.setdefault((source.sentence_no, source.sentence), []).append(source.passage_id)
    return [ReplySentence(sentence, tuple(ids)) for (_, sentence), ids in passages.items()]


def _frame(deps: Deps, brief: TurnBrief, sources: Sequence[Source]) -> frozenset[str]:
    """The lines that the channel adds of itself, by formatting a reply that says nothing."""
    citations = [{"title": source.title, "url": source.url or ""} for source in sources]
    bare = deps.formatter.format(
        brief.channel,
        [ReplySentence("x", (brief.turn_id,))],
        customer_name=brief.customer_name,
        subject=brief.subject,
        ticket_id=brief.ticket_id,
        citations=citations,
        first_reply=brief.first_reply,
    )
    return frozenset(line.strip() for line in bare.text.splitlines())


def _strays(
    reply: FormattedReply,
    told: Sequence[ReplySentence],
    frame: frozenset[str],
    passages: Mapping[UUID, Passage],
    names: Sequence[str],
) -> Iterator[str]:
    """Sentences of the final text that claim no source and are no courtesy."""
    known = [letters_of(sentence.text) for sentence in told]
    urls = tuple(p.url for p in passages.values() if p.url)
    for line in reply.text.splitlines():
        if line.strip() in frame or (urls and line.strip().endswith(urls)):
            continue
        for sentence in split_sentences(line):
            if not _is_told(letters_of(sentence), known) and not is_courtesy(sentence, names=names):
                yield sentence


def _is_told(letters: str, known: Sequence[str]) -> bool:
    """Whether this is one of the known sentences, a part of one, or several: one that ends in a code has no end to see."""
    rest = f" {letters} "
    for one in sorted(known, key=len, reverse=True):
        rest = rest.replace(f" {one} ", " ")
    return not any(c.isalnum() for c in rest) or any(letters in one for one in known)


def _manners(reply: FormattedReply, company: str, signature: str) -> Iterator[str]:
    text = reply.text.strip()
    if reply.channel == "email" and not text.startswith(("Dear ", "Hello")):
        yield "no greeting"
    if reply.channel == "email" and signature.strip().splitlines()[-1] not in text:
        yield "no signature"
    if reply.channel == "web_form" and not text.startswith("Hello"):
        yield "no greeting"
    if reply.channel == "web_form" and not text.endswith(f"{company} Support"):
        yield "no closing"
    if "**" in text or "](" in text:
        yield "markdown"


def _within_limit(reply: FormattedReply) -> bool:
    if reply.channel == "whatsapp":
        return all(len(part.encode("utf-16-le")) // 2 <= WHATSAPP_CHARACTERS for part in reply.parts)
    return len(reply.text.split()) <= (EMAIL_WORDS if reply.channel == "email" else WEB_FORM_WORDS)
