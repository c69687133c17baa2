"""Is every sentence of a reply supported, and does the reply still read well without those that are not?

Rules decide first (`core.grounding`). A model may refuse what they took and never take what they refused (law 10).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path

from core.grounding.check import RULES_VERSION, Verdict, check
from core.models import Claim, ReplySentence, SentenceProof
from core.turn import TurnContext

_PROMPT = Path(__file__).with_suffix(".prompt.md")
_ITEM = re.compile(r"\s*(?:\d{1,3}[.)]|[-*•–])\s+\S")
# A sentence that begins so leans on the one before it.
_LEANS = re.compile(
    r"\s*(?:it|its|this|that|these|those|they|them|their|he|she|both|then|otherwise|however|also|so|instead|in that case"
    r"|in this case|if so|if not|after that|afterwards|to do so|to do this|next|finally|for example|because of this)\b",
    re.IGNORECASE,
)


async def judge(turn: TurnContext, sentences: Sequence[ReplySentence]) -> tuple[list[Verdict], str | None]:
    """A verdict a sentence, and the name of the model that agreed, if one was asked and could answer."""
    passages = {p.id: p for p in turn.work.passages.values()}
    profile = turn.deps.profile
    verdicts = check(sentences, passages, names=(profile.name, profile.product))
    asked = [v for v in verdicts if v.supported and v.kind in ("worded", "foreign")]
    if not asked:
        return verdicts, None
    cited = [sentences[v.sentence_no].passages for v in asked]
    claims = [
        Claim(v.sentence, "\n\n".join(f"{p.title} > {p.heading}\n{p.text}" for p in (passages[i] for i in ids)))
        for v, ids in zip(asked, cited, strict=True)
    ]
    wrong = await turn.deps.mind.find_unsupported(claims, instructions=_instructions())
    for place, verdict in enumerate(asked):
        if wrong is not None and place in wrong:
            reason = "the passage does not say all of this"
            verdicts[verdict.sentence_no] = replace(verdict, supported=False, rule="entailment", evidence=reason)
        elif wrong is None and verdict.kind == "foreign":
            reason = "no model is there to read this language; write English"
            verdicts[verdict.sentence_no] = replace(verdict, supported=False, rule="language", evidence=reason)
    return verdicts, turn.deps.mind.name if wrong is not None else None


def drop_unsupported(verdicts: Sequence[Verdict]) -> set[int] | None:
    """The places of the sentences to leave out; None where what is left would not read well or would not answer.

    Whatever leans on a dropped sentence goes with it. A procedure with a hole, a reply without its first statement and
    one that loses more than half of what it states are not worth sending.
    """
    dropped = {v.sentence_no for v in verdicts if not v.supported}
    for before, verdict in pairwise(verdicts):
        if before.sentence_no in dropped and _LEANS.match(verdict.sentence):
            dropped.add(verdict.sentence_no)
    stating = [v.sentence_no for v in verdicts if not _is_polite(v)]
    kept = [number for number in stating if number not in dropped]
    holed = any(_ITEM.match(v.sentence) or v.sentence.endswith(":") for v in verdicts if v.sentence_no in dropped)
    if holed or not kept or kept[0] != stating[0] or 2 * len(kept) < len(stating):
        return None
    return dropped


def explain(verdicts: Sequence[Verdict]) -> str:
    """What the model is told: which sentence, which rule, which words."""
    lines = [f"- {v.sentence!r} ({v.rule}: {v.evidence})" for v in verdicts if not v.supported]
    return (
        "These sentences say what their passages do not say:\n"
        + "\n".join(lines)
        + "\nKeep to the words of the passages,"
        " cite the passage that says it, or leave the sentence out. You can try once more."
    )


def proof_of(verdicts: Sequence[Verdict], judged_by: str | None) -> tuple[SentenceProof, ...]:
    return tuple(
        SentenceProof(
            sentence_no=v.sentence_no,
            sentence=v.sentence,
            kind=v.kind,
            score=v.score,
            rules=RULES_VERSION,
            judged_by=judged_by if v.kind in ("worded", "foreign") else None,
        )
        for v in verdicts
    )


def _is_polite(verdict: Verdict) -> bool:
    return verdict.kind == "courtesy"


@cache
def _instructions() -> str:
    return _PROMPT.read_text(encoding="utf-8")
