"""Does a sentence say the contrary of its source, or say it more firmly? Negation, opposites, modality, bounds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from core.grounding.facts import Doubt
from core.grounding.text import Read, Token, stem_of
from core.grounding.words import (
    ABSOLUTE,
    HEDGES,
    LOWER_BOUNDS,
    NEGATORS,
    OBLIGATION,
    OPPOSITES,
    PERMISSION,
    UPPER_BOUNDS,
)

# How many words of content a negation reaches, as far as its clause goes.
_SCOPE = 4
_SHARE = 0.6
_ALIKE = 0.75
# "won't accept any" is "accepts no".
_UNDER_NEGATION = frozenset(("any", "anyone"))
_CLAUSE_ENDS = frozenset(",;:.!?()–—") | {"but", "because", "unless", "until", "if", "when", "while"}
_NEGATING_PREFIXES = ("un", "in", "im", "dis", "non", "ir", "il")


def doubts_about_polarity(sentence: Read, supports: Sequence[Read], context: Sequence[Read]) -> Iterator[Doubt]:
    """`supports`: the sentences of the source that the sentence rests on, the nearest first; `context`: its headings."""
    yield from _denied_here(sentence, (*supports, *context))
    yield from _denied_there(sentence, supports)
    yield from _denials_by_clause(sentence, supports)
    yield from _opposites(sentence, supports)
    yield from _modality(sentence, supports)
    yield from _bounds(sentence, supports)


def _denied_here(sentence: Read, supports: Sequence[Read]) -> Iterator[Doubt]:
    denied_there = {stem for s in supports for _, scope in _scopes(s) for stem in scope}
    anything_denied = any(_scopes(s) for s in supports)
    told = frozenset(stem for s in supports for stem in s.stems)
    for negator, scope in _scopes(sentence):
        known = scope & told
        if (known and not known & denied_there) or (not known and not anything_denied):
            yield Doubt("negation", negator)


def _denied_there(sentence: Read, supports: Sequence[Read]) -> Iterator[Doubt]:
    denied_here = {stem for _, scope in _scopes(sentence) for stem in scope}
    nearest = supports[0]
    for negator, scope in _scopes(nearest):
        elsewhere = _affirmed(nearest) | {stem for s in supports[1:] for stem in _affirmed(s)}
        said = scope & sentence.stems
        if said and len(said) >= _SHARE * len(scope) and not said & denied_here and not said <= elsewhere:
            yield Doubt("negation", f"the source says {negator!r}")


def _denials_by_clause(sentence: Read, supports: Sequence[Read]) -> Iterator[Doubt]:
    """Two clauses about the same deny as often: "nothing is not deleted" is not "nothing is deleted"."""
    theirs = [clause for s in supports for clause in _clauses(s)]
    for mine in _clauses(sentence):
        stems = frozenset(t.stem for t in mine if t.content)
        alike = [c for c in theirs if len(stems & {t.stem for t in c}) >= max(2, _ALIKE * len(stems))]
        if alike and all(_denials(c) != _denials(mine) for c in alike):
            yield Doubt("negation", " ".join(t.text for t in mine)[:80])


def _clauses(sentence: Read) -> list[list[Token]]:
    clauses: list[list[Token]] = [[]]
    for token in sentence.tokens:
        if token.kind == "mark" or token.lower in _CLAUSE_ENDS:
            clauses.append([])
        clauses[-1].append(token)
    return [clause for clause in clauses if any(t.content for t in clause)]


def _denials(clause: Sequence[Token]) -> int:
    return sum(t.lower in NEGATORS or t.lower.endswith("n't") for t in clause)


def _scopes(sentence: Read) -> list[tuple[str, frozenset[str]]]:
    """Each negation with the stems that it denies."""
    found = []
    for index, token in enumerate(sentence.tokens):
        if not _negates(sentence.tokens, index):
            continue
        scope: list[str] = []
        for following in sentence.tokens[index + 1 :]:
            if following.text in _CLAUSE_ENDS or following.lower in _CLAUSE_ENDS or len(scope) == _SCOPE:
                break
            if following.content and following.lower not in NEGATORS:
                scope.append(following.stem)
        found.append((token.text, frozenset(scope)))
    return found


def _negates(tokens: Sequence[Token], index: int) -> bool:
    token = tokens[index]
    after = tokens[index + 1].lower if index + 1 < len(tokens) else ""
    if token.lower in ("not", "no") and after in ("only", "matter", "longer", "later", "more", "less"):
        return after == "longer"
    return token.lower in NEGATORS or token.lower.endswith("n't")


def _affirmed(sentence: Read) -> frozenset[str]:
    denied = [stem for _, scope in _scopes(sentence) for stem in scope]
    counted = [t.stem for t in sentence.content]
    return frozenset(stem for stem in counted if counted.count(stem) > denied.count(stem))


def _opposites(sentence: Read, supports: Sequence[Read]) -> Iterator[Doubt]:
    here, there = sentence.words, frozenset(word for s in supports for word in s.words)
    for one, other in OPPOSITES:
        for said, meant in ((one, other), (other, one)):
            if said in here - there and meant in there - here:
                yield Doubt("opposite", f"{said}, where the source says {meant}")
    new, gone = here - there, there - here
    for word in new:
        if any(_negates_word(word, base) for base in gone):
            yield Doubt("opposite", word)
    for word in gone:
        if any(_negates_word(word, base) for base in new):
            yield Doubt("opposite", f"the source says {word}")


def _negates_word(word: str, base: str) -> bool:
    return len(base) > 3 and any(word == prefix + base for prefix in _NEGATING_PREFIXES)


def _modality(sentence: Read, supports: Sequence[Read]) -> Iterator[Doubt]:
    here, nearest = sentence.words, supports[0].words
    there = frozenset(word for s in supports for word in s.words)
    stems = {stem_of(word) for word in there}
    harmless = _UNDER_NEGATION if _scopes(sentence) else frozenset[str]()
    absolute = (here & ABSOLUTE) - harmless - there
    yield from (Doubt("absolute", word) for word in sorted(absolute) if stem_of(word) not in stems)
    must_here, must_there = here & OBLIGATION, nearest & OBLIGATION
    may_here, may_there = here & PERMISSION, nearest & PERMISSION
    if must_here and may_there and not must_there & there:
        yield Doubt("modality", f"{min(must_here)}, where the source says {min(may_there)}")
    if may_here and must_there and not here & OBLIGATION and not may_there:
        yield Doubt("modality", f"{min(may_here)}, where the source says {min(must_there)}")
    if nearest & HEDGES and not here & HEDGES and not here & PERMISSION and _nearly_all(sentence, supports[0]):
        yield Doubt("modality", f"the source says {min(nearest & HEDGES)!r}")


def _nearly_all(sentence: Read, support: Read) -> bool:
    return len(sentence.stems & support.stems) >= _SHARE * len(support.stems)


def _bounds(sentence: Read, supports: Sequence[Read]) -> Iterator[Doubt]:
    def named(read: Read, bounds: Sequence[str]) -> bool:
        text = f" {' '.join(t.lower for t in read.tokens)} "
        return any(f" {bound} " in text for bound in bounds)

    if not sentence.of("number"):
        return
    for mine, contrary in ((LOWER_BOUNDS, UPPER_BOUNDS), (UPPER_BOUNDS, LOWER_BOUNDS)):
        if (
            named(sentence, mine)
            and not any(named(s, mine) for s in supports)
            and any(named(s, contrary) for s in supports)
        ):
            yield Doubt("bound", "the limit lies on the other side in the source")
