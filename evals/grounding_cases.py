"""Cases for the grounding rules, made by machine from true sentences of real documents: nobody wrote them to be caught.

Every sentence of a passage is a true case as it stands and in light paraphrases that keep its meaning. Each perturbation
makes it say what the passage does not: another number, the contrary, another name, an invented addition, a source that
is about something else. `harder` kinds take the false word from the same passage.
"""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from core.grounding.check import check
from core.grounding.text import letters_of, plain_sentence, read, split_sentences
from core.grounding.words import FUNCTION, GLUE, NUMBER_WORDS, OPPOSITES, SYNONYMS
from core.models import Passage, ReplySentence
from crm.knowledge.chunk import cut_page
from crm.knowledge.pages import read_folder

FEWEST_WORDS, MOST_WORDS = 6, 40
_FEWEST_LEFT = 4
_NUMBER = re.compile(r"(?<![\w.,:/-])\d+(?:,\d{3})*(?![\w.,:/%-]*\w)")
_NAME = re.compile(r"(?<=[a-z,] )[A-Z][a-z]{3,}\b")
_AUXILIARY = re.compile(r"\b(is|are|can|will|must|may|should|does|do|has)\b(?! not|n't)")
_NEGATION = re.compile(
    r"\b(do|does|is|are|has|have|was|were|will|would|could|should)(?: not|n't)\b|\bcannot\b|\bcan't\b"
)
_IMPERATIVE = re.compile(
    r"(Open|Tap|Choose|Select|Click|Enter|Create|Use|Check|Add|Connect|Install|Send|Wait|Close|Set) "
)
_CONTRACTED = {"n't": " not", "'re ": " are ", "you'll": "you will", "it's": "it is"}
_UNIT_SWAPS = {
    "minutes": "hours", "hours": "days", "days": "weeks", "weeks": "months", "months": "years", "seconds": "minutes",
    "minute": "hour", "hour": "day", "day": "week", "month": "year", "year": "month", "MB": "GB", "KB": "MB", "GB": "TB",
    "characters": "words", "rows": "columns", "percent": "points", "euros": "dollars", "pixels": "centimetres",
}  # fmt: skip
_ADDITIONS = (
    ", and it is free of charge", " within two business days", ", even without an internet connection",
    ", and your colleagues receive a text message", " on all paid plans", ", which also works in Microsoft Teams",
    ", and we will refund the difference", ", as long as you keep your receipt", " up to ten times a week",
    ", because the warranty covers this", ", and this can never be undone", " for every customer in Europe",
    ", and a specialist calls you back the same evening", " except on public holidays",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class GroundingCase:
    """`true` says whether the passage supports the sentence; `kind` names how it was made."""

    kind: str
    sentence: str
    passage: Passage
    true: bool
    made_from: str


def passages_of(folder: Path) -> list[Passage]:
    """The chunks of a documents folder or of a file of articles, as a search would bring them."""
    passages = []
    for page in read_folder(folder):
        for chunk in cut_page(page):
            id_, article = uuid5(NAMESPACE_URL, f"{page.slug}#{chunk.hash}"), uuid5(NAMESPACE_URL, page.slug)
            place = (page.slug, page.title, chunk.heading, chunk.text, page.url, page.product, page.version)
            passages.append(Passage(id_, article, *place, hash=chunk.hash, score=0.8, cosine=0.8, lexical=0.0))
    return passages


def make_cases(passages: Sequence[Passage], *, seed: int = 0, most_sentences: int = 1000) -> list[GroundingCase]:
    """True and false cases of at most `most_sentences` sentences, the same for the same seed."""
    chance = random.Random(seed)
    told = [(p, s) for p in passages for s in split_sentences(p.text) if _usable(s)]
    told = sorted(chance.sample(told, min(most_sentences, len(told))), key=lambda one: (one[0].slug, one[1]))
    names = _names(passages)
    cases: list[GroundingCase] = []
    for passage, sentence in told:
        plain = plain_sentence(sentence)
        cases.append(GroundingCase("verbatim", plain, passage, True, sentence))
        for kind, change in _PARAPHRASES.items():
            cases += _made(kind, change(plain), plain, passage, true=True)
        for kind, change in _PERTURBATIONS.items():
            cases += _made(kind, change(plain, passage, names, chance), plain, passage, true=False)
        other = passages[chance.randrange(len(passages))]
        if other.slug != passage.slug and letters_of(plain) not in letters_of(other.text):
            cases.append(GroundingCase("wrong_passage", plain, other, False, sentence))
    return cases


@dataclass(frozen=True, slots=True)
class GroundingFigures:
    """Per kind how many cases the rules take, of how many. What is false and taken is let through."""

    taken: Mapping[str, tuple[int, int]]
    let_through: tuple[GroundingCase, ...]
    false_alarms: tuple[GroundingCase, ...]

    def as_dict(self) -> dict[str, int | float]:
        """Flat figures, comparable by a script."""
        flat: dict[str, int | float] = {}
        for kind, (taken, count) in sorted(self.taken.items()):
            flat[f"{kind}.taken"], flat[f"{kind}.cases"] = taken, count
        return flat


def judge_cases(cases: Iterable[GroundingCase]) -> GroundingFigures:
    """Run the rules over the cases."""
    taken: dict[str, Counter[bool]] = defaultdict(Counter)
    through: list[GroundingCase] = []
    alarms: list[GroundingCase] = []
    for case in cases:
        sentence = ReplySentence(case.sentence, (case.passage.id,))
        [verdict] = check([sentence], {case.passage.id: case.passage})
        taken[case.kind][verdict.supported] += 1
        if verdict.supported != case.true:
            (alarms if case.true else through).append(case)
    return GroundingFigures({k: (c[True], c.total()) for k, c in taken.items()}, tuple(through), tuple(alarms))


def _usable(sentence: str) -> bool:
    words = plain_sentence(sentence).split()
    return FEWEST_WORDS <= len(words) <= MOST_WORDS and sentence[-1] in ".!?" and "](" not in sentence


def _names(passages: Sequence[Passage]) -> list[str]:
    """Words that have a capital inside a sentence, and are not also common words of the documents."""
    counts = Counter(name for p in passages for name in _NAME.findall(p.text))
    plain = Counter(word for p in passages for word in re.findall(r"\b[a-z]{4,}\b", p.text))
    return sorted(n for n, c in counts.items() if c > 1 and not plain[n.lower()] and n.lower() not in FUNCTION | GLUE)


def _made(kind: str, made: str | None, plain: str, passage: Passage, *, true: bool) -> Iterator[GroundingCase]:
    if made and made != plain and (true or letters_of(made) not in letters_of(passage.text)):
        yield GroundingCase(kind, made, passage, true, plain)


def _lower_first(text: str) -> str:
    return text if text[:2].isupper() or text.startswith("I ") else text[0].lower() + text[1:]


def _with_lead(text: str) -> str:
    return f"Please note that {_lower_first(text)}"


def _written_out(text: str) -> str | None:
    for short, long in _CONTRACTED.items():
        text = text.replace(short, long)
    return text.replace("ca not", "cannot").replace("wo not", "will not")


def _other_words(text: str) -> str | None:
    """Words for deeds replaced by others that say the same."""
    for group in SYNONYMS[:4]:
        for word, other in zip(group, (*group[1:], group[0]), strict=True):
            if re.search(rf"\b{word}\b", text):
                return re.sub(rf"\b{word}\b", other, text)
    return None


def _numbers_in_words(text: str) -> str | None:
    words = {digits: word for word, digits in NUMBER_WORDS.items()}
    return _NUMBER.sub(lambda m: words.get(m.group(), m.group()), text)


def _leading_clause(text: str) -> str | None:
    """What stands before a reason; the rest is left away."""
    cut = re.search(r",? because ", text)
    return text[: cut.start()] + "." if cut and len(text[: cut.start()].split()) >= _FEWEST_LEFT else None


_PARAPHRASES: dict[str, Callable[[str], str | None]] = {
    "para_lead": _with_lead,
    "para_written_out": _written_out,
    "para_synonym": _other_words,
    "para_number_words": _numbers_in_words,
    "para_shortened": _leading_clause,
}


def _number(text: str, passage: Passage, _: Sequence[str], chance: random.Random) -> str | None:
    found = list(_NUMBER.finditer(text))
    if not found:
        return None
    match = chance.choice(found)
    other = int(match.group().replace(",", "")) * 2 + 1
    while str(other) in passage.text:
        other += 3
    return text[: match.start()] + f"{other:,}" + text[match.end() :]


def _number_of_the_page(text: str, passage: Passage, _: Sequence[str], chance: random.Random) -> str | None:
    found = list(_NUMBER.finditer(text))
    others = sorted(set(_NUMBER.findall(passage.text)) - {m.group() for m in found})
    if not found or not others:
        return None
    match = chance.choice(found)
    return text[: match.start()] + chance.choice(others) + text[match.end() :]


def _unit(text: str, passage: Passage, _: Sequence[str], chance: random.Random) -> str | None:
    for unit, other in _UNIT_SWAPS.items():
        if match := re.search(rf"(\d[\d,.]* ){unit}\b", text):
            return text[: match.start()] + match.group(1) + other + text[match.end() :]
    return None


def _negated(text: str, passage: Passage, _: Sequence[str], chance: random.Random) -> str | None:
    if match := _NEGATION.search(text):
        verb = match.group(1) or "can"
        return text[: match.start()] + ("" if verb in ("do", "does") else verb) + text[match.end() :]
    if match := _AUXILIARY.search(text):
        return f"{text[: match.end()]} not{text[match.end() :]}"
    return f"Don't {_lower_first(text)}" if _IMPERATIVE.match(text) else None


def _opposite(text: str, passage: Passage, _: Sequence[str], chance: random.Random) -> str | None:
    for one, other in (*OPPOSITES, *(pair[::-1] for pair in OPPOSITES)):
        if re.search(rf"\b{one}\b", text) and not re.search(rf"\b{other}\b", text):
            return re.sub(rf"\b{one}\b", other, text, count=1)
    return None


def _entity(text: str, passage: Passage, names: Sequence[str], chance: random.Random) -> str | None:
    found = list(_NAME.finditer(text))
    others = [n for n in names if n.lower() not in f"{passage.title} {passage.heading} {passage.text}".lower()]
    if not found or not others:
        return None
    match = chance.choice(found)
    return text[: match.start()] + chance.choice(others) + text[match.end() :]


def _entity_of_the_page(text: str, passage: Passage, names: Sequence[str], chance: random.Random) -> str | None:
    found = list(_NAME.finditer(text))
    others = sorted(set(_NAME.findall(passage.text)) - set(text.split()))
    if not found or not others:
        return None
    match = chance.choice(found)
    return text[: match.start()] + chance.choice(others) + text[match.end() :]


def _code(text: str, passage: Passage, _: Sequence[str], chance: random.Random) -> str | None:
    codes = [t.text for t in read(text).of("code") if t.text[-1:].isdigit()]
    if not codes:
        return None
    code = chance.choice(codes)
    other = code[:-1] + str((int(code[-1]) + 1 + chance.randrange(8)) % 10)
    return text.replace(code, other) if other not in passage.text else None


def _modality(text: str, passage: Passage, _: Sequence[str], chance: random.Random) -> str | None:
    for weak, strong in ((r"\bcan\b", "must"), (r"\bmay\b", "must"), (r"\bmust\b", "can"), (r"\bmight\b", "will")):
        if re.search(weak, text):
            return re.sub(weak, strong, text, count=1)
    return None


def _addition(text: str, passage: Passage, _: Sequence[str], chance: random.Random) -> str | None:
    return text.rstrip(".!?") + chance.choice(_ADDITIONS) + "."


_PERTURBATIONS: dict[str, Callable[[str, Passage, Sequence[str], random.Random], str | None]] = {
    "number": _number,
    "harder_number": _number_of_the_page,
    "unit": _unit,
    "negated": _negated,
    "opposite": _opposite,
    "entity": _entity,
    "harder_entity": _entity_of_the_page,
    "code": _code,
    "modality": _modality,
    "addition": _addition,
}
