"""The proof of a reply: which sentences were sent, on which passages they rest, and whether those still say so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row, dict_row

from core.errors import NotFound
from core.grounding.check import Verdict, check
from core.models import Passage, ReplySentence, SentenceProof, Source
from core.vocabulary import Channel, SentenceKind

# supported: the stored version says it, and so does the page today. changed: the page says it no longer. gone: the page
# was removed. unsupported: not even the stored version says it.
Standing = Literal["supported", "changed", "gone", "unsupported", "courtesy"]

_ADD_SENTENCE = """
insert into reply_sentences (message_id, sentence_no, sentence, kind, score, rules, judged_by) values (%s, %s, %s, %s, %s, %s, %s)
"""
_ADD_SOURCE = """
insert into reply_sources (message_id, sentence_no, sentence, passage_id, passage_hash, slug, title, url, score, knowledge_version)
values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) on conflict do nothing
"""


async def add_proof(
    conn: AsyncConnection, message_id: UUID, proof: Sequence[SentenceProof], sources: Sequence[Source]
) -> None:
    async with conn.cursor() as cursor:
        await cursor.executemany(_ADD_SENTENCE, [(message_id, *_sentence_values(p)) for p in proof])
        await cursor.executemany(_ADD_SOURCE, [(message_id, *_source_values(s)) for s in sources])


def _sentence_values(p: SentenceProof) -> tuple[Any, ...]:
    return p.sentence_no, p.sentence, p.kind, p.score, p.rules, p.judged_by


def _source_values(s: Source) -> tuple[Any, ...]:
    passage = (s.passage_id, s.passage_hash, s.slug, s.title, s.url)
    return (s.sentence_no, s.sentence, *passage, s.score, s.knowledge_version)


@dataclass(frozen=True, slots=True)
class CitedPassage:
    """A passage as a reply cited it: its stored version, and what became of it. `hash_stored` is None of a lost chunk."""

    sentence_no: int
    passage_id: UUID
    slug: str
    title: str
    heading: str | None
    url: str | None
    score: float
    knowledge_version: int
    hash_cited: str
    hash_stored: str | None
    retired_at: datetime | None
    removed_at: datetime | None


@dataclass(frozen=True, slots=True)
class ProvedSentence:
    """A sentence that was sent, what was decided then, and how it stands today."""

    sentence_no: int
    sentence: str
    kind: SentenceKind
    score: float
    rules: str | None
    judged_by: str | None
    standing: Standing
    doubt: str | None
    passages: tuple[CitedPassage, ...]


@dataclass(frozen=True, slots=True)
class Proof:
    """`proved`: every sentence that states something is supported, then and now."""

    message_id: UUID
    ticket_id: str
    channel: Channel
    sent_at: datetime
    sentences: tuple[ProvedSentence, ...]

    @property
    def proved(self) -> bool:
        standings = {s.standing for s in self.sentences}
        return "supported" in standings and standings <= {"supported", "courtesy"}


_FIND_REPLIES = """
select id, ticket_id, channel, created_at from messages
where (id::text = %(id)s or ticket_id = %(id)s) and direction = 'outbound' and author = 'assistant' and kind = 'reply' order by seq
"""
# A reply from before sentences were kept has its sources alone.
_SENTENCES = """
select sentence_no, sentence, kind, score, rules, judged_by from reply_sentences where message_id = %(message_id)s
union all
select distinct on (sentence_no) sentence_no, sentence, 'worded', 0, null, null from reply_sources s
where message_id = %(message_id)s and not exists (select from reply_sentences r where r.message_id = s.message_id)
order by sentence_no
"""
_CITED = """
select s.sentence_no, s.passage_id, s.slug, s.title, c.heading, s.url, s.score, s.knowledge_version, s.passage_hash as hash_cited,
       c.hash as hash_stored, c.retired_at, a.removed_at, a.id as article_id, c.text
from reply_sources s left join knowledge_chunks c on c.id = s.passage_id left join knowledge_articles a on a.id = c.article_id
where s.message_id = %s order by s.sentence_no, s.score desc
"""
_LIVE = """
select c.id, c.article_id, a.slug, a.title, c.heading, c.text, a.url, a.product, a.version, c.hash,
       0::float8 as score, 0::float8 as cosine, 0::float8 as lexical
from knowledge_chunks c join knowledge_articles a on a.id = c.article_id
where c.article_id = any(%s) and c.retired_at is null order by c.ordinal
"""


async def check_replies(conn: AsyncConnection, id_: str, *, names: Sequence[str] = ()) -> list[Proof]:
    """The proofs of a message, or of all the assistant's replies on a ticket, held against what is stored. Raises NotFound."""
    async with conn.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_FIND_REPLIES, {"id": id_})
        replies = await cursor.fetchall()
    if not replies:
        raise NotFound(f"No reply of the assistant has the id {id_}: give a message id or a ticket id")
    return [await _check_reply(conn, reply, names) for reply in replies]


