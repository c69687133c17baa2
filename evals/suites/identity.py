"""identity: people as febrl writes them, `{entity, given_name, surname, date_of_birth, street_number, address_1, suburb,
postcode, soc_sec_id}`, or with our own names (`name`, `birth_date`, `street`, `city`, `email`, `phone`); `entity` says who is who.

`soc_sec_id` stands for a telephone number. A found pair is one that the matcher joins or suggests; a wrong automatic
join is one that it would make without asking anybody.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from core.errors import ConfigurationError
from crm.matching import pairs
from evals.rows import NoCriterion, Row
from evals.statistics import share, share_of
from evals.suite import Case, Fault, Measured, known
from evals.world import World

_FEBRL = {"date_of_birth": "birth_date", "suburb": "city", "soc_sec_id": "phone"}
_OWN = ("name", "given_name", "surname", "birth_date", "street", "city", "postcode", "email", "phone", "claimed")

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class PersonCase(Case):
    entity: str
    record: Mapping[str, Any] = field(compare=False)


@dataclass(frozen=True, slots=True)
class Match:
    """A record that the matcher takes for the same person, and whether it would join them without asking."""

    other: str
    automatic: bool
    score: float
    reasons: tuple[str, ...]


class Identity:
    name = "identity"

    def __init__(self) -> None:
        self._matches: dict[str, list[Match]] = {}

    def read(self, row: Row) -> PersonCase:
        entity = row.fields.get("entity")
        if not entity:
            raise NoCriterion("give `entity`: who this is")
        record = {"id": row.place, **_record(row.fields)}
        shown = " ".join(str(record.get(name) or "") for name in ("name", "given_name", "surname", "city"))
        return PersonCase(row.id, row.place, shown, str(entity), record)

    def dossier_cases(self, world: World) -> list[PersonCase]:
        raise ConfigurationError("identity needs --dataset: the dossier holds no people")

    async def prepare(self, world: World, cases: Sequence[PersonCase]) -> None:
        matches: dict[str, list[Match]] = defaultdict(list)
        for one, other, match in pairs(case.record for case in cases):
            if match.verdict != "different":
                matches[one].append(Match(other, match.verdict == "same", match.score, match.reasons))
        self._matches = matches

    async def ask(self, world: World, case: PersonCase) -> list[Match]:
        return self._matches.get(case.place, [])

    def measure(self, answered: Sequence[tuple[PersonCase, list[Match]]]) -> Measured:
        cases = {case.place: case for case, _ in answered}
        found = {_pair(case.place, match.other): match for case, matches in answered for match in matches}
        gold = _gold(cases.values())
        automatic = {pair for pair, match in found.items() if match.automatic}
        figures = known(
            precision=share(pair in gold for pair in found),
            recall=share(pair in found for pair in gold),
            automatic_precision=share(pair in gold for pair in automatic),
            automatic_recall=share(pair in automatic for pair in gold),
            wrong_automatic_joins=share_of(len(automatic - gold), len(automatic)),
        )
        wrong = [
            Fault(cases[one], f"taken for {cases[other].id} ({match.score}): {', '.join(match.reasons[:3])}")
            for (one, other), match in found.items()
            if (one, other) not in gold
        ]
        missed = [Fault(cases[one], f"not found: {cases[other].id}") for one, other in sorted(gold - set(found))]
        return Measured(figures, [*wrong, *missed])


def _record(fields: Mapping[str, Any]) -> dict[str, Any]:
    record = {name: fields[name] for name in _OWN if name in fields}
    record |= {ours: fields[theirs] for theirs, ours in _FEBRL.items() if theirs in fields}
    if "address_1" in fields:
        record["street"] = f"{fields.get('street_number') or ''} {fields['address_1'] or ''}".strip()
    return record


def _gold(cases: Iterable[PersonCase]) -> set[Pair]:
    people: dict[str, list[str]] = defaultdict(list)
    for case in cases:
        people[case.entity].append(case.place)
    return {_pair(*two) for places in people.values() for two in combinations(places, 2)}


def _pair(one: str, other: str) -> Pair:
    return (one, other) if one < other else (other, one)
