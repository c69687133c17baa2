"""Law 6 as rules: does each sentence of a reply say no more than the passages that it cites?

Pure and deterministic: the same in the tool that sends, in `fte proof` and in the evals. A sentence that stands in its
passage word for word is taken; any other is held against the few sentences of the passages that it rests on:

1. its numbers with units, codes, links and proper names stand there (`facts`);
2. it does not deny what they affirm, affirm what they deny, or say more firmly what they say (`polarity`);
3. nearly all its words of content stand there, in each of its clauses, and in a near copy all of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from core.grounding.courtesy import is_courtesy
from core.grounding.facts import Doubt, doubts_about_facts
from core.grounding.language import is_foreign
from core.grounding.near_copy import NEAR_COPY, doubts_about_copy, likeness
from core.grounding.polarity import doubts_about_polarity
from core.grounding.text import Read, Token, letters_of, read, split_sentences, stem_of
from core.grounding.words import ABSOLUTE, GLUE
from core.models import Passage, ReplySentence
from core.vocabulary import SentenceKind

# Part of every stored proof. Raise it when a rule changes what it takes.
RULES_VERSION: Final = "2"

# A near copy that differs in a word differs on purpose; free wording may bring one new word in seven.
COVERAGE: Final = 0.85
CLAUSE_COVERAGE: Final = 0.5
_MOST_SUPPORTS = 4
_ADDS_SHARE = 0.2
_TOLD_SHARE = 0.6
_CLAUSE_MARKS = frozenset(",;:()–—")
_CLAUSE_WORDS = frozenset(["and", "but", "which", "so", "because", "while", "or", "then"])
_GLUE_STEMS = frozenset(stem_of(word) for word in GLUE)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rules say about one sentence of a reply.

    `kind`: taken word for word, freely worded, a courtesy, or in a language that the rules cannot read; then the rules
    hold its facts alone and a model must judge the rest. `score` is the share of its content that its sources cover.
    """

    sentence_no: int
    sentence: str
    kind: SentenceKind
    supported: bool
    score: float
    rule: str | None = None
    evidence: str | None = None


def check(
    sentences: Sequence[ReplySentence], passages: Mapping[UUID, Passage], *, names: Collection[str] = ()
) -> list[Verdict]:
    """One verdict a sentence, in order. `names`: words that may always be said, such as the company's own name."""
    known = frozenset(part.lower() for name in names for part in name.split())
    return [
        _judge(number, sentence, [passages[p] for p in sentence.passages if p in passages], known)
        for number, sentence in enumerate(sentences)
    ]


def _judge(number: int, sentence: ReplySentence, passages: Sequence[Passage], names: frozenset[str]) -> Verdict:
    text = sentence.text
    if any(_stands_in(text, p) for p in passages):
        return Verdict(number, text, "verbatim", True, 1.0)
    if is_courtesy(text, names=names):
        return Verdict(number, text, "courtesy", True, 1.0)
    if not sentence.passages:
        return Verdict(number, text, "courtesy", False, 0.0, "courtesy", "it states something and cites no passage")
    if not passages:
        return Verdict(number, text, "worded", False, 0.0, "passage", "the passage that it cites is not there")
    pieces = [read(piece) for piece in split_sentences(text)]
    sources = [read(s) for p in passages for s in split_sentences(p.text)]
    context = [read(line) for p in passages for line in (p.title, *p.heading.split(" > ")) if line]
    links = " ".join(f"{p.text} {p.url or ''}" for p in passages).lower()
    judged = [_judge_piece(piece, sources, context, names, links) for piece in pieces]
    worst = min(judged, key=lambda one: (one.doubt is None, one.score))
    kind = "foreign" if any(one.foreign for one in judged) else "worded"
    doubt = worst.doubt
    return Verdict(
        number, text, kind, doubt is None, worst.score, doubt.rule if doubt else None, doubt.evidence if doubt else None
    )