async def _check_reply(conn: AsyncConnection, reply: dict[str, Any], names: Sequence[str]) -> Proof:
    async with conn.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_SENTENCES, {"message_id": reply["id"]})
        sentences = await cursor.fetchall()
        await cursor.execute(_CITED, (reply["id"],))
        cited = await cursor.fetchall()
    async with conn.cursor(row_factory=class_row(Passage)) as cursor:
        await cursor.execute(_LIVE, ([c["article_id"] for c in cited if c["article_id"] and not c["removed_at"]],))
        live = await cursor.fetchall()
    proved = [_prove(s, [c for c in cited if c["sentence_no"] == s["sentence_no"]], live, names) for s in sentences]
    return Proof(reply["id"], reply["ticket_id"], reply["channel"], reply["created_at"], tuple(proved))


def _prove(
    sentence: dict[str, Any], cited: Sequence[dict[str, Any]], live: Sequence[Passage], names: Sequence[str]
) -> ProvedSentence:
    standing, doubt = _standing(sentence, cited, live, names)
    passages = tuple(CitedPassage(**{k: c[k] for k in CitedPassage.__slots__}) for c in cited)
    return ProvedSentence(**sentence, standing=standing, doubt=doubt, passages=passages)


def _standing(
    sentence: dict[str, Any], cited: Sequence[dict[str, Any]], live: Sequence[Passage], names: Sequence[str]
) -> tuple[Standing, str | None]:
    if sentence["kind"] == "courtesy":
        verdict = _hold(sentence["sentence"], [], names)
        return ("courtesy", None) if verdict.supported else ("unsupported", verdict.evidence)
    then = [_stored_passage(c) for c in cited if c["hash_stored"] == c["hash_cited"]]
    if not then:
        return "gone", "the stored version of its passage is not there"
    verdict = _hold(sentence["sentence"], then, names)
    if not verdict.supported:
        return "unsupported", f"{verdict.rule}: {verdict.evidence}"
    if all(c["removed_at"] for c in cited):
        return "gone", "its page was removed"
    if not any(c["retired_at"] for c in cited):
        return "supported", None
    today = [p for p in live if p.article_id in {c["article_id"] for c in cited}]
    verdict = _hold(sentence["sentence"], today, names)
    return ("supported", None) if verdict.supported else ("changed", f"{verdict.rule}: {verdict.evidence}")


def _hold(sentence: str, passages: Sequence[Passage], names: Sequence[str]) -> Verdict:
    """The rules alone. Of another language they hold the facts; that a model agreed then is on record."""
    said = ReplySentence(sentence, tuple(p.id for p in passages))
    [verdict] = check([said], {p.id: p for p in passages}, names=names)
    return verdict


def _stored_passage(c: dict[str, Any]) -> Passage:
    return Passage(
        id=c["passage_id"],
        article_id=c["article_id"],
        slug=c["slug"],
        title=c["title"],
        heading=c["heading"],
        text=c["text"],
        url=c["url"],
        product=None,
        version=None,
        hash=c["hash_stored"],
        score=c["score"],
        cosine=0.0,
        lexical=0.0,
    )


@dataclass(frozen=True, slots=True)
class Reliance:
    """A reply that cites a page: how many of its sentences do, and whether a passage that it cites has changed since."""

    message_id: UUID
    ticket_id: str
    channel: Channel
    sent_at: datetime
    sentences: int
    changed: bool


_RELYING = """
select m.id as message_id, m.ticket_id, m.channel, m.created_at as sent_at, count(distinct s.sentence_no)::int as sentences,
       coalesce(bool_or(c.retired_at is not null), true) as changed
from reply_sources s join messages m on m.id = s.message_id left join knowledge_chunks c on c.id = s.passage_id
where s.slug = %s group by m.id order by m.seq desc
"""


async def list_relying_replies(conn: AsyncConnection, slug: str) -> list[Reliance]:
    """The replies that rest on a page, the newest first."""
    async with conn.cursor(row_factory=class_row(Reliance)) as cursor:
        await cursor.execute(_RELYING, (slug,))
        return await cursor.fetchall()


_COUNT_RELYING = """
select slug, count(distinct message_id)::int from reply_sources where passage_id = any(%s) group by slug order by slug
"""


async def count_relying_replies(conn: AsyncConnection, passage_ids: Sequence[UUID]) -> dict[str, int]:
    """How many replies rest on any of these passages, by page."""
    cursor = await conn.execute(_COUNT_RELYING, (list(passage_ids),))
    return {row[0]: row[1] for row in await cursor.fetchall()}
