"""reply: `{message | question | text, channel?, subject?, gold?, must_say?, must_not_say?}` with `--kb`, else the dossier's documents.

Each message goes through the whole graph. Of every reply: are all its sentences supported, does it cite a right article
(`gold`), does it keep the manners and the length of its channel, and the policy; does it say one of `must_say`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.models import TurnResult
from core.vocabulary import CHANNELS, Channel
from evals.dossier import load_cases
from evals.replies import Reviewed, ask_once, review
from evals.rows import BadRow, Row
from evals.statistics import share, share_of
from evals.suite import Case, Fault, Measured, known
from evals.world import World


@dataclass(frozen=True, slots=True)
class ReplyCase(Case):
    channel: Channel
    subject: str | None
    message: str
    gold: tuple[str, ...] = ()
    must_say: tuple[str, ...] = ()
    must_not_say: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Replied:
    result: TurnResult
    review: Reviewed | None


class Reply:
    name = "reply"

    def read(self, row: Row) -> ReplyCase:
        """Support, manners and policy are criteria that every reply has; the others are judged where they are given."""
        message, channel = row.text("message", "question", "text"), row.find("channel", str) or "web_form"
        if channel not in CHANNELS:
            raise BadRow(f"{row.place}: `channel` must be one of {', '.join(CHANNELS)}, not {channel!r}")
        says = row.texts("must_say"), row.texts("must_not_say")
        return ReplyCase(
            row.id, row.place, message, channel, row.find("subject", str), message, row.texts("gold"), *says
        )

    def dossier_cases(self, world: World) -> list[ReplyCase]:
        """The sample tickets that should be answered."""
        folder = world.dossier / "tickets"
        return [
            ReplyCase(
                c.id, str(folder), c.message, c.channel, c.subject, c.message, c.articles, c.must_say, c.must_not_say
            )
            for c in load_cases(folder)
            if c.outcome == "answered"
        ]

    async def prepare(self, world: World, cases: Sequence[ReplyCase]) -> None:
        await world.deps()

    async def ask(self, world: World, case: ReplyCase) -> Replied:
        deps = await world.deps()
        asked = await ask_once(deps, case.message, channel=case.channel, subject=case.subject)
        reviewed = await review(asked) if asked.result.outcome == "answered" else None
        return Replied(asked.result, reviewed)

    def measure(self, answered: Sequence[tuple[ReplyCase, Replied]]) -> Measured:
        sent = [(case, one.review, one.result) for case, one in answered if one.review is not None]
        reviews = [reviewed for _, reviewed, _ in sent]
        unsupported = sum(len(one.unsupported) for one in reviews)
        figures = known(
            answered=share(one.review is not None for _, one in answered),
            unsupported_sentences=share_of(unsupported, sum(one.sentences for one in reviews)),
            wholly_supported=share(not one.unsupported for one in reviews),
            cites_something=share(bool(one.cited) for one in reviews),
            citations_right=share(bool(set(r.cited) & set(case.gold)) for case, r, _ in sent if case.gold),
            manners_kept=share(not one.manners for one in reviews),
            length_kept=share(one.within_limit for one in reviews),
            whatsapp_preferred_length=share(r.preferred for case, r, _ in sent if case.channel == "whatsapp"),
            policy_kept=share(not one.policy for one in reviews),
            says_the_fact=share(_says_one(case.must_say, res) for case, _, res in sent if case.must_say),
            says_nothing_forbidden=share(
                not _said(case.must_not_say, res) for case, _, res in sent if case.must_not_say
            ),
        )
        faults = [Fault(case, fault) for case, reviewed, result in sent for fault in _faults(case, reviewed, result)]
        return Measured(figures, faults)


def _faults(case: ReplyCase, reviewed: Reviewed, result: TurnResult) -> list[str]:
    faults = [f"unsupported: {sentence!r}" for sentence in reviewed.unsupported]
    faults += [f"manners: {fault}" for fault in reviewed.manners]
    faults += [f"policy: {rule}" for rule in reviewed.policy]
    faults += [] if reviewed.within_limit else ["longer than its channel allows"]
    if case.gold and not set(reviewed.cited) & set(case.gold):
        faults.append(f"cites {list(reviewed.cited)} instead of {list(case.gold)}")
    if case.must_say and not _says_one(case.must_say, result):
        faults.append(f"says none of {list(case.must_say)}")
    return faults + [f"says {phrase!r}" for phrase in _said(case.must_not_say, result)]


def _says_one(phrases: Sequence[str], result: TurnResult) -> bool:
    return bool(_said(phrases, result))


def _said(phrases: Sequence[str], result: TurnResult) -> list[str]:
    text = result.reply.text.lower() if result.reply else ""
    return [phrase for phrase in phrases if phrase.lower() in text]