@dataclass(frozen=True, slots=True)
class _Piece:
    doubt: Doubt | None
    score: float
    foreign: bool = False


def _stands_in(text: str, passage: Passage) -> bool:
    """Whole sentences of the passage in their order: a part of one may leave out the "not"."""
    return _bounded(text) in _bounded(passage.text)


def _bounded(text: str) -> str:
    return "|" + "".join(f"{letters_of(sentence)}|" for sentence in split_sentences(text))


def _judge_piece(
    piece: Read, sources: Sequence[Read], context: Sequence[Read], names: frozenset[str], links: str
) -> _Piece:
    if is_foreign(piece.text):
        facts = doubts_about_facts(piece, sources, names=names | _capitalised(piece), links=links)
        return _Piece(next(iter(facts), None), 0.0, foreign=True)
    supports = _supports(piece, sources)
    if not supports:
        return _Piece(Doubt("coverage", "no sentence of the passage is about this"), 0.0)
    there = frozenset(t.stem for s in (*supports, *context) for t in s.tokens)
    content = [t for t in piece.content if t.stem not in _GLUE_STEMS and t.lower not in names]
    new = [t for t in content if t.stem not in there]
    score = round(1 - len(new) / len(content), 3) if content else 1.0
    copied = likeness(piece, supports[0]) >= NEAR_COPY
    doubts = (
        *doubts_about_facts(piece, (*supports, *context), names=names, links=links),
        *doubts_about_polarity(piece, supports, context),
        *(doubts_about_copy(piece, supports[0]) if copied else ()),
        *_doubts_about_words(piece, content, new, copied=copied),
    )
    return _Piece(next(iter(doubts), None), score)


def _capitalised(piece: Read) -> frozenset[str]:
    """German writes every noun with a capital: in a foreign sentence a capital names nothing."""
    return frozenset(t.lower for t in piece.of("word"))


def _supports(piece: Read, sources: Sequence[Read]) -> list[Read]:
    """The sentences that a piece rests on: the one that covers most of it, then others that add to that.

    One that adds a single word must itself be told nearly whole, as a step "Click Confirm." is.
    """
    wanted = piece.stems
    chosen: list[Read] = []
    numbers = {t.stem for t in piece.of("number")}
    while wanted and len(chosen) < _MOST_SUPPORTS:
        best = max(
            sources,
            key=lambda s: (len(wanted & s.stems), len(numbers & {t.stem for t in s.tokens}), -len(s.stems)),
            default=None,
        )
        gain = len(wanted & best.stems) if best else 0
        if best is None or not gain:
            break
        told = len(piece.stems & best.stems) >= _TOLD_SHARE * len(best.stems)
        if chosen and not told and gain < max(2, _ADDS_SHARE * len(piece.stems)):
            break
        chosen.append(best)
        wanted = wanted - best.stems
    return chosen


def _doubts_about_words(
    piece: Read, content: Sequence[Token], new: Sequence[Token], *, copied: bool
) -> Iterator[Doubt]:
    if not new:
        return
    words = ", ".join(dict.fromkeys(t.text for t in new))
    if len(new) > (1 - COVERAGE) * len(content) or any(t.lower in ABSOLUTE for t in new):
        yield Doubt("coverage", f"not in the passage: {words}")
    elif copied:
        yield Doubt("swapped", f"not in the passage: {words}")
    else:
        for clause in _clauses(piece):
            told = [t for t in clause if t in content]
            if len(told) > 1 and sum(t in new for t in told) > (1 - CLAUSE_COVERAGE) * len(told):
                yield Doubt("addition", f"not in the passage: {words}")


def _clauses(piece: Read) -> Iterator[list[Token]]:
    clause: list[Token] = []
    for token in piece.tokens:
        if (token.kind == "mark" and token.text in _CLAUSE_MARKS) or token.lower in _CLAUSE_WORDS:
            yield clause
            clause = []
        else:
            clause.append(token)
    yield clause
