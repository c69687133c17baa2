"""The dossier's own sample tickets through the whole graph: does each end as it should?

Every case runs the real nodes, tools, agent loop and search; only the CRM is a dry run. A case passes when the outcome is
the expected one and, for a hand-over, the reason too. An answer must state the expected fact (one of `must_say`, which
stand word for word in the documents); a case that names no fact must be answered from an expected article. `right_end`
counts the right outcome alone, `strict` the answers that do both: the fact, and from the article that the author of the case had in mind.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from email.headerregistry import Address
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Literal

from channels.email.parse import Mailbox, parse_mail
from core.errors import ConfigurationError
from core.models import TurnResult
from core.turn import Deps
from core.vocabulary import CHANNELS, Category, Channel, Outcome, Priority
from evals.statistics import wilson
from graph.dry_run import DryRunDesk, draft_brief, try_turn

Half = Literal["tune", "held_back", "all"]


@dataclass(frozen=True, slots=True)
class Case:
    id: str
    channel: Channel
    kind: str
    split: str
    name: str | None
    sender: str | None
    subject: str | None
    category: Category
    priority: Priority
    message: str
    outcome: Outcome
    reason: str | None
    articles: tuple[str, ...]
    must_say: tuple[str, ...]
    must_not_say: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Graded:
    """`faults` says what is wrong; empty is a pass."""

    case: Case
    result: TurnResult
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    graded: tuple[Graded, ...]
    groups: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def passed(self) -> int:
        return sum(1 for g in self.graded if not g.faults)

    @property
    def share(self) -> float:
        return self.passed / len(self.graded) if self.graded else 0.0

    def as_dict(self) -> dict[str, Any]:
        """Flat figures, comparable by a script."""
        low, high = wilson(self.passed, len(self.graded))
        flat: dict[str, Any] = {"cases": len(self.graded), "passed": self.passed, "share": round(self.share, 4)}
        flat |= {"share_low": round(low, 4), "share_high": round(high, 4)}
        for name, (passed, count) in sorted(self.groups.items()):
            flat[f"{name}.passed"], flat[f"{name}.cases"] = passed, count
        right_end = sum(1 for g in self.graded if _right_end(g.case, g.result))
        flat["right_end"] = round(right_end / len(self.graded), 4) if self.graded else 0.0
        strict = sum(
            1
            for g in self.graded
            if not g.faults and (g.case.outcome != "answered" or _from_expected(g.case, g.result))
        )
        flat["strict"] = round(strict / len(self.graded), 4) if self.graded else 0.0
        ordinary = [g for g in self.graded if g.case.outcome == "answered"]
        wrongly = [g for g in ordinary if g.result.outcome == "handed_over"]
        flat["false_escalation"] = round(len(wrongly) / len(ordinary), 4) if ordinary else 0.0
        return flat


def load_cases(folder: Path, half: Half = "all") -> list[Case]:
    """`<channel>.jsonl` of the folder. Raises ConfigurationError that names the file and line."""
    cases: list[Case] = []
    for channel in CHANNELS:
        path = folder / f"{channel}.jsonl"
        if not path.is_file():
            raise ConfigurationError(f"{path} is missing: the sample tickets of a channel are one JSON object a line")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if line.strip():
                cases.append(_read_case(line, f"{path}:{number}"))
    return [case for case in cases if half in ("all", case.split)]


async def run_cases(deps: Deps, cases: Sequence[Case], *, on_done: Callable[[Graded], None] | None = None) -> Report:
    graded: list[Graded] = []
    for case in cases:
        result = await _end_of(deps, case)
        graded.append(Graded(case, result, tuple(_faults(case, result))))
        if on_done is not None:
            on_done(graded[-1])
    return Report(tuple(graded), _groups(graded))


async def _end_of(deps: Deps, case: Case) -> TurnResult:
    """What becomes of a ticket. A mail is parsed as a mail first: quotes go, and an automatic one never reaches the graph."""
    text, subject = case.message, case.subject
    if case.channel == "email":
        parsed = parse_mail(
            _as_mail(case, deps.profile.support_email), Mailbox(deps.profile.support_email), provider_message_id=case.id
        )
        if parsed.automatic:
            return TurnResult(outcome="silent", reason="auto_reply", state={"rule": parsed.automatic})
        text, subject = parsed.text, parsed.subject
    brief = draft_brief(
        deps.clock,
        text,
        channel=case.channel,
        subject=subject,
        customer_name=case.name,
        category=case.category,
        priority=case.priority,
    )
    return await try_turn(replace(deps, desk=DryRunDesk(deps.clock)), brief)


def _as_mail(case: Case, our_address: str) -> bytes:
    mail = EmailMessage()
    mail["From"] = Address(case.name or "", addr_spec=case.sender or "customer@example.org")
    mail["To"] = our_address
    mail["Subject"] = case.subject or ""
    mail["Message-ID"] = f"<{case.id}@example.org>"
    mail.set_content(case.message)
    return mail.as_bytes()


def _faults(case: Case, result: TurnResult) -> Iterable[str]:
    if result.outcome != case.outcome:
        rule = f", rule {result.escalation.rule}: {result.escalation.evidence!r}" if result.escalation else ""
        yield f"{result.outcome} ({result.reason}{rule}) instead of {case.outcome} ({case.reason})"
        return
    if case.outcome == "handed_over" and result.reason != case.reason:
        yield f"handed over for {result.reason} instead of {case.reason}"
    text = result.reply.text.lower() if result.reply else ""
    if case.outcome == "answered":
        if case.must_say and not any(phrase.lower() in text for phrase in case.must_say):
            yield f"says none of {list(case.must_say)}, from {_slugs(result)}"
        elif not case.must_say and not _from_expected(case, result):
            yield f"answered from {_slugs(result)} instead of {list(case.articles)}"
    for phrase in case.must_not_say:
        if phrase.lower() in text:
            yield f"says {phrase!r}"


def _right_end(case: Case, result: TurnResult) -> bool:
    """Answered, handed over for the right reason, or silent, as expected; whatever the answer says."""
    return result.outcome == case.outcome and (case.outcome != "handed_over" or result.reason == case.reason)


def _slugs(result: TurnResult) -> list[str]:
    return sorted({source.slug for source in result.sources})


def _from_expected(case: Case, result: TurnResult) -> bool:
    return not case.articles or bool(set(_slugs(result)) & set(case.articles))


def _groups(graded: Sequence[Graded]) -> dict[str, tuple[int, int]]:
    counts: dict[str, Counter[bool]] = defaultdict(Counter)
    for one in graded:
        for group in (one.case.channel, one.case.kind, f"expected_{one.case.outcome}"):
            counts[group][not one.faults] += 1
    return {name: (count[True], count.total()) for name, count in counts.items()}


def _read_case(line: str, place: str) -> Case:
    try:
        row = json.loads(line)
        expected = row["expected"]
        return Case(
            id=row["id"],
            channel=row["channel"],
            kind=row["kind"],
            split=row["split"],
            name=(row.get("from") or {}).get("name"),
            sender=(row.get("from") or {}).get("email"),
            subject=row.get("subject"),
            category=row.get("category") or "general",
            priority=row.get("priority") or "medium",
            message=row["message"],
            outcome=expected["outcome"],
            reason=expected.get("reason"),
            articles=tuple(expected.get("articles") or ()),
            must_say=tuple(expected.get("must_say") or ()),
            must_not_say=tuple(expected.get("must_not_say") or ()),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"{place}: not a sample ticket ({error!r})") from error
