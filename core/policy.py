"""The policy: rules as data, compiled once, applied to what came in, to the draft and at the send boundary."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from core.disguise import undisguised
from core.errors import ConfigurationError
from core.plain_text import PlainText, plain, sentences
from core.safe_patterns import UnsafePattern, alternation, compile_safely
from core.vocabulary import Channel, EscalationReason, Stage

Action = Literal["hand_over", "block"]
_PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\}")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Examples(_Frozen):
    """Sentences that a rule must and must not match."""

    must_match: tuple[str, ...] = ()
    must_not_match: tuple[str, ...] = ()

    def __add__(self, other: Examples) -> Examples:
        return Examples(
            must_match=self.must_match + other.must_match, must_not_match=self.must_not_match + other.must_not_match
        )


class WordList(_Frozen):
    """Words of a rule, written here or taken from a field of the company's profile."""

    words: tuple[str, ...] = ()
    from_profile: str | None = None
    spelled: Literal["plain", "loose", "masked"] = "plain"


class Rule(_Frozen):
    """One rule. `unless` cancels a match of `any` that it overlaps, `unless_near` one in the same sentence; never `always`.

    The patterns must get the examples right. Examples and lessons, which stand in a file of their own, teach a mind what
    the rule means (`judge_policy`), unless it is a rule about form: `by_meaning: false`.
    """

    id: str
    title: str
    why: str
    stages: tuple[Stage, ...] = Field(min_length=1)
    action: Action
    reason: EscalationReason
    channels: tuple[Channel, ...] | None = None
    any: tuple[str, ...] = ()
    always: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    unless_near: tuple[str, ...] = ()
    by_meaning: bool = True
    examples: Examples = Examples()
    lessons: Examples = Examples()

    @model_validator(mode="after")
    def _has_a_pattern(self) -> Rule:
        if not self.any and not self.always:
            raise ValueError("give at least one pattern under `any` or `always`")
        return self

    @property
    def taught(self) -> Examples:
        """All that tells what the rule means."""
        return self.examples + self.lessons


class _LessonsFile(_Frozen):
    """What the rules mean, said in many ways, and `ordinary` messages that break none."""

    ordinary: tuple[str, ...] = ()
    rules: dict[str, Examples] = {}


