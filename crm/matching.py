"""Are these two the same person? Plain rules that give a score and say why; a person decides on what they suggest.

The score is a sum of evidence in bits, field by field (Fellegi and Sunter, 1969): log2 of how much likelier a field looks
like this for one person than for two. It knows nothing of the database, so evals call it on any list of records.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final, Literal

import phonenumbers
from rapidfuzz.distance import OSA, JaroWinkler

Level = Literal["same", "close", "differs"]
Verdict = Literal["same", "suggest", "different"]

# Bits for (same, close, differs): below what the training half of the labelled people shows (docs/adr/0014), because the
# fields of real people depend on each other. An equal address alone is worth asking about. A second phone or mailbox is
# no news, a second birth date is.
WEIGHTS: Final[dict[str, tuple[float, float, float]]] = {
    "email": (14, 5, -0.5),
    "phone": (14, 5, -0.5),
    "given_name": (5, 4, -2.5),
    "surname": (7, 6, -2.5),
    "birth_date": (10, 7, -5),
    "street": (9, 7, -2),
    "city": (6, 5, -1.5),
    "postcode": (6, 3, -1.5),
}
_TITLES: Final = {
    "email": "email address",
    "phone": "phone number",
    "given_name": "given name",
    "surname": "surname",
    "birth_date": "birth date",
    "street": "street",
    "city": "city",
    "postcode": "postcode",
}
# Street, city and postcode say the same thing three times.
MOST_FOR_A_PLACE: Final = 12.0
_PLACE: Final = ("street", "city", "postcode")
# Equal full names carry 12 bits and are still two people now and then: something beside the name must agree.
SUGGEST_BITS: Final = 14.0
# A key that so many share (info@, a big household of names) finds strangers, not duplicates.
MAX_BLOCK: Final = 100
_CLOSE_WORD: Final = 0.86


@dataclass(frozen=True, slots=True)
class Person:
    """What is known of somebody, normalised. `proved` are the addresses that were shown to be theirs."""

    given_name: str = ""
    surname: str = ""
    emails: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()
    birth_date: str = ""
    street: str = ""
    city: str = ""
    postcode: str = ""
    proved: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Match:
    """`score` is 0 to 1; `reasons` are the fields that spoke, the strongest first.

    `same` (an address proved by both, and nothing against it) may be joined without asking; `suggest` is for a person.
    """

    score: float
    reasons: tuple[str, ...]
    verdict: Verdict


def normalise(record: Mapping[str, Any]) -> Person:
    """A `Person` of a record; every field may be missing or empty.

    `name`, or `given_name` and `surname`; `email` and `phone`, a text or a list of texts (phones with country code or
    without); `birth_date` in any notation that puts the year first; `street` with its number, `city`, `postcode`.
    `claimed` lists those of `email` and `phone` that were only claimed; without it both count as proved.
    """
    given, surname = _names(record)
    emails = tuple(e for e in map(_email, _several(record.get("email"))) if e)
    phones = tuple(p for p in map(_phone, _several(record.get("phone"))) if p)
    claimed = record.get("claimed") or ()
    proved = (*(() if "email" in claimed else emails), *(() if "phone" in claimed else phones))
    return Person(
        given_name=given,
        surname=surname,
        emails=emails,
        phones=phones,
        birth_date=re.sub(r"\D", "", str(record.get("birth_date") or "")),
        street=_words(record.get("street")),
        city=_words(record.get("city")),
        postcode=_words(record.get("postcode")),
        proved=frozenset(proved),
    )


def block_keys(person: Person) -> frozenset[str]:
    """Two people are compared only when they share one of these: each survives a slip in any one field."""
    given, surname = person.given_name.replace(" ", ""), person.surname.replace(" ", "")
    keys = {f"phone:{phone[-7:]}" for phone in person.phones}
    for email in person.emails:
        local, _, domain = email.partition("@")
        keys |= {f"local:{local}", f"mailbox:{local[:3]}@{domain}"}
    if person.birth_date:
        keys.add(f"born:{person.birth_date}")
    if given and surname:
        keys.add("name:" + "|".join(sorted((given[:4], surname[:4]))))
    if person.street and person.postcode:
        keys.add(f"place:{person.postcode}|{person.street.replace(' ', '')[:6]}")
    if surname and person.postcode:
        keys.add(f"home:{person.postcode}|{surname[:3]}")
    return frozenset(keys)


def score(one: Person, other: Person) -> Match:
    """How likely it is one person, and why."""
    levels = _compare(one, other)
    evidence = {field: WEIGHTS[field][_ORDER.index(level)] for field, level in levels.items()}
    place = sum(evidence.get(field, 0) for field in _PLACE)
    bits = sum(evidence.values()) - max(place - MOST_FOR_A_PLACE, 0)
    if _another_person(levels):
        bits = min(bits, 0)
    strongest = sorted(evidence, key=lambda field: -abs(evidence[field]))
    reasons = tuple(f"{_TITLES[field]} {_SAYS[levels[field]]}" for field in strongest)
    return Match(round(1 / (1 + 2 ** (SUGGEST_BITS - bits)), 4), reasons, _verdict(one, other, levels, bits))


def pairs(records: Iterable[Mapping[str, Any]]) -> Iterator[tuple[Any, Any, Match]]:
    """The pairs of a list of records that are worth a look, as (id, id, match), each pair once; the rest is different.

    A record is what `normalise` reads, with an `id`. Only records that share a block key are compared.
    """
    people = [(record["id"], normalise(record)) for record in records]
    blocks: dict[str, list[int]] = defaultdict(list)
    for index, (_, person) in enumerate(people):
        for key in block_keys(person):
            blocks[key].append(index)
    candidates = {pair for block in blocks.values() if len(block) <= MAX_BLOCK for pair in combinations(block, 2)}
    for one, other in sorted(candidates):
        yield people[one][0], people[other][0], score(people[one][1], people[other][1])


_ORDER: Final[tuple[Level, ...]] = ("same", "close", "differs")
_SAYS: Final[dict[Level, str]] = {"same": "is the same", "close": "is nearly the same", "differs": "differs"}


def _compare(one: Person, other: Person) -> dict[str, Level]:
    """A level for each field that both have."""
    levels: dict[str, Level | None] = {
        "email": _best(one.emails, other.emails, _compare_emails),
        "phone": _best(one.phones, other.phones, _compare_numbers),
        **_compare_names(one, other),
        "birth_date": _compare_numbers(one.birth_date, other.birth_date),
        "street": _compare_words(one.street, other.street),
        "city": _compare_words(one.city, other.city),
        "postcode": _compare_numbers(one.postcode, other.postcode),
    }
    return {field: level for field, level in levels.items() if level is not None}


def _verdict(one: Person, other: Person, levels: Mapping[str, Level], bits: float) -> Verdict:
    if bits < SUGGEST_BITS:
        return "different"
    return "same" if one.proved & other.proved and not _contradicted(levels) else "suggest"


def _another_person(levels: Mapping[str, Level]) -> bool:
    """Brother and sister share house, surname and telephone; a couple shares the first and the last."""
    if levels.get("given_name") != "differs":
        return False
    return levels.get("birth_date", levels.get("surname")) == "differs"


def _contradicted(levels: Mapping[str, Level]) -> bool:
    """A shared address with another name or birth date may be a family's or a firm's."""
    return any(levels.get(field) == "differs" for field in ("given_name", "surname", "birth_date"))


def _compare_names(one: Person, other: Person) -> Mapping[str, Level | None]:
    """Field by field, or crosswise where somebody filled them in the other way round."""
    straight: dict[str, Level | None] = {
        "given_name": _compare_words(one.given_name, other.given_name),
        "surname": _compare_words(one.surname, other.surname),
    }
    if "differs" in straight.values():
        crosswise = _compare_words(one.given_name, other.surname), _compare_words(one.surname, other.given_name)
        if None not in crosswise and "differs" not in crosswise:
            return {"given_name": "close", "surname": "close"}
    return straight


def _compare_words(one: str, other: str) -> Level | None:
    if not one or not other:
        return None
    if one.replace(" ", "") == other.replace(" ", ""):
        return "same"
    shorter, longer = sorted((one, other), key=len)
    initial = len(shorter) == 1 and shorter.isalpha() and longer.startswith(shorter)
    return "close" if initial or JaroWinkler.similarity(one, other) >= _CLOSE_WORD else "differs"


def _compare_numbers(one: str, other: str) -> Level | None:
    """Close is one digit wrong, missing or exchanged with its neighbour."""
    if not one or not other:
        return None
    if one == other:
        return "same"
    return "close" if OSA.distance(one, other, score_cutoff=1) <= 1 else "differs"


def _compare_emails(one: str, other: str) -> Level | None:
    if one == other:
        return "same"
    (local, domain), (other_local, other_domain) = one.split("@"), other.split("@")
    slip = OSA.distance(one, other, score_cutoff=2) <= 2 and min(len(local), len(other_local)) >= 5
    moved = local == other_local and len(local) >= 8 and domain != other_domain
    return "close" if slip or moved else "differs"


def _best(ones: Sequence[str], others: Sequence[str], compare: Any) -> Level | None:
    levels = [compare(one, other) for one in ones for other in others]
    return min(levels, key=_ORDER.index, default=None)


def _names(record: Mapping[str, Any]) -> tuple[str, str]:
    given, surname = _words(record.get("given_name")), _words(record.get("surname"))
    if not given and not surname:
        given, _, surname = _words(record.get("name")).rpartition(" ")
    return given, surname


def _words(value: Any) -> str:
    """Small letters and digits without accents, single blanks between them."""
    plain = unicodedata.normalize("NFKD", str(value or "")).casefold()
    kept = "".join(c for c in plain if not unicodedata.combining(c))
    return " ".join(re.findall(r"\w+", kept))


def _email(value: str) -> str:
    """Without a +tag; Gmail also ignores dots. Empty where it is no address."""
    local, at, domain = value.strip().lower().rpartition("@")
    local = local.partition("+")[0]
    if domain in ("gmail.com", "googlemail.com"):
        local, domain = local.replace(".", ""), "gmail.com"
    return f"{local}@{domain}" if at and local and domain and "@" not in local else ""


def _phone(value: str) -> str:
    """The national number, which is the same with and without country code; digits alone where it is no number."""
    try:
        return phonenumbers.national_significant_number(phonenumbers.parse(value, None))
    except phonenumbers.NumberParseException:
        return re.sub(r"\D", "", value).lstrip("0")


def _several(value: Any) -> list[str]:
    if value is None or value == "":
        return []
    return [value] if isinstance(value, str) else [str(item) for item in value]
