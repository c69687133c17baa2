"""A near copy is read word by word against its source: what was exchanged in it was exchanged on purpose."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Final

from core.grounding.facts import Doubt
from core.grounding.text import Read, Token
from core.grounding.words import GLUE, HEDGES, NEGATORS, OBLIGATION, OPPOSITES, PERMISSION

NEAR_COPY: Final = 0.75
_OPPOSED = frozenset(OPPOSITES) | frozenset((b, a) for a, b in OPPOSITES)
_MODAL_CLASSES = (OBLIGATION, PERMISSION, HEDGES, frozenset(("will", "would")))


def likeness(one: Read, other: Read) -> float:
    """How much of the sentence stands in the source in the same order: 1 for a copy of a part of it."""
    mine, theirs = [t.stem for t in one.content], [t.stem for t in other.content]
    matched = sum(block.size for block in SequenceMatcher(None, mine, theirs, autojunk=False).get_matching_blocks())
    return matched / len(mine) if mine else 0.0


def doubts_about_copy(sentence: Read, source: Read) -> Iterator[Doubt]:
    """What a near copy has in the place of something else: another name or number, the contrary, another "can"."""
    mine, theirs = _spoken(sentence), _spoken(source)
    matcher = SequenceMatcher(None, [t.stem for t in mine], [t.stem for t in theirs], autojunk=False)
    more, fewer = _surplus(mine, theirs), _surplus(theirs, mine)
    for what, i1, i2, j1, j2 in matcher.get_opcodes():
        if what == "equal":
            continue
        new = [t for t in mine[i1:i2] if t.stem in more]
        gone = [t for t in theirs[j1:j2] if t.stem in fewer]
        if new and gone:
            yield from _exchanged(new, gone)


def _exchanged(new: Sequence[Token], gone: Sequence[Token]) -> Iterator[Doubt]:
    for token in new:
        for other in gone:
            if (token.lower, other.lower) in _OPPOSED:
                yield Doubt("opposite", f"{token.text}, where the source says {other.text}")
            elif _modal_class(token) != _modal_class(other) and _modal_class(token) and _modal_class(other):
                yield Doubt("modality", f"{token.text}, where the source says {other.text}")
    told, meant = [t for t in new if _tells(t)], [t for t in gone if _tells(t)]
    if told and meant:
        rule = "number" if told[0].kind == "number" else "swapped"
        yield Doubt(rule, f"{told[0].text}, where the source says {meant[0].text}")


def _tells(token: Token) -> bool:
    if token.kind in ("number", "code", "link"):
        return True
    glue = token.lower in GLUE and (token.initial or token.text.islower())
    return token.content and not glue and token.lower not in NEGATORS


def _modal_class(token: Token) -> int:
    """0 for a word that is no modal."""
    return next((n for n, words in enumerate(_MODAL_CLASSES, start=1) if token.lower in words), 0)


def _spoken(sentence: Read) -> list[Token]:
    return [t for t in sentence.tokens if t.kind != "mark"]


def _surplus(one: Sequence[Token], other: Sequence[Token]) -> frozenset[str]:
    """Stems that one has more often than the other."""
    return frozenset((Counter(t.stem for t in one) - Counter(t.stem for t in other)).keys())