class _PolicyFile(_Frozen):
    version: Literal[1]
    lists: dict[str, WordList] = {}
    fragments: dict[str, str] = {}
    rules: tuple[Rule, ...] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that fired: on which words, and where they stand in the text that was given."""

    rule_id: str
    action: Action
    reason: EscalationReason
    evidence: str
    span: tuple[int, int]
    why: str


# A draft is read when it is made, by the guardrail and at the send boundary: three times the same sentences.
_REMEMBERED = 4_096


@dataclass(frozen=True, slots=True, eq=False)
class _CompiledRule:
    rule: Rule
    any: tuple[re.Pattern[str], ...]
    always: tuple[re.Pattern[str], ...]
    unless: tuple[re.Pattern[str], ...]
    unless_near: tuple[re.Pattern[str], ...]

    def applies(self, stage: Stage, channel: Channel | None) -> bool:
        """A rule for certain channels is left out when the channel is another one or not known."""
        return stage in self.rule.stages and (self.rule.channels is None or channel in self.rule.channels)

    @lru_cache(maxsize=_REMEMBERED)  # noqa: B019 - rules live as long as the process
    def match(self, sentence: str) -> tuple[int, int] | None:
        """Where the rule fires in a sentence first, or None."""
        spans = [m.span() for pattern in self.always if (m := pattern.search(sentence))]
        if self.any and not any(pattern.search(sentence) for pattern in self.unless_near):
            cancelled = [m.span() for pattern in self.unless for m in pattern.finditer(sentence)]
            spans.extend(_uncancelled(self.any, sentence, cancelled))
        return min((span for span in spans if span[0] < span[1]), default=None)


def _uncancelled(
    patterns: tuple[re.Pattern[str], ...], sentence: str, cancelled: list[tuple[int, int]]
) -> Iterator[tuple[int, int]]:
    for pattern in patterns:
        for match in pattern.finditer(sentence):
            if not any(start < match.end() and match.start() < end for start, end in cancelled):
                yield match.span()
                break


@dataclass(frozen=True, eq=False)
class Policy:
    """The compiled rules, in order of precedence: of several findings the first gives the reason.

    `ordinary` are messages of customers that break no rule.
    """

    rules: tuple[Rule, ...]
    version_hash: str
    _compiled: tuple[_CompiledRule, ...]
    _hard_words: tuple[str, ...] = ()
    ordinary: tuple[str, ...] = ()

    @classmethod
    def load(cls, policy_path: Path, profile_path: Path) -> Policy:
        """Read and compile, with the lessons of `policy.lessons.yaml` where it stands beside.

        ConfigurationError names the file, the rule and the field that are wrong.
        """
        data = _mapping(policy_path)
        try:
            file = _PolicyFile.model_validate(data)
        except ValidationError as error:
            raise ConfigurationError(f"{policy_path}: {_explain(error, data)}") from error
        lessons = _load_lessons(policy_path.with_suffix(".lessons.yaml"), file.rules)
        file = _taught(file, lessons)
        try:
            pieces = _pieces(file, _mapping(profile_path))
            compiled = tuple(_compile(rule, pieces) for rule in file.rules)
        except UnsafePattern as error:
            raise ConfigurationError(f"{policy_path}: {error}") from error
        _refuse_twins(file, policy_path)
        hard = tuple(word for words in file.lists.values() if words.spelled == "masked" for word in words.words)
        return cls(file.rules, _hash(file, pieces), compiled, hard, lessons.ordinary)

    def check(self, text: str, *, stage: Stage, channel: Channel | None = None) -> tuple[Finding, ...]:
        """What the rules of a stage say of a text: at most one finding a rule and sentence, in order of precedence.

        What came in is read a second time with its disguised words as they are meant, by the rules that found nothing.
        """
        seen = plain(text)
        readings = [seen]
        if stage == "inbound" and (meant := undisguised(seen, self._hard_words)) is not seen:
            readings.append(meant)
        spans = [tuple(sentences(reading.text)) for reading in readings]
        compiled = (rule for rule in self._compiled if rule.applies(stage, channel))
        return tuple(finding for rule in compiled for finding in _first_found(rule, text, readings, spans))

    @cached_property
    def _by_meaning(self) -> Mapping[Stage, tuple[Rule, ...]]:
        stages: tuple[Stage, ...] = ("inbound", "draft", "send")
        return {stage: tuple(r for r in self.rules if r.by_meaning and stage in r.stages) for stage in stages}

    def by_meaning(self, stage: Stage) -> tuple[Rule, ...]:
        """The rules of a stage that a mind may judge by what they mean, the same tuple each time."""
        return self._by_meaning[stage]

    @property
    def patterns(self) -> tuple[re.Pattern[str], ...]:
        """Every compiled pattern, for tests and reports."""
        return tuple(pattern for c in self._compiled for pattern in (*c.any, *c.always, *c.unless, *c.unless_near))

    @cached_property
    def by_id(self) -> Mapping[str, Rule]:
        return {rule.id: rule for rule in self.rules}


def load_examples(path: Path) -> dict[str, Examples]:
    """A file of examples by rule, such as the sentences that are held back to measure the policy."""
    try:
        return {rule_id: Examples.model_validate(examples) for rule_id, examples in _mapping(path).items()}
    except ValidationError as error:
        raise ConfigurationError(f"{path}: {error}") from error


def _load_lessons(path: Path, rules: Sequence[Rule]) -> _LessonsFile:
    if not path.exists():
        return _LessonsFile()
    try:
        lessons = _LessonsFile.model_validate(_mapping(path))
    except ValidationError as error:
        raise ConfigurationError(f"{path}: {error}") from error
    if unknown := sorted(lessons.rules.keys() - {rule.id for rule in rules}):
        raise ConfigurationError(f"{path}: no rule of the policy is called {unknown[0]}")
    return lessons


def _taught(file: _PolicyFile, lessons: _LessonsFile) -> _PolicyFile:
    rules = (rule.model_copy(update={"lessons": lessons.rules.get(rule.id, Examples())}) for rule in file.rules)
    return file.model_copy(update={"rules": tuple(rules)})


def _first_found(
    rule: _CompiledRule, given: str, readings: Sequence[PlainText], spans: Sequence[tuple[tuple[int, int], ...]]
) -> tuple[Finding, ...]:
    found = (tuple(_findings(rule, given, seen, where)) for seen, where in zip(readings, spans, strict=True))
    return next((findings for findings in found if findings), ())


def _findings(
    compiled: _CompiledRule, given: str, seen: PlainText, spans: tuple[tuple[int, int], ...]
) -> Iterator[Finding]:
    rule, last = compiled.rule, -1
    for start, end in spans:
        found = compiled.match(seen.text[start:end])
        if found is None or start + found[0] < last:
            continue
        last = start + found[1]
        span = seen.span(start + found[0], last)
        yield Finding(rule.id, rule.action, rule.reason, given[slice(*span)].strip(), span, rule.why)


def _compile(rule: Rule, pieces: Mapping[str, str]) -> _CompiledRule:
    fields: dict[str, tuple[re.Pattern[str], ...]] = {}
    for field in ("any", "always", "unless", "unless_near"):
        fields[field] = tuple(_compile_pattern(pattern, pieces, rule.id, field) for pattern in getattr(rule, field))
    return _CompiledRule(rule, **fields)


def _compile_pattern(pattern: str, pieces: Mapping[str, str], rule_id: str, field: str) -> re.Pattern[str]:
    try:
        return compile_safely(_fill(pattern, pieces))
    except UnsafePattern as error:
        raise UnsafePattern(f"rule {rule_id}, field {field}: {error} (in {pattern})") from error


def _fill(pattern: str, pieces: Mapping[str, str]) -> str:
    """The pattern with `{name}` replaced by the list or fragment of that name; a line break is layout."""

    def piece(match: re.Match[str]) -> str:
        if match[1] not in pieces:
            raise UnsafePattern(f"{{{match[1]}}} is neither a list nor a fragment")
        return pieces[match[1]]

    return _PLACEHOLDER.sub(piece, re.sub(r"\s*\n\s*", "", pattern))


def _pieces(file: _PolicyFile, profile: Mapping[str, Any]) -> dict[str, str]:
    pieces: dict[str, str] = {}
    for name, words in file.lists.items():
        taken = profile.get(words.from_profile, ()) if words.from_profile else ()
        every = (*words.words, *map(str, taken))
        pieces[name] = alternation(every, words.spelled) if every else r"(?!)"
    for name, fragment in file.fragments.items():
        pieces[name] = f"(?:{_fill(fragment, pieces)})"
    return pieces


def _refuse_twins(file: _PolicyFile, path: Path) -> None:
    ids = [rule.id for rule in file.rules]
    twins = sorted({rule_id for rule_id in ids if ids.count(rule_id) > 1})
    if twins:
        raise ConfigurationError(f"{path}: rule {twins[0]}, field id: used by more than one rule")


def _hash(file: _PolicyFile, pieces: Mapping[str, str]) -> str:
    """Changes with the rules and the words they use, not with the examples."""
    rules = [rule.model_dump(mode="json", exclude={"examples", "lessons"}) for rule in file.rules]
    return hashlib.sha256(json.dumps([rules, dict(pieces)], sort_keys=True).encode()).hexdigest()[:16]


def _mapping(path: Path) -> dict[str, Any]:
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)  # noqa: S506 - a safe loader either way
    except FileNotFoundError as error:
        raise ConfigurationError(f"{path} is missing: point FTE_DOSSIER_DIR at a dossier folder") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(data, dict):
        raise ConfigurationError(f"{path} must hold `key: value` lines, see the one in the dossier folder")
    return data


_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _explain(error: ValidationError, data: Mapping[str, Any]) -> str:
    """The first problem as `rule refund_request, field action: ...`."""
    first = error.errors(include_url=False)[0]
    place = [str(part) for part in first["loc"]]
    if place[:1] == ["rules"] and len(place) > 1:
        row = data["rules"][int(place[1])]
        name = row.get("id", f"number {int(place[1]) + 1}") if isinstance(row, dict) else f"number {int(place[1]) + 1}"
        return f"rule {name}, field {'.'.join(place[2:]) or 'any'}: {first['msg']}"
    return f"field {'.'.join(place) or 'version'}: {first['msg']}"
